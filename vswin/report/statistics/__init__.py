"""Statistics on numbers: nothing here knows of studies, rows or claims.

One level holds everywhere: intervals are two-sided at 95 %, tests one-sided at 2.5 %, so that an
interval excludes a boundary exactly where the test of that boundary rejects it.
"""

from vswin.report.statistics.intervals import (
    LEVEL,
    MIN_SEEDS,
    Interval,
    standard_deviation,
    t_interval,
    wilson_interval,
)
from vswin.report.statistics.multiplicity import bonferroni, holm
from vswin.report.statistics.paired import sign_flip_p, t_test_p, tost_p
from vswin.report.statistics.power import Region, needed_pairs, power
from vswin.report.statistics.summaries import (
    interquartile_mean,
    mean_tau,
    probability_of_improvement,
)

__all__ = [
    "LEVEL",
    "MIN_SEEDS",
    "Interval",
    "Region",
    "bonferroni",
    "holm",
    "interquartile_mean",
    "mean_tau",
    "needed_pairs",
    "power",
    "probability_of_improvement",
    "sign_flip_p",
    "standard_deviation",
    "t_interval",
    "t_test_p",
    "tost_p",
    "wilson_interval",
]
