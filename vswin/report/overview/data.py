"""What the overview is made from, as plain data; `vswin.report.overview.collect` makes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from vswin.paper.claims import Evidence
from vswin.report.claims import Judgement, distances
from vswin.report.claims.tally import count_in_words
from vswin.report.overview.awaited import Bill
from vswin.report.sensitivity import Sensitivity
from vswin.report.study import Study

EVIDENCE: dict[Evidence, str] = {
    "counted": "counted, or read from the papers",
    "at initialisation": "seen at initialisation",
    "built in": "built into the benchmark",
    "open test": "open tests by training",
    "needs videos": "need videos or weights",
}
"""Classes of evidence in words, the surest first."""


@dataclasses.dataclass(frozen=True)
class Overview:
    """All claims and tables of the papers under a protocol."""

    protocol: str
    title: str
    """What the protocol is, in a few words."""
    studies: tuple[Study, ...]
    """Every printed table, in order."""
    judgements: tuple[Judgement, ...]
    """Every claim of the papers, likewise."""
    elsewhere: tuple[Sensitivity, ...]
    """Under its variations and the paper's own protocol, where claims were tested there."""
    not_run_yet: tuple[str, ...]
    """Variations that were declared, and under which nothing was tested yet."""
    own: tuple[tuple[Study, tuple[Judgement, ...]], ...]
    """Ablations that are in no paper and were run, with their claims."""
    printed: frozenset[str]
    """Counted claims all of whose numbers are read from the papers, by id."""
    bill: Bill
    results_dir: Path

    def __repr__(self) -> str:
        return f"<Overview of {len(self.judgements)} claims: {count_in_words(self.judgements)}>"

    @property
    def papers(self) -> list[str]:
        """The papers of the tables, by their folders, in the order of the tables."""
        names = [study.printed.paper for study in self.studies if study.printed]
        return list(dict.fromkeys(names))

    @property
    def is_embedded(self) -> bool:
        """Whether accuracies are measured on Moving Digits."""
        return any(study.is_embedded for study in self.studies)

    def evidence(self, judgement: Judgement) -> str:
        """On what a claim rests, in words; of its class, what its own numbers are."""
        if judgement.evidence == "counted":
            is_printed = judgement.claim.id in self.printed
            return "read from printed cells" if is_printed else "counted on the papers' models"
        if judgement.evidence == "needs videos":
            return (
                "needs trained weights" if needs_weights(judgement) else "needs the papers' videos"
            )
        return EVIDENCE[judgement.evidence]

    def study(self, table: str | None) -> Study | None:
        """The study of a table, None if there is none."""
        return next((study for study in self.studies if study.name == table), None)


def needs_weights(judgement: Judgement) -> bool:
    """Whether trained weights, which need not be ours, would do for a claim that needs videos."""
    return judgement.evidence == "needs videos" and judgement.claim.metric in distances.METRICS


def by_evidence(judgements: Iterable[Judgement]) -> dict[Evidence, list[Judgement]]:
    """The claims of each class of evidence that has any, the surest class first."""
    found = list(judgements)
    classes = {name: [j for j in found if j.evidence == name] for name in EVIDENCE}
    return {name: members for name, members in classes.items() if members}
