"""What the audit rests on: counted costs, verdicts, GPU-hours and measured accuracies.

To count every model takes a minute, and to judge a large record some seconds. A record therefore
has all of it in a small file, `audit.json`, which `vswin report audit` writes. It counts as long as
the files are the same that it was made from; else everything is made anew. A change of the code is
noticed by a test, which makes it anew, too.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from vswin.costs.cache import memory_at
from vswin.data.published import DATASETS
from vswin.experiments.library import Library
from vswin.files import DamagedFileError, read_json
from vswin.paper.auditing import training_of
from vswin.paper.printed import FOLDER, printed_table
from vswin.project import PREREGISTRATION, experiments_dir, results_path
from vswin.report.claims import judge_all
from vswin.report.collect import load_costs, load_study, studies_in
from vswin.report.compare import COSTS
from vswin.report.memory import METRIC as MEMORY
from vswin.report.overview import awaited
from vswin.runs.evaluated import Evaluations

FILE = "audit.json"
RECORD = "results/reference"
"""The project's own record."""
PROTOCOL = "proxy"
"""Whose verdicts count: the usual one, or else the paper's own."""
VIDEOS = "paper"
"""Whose accuracies may be set beside printed ones."""
Numbers = dict[str, dict[str, float]]
"""By row and metric."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What became of a claim."""

    verdict: str
    evidence: str
    """The class of evidence."""
    reason: str
    rows: tuple[str, ...]
    """With their tables."""
    metric: str
    kind: str


@dataclasses.dataclass(frozen=True)
class PublishedTest:
    """What a test of a row's published checkpoint has found."""

    file: str
    metrics: dict[str, float]
    """In %."""
    videos: int
    """How many were read."""
    public: int
    """How many the public list has."""


@dataclasses.dataclass(frozen=True)
class Basis:
    """What is not printed."""

    digest: str
    """Of the files that it was made from."""
    costs: dict[str, Numbers]
    """Counted, by table: in 10^9 multiply-accumulates and 10^6 parameters."""
    verdicts: dict[str, Verdict]
    """By claim."""
    hours: dict[str, dict[str, float]]
    """GPU-hours at the paper's size, by table and row; rows that share a run have the same."""
    memory: Numbers
    """GiB of a training step by the model of it, by table and row, where a paper prints memory."""
    measured: dict[str, Numbers]
    """Accuracies in % under the paper's protocol, mean over seeds, by table."""
    published: dict[str, dict[str, PublishedTest]]
    """Of the papers' videos, by table and row."""


def load_basis(results_dir: str | Path = RECORD) -> Basis:
    """What a results folder has kept, or else made anew from it.

    Raises:
        DamagedFileError: if a result is damaged.
    """
    root = results_path(results_dir)
    kept = _read(root / FILE)
    return kept if kept and kept.digest == digest_of(root) else make_basis(root)


def is_kept(results_dir: str | Path) -> bool:
    """Whether a results folder has kept it, and nothing has changed since."""
    root = results_path(results_dir)
    kept = _read(root / FILE)
    return kept is not None and kept.digest == digest_of(root)


def make_basis(results_dir: str | Path) -> Basis:
    """Counts, judges and computes what a results folder has to say; takes a minute at first.

    Raises:
        DamagedFileError: if a result is damaged.
    """
    root = results_path(results_dir)
    library = Library(experiments_dir())
    tables = [name for name in library.tables() if printed_table(name)]
    return Basis(
        digest_of(root),
        {table: _costs(table) for table in tables},
        _verdicts(root),
        {table: found for table in tables if (found := _hours(table, root))},
        {table: found for table in tables if (found := _memory(table))},
        dict(_measured(root)),
        {table: tests for table in tables if (tests := published_in(table, root))},
    )


