"""Loading a checkpoint's tensors into a model, whatever its layout; nothing is lost silently.

Either every weight of the model is accounted for, or the model is left as it was and the error
names the keys: training from random weights without noticing is the commonest way of failing to
reproduce this paper.
"""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Iterable, Mapping
from typing import Literal

import torch
from torch import Tensor

from vswin.models.errors import WeightsError
from vswin.models.swin.architecture import Architecture, require_same_size
from vswin.models.swin.config import Triple
from vswin.models.swin.inflation import (
    BiasInit,
    EmbeddingInit,
    crop_bias_table,
    inflate_bias_table,
    inflate_embedding,
)
from vswin.models.swin.layouts import Kind, some
from vswin.models.swin.model import VideoSwinTransformer
from vswin.models.swin.windows import bias_table_rows
from vswin.weights.checkpoint import EMBEDDING, Checkpoint, as_of, require_order_of

logger = logging.getLogger("vswin")
Action = Literal["mapped", "inflated", "resized", "cropped"]


@dataclasses.dataclass(frozen=True)
class LoadReport:
    """What became of a checkpoint. Names are the model's, except in `ignored`."""

    source: str
    """The file, or "a mapping"."""
    layout: str
    found: Architecture
    digest: str
    """SHA-256 over names and values of the checkpoint's weights, whatever its layout or file."""
    mapped: tuple[str, ...]
    """Weights that were copied as they are, under our name."""
    inflated: tuple[str, ...]
    """Weights that were given a temporal extent (section 3.4)."""
    resized: tuple[str, ...]
    """2D bias tables that were interpolated to another spatial window."""
    cropped: tuple[str, ...]
    """3D bias tables of a larger window, of which the part for the model's was taken."""
    fresh: tuple[str, ...]
    """Weights of the model that the checkpoint has nothing for; they are as they were before."""
    ignored: dict[str, str]
    """Entries of the checkpoint that were not used, each with the reason."""
    how: dict[str, str]
    """Which initialisations of Tables 8 and 9 were applied; empty if nothing was inflated."""

    def __str__(self) -> str:
        """A few lines for a log."""
        choices = "".join(f", {what}: {how}" for what, how in self.how.items())
        lines = [
            f"{self.source}: {self.layout} ({self.found.kind}), {self.found.size()}{choices}",
            f"  digest {self.digest}",
            f"  mapped {len(self.mapped)} tensors",
        ]
        for what in ("inflated", "resized", "cropped", "fresh"):
            if names := getattr(self, what):
                lines.append(f"  {what} {len(names)}: {some(names)}")
        reasons: dict[str, list[str]] = {}
        for name, why in self.ignored.items():
            reasons.setdefault(why, []).append(name)
        lines += [f"  ignored {len(n)} ({why}): {some(n)}" for why, n in reasons.items()]
        return "\n".join(lines)


