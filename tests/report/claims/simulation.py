"""Simulated studies: how often each verdict comes out, where the truth is known.

Thousands of studies are drawn at a time; their intervals are those of `t_interval`, computed for
all at once, and the verdict on each is that of `settle`, which judges real studies.
"""

import numpy as np
from scipy import stats

from vswin.report.claims.deciding import settle
from vswin.report.statistics import LEVEL, Interval, bonferroni

STUDIES = 1000


def normal(draws, shape):
    return draws.normal(size=shape)


def skewed(draws, shape):
    """Exponential, as of seeds of which some are far better than the rest."""
    return draws.exponential(size=shape) - 1


def failing(share):
    """Two humps, one far below: a share of the seeds fails to learn."""

    def draw(draws, shape):
        spread = np.sqrt(share * (1 - share))
        fails = draws.random(shape) < share
        return (share - fails) / spread + draws.normal(size=shape) * 0.05

    return draw


SHAPES = {
    "normal": normal,
    "skewed": skewed,
    "half fail": failing(0.5),
    "a fifth fail": failing(0.2),
    "a twentieth fail": failing(0.05),
}
"""Distributions with mean 0 and standard deviation 1 (two humps: a thousandth more)."""


def rows(shape, means, n, sd=1.0, seed=0, studies=STUDIES):
    """Independent rows: (studies, rows, n) with a mean each and the same spread."""
    noise = SHAPES[shape](np.random.default_rng(seed), (studies, len(means), n))
    return np.asarray(means, float)[:, None] + sd * noise


def intervals(values, level=LEVEL):
    """(studies, steps, n) -> for each study the interval of each step."""
    n = values.shape[-1]
    middle = values.mean(-1)
    half = stats.t.ppf((1 + level) / 2, n - 1) * values.std(-1, ddof=1) / np.sqrt(n)
    return [
        [Interval(m, m - h, m + h, n) for m, h in zip(ms, hs, strict=True)]
        for ms, hs in zip(middle.tolist(), half.tolist(), strict=True)
    ]


def verdicts(rule, steps):
    """How many of the studies end with each verdict.

    Args:
        rule: of the claim's kind.
        steps: differences, (studies, steps, n).
    """
    plain, wide = intervals(steps), intervals(steps, bonferroni(steps.shape[1]))
    found = [settle(rule, *of_study) for of_study in zip(plain, wide, strict=True)]
    return {verdict: found.count(verdict) for verdict in set(found)}


def coverage(values, truth):
    """Share of the studies whose interval contains the true mean; values are (studies, 1, n)."""
    return np.mean([i.low <= truth <= i.high for (i,) in intervals(values)])
