"""A checkpoint's weights under our names, whatever it was wrapped in and called."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vswin.models.errors import WeightsError
from vswin.models.layouts import CheckpointCode, Found, Layout, some
from vswin.models.registry import Family, families, family
from vswin.weights.unpickling import Inert, text
from vswin.weights.unwrapping import WRAPPERS, Located, clean_names, is_array, locate, unwrap

HEADS = re.compile(r"(head|heads|fc|fc_cls|cls_head|classifier|classification_head)\.")
"""How the names of classifiers begin, ours and others'."""
MOST_REPEATED = 1 << 30
"""Bytes that a checkpoint's tensors may have beyond those of their storages."""
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's weights under our names, and what is known about it."""

    source: str
    family: str
    layout: str
    weights: dict[str, Tensor]
    """In the shapes that the family keeps them in."""
    left_out: dict[str, str]
    """Why each other entry is not a weight, under its own name."""
    found: Found
    other_head: dict[str, str] = dataclasses.field(default_factory=dict)
    """Why each part of a classifier is none that we have; such weights load without it."""

    def __repr__(self) -> str:
        size = f"{self.found.size()}, {len(self.weights)} tensors"
        return f"<Checkpoint {self.source}: {self.family}, {self.layout}, {size}>"

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 over names, types, shapes and values."""
        total = hashlib.sha256()
        for name in sorted(self.weights):
            value = self.weights[name].detach().cpu().contiguous()
            total.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
            total.update(value.reshape(-1).view(torch.uint8).numpy().data)
        return total.hexdigest()


def checkpoints_of(name: str) -> CheckpointCode:
    """What loading and saving the checkpoints of a family needs."""
    return importlib.import_module(family(name).code).CHECKPOINTS


def head_of(kind_of_model: Family) -> str:
    """How the names of a family's classifier begin."""
    head: str = importlib.import_module(kind_of_model.code).HEAD
    return head


def layouts() -> dict[str, Layout]:
    """The layouts of all families; those of the same name hold the same kind of model."""
    return {
        name: layout
        for each in families()
        for name, layout in checkpoints_of(each.name).layouts.items()
    }


def parse_checkpoint(content: Mapping[str, Any], source: str = "a mapping") -> Checkpoint:
    """Unwraps, recognises and renames a checkpoint.

    Args:
        content: a state dict, or what holds one (under "state_dict", "model", ...).
        source: its name, for errors.

    Raises:
        WeightsError: if the layout is unknown, an entry belongs to no model of ours, a weight is
            no dense tensor of finite numbers, or the weights contradict each other.
    """
    content, beside = unwrap(content, _is_model)
    entries = {key: value for key, value in content.items() if isinstance(value, Tensor)}
    notes = {key: value for key, value in content.items() if key not in entries}
    wanted = f"wanted weights by name, or under one of {some(WRAPPERS)}{_hint(notes)}"
    _require_room(entries, source)
    if not entries:
        raise WeightsError(f"{source} holds no tensors{_listed(': ', notes)}; {wanted}")
    located = locate(entries, _recognise, source)
    no_tensors = [
        key
        for key in notes
        if (
            any(map(located.layout.ours, clean_names(key, located.prefixes)))
            if located
            else "." in key
        )
    ]
    if no_tensors:
        listed = _listed("", {key: notes[key] for key in no_tensors})
        raise WeightsError(f"{source} has entries that are no tensors: {listed}; {wanted}")
    if located is None:
        raise WeightsError(
            f"{source} has a layout that is not known: its keys begin with {some(entries)}; "
            f"known: {', '.join(layouts())}"
        )
    return _checkpoint(located, dict.fromkeys(notes, "a note: no tensor") | beside, source)


def checkpoint_of(model: nn.Module) -> Checkpoint:
    """A model's weights as a checkpoint, which need not be guessed at.

    Raises:
        WeightsError: if a weight is not finite, or the model is on the meta device.
    """
    return as_of(parse_checkpoint(model.state_dict(), "the model"), model.config)


def as_of(checkpoint: Checkpoint, config: Any) -> Checkpoint:
    """The checkpoint of a model that is known: what shapes leave open is as the model has it."""
    code = checkpoints_of(checkpoint.family)
    return dataclasses.replace(checkpoint, found=code.as_of(checkpoint.found, config))