def load_checkpoint(
    model: VideoSwinTransformer,
    checkpoint: Checkpoint,
    *,
    expect: Kind | None = None,
    embedding: EmbeddingInit = "inflate",
    bias: BiasInit = "duplicate",
    head: bool | None = None,
) -> LoadReport:
    """Loads a checkpoint into `model`, in place, or raises and leaves it as it was.

    Args:
        model: what to load into.
        checkpoint: from `parse_checkpoint`.
        expect: as in `vswin.load_weights`, as are the others.
        embedding: Table 8.
        bias: Table 9.
        head: whether to load the classifier.

    Raises:
        WeightsError: as `vswin.load_weights` does.
    """
    checkpoint = _as_the_models_own(checkpoint, model)
    found, config = checkpoint.found, model.config
    _require_kind(checkpoint, model, expect)
    require_same_size(found, config, checkpoint.source)
    if found.window_size is None:  # then it can only be the model's
        require_order_of(checkpoint, config.spatial_window)
    inflating = found.kind == "2d" and not config.is_image_model
    how = _applied(checkpoint, model, embedding, bias)
    with_head = not inflating if head is None else head
    ignored, taken = dict(checkpoint.left_out), dict(checkpoint.weights)
    for name in ("head.weight", "head.bias"):
        if not with_head and name in taken:
            del taken[name]
            ignored[name] = "the classifier is trained anew"
    target = dict(model.named_parameters())
    may_be_fresh = [n for n in target if n.startswith("head.") and not with_head]
    if inflating:  # Table 4's temporal layers have no counterpart in an image model
        may_be_fresh += [n for n in target if ".temporal." in n or n.startswith("temporal_layers.")]
    fresh = tuple(name for name in may_be_fresh if name not in taken)
    _require_names(checkpoint, target, taken, fresh)

    done: dict[Action, list[str]] = {"mapped": [], "inflated": [], "resized": [], "cropped": []}
    values = {}
    for name, value in taken.items():
        values[name], actions = _fit(name, value, checkpoint, model, embedding, bias)
        for action in actions:
            done[action].append(name)
    _require_shapes(checkpoint, target, values)
    for name, value in values.items():
        values[name] = value.to(target[name].dtype)
        if not values[name].isfinite().all():
            raise WeightsError(f"{checkpoint.source}: {name} overflows {target[name].dtype}")
    with torch.no_grad():
        for name, value in values.items():
            target[name].copy_(value)
    report = LoadReport(
        checkpoint.source,
        checkpoint.layout,
        found,
        checkpoint.digest,
        **{action: tuple(names) for action, names in done.items()},
        fresh=fresh,
        ignored=ignored,
        how=how,
    )
    logger.info("%s", report)
    return report


def _as_the_models_own(checkpoint: Checkpoint, model: VideoSwinTransformer) -> Checkpoint:
    """Settles what shapes leave open where they are exactly the model's, in our own layout."""
    if checkpoint.layout != "vswin" or checkpoint.noted_window is not None:
        return checkpoint
    shapes = {name: value.shape for name, value in checkpoint.weights.items()}
    wanted = {name: value.shape for name, value in model.named_parameters()}
    differ = {n for n in shapes.keys() | wanted.keys() if shapes.get(n) != wanted.get(n)}
    if any(not name.startswith("head.") for name in differ):
        return checkpoint
    return as_of(checkpoint, model.config)


def _applied(
    checkpoint: Checkpoint, model: VideoSwinTransformer, embedding: str, bias: str
) -> dict[str, str]:
    """The choices of Tables 8 and 9 as far as they have an effect; a vain one is refused."""
    is_2d = checkpoint.found.kind == "2d"
    applied = {}
    for name, value, default, frames in (
        ("embedding", embedding, "inflate", model.config.patch_size[0]),
        ("bias", bias, "duplicate", model.config.spatial_window[0]),
    ):
        if is_2d and frames > 1:
            applied[name] = value
        elif value != default:
            why = (
                f"the model's {'patches' if name == 'embedding' else 'windows'} have one frame"
                if is_2d
                else f"{checkpoint.source} is a video checkpoint, which is not inflated"
            )
            raise WeightsError(f"{name}={value!r} would have no effect: {why}")
    return applied


def _fit(
    name: str,
    value: Tensor,
    checkpoint: Checkpoint,
    model: VideoSwinTransformer,
    embedding: EmbeddingInit,
    bias: BiasInit,
) -> tuple[Tensor, list[Action]]:
    """A weight in the model's shape, and what was done to it."""
    config, is_2d = model.config, checkpoint.found.kind == "2d"
    if name == EMBEDDING and is_2d and config.patch_size[0] > 1:
        return inflate_embedding(value.squeeze(2), config.patch_size[0], embedding), ["inflated"]
    if not name.endswith("relative_position_bias_table"):
        return value, ["mapped"]
    window = config.temporal_window if ".temporal." in name else config.spatial_window
    rows = value.shape[0]
    if is_2d and config.is_image_model and rows == bias_table_rows(window):
        return value, ["mapped"]
    if is_2d:
        _require_square(name, rows, checkpoint.source)
        actions: list[Action] = ["inflated"] if window[0] > 1 else []
        if rows != bias_table_rows((1, *window[1:])):
            actions.append("resized")
        return inflate_bias_table(value, window, bias), actions or ["mapped"]
    has = _table_window(name, rows, window, checkpoint)
    if has == window:
        return value, ["mapped"]
    return crop_bias_table(value, has, window), ["cropped"]


