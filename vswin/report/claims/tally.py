"""How many claims have which verdict, in words."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping

from vswin.report.claims.judgement import VERDICTS, Judgement, Verdict
from vswin.report.statistics import LEVEL

ONE_SIDED = (1 - LEVEL) / 2
"""What a one-sided p is compared with."""


def counts(judgements: Iterable[Judgement]) -> dict[Verdict, int]:
    """How many claims got each verdict; only those that any got."""
    found = [judgement.verdict for judgement in judgements]
    return {verdict: found.count(verdict) for verdict in VERDICTS if verdict in found}


def count_in_words(
    judgements: Iterable[Judgement], notes: Mapping[Verdict, str] | None = None
) -> str:
    """As "9 hold, 2 contradicted, 1 inconclusive"; notes stand behind their verdicts."""
    behind = {verdict: f" ({note})" for verdict, note in (notes or {}).items() if note}
    return ", ".join(
        f"{n} {'hold' if verdict == 'holds' and n != 1 else verdict}{behind.get(verdict, '')}"
        for verdict, n in counts(judgements).items()
    )


def with_notes(judgements: Iterable[Judgement]) -> str:
    """The same, with what must not be overlooked: on what it rests, and what is said once."""
    found = list(judgements)
    held = [j for j in found if j.verdict == "holds"]
    built_in = sum(j.evidence == "built in" for j in held)
    modelled = sum(j.claim.metric == "memory" for j in held)
    quotes = collections.Counter(j.claim.quote for j in found if j.verdict == "contradicted")
    most = max(quotes.values(), default=0)
    of_them = "all" if built_in == len(held) else f"{built_in} of them"
    also = [f"{of_them} built into the benchmark"] if built_in else []
    also += [f"{modelled} by a model of memory"] if modelled else []
    against = [f"{most} of one sentence"] if most > 1 else []
    weak = sum(map(is_weak, found))
    against += [f"{weak} only before correction for several tests"] if weak else []
    return count_in_words(found, {"holds": ", ".join(also), "contradicted": ", ".join(against)})


def is_weak(judgement: Judgement) -> bool:
    """Whether a contradiction is one only as long as no other test is taken into account."""
    p = judgement.contrary_holm_p
    return judgement.verdict == "contradicted" and p is not None and p > ONE_SIDED


def outcome(judgements: Iterable[Judgement]) -> str:
    """What became of claims; apart, of a paper's checks of the benchmark, which have no quote."""
    found = list(judgements)
    checks = [j for j in found if j.is_check]
    passed = {1: "the check of the benchmark passes", 2: "both checks of the benchmark pass"}
    said = passed.get(len(checks), f"all {len(checks)} checks of the benchmark pass")
    if not all(j.verdict == "holds" for j in checks):
        said = f"checks of the benchmark: {count_in_words(checks)}"
    claims = with_notes(j for j in found if not j.is_check)
    return "; ".join(filter(None, [claims, said if checks else ""]))
