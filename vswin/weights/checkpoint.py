"""A checkpoint's weights under our names, whatever it was wrapped in and called."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import math
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from vswin.models.errors import WeightsError
from vswin.models.swin.architecture import TABLE, Architecture, architecture
from vswin.models.swin.config import Triple, VideoSwinConfig
from vswin.models.swin.layouts import recognise, some, to_ours
from vswin.models.swin.model import VideoSwinTransformer
from vswin.models.swin.windows import relative_position_index

WRAPPERS = ("state_dict", "model", "model_state_dict")
PREFIXES = ("module.", "_orig_mod.", "model.")
"""What DistributedDataParallel, torch.compile and Lightning put before all names."""
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
EMBEDDING = "patch_embed.proj.weight"


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's weights under our names, and what is known about it."""

    source: str
    layout: str
    weights: dict[str, Tensor]
    """The patch embedding has five dimensions here, also that of a 2D model."""
    left_out: dict[str, str]
    """Why each other entry is not a weight, under its own name."""
    found: Architecture
    noted_window: Triple | None
    """The window, where the checkpoint says it; otherwise the shapes must."""
    index_tables: dict[str, Tensor]
    """Its lookup tables of relative positions, which say what the rows of bias tables mean."""

    @functools.cached_property
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
        WeightsError: if the layout is unknown, an entry belongs to no model of ours, a weight is
            no dense tensor of finite numbers, or the bias tables are not of one window.
    """
    entries, beside = _unwrap(content)
    no_tensors = [key for key, value in entries.items() if not isinstance(value, Tensor)]
    if no_tensors:
        raise WeightsError(
            f"{source} has entries that are no tensors: {some(no_tensors)}; wanted weights by "
            f"name, or under one of {', '.join(WRAPPERS)}"
        )
    layout = recognise(entries, source)
    weights, left_out = to_ours(entries, layout, source)
    _require_values(weights, source)
    if weights[EMBEDDING].ndim == 4 and layout.kind == "2d":
        weights[EMBEDDING] = weights[EMBEDDING].unsqueeze(2)
    index_tables = {k: v for k, v in entries.items() if k.endswith("relative_position_index")}
    _require_dense(index_tables, source)
    _require_one_window(weights, source)
    noted, volume = _noted_window(entries), _volume(index_tables)
    found = architecture(weights, source, layout.kind, noted, volume)
    checkpoint = Checkpoint(
        source, layout.name, weights, left_out | beside, found, noted, index_tables
    )
    if found.window_size is not None:
        require_order_of(checkpoint, found.window_size)
    return checkpoint


def checkpoint_of(model: VideoSwinTransformer) -> Checkpoint:
    """A model's weights as a checkpoint, which need not be guessed at.

    Raises:
        WeightsError: if a weight is not finite, or the model is on the meta device.
    """
    return as_of(parse_checkpoint(model.state_dict(), "the model"), model.config)


def as_of(checkpoint: Checkpoint, config: VideoSwinConfig) -> Checkpoint:
    """The checkpoint of a model that is known: what shapes leave open is as the model has it."""
    found = dataclasses.replace(
        checkpoint.found,
        kind="2d" if config.is_image_model else "video",
        window_size=config.window_size,
    )
    return dataclasses.replace(checkpoint, found=found)


def require_order_of(checkpoint: Checkpoint, window: Triple) -> None:
    """Refuses bias tables whose rows mean other offsets than those of `window` do here.

    Raises:
        WeightsError: if the checkpoint has lookup tables, and they are of another window or order.
    """
    wanted = relative_position_index(window, window).flatten()
    for key, value in checkpoint.index_tables.items():
        if not torch.equal(value.flatten().cpu().long(), wanted):
            raise WeightsError(
                f"{checkpoint.source}: {key} is not that of window {window}, so that the bias "
                "tables mean something else than here"
            )


def _require_dense(tensors: Mapping[str, Tensor], source: str) -> None:
    for name, value in tensors.items():
        if value.layout != torch.strided or value.is_meta:
            kind = "on the meta device" if value.is_meta else f"{value.dtype}, {value.layout}"
            raise WeightsError(f"{source}: {name} is {kind}; wanted a dense tensor with values")


def _require_values(weights: Mapping[str, Tensor], source: str) -> None:
    _require_dense(weights, source)
    for name, value in weights.items():
        if value.dtype not in DTYPES:
            raise WeightsError(f"{source}: {name} is {value.dtype}; wanted floating point numbers")
    bad = [name for name, value in weights.items() if not value.isfinite().all()]
    if bad:
        raise WeightsError(f"{source} has values that are no finite numbers in {some(bad)}")


def _require_one_window(weights: Mapping[str, Tensor], source: str) -> None:
    tables = {k: v for k, v in weights.items() if re.search(rf"blocks\.\d+\.{TABLE}$", k)}
    rows = {value.shape[0]: name for name, value in tables.items() if value.ndim == 2}
    if len(rows) > 1:
        some_of = ", ".join(f"{name} has {count} rows" for count, name in rows.items())
        raise WeightsError(
            f"{source} has bias tables of several windows ({some_of}): another architecture, such "
            "as Swin-S3, or one for small images; wanted one window throughout"
        )


def _volume(index_tables: Mapping[str, Tensor]) -> int | None:
    """N, which a table of N * N relative positions has, flat or not; None without one."""
    sizes = {math.isqrt(value.numel()) for value in index_tables.values()}
    return max(sizes, default=None)


def _noted_window(entries: Mapping[str, Tensor]) -> Triple | None:
    """The window that `vswin.save_weights` notes in our own layout."""
    note = entries.get("window_size")
    if note is None or note.shape != (3,) or note.is_meta or note.dtype != torch.int64:
        return None
    return tuple(note.tolist())


def _unwrap(content: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The state dict inside a checkpoint, and why what is beside it is left out, by name."""
    beside: dict[str, str] = {}
    while wrappers := [w for w in WRAPPERS if isinstance(content.get(w), Mapping)]:
        for key, value in content.items():
            if key != wrappers[0]:
                other = isinstance(value, Mapping) and any("attn.qkv.weight" in k for k in value)
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