def _table_window(name: str, rows: int, window: Triple, checkpoint: Checkpoint) -> Triple:
    """The window that a video checkpoint's table was made for, which must hold the model's."""
    found, source = checkpoint.found, checkpoint.source
    if window[1:] == (1, 1):
        has: Triple = ((rows + 1) // 2, 1, 1)
    elif found.window_size is not None:
        has = found.window_size if found.design == "joint" else (1, *found.window_size[1:])
    elif rows == bias_table_rows(window):
        has = window
    else:
        raise WeightsError(
            f"{source}: {name} has {rows} rows, which several windows have, and nothing says which "
            f"it is; wanted the {bias_table_rows(window)} rows of window {window}, or a file that "
            "says its window, as those of vswin.save_weights do"
        )
    if rows != bias_table_rows(has):
        raise WeightsError(
            f"{source}: {name} has {rows} rows, wanted {bias_table_rows(has)} as window {has}"
        )
    if any(want > have for want, have in zip(window, has, strict=True)):
        raise WeightsError(
            f"window_size={window} is larger than {has}, the window that the bias tables of "
            f"{source} were made for: they have no values for the offsets between; wanted a window "
            "of at most that size, or 2D weights, which are inflated to any"
        )
    return has


def _require_square(name: str, rows: int, source: str) -> None:
    side = math.isqrt(rows)
    if side * side != rows or side % 2 == 0:
        raise WeightsError(
            f"{source}: {name} has {rows} rows; a 2D table has (2M - 1)^2, such as 169 or 529"
        )


def _require_kind(checkpoint: Checkpoint, model: VideoSwinTransformer, expect: Kind | None) -> None:
    if next(model.parameters()).is_meta:
        raise WeightsError("the model is on the meta device, where there is nothing to load into")
    found, config = checkpoint.found, model.config
    words = {"2d": "a 2D (image) checkpoint", "video": "a video checkpoint"}
    what = f"{checkpoint.source} is {words[found.kind]}, {checkpoint.layout}"
    if expect is not None and found.kind != expect:
        hint = ""
        if found.kind == "2d":
            hint = "; without expect='video' it is inflated (section 3.4), to train from"
        raise WeightsError(f"{what}; wanted {words[expect]}{hint}")
    if found.kind == "video" and config.is_image_model:
        raise WeightsError(
            f"{what}, but the model is the 2D Swin Transformer (patch_size={config.patch_size}, "
            f"window_size={config.window_size}); wanted a 2D checkpoint"
        )
    if found.kind == "video" and found.design != config.design:
        raise WeightsError(
            f"{checkpoint.source} holds the {found.design} design, but the model is "
            f"design={config.design!r}; wanted the same design, or 2D weights"
        )


def _require_names(
    checkpoint: Checkpoint,
    target: Mapping[str, Tensor],
    taken: Mapping[str, Tensor],
    fresh: tuple[str, ...],
) -> None:
    what = f"{checkpoint.source} ({checkpoint.layout})"
    missing = [name for name in target if name not in taken and name not in fresh]
    if missing:
        raise WeightsError(f"{what} lacks {some(missing)}{_head_hint(missing)}")
    extra = [name for name in taken if name not in target]
    if extra:
        raise WeightsError(f"{what} has {some(extra)}, which the model has not")


def _require_shapes(
    checkpoint: Checkpoint, target: Mapping[str, Tensor], values: Mapping[str, Tensor]
) -> None:
    wrong = {
        name: f"{name} is {tuple(checkpoint.weights[name].shape)}, wanted "
        f"{tuple(target[name].shape)}"
        for name, value in values.items()
        if value.shape != target[name].shape
    }
    if wrong:
        what = f"{checkpoint.source} ({checkpoint.layout})"
        raise WeightsError(f"{what}: {some(wrong.values())}{_head_hint(wrong)}")


def _head_hint(names: Iterable[str]) -> str:
    if all(name.startswith("head.") for name in names):
        return "; head=False loads the rest and leaves the classifier as it is"
    return ""