def _checkpoint(located: Located, beside: dict[str, str], source: str) -> Checkpoint:
    """The checkpoint that a located model makes."""
    entries, layout, code = located.entries, located.layout, located.code
    left_out = {key: why for name, why in located.left_out.items() for key in located.called[name]}
    weights = {
        name: value
        for key, value in entries.items()
        if key not in located.left_out and (name := layout.ours(key)) is not None
    }
    other_head = {
        located.called[key][0]: f"has no place in {layout.name}"
        for key in located.unknown
        if HEADS.match(key)
    }
    unknown = [key for key in located.unknown if not HEADS.match(key)]
    if unknown:
        raise WeightsError(
            f"{source} was recognised as {layout.name}, but that has no place for "
            f"{some(unknown)}: the checkpoint of another model, or of a modified one (what is no "
            "weight of a model, leave out of the file)"
        )
    for name in [n for n in weights if n.startswith(head_of(located.family))]:
        wanted = 1 if name.endswith(".bias") else 2
        if weights[name].ndim != wanted:
            shape = tuple(weights.pop(name).shape)
            other_head[name] = f"has shape {shape}, wanted {wanted} dimensions"
    _require_values(weights, source)
    weights, found = code.read(weights, entries, layout, source)
    return Checkpoint(
        source, located.family.name, layout.name, weights, left_out | beside, found, other_head
    )


def _recognise(
    entries: Mapping[str, Tensor], source: str
) -> tuple[Family, CheckpointCode, Layout] | None:
    """The family and the layout of a checkpoint; None if it is of no family."""
    for each in families():
        code = checkpoints_of(each.name)
        if (layout := code.recognise(entries, source)) is not None:
            return each, code, layout
    return None


def _require_values(weights: Mapping[str, Tensor], source: str) -> None:
    for name, value in weights.items():
        if value.layout != torch.strided or value.is_meta:
            kind = "on the meta device" if value.is_meta else f"{value.dtype}, {value.layout}"
            raise WeightsError(f"{source}: {name} is {kind}; wanted a dense tensor with values")
        if value.dtype not in DTYPES:
            raise WeightsError(f"{source}: {name} is {value.dtype}; wanted floating point numbers")
    bad = [name for name, value in weights.items() if not value.isfinite().all()]
    if bad:
        raise WeightsError(f"{source} has values that are no finite numbers in {some(bad)}")


def _require_room(entries: Mapping[str, Tensor], source: str) -> None:
    """Refuses views that have far more numbers than their storages, which a small file can hold.

    Raises:
        WeightsError: names the largest.
    """
    sizes, storages = {}, {}
    for name, value in entries.items():
        if type(value) in (Tensor, nn.Parameter) and value.layout == torch.strided:
            sizes[name] = value.numel() * value.itemsize
            storage = value.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes() if not value.is_meta else sizes[name]
    if sum(sizes.values()) - sum(storages.values()) > MOST_REPEATED:
        name = max(sizes, key=lambda each: sizes[each])
        raise WeightsError(
            f"{source}: {name} has shape {tuple(entries[name].shape)}, but the checkpoint holds "
            f"only {sum(storages.values()):,} bytes of numbers: views that repeat them (expanded "
            "tensors); wanted tensors that hold their numbers, as .clone() makes them"
        )


def _is_model(content: Mapping[str, Any]) -> bool:
    """Whether a mapping holds the weights of a model that we know, also of one we cannot read."""
    entries = {text(key): v for key, v in content.items() if isinstance(v, Tensor)}
    try:
        return locate(entries, _recognise, "it") is not None
    except WeightsError:
        return True


def _hint(notes: Mapping[str, Any]) -> str:
    if any(map(is_array, notes.values())):
        return "; arrays of numpy become tensors by torch.from_numpy"
    sharded = (".DTensor", ".ShardedTensor")
    if any(isinstance(v, Inert) and v.name.endswith(sharded) for v in notes.values()):
        return " and whole, as FSDP's full state dict has them, not shards"
    return ""


def _listed(before: str, notes: Mapping[str, Any]) -> str:
    """Names of what is no tensor; of objects of foreign classes also the class."""
    names = [
        f"{key} (an array of numpy)"
        if is_array(v)
        else f"{key} ({v.name})"
        if isinstance(v, Inert)
        else key
        for key, v in notes.items()
    ]
    return before + some(names) if names else ""
