"""A checkpoint's weights under our names, whatever it was wrapped in and called."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vswin.models.errors import WeightsError
from vswin.models.layouts import CheckpointCode, Found, Layout, some
from vswin.models.registry import Family, families, family

if TYPE_CHECKING:
    from torch import nn

WRAPPERS = ("state_dict", "model", "model_state_dict")
PREFIXES = ("module.", "_orig_mod.", "model.")
"""What DistributedDataParallel, torch.compile and Lightning put before all names."""
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
    entries, beside = _unwrap(content)
    no_tensors = [key for key, value in entries.items() if not isinstance(value, Tensor)]
    if no_tensors:
        raise WeightsError(
            f"{source} has entries that are no tensors: {some(no_tensors)}; wanted weights by "
            f"name, or under one of {', '.join(WRAPPERS)}"
        )
    if not entries:
        raise WeightsError(f"{source} holds no tensors")
    recognised = _recognise(entries, source)
    if recognised is None:
        raise WeightsError(
            f"{source} has a layout that is not known: its keys begin with {some(entries)}; "
            f"known: {', '.join(layouts())}"
        )
    kind_of_model, layout = recognised
    code = checkpoints_of(kind_of_model.name)
    weights, left_out = _under_our_names(entries, layout, code, source)
    _require_values(weights, source)
    weights, found = code.read(weights, entries, layout, source)
    return Checkpoint(source, kind_of_model.name, layout.name, weights, left_out | beside, found)


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


def _recognise(entries: Mapping[str, Tensor], source: str) -> tuple[Family, Layout] | None:
    """The family and the layout of a checkpoint; None if it is of no family."""
    for each in families():
        if (layout := checkpoints_of(each.name).recognise(entries, source)) is not None:
            return each, layout
    return None


def _under_our_names(
    entries: Mapping[str, Tensor], layout: Layout, code: CheckpointCode, source: str
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The weights under our names, and why each other entry was left out, under its own name."""
    weights, left_out, unknown = {}, {}, []
    for key, value in entries.items():
        if (reason := code.not_a_weight(key)) is not None:
            left_out[key] = reason
        elif (name := layout.ours(key)) is not None:
            weights[name] = value
        else:
            unknown.append(key)
    if unknown:
        raise WeightsError(
            f"{source} was recognised as {layout.name}, but that has no place for "
            f"{some(unknown)}: the checkpoint of another model, or of a modified one"
        )
    return weights, left_out


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


def _unwrap(content: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The state dict inside a checkpoint, and why what is beside it is left out, by name."""
    beside: dict[str, str] = {}
    while wrappers := [w for w in WRAPPERS if isinstance(content.get(w), Mapping)]:
        for key, value in content.items():
            if key != wrappers[0]:
                other = isinstance(value, Mapping) and _is_recognised(value)
                beside[str(key)] = (
                    f"a second set of weights, beside {wrappers[0]}; pass it alone to load it"
                    if other
                    else "beside the weights: training state or notes"
                )
        content = content[wrappers[0]]
    entries = {str(key): value for key, value in content.items()}
    while found := [p for p in PREFIXES if entries and all(k.startswith(p) for k in entries)]:
        entries = {key.removeprefix(found[0]): value for key, value in entries.items()}
    return entries, beside


def _is_recognised(entries: Mapping[str, Any]) -> bool:
    """Whether a mapping holds the weights of a model that we know, also of one we cannot read."""
    try:
        return _recognise(entries, "it") is not None
    except (WeightsError, AttributeError):
        return False
