"""What became of a claim."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal, get_args

from vswin.paper.claims import Claim, Evidence
from vswin.report.statistics import Interval

Verdict = Literal["holds", "contradicted", "no effect", "inconclusive", "withdrawn", "not run"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
"""In the order in which they are counted."""


@dataclasses.dataclass(frozen=True)
class Step:
    """One comparison of a claim: what a forest plot draws in one line."""

    label: str
    """first − second."""
    first: str
    """A row, or for an interaction the difference of two."""
    second: str
    """What is subtracted; empty where a row stands alone (kinds level and bound)."""
    by_seed: Mapping[int, float]
    """First minus second for each seed that both have, in points; a row that stands alone, in %."""
    interval: Interval
    """At 95 %, of the mean over seeds; infinite for a single seed."""
    verdict: Verdict = "inconclusive"
    """On this step alone."""

    def __repr__(self) -> str:
        return f"<Step {self.label}: {self.interval.mean:+.2f}, {self.interval.n} seeds>"


@dataclasses.dataclass(frozen=True)
class Judgement:
    """A claim, what became of it under a protocol, and why.

    What has no meaning for a claim's kind, or is not known, is None. Every p is one-sided, of the
    hypothesis that the claim does not hold, and is compared with 2.5 %; where a claim takes several
    steps, it is the largest of theirs.
    """

    claim: Claim
    paper: str
    """Whose claim it is, by its folder; empty for a claim of an own ablation."""
    says: str
    """The claim with its numbers."""
    protocol: str
    verdict: Verdict
    reason: str
    """What decided, in a line or two."""
    rows: tuple[str, ...]
    evidence: Evidence
    """The claim's, but what is built into the benchmark's clips is an open test on videos."""
    values: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """By row: the mean over the seeds in %, or what was counted, in the unit of its column."""
    seeds: tuple[int, ...] = ()
    """That all rows have, and that count."""
    unlearnt: tuple[str, ...] = ()
    """Rows of which not every run learnt order or motion: as "7 of 12 runs of dim4 learnt order".
    """
    difference: float | None = None
    """In points, of the step that decides (the one with the largest p); of what is counted, the
    first row minus the second, or their ratio."""
    interval: Interval | None = None
    """Of the same step."""
    p: float | None = None
    sign_flip_p: float | None = None
    holm_p: float | None = None
    """p adjusted for all open tests of the paper under the protocol (`judge_all`)."""
    contrary_holm_p: float | None = None
    """Of a contradicted claim: the p of the contrary, adjusted likewise."""
    tau: float | None = None
    """Of a trend: Kendall's tau between the claimed order and a seed's, mean over seeds."""
    power: float | None = None
    """Chance that this many seeds with this spread confirm the claim where it is true: if every
    step is as large as the margin (greater, trend, interaction), or zero (within, equal)."""
    needed_n: int | None = None
    """Of an inconclusive verdict: with how many seeds there would be another, with a chance of
    80 %, if mean and spread are as they were seen. None: no number up to 1,000, or no such test."""
    margin: float | None = None
    """In points."""
    is_registered: bool | None = None
    """Whether it is judged as it was preregistered; None where no study of the protocol was."""
    steps: tuple[Step, ...] = ()
    found: str = ""
    """What was found, in words, where one difference does not say it."""
    doubt: str = ""
    """What speaks against the numbers that decided, where those are only printed."""

    def __repr__(self) -> str:
        return f"<Judgement {self.claim.id} under {self.protocol}: {self.verdict}; {self.reason}>"

    @property
    def decisive(self) -> Step | None:
        """Of several steps, the one that the verdict hangs on; None where no seeds decided."""
        return next((step for step in self.steps if step.interval == self.interval), None)

    @property
    def is_check(self) -> bool:
        """Whether it is a check of the benchmark: a paper's claims quote a sentence."""
        return bool(self.paper) and not self.claim.quote

    @property
    def is_tested(self) -> bool:
        """Whether seeds decided about it, and not a count."""
        return self.p is not None
