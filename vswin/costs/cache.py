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
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from vswin.costs.counting import Cost, Rule, cost
from vswin.costs.memory import TrainingMemory, training_memory, usual_batch
from vswin.files import DamagedFileError, read_json, write_json
from vswin.models.registry import ModelConfig, build, family_of
from vswin.place import cache_folder

Size = tuple[int, int, int, int]
Found = TypeVar("Found", Cost, TrainingMemory)


@functools.lru_cache(maxsize=256)
def cost_at(config: ModelConfig, input_size: Size, rule: Rule) -> Cost:
    """The cost of a model for one clip of (C, T, H, W), as `vswin.cost` counts it."""
    key = _key(config, input_size, rule=rule)
    return _kept(key, "cost", _read_cost, lambda: _count(config, input_size, rule))


def memory_at(config: Any, input_size: Size, batch: int | None = None) -> TrainingMemory:
    """What a training step of a model takes, as `vswin.costs.memory.training_memory` has it."""
    found = _memory_at(config, input_size)
    return dataclasses.replace(found, batch=batch or usual_batch(config))


@functools.lru_cache(maxsize=256)
def _memory_at(config: Any, input_size: Size) -> TrainingMemory:
    """Of one clip."""
    key = _key(config, input_size, step="training")
    return _kept(key, "memory", _read_memory, lambda: _count_memory(config, input_size))


def _key(config: ModelConfig, input_size: Size, **question: str) -> dict[str, Any]:
    """All that an answer depends on, as it is read back: tuples are lists."""
    key: dict[str, Any] = {
        "model": {
            "family": family_of(config).name,
            **dataclasses.asdict(config),
        },
        "input_size": list(input_size),
        **question,
        "sources": digest_of_sources("models", "costs"),
        "packages": {"torch": importlib.metadata.version("torch")},
    }
    return json.loads(json.dumps(key))


def _kept(
    key: dict[str, Any],
    name: str,
    read: Callable[[dict[str, Any], Any], Found | None],
    count: Callable[[], Found],
) -> Found:
    """The answer to `key` in the cache; counted and written where there is none, or a damaged one.

    Args:
        key: the question.
        name: of the answer in the entry.
        read: makes an answer of an entry's content; None where it is not what we write.
        count: finds it anew.
    """
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    entry = cache_folder() / "costs" / f"{digest[:32]}.json"
    try:
        content = read_json(entry)
    except DamagedFileError:
        content = None
    is_ours = isinstance(content, dict) and content.get("key") == key
    found = read(key, content.get(name)) if is_ours else None
    if found is None:
        found = count()
        with contextlib.suppress(OSError):
            entry.parent.mkdir(parents=True, exist_ok=True)
            write_json(entry, {"key": key, name: dataclasses.asdict(found)})
    return found


def _count(config: ModelConfig, input_size: Size, rule: Rule) -> Cost:
    import torch  # reports and estimates need it for this alone

    with torch.device("meta"):
        model = build(config)
    return cost(model, input_size, rule)


def _count_memory(config: ModelConfig, input_size: Size) -> TrainingMemory:
    import torch

    with torch.device("meta"):
        model = build(config)
    return training_memory(model, input_size, batch=1)


def _read_cost(key: dict[str, Any], found: Any) -> Cost | None:
    if not isinstance(found, dict) or found.keys() != {f.name for f in dataclasses.fields(Cost)}:
        return None
    counts = found["by_operator"]
    numbers = [found["params"], *counts.values()] if isinstance(counts, dict) else [None]
    if not all(type(number) is int for number in numbers) or found["flops"] != sum(counts.values()):
        return None
    size = tuple(key["input_size"])
    return Cost(found["flops"], found["params"], key["rule"], size, counts)


def _read_memory(key: dict[str, Any], found: Any) -> TrainingMemory | None:
    del key
    names = {field.name for field in dataclasses.fields(TrainingMemory)}
    if not isinstance(found, dict) or found.keys() != names:
        return None
    is_whole = all(type(number) is int and number >= 0 for number in found.values())
    return TrainingMemory(**found) if is_whole else None


@functools.cache
def digest_of_sources(*parts: str) -> str:
    """A digest of the code in folders of this package: of what is counted, of what is loaded."""
    package = Path(__file__).parents[1]
    found = hashlib.sha256()
    for path in sorted(path for part in parts for path in (package / part).rglob("*.py")):
        found.update(f"{path.relative_to(package).as_posix()}\n".encode() + path.read_bytes())
    return found.hexdigest()
