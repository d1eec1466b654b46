"""Checkpoint files: loading them into a model, writing a model's weights in any public layout.

Files are read by their content, whatever they are called, and no code in them ever runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from vswin.files import atomic_write
from vswin.models.errors import ModelError, WeightsError
from vswin.models.layouts import Kind, Layout, some
from vswin.models.registry import family as family_named
from vswin.models.registry import family_of
from vswin.version import VERSION
from vswin.weights.archives import ForeignPickleError, read_archive, read_legacy
from vswin.weights.checkpoint import (
    Checkpoint,
    checkpoint_of,
    checkpoints_of,
    parse_checkpoint,
)
from vswin.weights.formats import STATE_DICT, Format, format_of, what_folder
from vswin.weights.loading import LoadReport, load_checkpoint
from vswin.weights.unpickling import HarmfulFileError, Inert, what

SUFFIXES = (".pth", ".pyth", ".pt", ".safetensors")
"""Of files that are written, .pyth as SlowFast calls its own; those that are read may be called
anything."""


def load_weights(
    model: nn.Module,
    source: str | os.PathLike[str] | Mapping[str, Any],
    *,
    expect: Kind | None = None,
    head: bool | None = None,
    **inflation: str,
) -> LoadReport:
    """Loads published or own weights into `model`, in place; the layout is recognised by its keys.

    2D weights are inflated to a video model (section 3.4); a video checkpoint is copied. If
    anything does not fit, nothing is loaded.

    Args:
        model: from `vswin.build_model`.
        source: a file of `torch.save` or safetensors, or a mapping with its content.
        expect: "2d" or "video" to refuse the other; None takes both, as far as the model can.
        head: whether to load the classifier; None does so unless 2D weights are inflated, whose
            classes are other ones.
        **inflation: choices of the model's family. The Swin family has `embedding`, how a 2D
            linear embedding gets its temporal extent ("inflate" or "center", Table 8), and `bias`,
            how 2D relative position biases get theirs ("duplicate" or "center", Table 9). The MViT
            family has `positions`: "exact" refuses position tables for other clips, "resize"
            interpolates them, bicubically in space and linearly in time.

    Returns:
        What was mapped, inflated, resized, cropped, left fresh and ignored. It is logged, too.

    Raises:
        WeightsError: if the source cannot be read, has an unknown layout, is of another family,
            kind, preset or design, lacks a weight or has one of a wrong shape or too many, was made
            for a smaller window, or if a choice of inflation is unknown or would have no effect.
    """
    _require_family(model)
    family = family_of(model)
    choices = {**family.inflation, **family.fitting}
    for name in inflation:
        if name not in choices:
            known = ", ".join(choices) or "none"
            raise WeightsError(f"family {family.name} has no inflation {name!r}; known: {known}")
    for name, value, options in (
        ("expect", expect, (None, *get_args(Kind))),
        ("head", head, (None, True, False)),
        *((name, value, choices[name]) for name, value in inflation.items()),
    ):
        if value not in options:
            wanted = ", ".join(map(repr, options))
            raise WeightsError(f"{name}={value!r} is not possible; wanted one of {wanted}")
    checkpoint = read_checkpoint(source)
    return load_checkpoint(model, checkpoint, expect=expect, head=head, inflation=inflation)


def read_checkpoint(source: str | os.PathLike[str] | Mapping[str, Any]) -> Checkpoint:
    """Reads and recognises a checkpoint without a model.

    Raises:
        WeightsError: if it cannot be read or its layout is unknown.
    """
    if isinstance(source, Mapping):
        return parse_checkpoint(source)
    if not isinstance(source, str | os.PathLike):
        raise WeightsError(
            f"weights are a {type(source).__name__}, wanted a path or a mapping of tensors"
        )
    return parse_checkpoint(_read_file(expanded(source)), str(source))


def save_weights(
    weights: nn.Module | Checkpoint, path: str | os.PathLike[str], layout: str = "vswin"
) -> None:
    """Writes weights in a public layout, atomically; a .pth, .pyth or .pt or a .safetensors file.

    Lookup tables that a layout's own loader asks for are written, too, if they follow from the
    weights. The attn_mask of Microsoft's 2D layout depends on the image size; its loader makes it.

    Args:
        weights: a model, or a checkpoint from `read_checkpoint`.
        path: where to; its suffix decides the format.
        layout: "vswin", or what other programs read: of Swin "official_video", "mmaction2",
            "torchvision", and of 2D weights "official_2d" and "timm_2d"; of MViT "slowfast",
            "pytorchvideo", "torchvision", and of 2D weights "slowfast_2d" and "pytorchvideo_2d".

    Raises:
        WeightsError: if the layout or the suffix is unknown, or the layout cannot hold the weights.
    """
    target = expanded(path)
    if isinstance(weights, nn.Module):
        _require_family(weights)
        weights = checkpoint_of(weights)
    if not isinstance(weights, Checkpoint):
        raise WeightsError(
            f"weights are a {type(weights).__name__}, wanted a model, or a checkpoint from "
            "vswin.weights.read_checkpoint"
        )
    known = checkpoints_of(weights.family).layouts
    if not isinstance(layout, str) or layout not in known:
        raise WeightsError(f"unknown layout {layout!r}; known: {', '.join(known)}")
    _require_suffix(target)
    tensors = to_layout(weights, known[layout])
    try:
        with atomic_write(target) as file:
            if target.suffix == ".safetensors":
                about = {"format": "pt", "layout": layout, "vswin": VERSION}
                file.write(safetensors.torch.save(tensors, about))
            else:
                wrapper = known[layout].wrapper
                torch.save({wrapper: tensors} if wrapper else tensors, file)
    except OSError as error:
        raise WeightsError(f"cannot write {target}: {error.strerror or error}") from error


def to_layout(checkpoint: Checkpoint, layout: Layout) -> dict[str, Tensor]:
    """A checkpoint's weights as another layout has them, with its lookup tables.

    Raises:
        WeightsError: if the layout is for the other kind of model, or has no names for a weight.
    """
    found, code = checkpoint.found, checkpoints_of(checkpoint.family)
    if layout.kind not in (None, found.kind):
        words = {"2d": "2D (image)", "video": "video"}
        way = ""
        if found.kind == "2d":
            fitting = [n for n, other in code.layouts.items() if other.kind in (None, "2d")]
            way = f": wanted {' or '.join(fitting)}"
            if family_named(checkpoint.family).inflation:
                way = ": inflate it first, with vswin.load_weights"
        raise WeightsError(
            f"{checkpoint.source} is a {words[found.kind]} checkpoint, but layout {layout.name} is "
            f"for {words[layout.kind]} models" + way
        )
    foreign = [name for name in checkpoint.weights if not layout.has(name)]
    foreign += checkpoint.other_head
    if foreign:
        kind = (None, found.kind)
        able = [n for n, o in code.layouts.items() if o.kind in kind and all(map(o.has, foreign))]
        hint = f"; {', '.join(able)} has" if able else ""
        raise WeightsError(f"layout {layout.name} has no place for {some(foreign)}{hint}")
    weights = {name: value.detach().cpu() for name, value in checkpoint.weights.items()}
    weights = code.write(weights, found, layout, checkpoint.source)
    # Copies: two names may share one tensor, which safetensors refuses.
    return {layout.theirs(name): value.contiguous().clone() for name, value in weights.items()}


def _require_family(model: Any) -> None:
    try:
        family_of(model)
    except ModelError as error:
        raise WeightsError(
            f"the model is a {type(model).__name__}, wanted one of vswin.build_model"
        ) from error


def require_file(source: str | os.PathLike[str]) -> None:
    """Refuses what cannot be a checkpoint's file, before anything else is looked at.

    Raises:
        WeightsError: if it is not there, or a folder; says what that is.
    """
    path = expanded(source)
    if path.is_dir():
        raise WeightsError(f"{path} is {what_folder(path)}")
    if not path.is_file():
        raise WeightsError(f"there is no file {path}")


def _read_file(path: Path) -> Mapping[str, Any]:
    """The content of a checkpoint file; runs nothing that is in it."""
    try:
        require_file(path)
        content = _READERS[format_of(path)](path)
    except WeightsError:
        raise
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from error
    except HarmfulFileError as error:
        raise WeightsError(
            f"{path} holds more than tensors: it names {error}, which attacks use and no "
            "checkpoint needs; nothing in it was run; wanted a file from a source that you trust"
        ) from error
    except ForeignPickleError as error:
        raise WeightsError(f"{path} is {error}; {STATE_DICT}") from error
    except Exception as error:  # whatever a damaged file makes the readers raise
        reason = " ".join(str(error).split())[:100]
        raise WeightsError(
            f"{path} is no checkpoint of torch or safetensors, or a damaged one "
            f"({path.stat().st_size:,} bytes: {reason}); was the download cut short?"
        ) from error
    if isinstance(content, Mapping) and (content or not isinstance(content, Inert)):
        return content
    raise WeightsError(f"{path} holds {what(content)}; {STATE_DICT}")


_READERS: dict[Format, Callable[[Path], Any]] = {
    "archive": read_archive,
    "legacy": read_legacy,
    "safetensors": safetensors.torch.load_file,
}


def expanded(path: str | os.PathLike[str]) -> Path:
    """A path with the home folder that it may begin with.

    Raises:
        WeightsError: if it is that of nobody here.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:  # nobody has that home directory
        raise WeightsError(f"{path}: {error}") from error


def _require_suffix(path: Path) -> None:
    if path.suffix not in SUFFIXES:
        raise WeightsError(f"{path}: wanted a file name that ends in {', '.join(SUFFIXES)}")
