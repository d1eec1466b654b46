"""Testing the paper's sentences: claim and results in, verdict out."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

from vswin.errors import UsageError
from vswin.experiments.library import Library
from vswin.experiments.videos import VideoProtocol
from vswin.paper.claims import Claim, claims_of, paper_claims
from vswin.paper.printed import FOLDER
from vswin.project import experiments_dir
from vswin.report.claims import wording
from vswin.report.claims.adjusting import with_holm
from vswin.report.claims.deciding import Decision, decide, rule_of
from vswin.report.claims.distances import METRICS, judge_distances
from vswin.report.claims.judgement import Judgement, Step, Verdict
from vswin.report.claims.sources import Studies, counted, in_doubt, is_informative, own_frame
from vswin.report.digits import unlearnt
from vswin.report.statistics import MIN_SEEDS, mean_tau, t_interval
from vswin.report.study import Study
from vswin.wording import signed

Values = Mapping[str, Mapping[int, float]]
"""What a claim's rows measured, in %: by row and seed."""

TESTED = ("open test", "built in")
"""Evidence of claims whose p may be adjusted: what is built into clips is open on videos."""


def judge_claims(study: Study) -> list[Judgement]:
    """Judges the claims that the report of a study's table shows, in the paper's order.

    Rows of other tables are read from the same results folder, and so are the paper's other open
    tests, for whose number p is adjusted: a table's report says the same as the overview.
    """
    studies = Studies(study.terms.protocol, study.results_dir, study.seeds, known=[study])
    if study.printed is None:
        own = Library(experiments_dir()).experiment(study.name).claims
        return with_holm(judge(claim, studies) for claim in own)
    paper = study.printed.paper
    found = [judge(claim, studies, paper) for claim in claims_of(study.name)]
    if all(judgement.p is None for judgement in found):
        return found
    others = [c for c in paper_claims(paper) if c.table != study.name and c.evidence in TESTED]
    return with_holm([*found, *(judge(claim, studies, paper) for claim in others)])[: len(found)]


def judge_all(
    results_dir: str | Path = "results", protocol: str = "proxy", seeds: int | None = None
) -> list[Judgement]:
    """Judges every claim of every paper, then those of own ablations, under a protocol.

    Every p of an open test is adjusted for all open tests of the same paper (`with_holm`).

    Args:
        results_dir: the store's folder; a relative one counts from the project's root.
        protocol: by name.
        seeds: only the first so many seeds; None takes every seed that was run.

    Raises:
        UsageError: if there is no such protocol.
        DamagedFileError: if a result is damaged.
    """
    library = Library(experiments_dir())
    library.protocol(protocol)
    studies = Studies(protocol, results_dir, seeds)
    return with_holm(judge(claim, studies, paper) for paper, claim in all_claims(library))


def all_claims(library: Library) -> list[tuple[str, Claim]]:
    """Every claim with its paper; at the end those of own ablations, which have none."""
    papers = sorted(path.parent.name for path in FOLDER.glob("*/claims"))
    found = [(paper, claim) for paper in papers for claim in paper_claims(paper)]
    own = (claim for table in library.tables() for claim in library.experiment(table).claims)
    return [*found, *(("", claim) for claim in own)]


def judge(claim: Claim, studies: Studies, paper: str = "") -> Judgement:
    """Judges one claim.

    Args:
        claim: whose rows may be of several tables.
        studies: where their numbers are.
        paper: whose claim it is; empty for one of an own ablation.

    Raises:
        ClaimError: if nothing measures or counts what it is about.
    """
    blank = Judgement(
        claim=claim,
        paper=paper,
        says=claim.filled(),
        protocol=studies.protocol,
        verdict="not run",
        reason="",
        rows=claim.rows,
        evidence=claim.evidence,
        is_registered=None if claim.is_counted else studies.is_registered(claim),
    )
    if found := _judge_without_runs(blank, studies):
        return found
    if claim.evidence == "needs videos" and not _is_on_videos(studies):
        return dataclasses.replace(blank, reason="only the paper's videos can tell")
    try:
        owners = {ref: studies.study(claim.table_of(ref) or "") for ref in claim.rows}
    except UsageError as error:
        return dataclasses.replace(blank, reason=str(error))
    if reason := next((study.why_not_run for study in owners.values() if study.why_not_run), ""):
        return dataclasses.replace(blank, reason=reason)
    found = _judge_measured(blank, owners, studies)
    return _withdrawn(found) if claim.withdrawn and found.verdict != "not run" else found


def _withdrawn(found: Judgement) -> Judgement:
    """What was measured, and why it decides nothing; without a test, so that none is counted."""
    return dataclasses.replace(
        found,
        verdict="withdrawn",
        reason=found.claim.withdrawn.rstrip("."),
        steps=(),
        p=None,
        sign_flip_p=None,
        power=None,
        needed_n=None,
    )


