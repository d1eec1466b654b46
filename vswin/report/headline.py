"""The first lines of a report: what was reproduced, what holds, what does not."""

from __future__ import annotations

from collections.abc import Sequence

from vswin.report import digits, published
from vswin.report.claims import Judgement, judge_claims
from vswin.report.claims.tally import outcome, with_notes
from vswin.report.provenance import mixed_sources
from vswin.report.sections import compared, costs_that_differ, present_lines
from vswin.report.study import Study


def verdict_lines(study: Study, judgements: Sequence[Judgement] | None = None) -> list[str]:
    """What was counted, what was trained, and what became of the claims."""
    judged = judge_claims(study) if judgements is None else judgements
    lines = _claims(study, judged) + _costs(study)
    if not study.is_trainable:
        return [*lines, f"Accuracies: not run. {study.why_not_run}."]
    lines.append(_accuracies(study))
    terms = study.terms
    lines += [f"Recipe: {terms.recipe.title}."] if terms.recipe else []
    if study.printed and terms.comparable and terms.tolerance is not None:
        matches = [match for *_, match in compared(study)]
        counts = _counts(matches, ("reproduced", "not reproduced", "not run"))
        lines += published.in_words(study)
        lines.append(f"Printed accuracies, within {terms.tolerance:g} points: {counts or 'none'}.")
    lines += present_lines(study)
    lines += digits.success_line([*study.rows, *study.beside], study.runs)
    if study.failed:
        lines.append(f"Failed, and part of no mean or rate: {'; '.join(map(str, study.failed))}.")
    lines += mixed_sources(study)
    return lines


def _claims(study: Study, judgements: Sequence[Judgement]) -> list[str]:
    """How many claims have which verdict; those that are counted apart from those tested."""
    needs_none = ("counted", "at initialisation")
    counted = [j for j in judgements if j.evidence in needs_none]
    others = [j for j in judgements if j.evidence not in needs_none]
    place = " on Moving Digits" if study.is_embedded else ""
    lines = []
    if others:
        lines.append(f"Claims that need training{place}: {outcome(others)}.")
    if counted:
        lines.append(f"Claims that need no training: {with_notes(counted)}.")
    return lines


def _accuracies(study: Study) -> str:
    """How many rows were trained; a row that is printed twice counts once."""
    done = [row for row in study.distinct_rows if study.is_done(row.id)]
    runs = {run.run_id for row in done for run in study.runs.get(row.id, {}).values()}
    words = ""
    if study.printed:
        words = (
            ", comparable" if study.terms.comparable else ", not comparable with the printed ones"
        )
    twice = len(study.rows) - len(study.distinct_rows)
    once = "; a row that is printed twice counts once" if twice else ""
    return (
        f"Accuracies: {len(done)} of {len(study.distinct_rows)} rows trained under protocol "
        f"{study.terms.protocol} ({len(runs)} runs{once}){words}."
    )


def _costs(study: Study) -> list[str]:
    cells = study.cost_lines()
    if not cells:
        return []
    exact = sum(cell["exact"] for cell in cells)
    lines = [f"Costs: {exact} of {len(cells)} printed cells reproduced to the digit."]
    apart = "; ".join(words for words, _ in costs_that_differ(study))
    return [*lines, f"Not as printed: {apart}. “What was hard” says why."] if apart else lines


def _counts(found: Sequence[str], kinds: Sequence[str]) -> str:
    """How many there are of each kind, as far as there are any."""
    counts = {kind: found.count(kind) for kind in kinds if kind in found}
    plural = {kind: "hold" if kind == "holds" and n > 1 else kind for kind, n in counts.items()}
    return ", ".join(f"{n} {plural[kind]}" for kind, n in counts.items())
