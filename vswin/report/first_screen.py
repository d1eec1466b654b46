"""The first screen of a report: one line for each claim, and what an answer depends on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from vswin.paper.claims import TIMED
from vswin.report.claims import Judgement
from vswin.report.claims.printed import PrintedEvidence, assumptions, printed_evidence
from vswin.report.claims.tally import is_weak
from vswin.report.compare import UNITS
from vswin.report.data import ClaimLine, Item, Section
from vswin.report.sensitivity import Sensitivity, changed
from vswin.report.statistics import Interval
from vswin.report.study import Study
from vswin.wording import signed

TITLE = "The paper's claims"
CHECK = "Not a claim of the paper, but a check of the benchmark"


def first_screen(
    study: Study, judgements: Sequence[Judgement], sensitivities: Sequence[Sensitivity]
) -> Section:
    """Every claim of the table with its verdict; what changes with a declared variation."""
    changes = [
        Item(text, verdict="the answer depends on it")
        for text in changed(judgements, sensitivities)
    ]
    printed = printed_evidence(study.printed.paper) if study.printed else {}
    has_printed = any(judgement.claim.id in printed for judgement in judgements)
    return Section(
        TITLE if study.printed else "The claims",
        claims=[line_of(study, j, printed.get(j.claim.id)) for j in judgements],
        items=changes,
        note=f"z: the printed difference in standard errors. {assumptions([study.printed.paper])}"
        if study.printed and has_printed
        else "",
        level=2,
        picture="claims",
    )


def line_of(study: Study, judgement: Judgement, printed: PrintedEvidence | None) -> ClaimLine:
    """A claim as a reader meets it first; `printed` is what the paper's numbers say of it."""
    claim = judgement.claim
    return ClaimLine(
        quote=claim.quote,
        where=claim.where if claim.quote else CHECK if study.printed else "",
        says=judgement.says,
        printed=_printed(printed) if printed else "",
        ours=_ours(judgement),
        about=_about(judgement),
        verdict=verdict_in_words(study, judgement),
        tone=judgement.verdict,
        evidence=evidence_in_words(judgement),
        why=f"{claim.why} {judgement.doubt[:1].upper()}{judgement.doubt[1:]}.".strip()
        if judgement.doubt
        else claim.why,
    )


def evidence_in_words(judgement: Judgement) -> str:
    """Its class, and whether what a registered study tested was not registered as it is."""
    is_late = bool(judgement.steps) and judgement.is_registered is False
    words = f"{judgement.evidence}, not preregistered" if is_late else judgement.evidence
    return f"{words}; margin\u00a0{judgement.margin:g}" if judgement.margin else words


def verdict_in_words(study: Study, judgement: Judgement) -> str:
    """The verdict, and on what, if that is not what the paper measures on."""
    decided = judgement.verdict in ("holds", "contradicted", "no effect")
    trained = judgement.evidence not in ("counted", "at initialisation")
    place = " on Moving Digits" if decided and trained and study.is_embedded else ""
    weak = ", before correction for several tests" if is_weak(judgement) else ""
    return f"{judgement.verdict}{place}{weak}"


def _printed(evidence: PrintedEvidence) -> str:
    """The printed difference and its z; of several, that of the least clear step."""
    step = max(evidence.steps, key=lambda step: step.p)
    return f"{signed(step.difference, 1)} (z {signed(step.z, 1)}): {evidence.resolution}"


def _ours(judgement: Judgement) -> str:
    """The difference that decides, with its interval; what was counted, row by row."""
    if judgement.found:
        return judgement.found
    if judgement.difference is not None and judgement.claim.kind == "ratio":
        brackets = _brackets(judgement.interval, "{:.3g}".format)
        return f"{judgement.difference:#.3g}{brackets} times"
    if judgement.claim.is_counted and judgement.values:
        between = " against " if len(judgement.values) == 2 else ", "
        digits, unit = ".2f", UNITS.get(judgement.claim.metric, "")
        if judgement.claim.metric == "memory":
            digits, unit = ".1f", "GiB by the model below"
        return f"{between.join(f'{v:{digits}}' for v in judgement.values.values())} {unit}".rstrip()
    if judgement.difference is None:
        return "–"
    interval = judgement.interval
    if judgement.claim.kind == "bound":
        return f"{judgement.difference:.2f}{_brackets(interval, '{:.2f}'.format)} %"
    unit = " s" if judgement.claim.metric in TIMED else ""
    return f"{signed(judgement.difference)}{_brackets(interval, signed)}{unit}"


def _brackets(interval: Interval | None, text: Callable[[float], str]) -> str:
    if interval is None or not math.isfinite(interval.low):
        return ""
    return f" [{text(interval.low)}, {text(interval.high)}]".replace("-", "−")


def _about(judgement: Judgement) -> str:
    """Over how many seeds, and of several steps, which one is meant; or why nothing was run."""
    if judgement.verdict == "not run":
        return "" if judgement.evidence == "needs videos" else judgement.reason
    if not judgement.seeds or judgement.difference is None:
        return ""
    step, steps = judgement.decisive, len(judgement.steps)
    which = f"{step.label}, the weakest of {steps} steps; " if step and steps > 1 else ""
    return f"{which}n\u00a0=\u00a0{len(judgement.seeds)}"


def negative(study: Study, judgements: Iterable[Judgement]) -> Section:
    """What is contradicted, without effect, inconclusive or withdrawn, as loud as what holds."""
    judged = list(judgements)
    items = [
        Item(j.says, verdict_in_words(study, j), f"{j.reason}.", j.verdict)
        for wanted in ("contradicted", "no effect", "inconclusive", "withdrawn")
        for j in judged
        if j.verdict == wanted
    ]
    tested = [j for j in judged if j.verdict != "not run"]
    text = ""
    if tested and not items:
        text = "No claim: every one that was tested or counted holds."
        if count := sum(not line["exact"] for line in study.cost_lines()):
            text += f" But {count} printed cost{'s are' if count > 1 else ' is'} not as counted."
        for remark in study.printed.remarks if study.printed else ():
            text += f" But {remark[0].lower()}{remark[1:]}"
    return Section("What was not confirmed", items=items, text=text, level=2)
