"""What tells one run from another, and what does not.

A run's id is a readable slug and a hash of its identity: everything that can change its result.
Into the identity go the configuration of the run (`vswin.runs.config.RunConfig`, with that of the
runs that it starts from) and the versions of the components that it uses: the model family, the
kind of data, the test, the task, the training. A version is raised by hand, where the component
is, when a change of its code changes results. So a fix of the video transforms makes other runs of
those on videos, and leaves those on Moving Digits as they are.

A field that has its default is left out of the hash: a new option leaves old ids alone, and a
changed default must raise a version. Tags (`kind`, `family`) are always kept.

Not in the identity are

- labels: the preset, the table and the row (Table 5 prints one run twice);
- where things are: paths, hosts, settings of Slurm;
- execution settings (`vswin.runs.resources`): device, threads, processes, workers, micro_batch and
  how often a checkpoint is written.

Execution settings never change which clips a step sees, nor what is tested. With the same settings
on the same machine a run gives the same result, bit for bit. With others it gives the same result
within this tolerance:

- device, threads and processes change the order in which numbers are added: the last bits of each
  step, which training then carries further;
- micro_batch and processes also change the draw of stochastic depth and dropout, which are drawn
  for each micro-batch: another sample of the same distribution, as another seed would be;
- workers and checkpoints change nothing.

The difference is one of chance, of the size of that between two seeds, and no report calls a
difference of that size an effect. Each result records the settings that it was made with.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

TAGS = frozenset({"kind", "family"})
"""Names of fields that tell the members of a union apart."""


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: the same text for the same content."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """Ten hexadecimal digits of the SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:10]


def without_defaults(value: Any) -> dict[str, Any]:
    """The fields of a dataclass that have not their default, and those with a tag, as in JSON."""
    kept = {}
    for field in dataclasses.fields(value):
        item = getattr(value, field.name)
        if dataclasses.is_dataclass(item) and not isinstance(item, type):
            inner = without_defaults(item)
            if item != default_of(field) or inner.keys() & TAGS:
                kept[field.name] = inner
        elif item != default_of(field) or field.name in TAGS:
            kept[field.name] = item
    # Tuples become lists here, so that what is hashed is what is read back from disk.
    return json.loads(json.dumps(kept))


def default_of(field: dataclasses.Field[Any]) -> Any:
    """A field's default; `dataclasses.MISSING` if it has none."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default
