"""Several tests at once."""

from __future__ import annotations

from collections.abc import Sequence

from vswin.report.statistics.intervals import LEVEL


def holm(ps: Sequence[float]) -> list[float]:
    """P values adjusted by Holm's step-down method, in the order given.

    Rejecting where the adjusted p is below a level keeps the chance of a single false rejection
    among all of them below that level, whichever hypotheses are true and however they depend.
    """
    if not ps:
        return []
    from statsmodels.stats.multitest import multipletests  # takes a second

    return [float(p) for p in multipletests(ps, method="holm")[1]]


def bonferroni(tests: int) -> float:
    """The level of each of `tests` intervals that together hold with 95 %."""
    return 1 - (1 - LEVEL) / tests
