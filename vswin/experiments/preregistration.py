"""The preregistration: what a study will run and judge, committed before its first run.

`experiments/preregistration.yaml` is written by `tools/preregister.py` from the claims, the
protocols and the experiments. It names every claim with its margin and every row with its seeds and
the id of its first run, which is a hash of everything that can change that run's result: all dials
of the protocol, the generator's seed, and the versions of the code. Every run that is made
afterwards notes the digest of the file in its provenance (`vswin.runs.provenance`).
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AwareDatetime, Field

from vswin.errors import UsageError
from vswin.experiments.embedded import EmbeddedProtocol
from vswin.experiments.library import Library
from vswin.experiments.planning import first_runs
from vswin.experiments.tables import Count
from vswin.paper.claims import TIMED, Bounds, Claim, Evidence, Id, paper_claims
from vswin.paper.printed import printed_table
from vswin.reading import Strict, read_strictly
from vswin.runs.config import RunConfig

STOPPING = (
    "Every row is run with the seeds that are named here, from 0 on, no fewer and no more, "
    "whatever comes out; then the study ends."
)
FAILURES = (
    "A run that fails to learn counts and is shown. Only one that was cut off, by a full disk, "
    "say, is run again, with the same seed."
)
HEAD = """\
# What the study of the embedded benchmark will run and judge. Made by `python tools/preregister.py`
# and committed before the first run of the record; every run notes the SHA-256 of this file. It is
# not edited afterwards: another study has another one.
"""


class RegisteredClaim(Strict):
    """What decides about a claim, and the numbers that were fixed beforehand."""

    id: Id
    table: str | None = None
    """Whose report shows it; None: it is about the paper as a whole."""
    kind: str
    metric: str
    rows: tuple[str, ...]
    """Each with its table."""
    margin: float | None = None
    """In points; None where the kind has bounds."""
    bounds: Bounds | None = None
    evidence: Evidence
    """Open tests are adjusted for each other; what is built in is a positive control."""


class RegisteredRow(Strict):
    """A row, and how often it is run."""

    seeds: Count
    """How many: 0, 1, ..."""
    first: str
    """The id of its run with seed 0."""


class RegisteredStudy(Strict):
    """Tables under one protocol."""

    protocol: Id
    varies: str = ""
    """Of a sensitivity study: in what it differs from its protocol."""
    generator_seeds: tuple[int, ...]
    """The roots of all clips that its models are trained on and tested with."""
    tables: Annotated[dict[str, dict[str, RegisteredRow]], Field(min_length=1)]
    """Rows by table and id."""


class Preregistration(Strict):
    """All that was fixed beforehand."""

    written: AwareDatetime
    """When the file was made."""
    level: Annotated[float, Field(gt=0, lt=1)]
    """Of every interval, two-sided."""
    stopping: str
    failures: str
    claims: tuple[RegisteredClaim, ...]
    studies: Annotated[tuple[RegisteredStudy, ...], Field(min_length=1)]

    def study(self, protocol: str) -> RegisteredStudy | None:
        """What is registered under a protocol; None if nothing is."""
        return next((study for study in self.studies if study.protocol == protocol), None)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be registered under a protocol."""

    protocol: str
    tables: tuple[str, ...]
    seeds: int
    """Of every row."""
    more: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """Of rows that get another number, by names like `table5.win8`. A row that is the same run as
    such a one gets as many."""


def register(
    library: Library, plans: Iterable[Plan], written: datetime.datetime, level: float
) -> Preregistration:
    """What a preregistration says of the claims, protocols and experiments as they are.

    Args:
        library: the experiments and protocols.
        plans: one for each protocol, the one that decides about the claims first.
        written: the time now, with its zone.
        level: of the intervals.

    Raises:
        UsageError: if a name is unknown, a table cannot be run under its protocol, or a claim that
            has a margin for the benchmark compares rows that are not registered under the first
            protocol.
        ExperimentError: if a file is broken.
    """
    plans = tuple(plans)
    studies = tuple(_study(library, plan) for plan in plans)
    return Preregistration(
        written=written,
        level=level,
        stopping=STOPPING,
        failures=FAILURES,
        claims=tuple(_claims(library, studies[0])),
        studies=studies,
    )


def _study(library: Library, plan: Plan) -> RegisteredStudy:
    protocol = library.protocol(plan.protocol)
    if not isinstance(protocol, EmbeddedProtocol):
        raise UsageError(f"protocol {plan.protocol} is not of the embedded benchmark")
    runs: dict[tuple[str, str], RunConfig] = {}
    for table in plan.tables:
        experiment = library.experiment(table)
        library.require_possible(experiment, plan.protocol)
        for row, run in first_runs(experiment, protocol).items():
            runs[table, row] = run
    names = [f"{table}.{row}" for table, row in runs]
    if unknown := [name for name in plan.more if name not in names]:
        raise UsageError(f"{unknown[0]} is no row here; there are {', '.join(names)}")
    seeds: dict[str, int] = {}
    for (table, row), run in runs.items():
        count = plan.more.get(f"{table}.{row}", plan.seeds)
        seeds[run.run_id] = max(count, seeds.get(run.run_id, 0))
    tables: dict[str, dict[str, RegisteredRow]] = {}
    for (table, row), run in runs.items():
        found = RegisteredRow(seeds=seeds[run.run_id], first=run.run_id)
        tables.setdefault(table, {})[row] = found
    every = [each for run in runs.values() for each in (run, *run.ancestors)]
    roots = {run.data.generator_seed for run in every if run.data.kind == "moving_digits"}
    return RegisteredStudy(
        protocol=plan.protocol,
        varies=protocol.varies,
        generator_seeds=tuple(sorted(roots)),
        tables=tables,
    )


