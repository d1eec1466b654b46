"""What the printed accuracies say by themselves: is a difference larger than chance would make it?

A validation set is a sample of videos. On another sample of the same size the printed numbers would
have been a little different, and so would their differences; one that is not clear of that needs
more than the paper prints to be believed. Other noise, such as that of another training, comes on
top; one printed number does not tell how much.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Collection, Iterable, Mapping
from typing import Literal

from vswin.data.datasets import DATASETS
from vswin.paper.claims import Claim, paper_claims
from vswin.paper.placeholders import decimals
from vswin.paper.printed import PrintedTable, printed_table
from vswin.paper.quantities import printed_quantity
from vswin.report.statistics import LEVEL, holm
from vswin.wording import signed

Resolution = Literal["clear", "by a single test only", "not resolvable"]
IMAGENET = "imagenet_1k"
DISCORDANCE = 0.13
"""Share of videos on which exactly one of two models of the paper is right. An assumption: the
paper does not tell. Of the fifth that each gets wrong, they would then get two thirds wrong
together. If they were wrong independently, it would be 0.33, and every error 1.6 times as large."""
TESTED_VIDEOS: Mapping[str, int] = {
    "kinetics400": 19_796,
    "kinetics600": 28_313,
    "kinetics700": 33_925,
    "ssv2": 24_777,
    IMAGENET: 50_000,
}
"""Validation videos by dataset, of ImageNet images. Section 4.1 of Video Swin Transformer has
them in thousands. Of Kinetics-400, which loses videos, those of the copy
that most public checkpoints are tested on; of Kinetics-700 those listed in the edition of 2019."""
METRIC = "top1"
"""What the claims compare accuracies by."""


@dataclasses.dataclass(frozen=True)
class PrintedDifference:
    """A difference of printed accuracies, in points, against the sampling error of the test set."""

    rows: tuple[str, ...]
    """With their tables: two, the second subtracted from the first, or the four of an
    interaction."""
    label: str
    """`joint − split`"""
    difference: float
    error: float
    """Its standard error, above zero."""
    dataset: str
    """As the paper spells it."""
    videos: int
    is_paired: bool
    """Whether all are models of the paper, tested on the same videos."""
    holm_p: float = math.nan
    """p adjusted for all differences in the paper's claims."""

    @property
    def z(self) -> float:
        """The difference in standard errors."""
        return self.difference / self.error

    @property
    def p(self) -> float:
        """Two-sided, of no difference."""
        return math.erfc(abs(self.z) / math.sqrt(2))

    @property
    def resolution(self) -> Resolution:
        """Whether the difference is clear of the sampling error."""
        if self.holm_p < 1 - LEVEL:
            return "clear"
        return "by a single test only" if self.p < 1 - LEVEL else "not resolvable"


@dataclasses.dataclass(frozen=True)
class PrintedEvidence:
    """What the printed accuracies say of a claim."""

    claim: Claim
    steps: tuple[PrintedDifference, ...]
    """Of a trend several, otherwise one."""

    @property
    def resolution(self) -> Resolution:
        """That of the least clear step: a trend is no clearer than that."""
        return max(self.steps, key=lambda step: step.p).resolution

    @property
    def line(self) -> str:
        """`joint − split +2.4 points (z +9.2): clear`, step by step."""
        steps = (
            f"{s.label} {signed(s.difference, 1)} points (z {signed(s.z, 1)})" for s in self.steps
        )
        return f"{'; '.join(steps)}: {self.resolution}"

    @property
    def short(self) -> str:
        """`+2.4 (z +9.2), clear`, where it is said which rows are compared."""
        steps = (f"{signed(s.difference, 1)} (z {signed(s.z, 1)})" for s in self.steps)
        return f"{', '.join(steps)}, {self.resolution}"


@functools.cache
def printed_evidence(paper: str, discordance: float = DISCORDANCE) -> Mapping[str, PrintedEvidence]:
    """What is printed for every claim that compares printed accuracies, by the claim's id.

    Args:
        paper: its folder.
        discordance: the share of videos on which exactly one of two models of the paper is right.
    """
    compared = [(claim, list(_steps(claim, discordance))) for claim in paper_claims(paper)]
    # A difference that two claims speak of is one test.
    tests = {frozenset(step.rows): step.p for _, steps in compared for step in steps}
    adjusted = dict(zip(tests, holm(list(tests.values())), strict=True))
    return {
        claim.id: PrintedEvidence(
            claim,
            tuple(dataclasses.replace(s, holm_p=adjusted[frozenset(s.rows)]) for s in steps),
        )
        for claim, steps in compared
        if steps
    }


