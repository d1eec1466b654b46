"""Costs of the paper's models, counted once: a cache on disk.

Counting takes about a second for each model, and torch; what was counted stays true as long as the
models, the rules and torch stay the same. An entry is therefore called after all of that, the
project's own sources included, and is found again only where they are the same. One that is damaged
is counted anew; a cache folder that cannot be written saves no time, and changes nothing else.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import importlib.metadata
import json
import os
from pathlib import Path
from typing import Any

from vswin.costs.counting import Cost, Rule, cost
from vswin.files import DamagedFileError, read_json, write_json
from vswin.models.registry import ModelConfig, build, family_of

Size = tuple[int, int, int, int]


@functools.lru_cache(maxsize=256)
def cost_at(config: ModelConfig, input_size: Size, rule: Rule) -> Cost:
    """The cost of a model for one clip of (C, T, H, W), as `vswin.cost` counts it."""
    key = {
        "model": {
            "family": family_of(config).name,
            **dataclasses.asdict(config),
        },
        "input_size": list(input_size),
        "rule": rule,
        "sources": digest_of_sources("models", "costs"),
        "packages": {"torch": importlib.metadata.version("torch")},
    }
    key = json.loads(json.dumps(key))  # as it is read back: tuples are lists
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    entry = cache_folder() / "costs" / f"{digest[:32]}.json"
    found = _read(entry, key)
    if found is None:
        found = _count(config, input_size, rule)
        with contextlib.suppress(OSError):
            entry.parent.mkdir(parents=True, exist_ok=True)
            write_json(entry, {"key": key, "cost": dataclasses.asdict(found)})
    return found


def cache_folder() -> Path:
    """Where this user's caches are: $XDG_CACHE_HOME/vswin, else ~/.cache/vswin."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The specification has relative ones ignored.
    return (Path(base) if Path(base).is_absolute() else Path("~/.cache").expanduser()) / "vswin"


def _count(config: ModelConfig, input_size: Size, rule: Rule) -> Cost:
    import torch  # reports and estimates need it for this alone

    with torch.device("meta"):
        model = build(config)
    return cost(model, input_size, rule)


def _read(entry: Path, key: dict[str, Any]) -> Cost | None:
    """An entry for `key`; None where there is none, or one that is not what we write."""
    try:
        content = read_json(entry)
    except DamagedFileError:
        return None
    if not isinstance(content, dict) or content.get("key") != key:
        return None
    found = content.get("cost")
    if not isinstance(found, dict) or found.keys() != {f.name for f in dataclasses.fields(Cost)}:
        return None
    counts = found["by_operator"]
    numbers = [found["params"], *counts.values()] if isinstance(counts, dict) else [None]
    if not all(type(number) is int for number in numbers) or found["flops"] != sum(counts.values()):
        return None
    size = tuple(key["input_size"])
    return Cost(found["flops"], found["params"], key["rule"], size, counts)


@functools.cache
def digest_of_sources(*parts: str) -> str:
    """A digest of the code in folders of this package: of what is counted, of what is loaded."""
    package = Path(__file__).parents[1]
    found = hashlib.sha256()
    for path in sorted(path for part in parts for path in (package / part).rglob("*.py")):
        found.update(f"{path.relative_to(package).as_posix()}\n".encode() + path.read_bytes())
    return found.hexdigest()
