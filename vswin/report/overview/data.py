"""What the overview is made from, as plain data; `vswin.report.overview.collect` makes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from vswin.paper.claims import Evidence
from vswin.report.claims import VERDICTS, Judgement, Verdict
from vswin.report.overview.awaited import Bill
from vswin.report.study import Study

EVIDENCE: dict[Evidence, str] = {
    "counted": "counted on the papers' models",
    "at initialisation": "seen before the first step",
    "built in": "built into the benchmark",
    "open test": "open tests by training",
    "needs videos": "need the papers' datasets",
}
"""Classes of evidence in words, the surest first."""


@dataclasses.dataclass(frozen=True)
class Elsewhere:
    """The claims under another protocol: a sensitivity study, or the paper's own."""

    protocol: str
    about: str
    """In what it differs, in a line."""
    judgements: tuple[Judgement, ...]
    """Of the claims that were tested there."""

    def of(self, claim: str) -> Judgement | None:
        """What became of a claim; None where it was not tested."""
        return next((j for j in self.judgements if j.claim.id == claim), None)


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
    elsewhere: tuple[Elsewhere, ...]
    own: tuple[tuple[Study, tuple[Judgement, ...]], ...]
    """Ablations that are in no paper and were run, with their claims."""
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

    def study(self, table: str | None) -> Study | None:
        """The study of a table, None if there is none."""
        return next((study for study in self.studies if study.name == table), None)


def counts(judgements: Iterable[Judgement]) -> dict[Verdict, int]:
    """How many claims got each verdict; only those that any got."""
    found = [judgement.verdict for judgement in judgements]
    return {verdict: found.count(verdict) for verdict in VERDICTS if verdict in found}


def count_in_words(judgements: Iterable[Judgement]) -> str:
    """As "9 hold, 2 contradicted, 1 inconclusive"."""
    return ", ".join(in_words(verdict, n) for verdict, n in counts(judgements).items())


def in_words(verdict: Verdict, n: int) -> str:
    """As "1 holds" or "2 hold"."""
    return f"{n} {'hold' if verdict == 'holds' and n != 1 else verdict}"


def by_evidence(judgements: Iterable[Judgement]) -> dict[Evidence, list[Judgement]]:
    """The claims of each class of evidence that has any, the surest class first."""
    found = list(judgements)
    classes = {name: [j for j in found if j.evidence == name] for name in EVIDENCE}
    return {name: members for name, members in classes.items() if members}