def printed_in_words(claim: Claim) -> str:
    """What the paper prints of a claim, for a line of a page; empty where it prints nothing.

    Returns:
        Differences of accuracies in points with their z, an accuracy, or a ratio of costs.
    """
    table = printed_table(claim.table or claim.table_of(claim.rows[0]) or "")
    if table is None:
        return ""
    if found := printed_evidence(table.paper).get(claim.id):
        return found.short
    numbers = [_quantity(claim, row) for row in claim.rows]
    if claim.kind == "level":
        return f"{numbers[0]:.1f} %"
    if claim.kind == "ratio" and numbers[0] and numbers[1]:
        return f"{numbers[0] / numbers[1]:#.3g} times"
    return ""


def _quantity(claim: Claim, row: str) -> float | None:
    table = printed_table(claim.table_of(row) or "")
    return printed_quantity(table, row.rpartition(".")[2], claim.metric) if table else None


def assumptions(papers: Collection[str], discordance: float = DISCORDANCE) -> str:
    """What the lines of `printed_evidence` rest on, for a page that shows those of some papers."""
    steps = [s for p in papers for found in printed_evidence(p).values() for s in found.steps]
    datasets = {step.dataset: step.videos for step in steps}
    sizes = ", ".join(f"{name} {n:,}" for name, n in sorted(datasets.items()))
    what = "validation videos or images" if _title(IMAGENET) in datasets else "validation videos"
    return (
        f"Sampling error of the {what} ({sizes}) and of rounded cells. Two models of "
        f"the paper are taken to differ in being right on {100 * discordance:g} % of the videos; "
        "other systems count as tested on other videos. Clear: p < 0.05 after Holm's correction "
        "over all differences; by a single test only: before it. The noise of another training "
        "comes on top."
    )


def _steps(claim: Claim, discordance: float) -> Iterable[PrintedDifference]:
    """The differences that a claim is about, as far as they are printed."""
    if claim.metric != METRIC or claim.kind in ("level", "bound", "ratio"):
        return
    groups: list[tuple[str, ...]]
    if claim.kind == "trend":
        groups = [(above, below) for below, above in itertools.pairwise(claim.rows)]
    else:
        groups = [claim.rows]  # two, or the four of an interaction
    for rows in groups:
        tables = [printed_table(claim.table_of(row) or "") for row in rows]
        names = [row.rpartition(".")[2] for row in rows]
        known = [(t, n) for t, n in zip(tables, names, strict=True) if t and t.number(n, METRIC)]
        if len(known) == len(rows) and len({table.dataset for table, _ in known}) == 1:
            yield _difference(known, discordance)


def _difference(rows: list[tuple[PrintedTable, str]], discordance: float) -> PrintedDifference:
    """First minus second; of four rows, the difference of two such differences.

    Args:
        rows: with their tables, each with a printed accuracy; all on one dataset.
        discordance: as in `printed_evidence`.
    """
    cells = [table.number(name, METRIC) or "" for table, name in rows]
    shares = [float(cell) / 100 for cell in cells]
    signs = (1, -1, -1, 1)[: len(rows)]
    systems = [row.system for table, name in rows if (row := table.row(name))]
    is_paired = set(systems) == {"ours"}
    dataset = rows[0][0].dataset
    if is_paired:  # each pair of models: McNemar
        variance = discordance * len(rows) / 2
    else:
        variance = math.fsum(share * (1 - share) for share in shares)
    rounding = math.fsum(10.0 ** (-2 * decimals(cell)) / 12 for cell in cells)
    names = [name for _, name in rows]
    pairs = [" − ".join(names[n : n + 2]) for n in range(0, len(names), 2)]
    return PrintedDifference(
        rows=tuple(f"{table.table}.{name}" for table, name in rows),
        label=pairs[0] if len(pairs) == 1 else " − ".join(f"({pair})" for pair in pairs),
        difference=100 * math.fsum(sign * s for sign, s in zip(signs, shares, strict=True)),
        error=math.sqrt(100**2 * variance / TESTED_VIDEOS[dataset] + rounding),
        dataset=_title(dataset),
        videos=TESTED_VIDEOS[dataset],
        is_paired=is_paired,
    )


def _title(dataset: str) -> str:
    """As papers spell it."""
    return "ImageNet" if dataset == IMAGENET else DATASETS[dataset].title