def _claims(library: Library, study: RegisteredStudy) -> Iterator[RegisteredClaim]:
    """The claims that runs of the study decide about."""
    printed = {table: printed_table(table) for table in study.tables}
    papers = dict.fromkeys(found.paper for found in printed.values() if found)
    claims = [claim for paper in papers for claim in paper_claims(paper)]
    claims = [claim for claim in claims if claim.table is None or claim.table in printed]
    claims += [claim for table in printed for claim in library.experiment(table).claims]
    known = {f"{table}.{row}" for table, found in study.tables.items() for row in found}
    for claim in filter(is_tested_on_clips, claims):
        registered = registered_form(claim)
        missing = [row for row in registered.rows if row not in known]
        if missing and claim.table is None:  # it is about tables that are not registered
            continue
        if missing:
            raise UsageError(
                f"claim {claim.id} compares {missing[0]}, which is not registered under protocol "
                f"{study.protocol}; register its table, too, or leave the claim to videos"
            )
        yield registered


def registered_form(claim: Claim) -> RegisteredClaim:
    """What is registered of a claim."""
    return RegisteredClaim(
        id=claim.id,
        table=claim.table,
        kind=claim.kind,
        metric=claim.metric,
        rows=tuple(f"{claim.table_of(row)}.{row.rpartition('.')[2]}" for row in claim.rows),
        margin=claim.margin("clips"),
        bounds=claim.bounds,
        evidence=claim.evidence,
    )


def is_tested_on_clips(claim: Claim) -> bool:
    """Whether runs on the embedded benchmark decide about a claim."""
    is_measured = claim.evidence in ("open test", "built in")
    needs_no_margin = claim.kind == "bound" or claim.metric in TIMED
    return is_measured and (needs_no_margin or claim.margin("clips") is not None)


def differences(registered: Preregistration, library: Library, level: float) -> list[str]:
    """In what the claims, protocols and experiments are not what was registered.

    Args:
        registered: what was fixed beforehand.
        library: the experiments and protocols as they are.
        level: at which claims are judged now.

    Returns:
        A line for each difference.
    """
    plans = [
        Plan(
            study.protocol,
            tuple(study.tables),
            1,
            {f"{t}.{r}": row.seeds for t, rows in study.tables.items() for r, row in rows.items()},
        )
        for study in registered.studies
    ]
    try:
        now = register(library, plans, registered.written, level)
    except UsageError as error:
        return [f"what was registered cannot be run: {error}"]
    before, after = (_by_place(each.model_dump(mode="json")) for each in (registered, now))
    return [
        f"{place}: registered {before.get(place, 'nothing')}, now {after.get(place, 'nothing')}"
        for place in dict.fromkeys((*before, *after))
        if before.get(place) != after.get(place)
    ]


def _by_place(content: Any, place: str = "") -> dict[str, Any]:
    """Every value by where it stands; claims and studies by their names."""
    if isinstance(content, list) and content and isinstance(content[0], dict):
        content = {each.get("id") or each["protocol"]: each for each in content}
    if not isinstance(content, dict):
        return {place: content}
    found: dict[str, Any] = {}
    for key, value in content.items():
        found |= _by_place(value, f"{place}.{key}" if place else key)
    return found


def read_preregistration(path: Path) -> Preregistration | None:
    """What was registered; None where there is no such file.

    Raises:
        ExperimentError: if the file is broken; names file, line and key.
    """
    return read_strictly(path, Preregistration) if path.exists() else None


def as_yaml(registration: Preregistration) -> str:
    """The file: a line for each claim and each row."""
    content = registration.model_dump(mode="json", exclude_defaults=True)
    claims, studies = content.pop("claims"), content.pop("studies")
    lines = [HEAD.rstrip(), *(_block(content)), "claims:"]
    lines += [f"  - {_inline(claim)}" for claim in claims]
    lines += ["studies:"]
    for study in studies:
        tables = study.pop("tables")
        first, *others = _block(study)
        lines += [f"  - {first}", *(f"    {other}" for other in others), "    tables:"]
        for table, rows in tables.items():
            lines += [f"      {table}:"]
            lines += [f"        {row}: {_inline(found)}" for row, found in rows.items()]
    return "\n".join(lines) + "\n"


def _block(content: dict[str, Any]) -> list[str]:
    return [f"{key}: {_inline(value)}" for key, value in content.items()]


def _inline(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6)
    return text.removesuffix("\n").removesuffix("\n...")