def _judge_without_runs(blank: Judgement, studies: Studies) -> Judgement | None:
    """What no run is needed for; None where one is."""
    claim = blank.claim
    if claim.is_counted:
        return _judge_counted(blank, studies)
    if claim.metric == "own_frame":
        return _judge_own_frame(blank)
    if claim.metric in METRICS:
        return judge_distances(blank, studies.distances(claim.table or ""))
    return None


def _is_on_videos(studies: Studies) -> bool:
    return isinstance(Library(experiments_dir()).protocol(studies.protocol), VideoProtocol)


def _judge_counted(blank: Judgement, studies: Studies) -> Judgement:
    """Counts are exact, so that they are compared as they are."""
    claim = blank.claim
    numbers = {ref: counted(claim, ref, studies) for ref in claim.rows}
    first, second, *_ = numbers.values()
    doubted = [ref for ref in claim.rows if in_doubt(claim, ref, studies)]
    doubt = f"what is printed of {' and '.join(doubted)} is in doubt" if doubted else ""
    difference: float | None = None
    match claim.kind:
        case "ratio":
            difference = first / second
            holds = _is_within(claim, difference)
        case "greater":
            difference, holds = first - second, first > second
        case _:
            holds = all(a < b for a, b in itertools.pairwise(numbers.values()))
    return dataclasses.replace(
        blank,
        verdict="holds" if holds else "contradicted",
        reason="; ".join(filter(None, (wording.counts_in_words(claim, numbers), doubt))),
        doubt=doubt,
        values=numbers,
        difference=difference,
    )


def _judge_own_frame(blank: Judgement) -> Judgement:
    """A share that follows from the weights before the first step, so that no run is needed."""
    claim, (ref,) = blank.claim, blank.rows
    share = own_frame(claim, ref)
    return dataclasses.replace(
        blank,
        verdict="holds" if _is_within(claim, share) else "contradicted",
        reason=f"{share:.2f} %; wanted {wording.bounds_in_words(claim)} %; at initialisation",
        values={ref: share},
        difference=share,
    )


def _is_within(claim: Claim, number: float) -> bool:
    """Whether a number is within the claim's bounds."""
    low, high = (claim.bounds.low, claim.bounds.high) if claim.bounds else (None, None)
    return (low is None or number >= low) and (high is None or number <= high)


def _judge_measured(blank: Judgement, owners: Mapping[str, Study], studies: Studies) -> Judgement:
    claim, terms = blank.claim, next(iter(owners.values())).terms
    margin = claim.margin("videos" if terms.tested_on == "videos" else "clips")
    if claim.evidence == "built in" and terms.tested_on == "videos":
        blank = dataclasses.replace(blank, evidence="open test")
    if claim.margins and margin is None:
        return dataclasses.replace(blank, reason=f"it cannot be tested on {terms.tested_on}")
    if claim.kind == "level" and not terms.comparable:
        reason = f"protocol {terms.protocol} gives no numbers to set beside printed ones"
        return dataclasses.replace(blank, reason=reason)
    blank = dataclasses.replace(blank, margin=margin)
    values = {
        ref: studies.that_count(study, ref.rpartition(".")[2], claim.metric)
        for ref, study in owners.items()
    }
    if missing := [ref for ref, by_seed in values.items() if not by_seed]:
        return dataclasses.replace(blank, reason=f"missing: {', '.join(missing)}")
    seeds = tuple(sorted(set.intersection(*(set(by_seed) for by_seed in values.values()))))
    if not seeds:
        reason = f"{', '.join(values)} have no seed in common"
        return dataclasses.replace(blank, verdict="inconclusive", reason=reason)
    means = {ref: sum(by_seed[s] for s in seeds) / len(seeds) for ref, by_seed in values.items()}
    found = dataclasses.replace(blank, seeds=seeds, values=means)
    if claim.kind != "bound":
        found = dataclasses.replace(found, unlearnt=tuple(_unlearnt(owners, seeds)))
    if claim.kind == "level":
        return _judge_level(found, owners)
    return _judge_steps(found, values, owners)


def _unlearnt(owners: Mapping[str, Study], seeds: tuple[int, ...]) -> Iterator[str]:
    """Rows of which not every run that counts learnt what there is to learn, with their rate.

    A claim of kind bound is itself about what one row learns.
    """
    for ref, study in owners.items():
        by_seed = study.runs.get(ref.rpartition(".")[2], {})
        yield from unlearnt(ref, [by_seed[seed] for seed in seeds if seed in by_seed])