def digest_of(root: Path) -> str:
    """Of what is printed and claimed, of its experiments, and of the runs of a results folder.

    An experiment of one's own, which stands for no printed table, changes nothing.
    """
    found, experiments = hashlib.sha256(), experiments_dir()
    data = [*FOLDER.glob("*/*.yaml"), *FOLDER.glob("*/claims/*.yaml")]
    data += [*FOLDER.glob("*/audit/trainings.yaml")]
    data += [*experiments.glob("*/*.yaml"), *experiments.glob(PREREGISTRATION)]
    data += [path for path in experiments.glob("*.yaml") if printed_table(path.stem)]
    runs = [*root.glob("*/record/*/runs.jsonl"), *root.glob("*/runs/*/result.json")]
    runs += [*root.glob("distances/*.csv"), *root.glob("evaluated/*/result.json")]
    for base, paths in ((FOLDER.parent.parent, data), (root, runs)):
        for path in sorted(paths):
            name = path.relative_to(base) if path.is_relative_to(base) else path.name
            found.update(f"{name}\n".encode() + path.read_bytes())
    return found.hexdigest()


def as_text(basis: Basis) -> str:
    """As it is kept: the same basis gives the same bytes."""
    return json.dumps(dataclasses.asdict(basis), indent=1, ensure_ascii=False) + "\n"


def _read(path: Path) -> Basis | None:
    try:
        content = read_json(path)
    except DamagedFileError:
        return None
    names = {field.name for field in dataclasses.fields(Basis)}
    if not isinstance(content, dict) or content.keys() != names:
        return None
    verdicts = {
        claim: Verdict(**(said | {"rows": tuple(said["rows"])}))
        for claim, said in content["verdicts"].items()
    }
    published = {
        table: {row: PublishedTest(**said) for row, said in rows.items()}
        for table, rows in content["published"].items()
    }
    return Basis(**(content | {"verdicts": verdicts, "published": published}))


def _costs(table: str) -> Numbers:
    study = load_costs(table)
    printed = {row.id for row in study.printed.rows} if study.printed else set()
    return {
        row.id: {metric: round(study.counted(row.id, metric), 6) for metric in COSTS}
        for row in study.all_rows
        if row.id in printed
    }


def _verdicts(root: Path) -> dict[str, Verdict]:
    """Of the papers' claims; those that only videos can tell from the paper's own protocol."""
    found: dict[str, Verdict] = {}
    protocols = [PROTOCOL, *([VIDEOS] if studies_in(root, VIDEOS) else [])]
    for protocol in protocols:
        for judgement in judge_all(root, protocol):
            claim = judgement.claim
            before = found.get(claim.id)
            if not judgement.paper or (before and before.verdict != "not run"):
                continue
            found[claim.id] = Verdict(
                judgement.verdict,
                judgement.evidence,
                judgement.reason,
                tuple(
                    row if "." in row or row in claim.models else f"{claim.table}.{row}"
                    for row in claim.rows
                ),
                claim.metric,
                claim.kind,
            )
    return found


def _hours(table: str, root: Path) -> dict[str, float]:
    """Of its runs; or where none can be planned yet, of a training as the text says."""
    hours = awaited.hours_of(table, root)
    printed = printed_table(table)
    training = training_of(table, printed.paper) if printed else None
    if not hours and training:
        clips = training.epochs * training.samples
        hours = {
            row: awaited.hours_to_train(found["flops"], clips)
            for row, found in _costs(table).items()
        }
    return {row: round(found, 1) for row, found in hours.items()}


def _memory(table: str) -> dict[str, float]:
    study = load_costs(table)
    return {
        row.id: round(memory_at(row.model, row.input_size).gib, 2)
        for row in study.all_rows
        if study.number(row.id, MEMORY)
    }


def _measured(root: Path) -> Iterator[tuple[str, Numbers]]:
    for table, protocol in studies_in(root, VIDEOS):
        study = load_study(table, protocol, results_dir=root)
        found: dict[str, dict[str, float]] = {}
        for row in study.rows:
            means = {metric: study.mean(row.id, metric) for metric in study.terms.metrics}
            found[row.id] = {name: mean for name, mean in means.items() if mean is not None}
        yield table, {row: means for row, means in found.items() if means}


def published_in(table: str, root: Path) -> dict[str, PublishedTest]:
    """By row, the test of its published checkpoint on the most videos, in a results folder."""
    if not Evaluations(root).read():
        return {}
    study = load_study(table, VIDEOS, results_dir=root)
    return {
        row: PublishedTest(
            tests[0].tested.file,
            {name: round(100 * share, 4) for name, share in tests[0].metrics.items()},
            tests[0].present,
            DATASETS[tests[0].tested.dataset].test_videos or 0,
        )
        for row, tests in study.evaluated.items()
    }
