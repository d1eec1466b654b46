"""Loading a checkpoint's tensors into a model, whatever its layout; nothing is lost silently.

Either every weight of the model is accounted for, or the model is left as it was and the error
names the keys: training from random weights without noticing is the commonest way of failing to
reproduce this paper.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from vswin.models.architecture import (
    Architecture,
    architecture,
    require_same_size,
    table_windows,
)
from vswin.models.inflation import (
    BiasInit,
    EmbeddingInit,
    crop_bias_table,
    inflate_bias_table,
    inflate_embedding,
)
from vswin.models.layouts import Kind, WeightsError, recognise, some, to_ours
from vswin.models.presets import Triple
from vswin.models.video_swin import VideoSwinTransformer

logger = logging.getLogger("vswin")
WRAPPERS = ("state_dict", "model", "model_state_dict")
PREFIXES = ("module.", "_orig_mod.")
"""What wrapping a model for training (DistributedDataParallel, torch.compile) puts before names."""

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
    """2D bias tables that were interpolated to another window; they were inflated, too."""
    cropped: tuple[str, ...]
    """3D bias tables of a larger window, of which the part for the model's was taken."""
    fresh: tuple[str, ...]
    """Weights of the model that the checkpoint has nothing for; they are as they were before."""
    ignored: dict[str, str]
    """Entries of the checkpoint that were not used, under its own names, each with the reason."""
    how: dict[str, str]
    """Which initialisations of Tables 8 and 9 were chosen; empty if nothing was inflated."""

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


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's weights under our names, and what is known about it."""

    source: str
    layout: str
    weights: dict[str, Tensor]
    left_out: dict[str, str]
    """Why each other entry is not a weight, under its own name."""
    found: Architecture

    @property
    def digest(self) -> str:
        """SHA-256 over names, types, shapes and values."""
        total = hashlib.sha256()
        for name in sorted(self.weights):
            value = self.weights[name].detach().cpu().contiguous()
            total.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
            total.update(value.reshape(-1).view(torch.uint8).numpy())
        return total.hexdigest()


def parse_checkpoint(content: Mapping[str, Any], source: str = "a mapping") -> Checkpoint:
    """Unwraps, recognises and renames a checkpoint.

    Args:
        content: a state dict, or what holds one (under "state_dict", "model", ...).
        source: its name, for errors.

    Raises:
        WeightsError: if the layout is unknown, or an entry belongs to no model of ours.
    """
    tensors, beside = _unwrap(content)
    layout = recognise(tensors, source)
    weights, left_out = to_ours(tensors, layout, source)
    bad = [k for k, v in weights.items() if not v.is_floating_point()]
    bad += [k for k, v in weights.items() if v.is_floating_point() and not v.isfinite().all()]
    if bad:
        raise WeightsError(f"{source} has values that are no finite numbers in {some(bad)}")
    found = architecture(weights, source)
    left_out |= dict.fromkeys(beside, "beside the weights: training state or notes")
    return Checkpoint(source, layout.name, weights, left_out, found)


def load_checkpoint(
    model: VideoSwinTransformer,
    checkpoint: Checkpoint,
    *,
    expect: Kind | None = None,
    embedding: EmbeddingInit = "inflate",
    bias: BiasInit = "duplicate",
    head: bool | None = None,
) -> LoadReport:
    """Loads a checkpoint into `model`, in place; see `vswin.load_weights`."""
    found, config = checkpoint.found, model.config
    _require_kind(checkpoint, model, expect)
    require_same_size(found, config, checkpoint.source)
    inflating = found.kind == "2d" and not config.is_image_model
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
        how={"embedding": embedding, "bias": bias} if inflating else {},
    )
    logger.info("%s", report)
    return report


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
    if name == "patch_embed.proj.weight" and is_2d:
        if value.ndim == 5:  # our own image model
            value = value.squeeze(2)
        frames = config.patch_size[0]
        inflated = inflate_embedding(value, frames, embedding)
        return inflated, ["mapped"] if frames == 1 else ["inflated"]
    if name.endswith("relative_position_bias_table"):
        window = config.temporal_window if ".temporal." in name else config.spatial_window
        wanted = math.prod(2 * size - 1 for size in window)
        rows = value.shape[0]
        if is_2d:
            _require_square(name, rows, checkpoint.source)
            actions: list[Action] = ["inflated"] if window[0] > 1 else []
            if rows != (2 * window[1] - 1) * (2 * window[2] - 1):
                actions.append("resized")
            return inflate_bias_table(value, window, bias), actions or ["mapped"]
        if rows != wanted:
            has = _table_window(name, rows, window, checkpoint.source)
            return crop_bias_table(value, has, window), ["cropped"]
    return value, ["mapped"]


