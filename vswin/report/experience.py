"""What was easy and what was hard to reproduce, as the results show it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vswin.report import digits
from vswin.report.claims import Judgement
from vswin.report.claims.wording import seeds_wanted
from vswin.report.data import Section, listing
from vswin.report.sections import suspicious
from vswin.report.study import Study

SECONDS_OF_AN_HOUR = 3600


def easy(study: Study, judgements: Sequence[Judgement]) -> Section:
    """Costs that come out to the digit, rows that always learn, what little a run takes."""
    return listing("What was easy", list(_easy(study, judgements)), level=2)


def _easy(study: Study, judgements: Sequence[Judgement]) -> Iterator[str]:
    cells = study.cost_lines()
    exact = sum(cell["exact"] for cell in cells)
    if exact:
        yield f"Costs can be counted: {exact} of {len(cells)} printed cells to the digit."
    always = [row.label for row in (*study.distinct_rows, *study.beside) if _always(study, row.id)]
    if always:
        what = digits.to_learn(run for by_seed in study.runs.values() for run in by_seed.values())
        yield f"Every seed learnt {what} in: {'; '.join(always)}."
    tested = [j for j in judgements if j.steps and (j.claim.quote or not study.printed)]
    held = sum(j.verdict == "holds" for j in tested)
    if held:
        yield f"{held} of {len(tested)} claims that were tested by training hold."
    runs = {r.run_id: r.result for by_seed in study.runs.values() for r in by_seed.values()}
    if runs:
        seconds = [result.seconds.train + result.seconds.test for result in runs.values()]
        hours = sum(seconds) / SECONDS_OF_AN_HOUR
        yield (
            f"A run takes {min(seconds):.0f} to {max(seconds):.0f} s; all {len(runs)} together "
            f"{hours:.2g} hours."
        )


def _always(study: Study, row_id: str) -> bool:
    k, n = digits.learnt(study.runs.get(row_id, {}).values())
    return k == n > 0


def hard(study: Study, judgements: Sequence[Judgement]) -> Section:
    """What the paper leaves open or prints differently, what did not learn, what stays open."""
    return listing("What was hard", list(_hard(study, judgements)), level=2)


def _hard(study: Study, judgements: Sequence[Judgement]) -> Iterator[str]:
    if study.printed:
        yield from (f"Left open by the paper: {choice}" for choice in study.choices)
    yield from suspicious(study)
    for row in (*study.distinct_rows, *study.beside):
        runs = study.runs.get(row.id, {}).values()
        k, n = digits.learnt(runs)
        if 0 < k < n:
            yield f"{row.label}: {n - k} of {n} seeds did not learn {digits.to_learn(runs)}."
    for j in judgements:
        if j.verdict == "inconclusive":
            more = seeds_wanted(j.needed_n)
            yield f"Inconclusive: {j.says}{f' {more}.' if more else ''}"
