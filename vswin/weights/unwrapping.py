"""The weights inside a checkpoint: out of what training wrapped them in, under clean names.

Programs that wrap a model (`DistributedDataParallel`, `torch.compile`, averages of weights,
Lightning, ...) put words before or into the names of its weights. The words come off wherever they
stand; what then lies outside of the model is reported, and two names that become one are an error.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from vswin.models.errors import WeightsError
from vswin.models.layouts import CheckpointCode, Layout
from vswin.models.registry import Family

WRAPPERS = (
    *("state_dict", "model", "model_state_dict", "model_state", "module", "network", "net"),
    *("weights", "params", "state_dict_ema", "model_ema", "ema_state_dict", "ema"),
    *("teacher", "student"),
)
"""Keys that files keep weights under; averaged ones (as a teacher's are, too) are taken where there
are no others."""
WORDS = {
    *("module", "_orig_mod", "_module", "_forward_module"),
    *("_fsdp_wrapped_module", "_checkpoint_wrapped_module"),
}
"""Parts of names that come from wrappers: of data parallelism and averages, torch.compile, Opacus,
Lightning's strategies, FSDP, recomputation."""
MODEL = ("model.", "net.", "encoder.")
"""What a model is called by a LightningModule, by the usual template for one, and by SimMIM."""
BACKBONE = "backbone."
PREFIXES = ((), MODEL, (*MODEL, BACKBONE))
"""What is taken off the beginnings of names, in the order in which it is tried."""
BESIDE = {
    r"(cls_head\.)?(\w+_)?(criterion|loss|losses|metrics?|acc|accuracy|auroc|f1)\d*(_\w+)?\.": (
        "of a loss or a metric"
    ),
    r"(.*\.)?_extra_state$": "state that is no weight",
}
"""How names begin of what training keeps beside a model's weights, and what it is."""
COUNTER = "a counter"

Recognise = Callable[[Mapping[str, Tensor], str], "tuple[Family, CheckpointCode, Layout] | None"]


@dataclasses.dataclass(frozen=True)
class Located:
    """Where in a state dict the weights of a model are."""

    family: Family
    code: CheckpointCode
    layout: Layout
    entries: dict[str, Tensor]
    """Under clean names."""
    called: dict[str, tuple[str, ...]]
    """The name in the file of each; several of what is left out."""
    left_out: dict[str, str]
    """Why each entry that is no weight is left out, by its clean name."""
    unknown: list[str]
    """Clean names of what the model has no place for."""


def unwrap(
    content: Mapping[str, Any], is_model: Callable[[Mapping[str, Any]], bool]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The state dict inside a checkpoint, and why what is beside it is left out, by name.

    Args:
        content: of a file.
        is_model: whether a mapping holds weights of a model that is known.
    """
    beside: dict[str, str] = {}
    while wrappers := [w for w in WRAPPERS if _holds_entries(content.get(w))]:
        for key, value in content.items():
            if key != wrappers[0]:
                other = _holds_entries(value) and is_model(value)
                beside[str(key)] = (
                    f"a second set of weights, beside {wrappers[0]}; pass it alone to load it"
                    if other
                    else "beside the weights: training state or notes"
                )
        content = content[wrappers[0]]
    return {str(key): value for key, value in content.items()}, beside


def locate(entries: Mapping[str, Tensor], recognise: Recognise, source: str) -> Located | None:
    """Finds the model whose weights a state dict holds; None if it is none that is known.

    Args:
        entries: tensors by name.
        recognise: what family and layout tensors of clean names have.
        source: the checkpoint's name, for errors.

    Raises:
        WeightsError: if two names become one, or the model is one that cannot be read.
    """
    clean = _renamed({key: (key,) for key in entries}, _without_words)
    first: Located | None = None
    for prefixes in PREFIXES:
        if first is not None and BACKBONE in prefixes:  # a layout may have that word itself
            break
        called = _renamed(clean, lambda name, off=prefixes: _without(name, off))  # type: ignore[misc]
        named = {name: entries[keys[0]] for name, keys in called.items()}
        if (known := recognise(named, source)) is None:
            continue
        inside = {name for name in called if name not in clean}
        found = _sorted(*known, named, called, inside)
        _require_one_of_each(found, source)
        if not found.unknown:
            return found
        first = first or found
    return first


def clean_names(name: str) -> set[str]:
    """A name without what wrappers may have put there."""
    return {_without(_without_words(name), prefixes) for prefixes in PREFIXES}


def _holds_entries(value: Any) -> bool:
    return isinstance(value, Mapping) and len(value) > 0


def _sorted(
    family: Family,
    code: CheckpointCode,
    layout: Layout,
    entries: dict[str, Tensor],
    called: dict[str, tuple[str, ...]],
    inside: set[str],
) -> Located:
    """Tells weights from the rest; `inside` are names that a prefix of the model was taken from."""
    left_out, unknown = {}, []
    for name, value in entries.items():
        if (reason := code.not_a_weight(name)) is not None:
            left_out[name] = reason
        elif layout.ours(name) is not None:
            continue
        elif not value.ndim and not value.is_floating_point():
            left_out[name] = COUNTER
        elif (reason := _of_training(name)) is not None:
            left_out[name] = reason
        elif inside and name not in inside:
            left_out[name] = "outside of the model, whose names begin otherwise"
        else:
            unknown.append(name)
    return Located(family, code, layout, entries, called, left_out, unknown)


def _of_training(name: str) -> str | None:
    return next((why for pattern, why in BESIDE.items() if re.match(pattern, name)), None)


def _without_words(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in WORDS)


def _without(name: str, prefixes: tuple[str, ...]) -> str:
    while found := [prefix for prefix in prefixes if name.startswith(prefix)]:
        name = name.removeprefix(found[0])
    return name


def _renamed(
    called: Mapping[str, tuple[str, ...]], rename: Callable[[str], str]
) -> dict[str, tuple[str, ...]]:
    """New names, each with what the file calls it, from old ones."""
    renamed: dict[str, tuple[str, ...]] = {}
    for old, keys in called.items():
        renamed[rename(old)] = renamed.get(rename(old), ()) + keys
    return renamed


def _require_one_of_each(found: Located, source: str) -> None:
    for name, keys in found.called.items():
        if len(keys) > 1 and name not in found.left_out:
            raise WeightsError(
                f"{source} has {' and '.join(keys)}, which would both be {name}: weights of two "
                "models; wanted those of one"
            )
