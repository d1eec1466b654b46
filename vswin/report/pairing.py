"""How far the runs of two rows are paired: what they share before the first step."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import itertools
import json
from collections.abc import Iterable

from vswin.costs.cache import digest_of_sources
from vswin.files import DamagedFileError, read_json, write_json
from vswin.paper.claims import Claim
from vswin.place import cache_folder
from vswin.report.data import Section
from vswin.report.study import Study
from vswin.runs.config import RunConfig

TITLE = "What paired runs have in common"
HEADER = ["rows", "tensors of the first", "of the second", "same name and shape", "start equal"]
NOTE = (
    "Runs of one seed are trained on clips in the same order and tested on the same clips. Their "
    "weights start equal where a tensor has the same name and shape in both, or comes from the "
    "same pre-training."
)


def pairing(study: Study, claims: Iterable[Claim]) -> Section:
    """What each two rows that a claim compares have in common, of runs with the same seed.

    Empty where no two rows have runs, or where they start from published files.
    """
    pairs = {frozenset(pair): pair for claim in claims for pair in _pairs(claim)}
    lines = []
    for first, second in pairs.values():
        if not {first, second} <= study.runs.keys():
            continue
        if both := sorted(study.runs[first].keys() & study.runs[second].keys()):
            numbers = _shared(*(study.runs[row][both[0]].config for row in (first, second)))
            lines += [[f"{first}, {second}", *map(str, numbers)]] if numbers else []
    return Section(TITLE, HEADER, lines, note=NOTE if lines else "")


def _pairs(claim: Claim) -> Iterable[tuple[str, str]]:
    """Rows of which one is subtracted from the other."""
    if claim.kind == "interaction":
        first, second, third, fourth = claim.rows
        return ((first, second), (third, fourth))
    return itertools.pairwise(claim.rows)


def _shared(first: RunConfig, second: RunConfig) -> list[int]:
    """The numbers that a line of the table has, counted once: kept in the user's cache.

    Counting takes torch and a second. An entry is called after the runs and the code that builds
    and loads models; one that cannot be read or written saves no time, and changes nothing else.
    """
    key = [first.run_id, second.run_id, digest_of_sources("models", "weights", "runs")]
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]
    path = cache_folder() / "shared" / f"{name}.json"
    with contextlib.suppress(DamagedFileError):
        content = read_json(path)
        if isinstance(content, dict) and content.get("key") == key:
            return list(content["numbers"])
    from vswin.runs.shared import shared_tensors  # torch, for this alone

    found = shared_tensors(first, second)
    numbers = list(dataclasses.astuple(found)) if found else []
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"key": key, "numbers": numbers})
    return numbers