def _table_window(name: str, rows: int, window: Triple, source: str) -> Triple:
    """The window that a 3D table was made for, which must hold the model's."""
    if window[1:] == (1, 1):
        found = [((rows + 1) // 2, 1, 1)]
    else:
        found = table_windows(rows)
        found = [w for w in found if w[1:] == window[1:]] or found
    if len(found) != 1:
        raise WeightsError(
            f"{source}: {name} has {rows} rows, which is no table of one certain window; "
            f"wanted the {math.prod(2 * size - 1 for size in window)} rows of window {window}"
        )
    if any(want > have for want, have in zip(window, found[0], strict=True)):
        raise WeightsError(
            f"window_size={window} is larger than {found[0]}, the window that the bias tables of "
            f"{source} were made for: they have no values for the offsets between; wanted a window "
            "of at most that size, or 2D weights, which are inflated to any"
        )
    return found[0]


def _require_square(name: str, rows: int, source: str) -> None:
    side = math.isqrt(rows)
    if side * side != rows or side % 2 == 0:
        raise WeightsError(
            f"{source}: {name} has {rows} rows; a 2D table has (2M - 1)^2, such as 169 or 529"
        )


def _require_kind(checkpoint: Checkpoint, model: VideoSwinTransformer, expect: Kind | None) -> None:
    if next(model.parameters()).is_meta:
        raise WeightsError("the model is on the meta device, where there is nothing to load into")
    found, source = checkpoint.found, checkpoint.source
    words = {"2d": "a 2D (image) checkpoint", "video": "a video checkpoint"}
    if expect is not None and found.kind != expect:
        hint = (
            "; without expect='video' it would be inflated (section 3.4) to train from, but not to "
            "test"
            if found.kind == "2d"
            else ""
        )
        raise WeightsError(
            f"{source} is {words[found.kind]}, {checkpoint.layout}; wanted {words[expect]}{hint}"
        )
    if found.kind == "video" and model.config.is_image_model:
        raise WeightsError(
            f"{source} is a video checkpoint, {checkpoint.layout}, but the model is the 2D Swin "
            f"Transformer (patch_size={model.config.patch_size}, "
            f"window_size={model.config.window_size}); wanted a 2D checkpoint"
        )
    if found.kind == "video" and found.design != model.config.design:
        raise WeightsError(
            f"{source} holds the {found.design} design, but the model is "
            f"design={model.config.design!r}; wanted the same design, or 2D weights"
        )


def _require_names(
    checkpoint: Checkpoint,
    target: Mapping[str, Tensor],
    taken: Mapping[str, Tensor],
    fresh: tuple[str, ...],
) -> None:
    missing = [name for name in target if name not in taken and name not in fresh]
    if missing:
        hint = ""
        if all(name.startswith("head.") for name in missing):
            hint = "; head=False loads the rest and leaves the classifier as it is"
        raise WeightsError(f"{checkpoint.source} ({checkpoint.layout}) lacks {some(missing)}{hint}")
    extra = [name for name in taken if name not in target]
    if extra:
        raise WeightsError(
            f"{checkpoint.source} ({checkpoint.layout}) has {some(extra)}, which the model has not"
        )


def _require_shapes(
    checkpoint: Checkpoint, target: Mapping[str, Tensor], values: Mapping[str, Tensor]
) -> None:
    wrong = [
        f"{name} is {tuple(checkpoint.weights[name].shape)}, wanted {tuple(target[name].shape)}"
        for name, value in values.items()
        if value.shape != target[name].shape
    ]
    if wrong:
        hint = ""
        if all(text.startswith("head.") for text in wrong):
            hint = "; head=False loads the rest and leaves the classifier as it is"
        raise WeightsError(f"{checkpoint.source} ({checkpoint.layout}): {some(wrong)}{hint}")


def _unwrap(content: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The state dict inside a checkpoint, and the names of what is beside it."""
    beside: list[str] = []
    for wrapper in WRAPPERS:
        if isinstance(content.get(wrapper), Mapping):
            beside = [str(key) for key in content if key != wrapper]
            content = content[wrapper]
            break
    tensors = {str(key): value for key, value in content.items()}
    for prefix in PREFIXES:
        if tensors and all(key.startswith(prefix) for key in tensors):
            tensors = {key.removeprefix(prefix): value for key, value in tensors.items()}
    return tensors, beside
