"""The weights inside a checkpoint: out of what training wrapped them in, under clean names.

Programs that wrap a model (`DistributedDataParallel`, `torch.compile`, averages of weights,
Lightning, ...) put words before or into the names of its weights. The words come off wherever they
stand; what then lies outside of the model is reported, and two names that become one are an error.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from torch import Tensor

from vswin.models.errors import WeightsError
from vswin.models.layouts import CheckpointCode, Layout
from vswin.models.registry import Family
from vswin.weights.unpickling import Inert, text

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
    r"(cls_head\.)?(\w+_)?(criterion|loss|losses|metrics?|acc|accuracy|auroc|f1|top_?\d+)\d*"
    r"(_\w+)?\.": "of a loss or a metric",
    r"(class|cls|pos|loss)_weights?$": "of a loss or a metric",
    r"(\w+_)?(step|steps|epoch|epochs|iter|iteration|iterations|lr|loss|acc|accuracy|top_?\d+)$": (
        "training state"
    ),
    r"(.*\.)?_extra_state$": "state that is no weight",
}
"""How names begin of what training keeps beside a model's weights, and what it is."""
COUNTER = "a counter"
DEEPEST = 8
"""Wrappers within wrappers that weights are looked for in."""
ARRAYS = (".multiarray._reconstruct", ".numeric._frombuffer", ".numpy.ndarray")
"""How pickles make arrays of numpy."""
MOST_CANDIDATES = 4
"""Beginnings of names that are tried as that of a model, of each length, the commonest first."""

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
    prefixes: tuple[str, ...] = ()
    """What was taken off the beginnings of names."""


def unwrap(
    content: Mapping[str, Any], is_model: Callable[[Mapping[str, Any]], bool]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The state dict inside a checkpoint, and why what is beside it is left out, by name.

    Of several mappings the first counts that holds a model, or, where none does, the one with the
    most tensors.

    Args:
        content: of a file.
        is_model: whether a mapping holds weights of a model that is known.
    """
    inside = list(_within(content))
    path, found = next(
        ((path, each) for path, each in inside if is_model(each)),
        max(inside, key=lambda each: _richness(each[1])),
    )
    beside: dict[str, str] = {}
    for wrapper in (*path, None):
        for key, value in content.items():
            if key == wrapper:
                continue
            if _holds_entries(value) and any(
                each is not found and is_model(each) for _, each in _within(value)
            ):
                first = wrapper or "those of the model"
                beside[text(key)] = (
                    f"a second set of weights, beside {first}; pass it alone to load it"
                )
            elif isinstance(value, Mapping) and _richness(value)[0]:
                beside[text(key)] = "tensors of no model that is known"
            elif wrapper is not None:
                beside[text(key)] = "beside the weights: training state or notes"
        content = content[wrapper] if wrapper else content
    return {text(key): value for key, value in found.items()}, beside


def _within(content: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """What wrappers lead to, and by which keys; each once, for a mapping may hold itself."""
    seen = {id(content)}
    waiting: list[tuple[tuple[str, ...], Mapping[str, Any]]] = [((), content)]
    while waiting:
        path, each = waiting.pop()
        yield path, each
        for key in reversed(WRAPPERS) if len(path) < DEEPEST else ():
            value = each.get(key)
            if isinstance(value, Mapping) and value and id(value) not in seen:
                seen.add(id(value))
                waiting.append(((*path, key), value))


def _richness(content: Mapping[str, Any]) -> tuple[int, int]:
    """How many weights a mapping may hold: tensors, and what stands for a tensor."""
    values = content.values()
    tensors = sum(isinstance(value, Tensor) for value in values)
    return tensors, sum(isinstance(value, Inert) or is_array(value) for value in values)


def is_array(value: Any) -> bool:
    """Whether a value is an array of numpy, or stands for one out of a file."""
    if isinstance(value, Inert):
        return value.name.startswith("numpy.") and value.name.endswith(ARRAYS)
    return isinstance(value, np.ndarray)


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
        found = _located(entries, clean, prefixes, recognise, source)
        if found is not None and not found.unknown:
            return found
        first = first or found
    return first or _under_another_name(entries, clean, recognise, source)


def _located(
    entries: Mapping[str, Tensor],
    clean: Mapping[str, tuple[str, ...]],
    prefixes: tuple[str, ...],
    recognise: Recognise,
    source: str,
) -> Located | None:
    """What is recognised once prefixes are off, if anything is."""
    called = _renamed(clean, lambda name: _without(name, prefixes))
    named = {name: entries[keys[0]] for name, keys in called.items()}
    if (known := recognise(named, source)) is None:
        return None
    inside = {name for name in called if name not in clean}
    found = dataclasses.replace(_sorted(*known, named, called, inside), prefixes=prefixes)
    _require_one_of_each(found, source)
    return found


def _under_another_name(
    entries: Mapping[str, Tensor],
    clean: Mapping[str, tuple[str, ...]],
    recognise: Recognise,
    source: str,
) -> Located | None:
    """A model that a larger one calls by a name of its own, if there is exactly one.

    Raises:
        WeightsError: if there are several.
    """
    for length in range(1, DEEPEST):
        begins = Counter(
            ".".join(parts[:length]) + "."
            for name in clean
            if len(parts := name.split(".")) > length
        )
        if not begins:
            break
        likely = [(begin,) for begin, _ in begins.most_common(MOST_CANDIDATES)]
        located = [_located(entries, clean, begin, recognise, source) for begin in likely]
        models = [each for each in located if each is not None]
        if len(models) > 1:
            listed = " and ".join(each.prefixes[0] for each in models)
            raise WeightsError(
                f"{source} has the weights of {len(models)} models, whose names begin with "
                f"{listed}; wanted those of one"
            )
        if models:
            return models[0]
    return None


def clean_names(name: str, prefixes: tuple[str, ...] = ()) -> set[str]:
    """A name without what wrappers may have put there, or without those prefixes."""
    return {_without(_without_words(name), off) for off in (*PREFIXES, prefixes)}


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