def _judge_level(found: Judgement, owners: Mapping[str, Study]) -> Judgement:
    """One printed number against the mean over seeds, of which one is enough: they print one."""
    ((ref, study),) = owners.items()
    printed = study.number(ref.rpartition(".")[2], found.claim.metric)
    assert printed is not None  # claims are validated
    assert found.margin is not None
    difference = found.values[ref] - float(printed)
    return dataclasses.replace(
        found,
        verdict="holds" if abs(difference) <= found.margin + 1e-9 else "contradicted",
        difference=difference,
        reason=(
            f"{found.values[ref]:.2f} against {printed} as printed, {signed(difference)} points; "
            f"margin {wording.points(found.margin)}{wording.when_fixed(found)}"
        ),
    )


def _judge_steps(found: Judgement, values: Values, owners: Mapping[str, Study]) -> Judgement:
    claim, seeds = found.claim, found.seeds
    steps = tuple(steps_of(claim, values, seeds))
    measured = [wording.tested(found, steps), *wording.spread(claim, values)]
    reason = "; ".join([*measured, *found.unlearnt])
    found = dataclasses.replace(
        found,
        verdict="inconclusive",
        steps=steps,
        difference=steps[0].interval.mean if len(steps) == 1 else None,
        interval=steps[0].interval if len(steps) == 1 and len(seeds) > 1 else None,
    )
    if claim.kind == "trend":
        by_seed = [[values[ref][seed] for ref in claim.rows] for seed in seeds]
        found = dataclasses.replace(found, tau=mean_tau(by_seed))
    if len(seeds) < MIN_SEEDS:
        reason += f"; no verdict below {MIN_SEEDS} paired seeds"
        return dataclasses.replace(found, reason=reason)
    decision = decide(
        rule_of(claim.kind, found.margin, claim.bounds),
        [list(step.by_seed.values()) for step in steps],
    )
    steps = tuple(
        dataclasses.replace(step, verdict=alone)
        for step, alone in zip(steps, decision.of_steps, strict=True)
    )
    verdict, why = _verdict(found, decision, steps, owners)
    decisive = steps[decision.decisive].interval
    return dataclasses.replace(
        found,
        steps=steps,
        verdict=verdict,
        reason="; ".join([reason, *why]),
        difference=decisive.mean,
        interval=decisive,
        p=decision.p,
        sign_flip_p=decision.sign_flip_p,
        power=decision.power,
        needed_n=decision.needed_n,
    )


def steps_of(claim: Claim, values: Values, seeds: tuple[int, ...]) -> list[Step]:
    """The comparisons that a claim consists of, row by row, seed by seed."""
    names = claim.rows
    pairs: list[tuple[tuple[str, ...], tuple[str, ...]]]
    match claim.kind:
        case "trend":
            pairs = [((above,), (below,)) for below, above in itertools.pairwise(names)]
        case "interaction":
            pairs = [(names[:2], names[2:])]
        case "bound":
            pairs = [(names, ())]
        case _:
            pairs = [(names[:1], names[1:])]
    return [_step(first, second, values, seeds) for first, second in pairs]


def _step(
    first: tuple[str, ...], second: tuple[str, ...], values: Values, seeds: tuple[int, ...]
) -> Step:
    def gain(rows: tuple[str, ...], seed: int) -> float:
        """A row, or one row minus the other; nothing where there is no row."""
        return sum(sign * values[row][seed] for sign, row in zip((1, -1), rows, strict=False))

    above, below = " − ".join(first), " − ".join(second)
    shown = [f"({name})" if " − " in name else name for name in (above, below) if name]
    by_seed = {seed: gain(first, seed) - gain(second, seed) for seed in seeds}
    interval = t_interval(list(by_seed.values()))
    return Step(" − ".join(shown), above, below, by_seed, interval)


def _verdict(
    found: Judgement, decision: Decision, steps: tuple[Step, ...], owners: Mapping[str, Study]
) -> tuple[Verdict, list[str]]:
    """The verdict, and what there is to say beside the numbers."""
    claim = found.claim
    terms = next(iter(owners.values())).terms
    if not terms.tests_claims:
        return "inconclusive", [f"protocol {terms.protocol} tests no claims"]
    says_same = decision.verdict == "no effect" or (
        decision.verdict == "holds" and claim.kind in ("within", "equal")
    )
    if says_same and (dull := _uninformative(claim, owners)):
        # Two models that learnt nothing, or everything, are equal for another reason.
        return "inconclusive", [f"not clear of chance or of the ceiling: {', '.join(dull)}"]
    if decision.verdict == "inconclusive":
        return "inconclusive", [wording.unsettled(decision, steps)]
    small = wording.small(claim, steps, found.margin) if decision.verdict == "holds" else []
    return decision.verdict, [*small, *wording.doubts(decision)]


def _uninformative(claim: Claim, owners: Mapping[str, Study]) -> list[str]:
    return [
        ref
        for ref, study in owners.items()
        if not is_informative(study, ref.rpartition(".")[2], claim.metric)
    ]
