"""Reading off a checkpoint's tensors what model they belong to."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from vswin.models.errors import WeightsError
from vswin.models.layouts import Kind
from vswin.models.swin.config import PRESETS, Design, Triple, VideoSwinConfig
from vswin.models.swin.layouts import TABLE
from vswin.models.swin.partition import bias_table_rows


@dataclasses.dataclass(frozen=True)
class Architecture:
    """What a checkpoint's shapes say about its model."""

    kind: Kind
    embed_dim: int
    depths: tuple[int, ...]
    num_heads: tuple[int, ...]
    in_channels: int
    patch_size: Triple
    mlp_widths: tuple[int, ...]
    """Hidden channels of the MLPs of each stage."""
    window_size: Triple | None
    """As for `build_model`; None where several windows have tables of this size and nothing in
    the checkpoint says which it is."""
    num_classes: int | None
    """None without a classifier."""
    design: Design
    window_is_noted: bool = False
    """Whether the checkpoint says the window; otherwise the shapes must."""
    index_tables: dict[str, Tensor] = dataclasses.field(
        default_factory=dict, repr=False, compare=False
    )
    """Its lookup tables of relative positions, which say what the rows of bias tables mean."""

    @property
    def preset(self) -> str | None:
        """The preset of section 3.3 with these sizes."""
        return preset_of(self.embed_dim, self.depths, self.num_heads)

    @property
    def base(self) -> str:
        """The preset that `options` are to be laid over."""
        return self.preset or "swin_t"

    @property
    def open(self) -> dict[str, str]:
        """The window, where several have tables of this size."""
        question = "fits several windows; say which with --window PxMxM"
        return {} if self.window_size else {"window_size": question}

    def facts(self) -> dict[str, Any]:
        """What a user may want to know besides size and classes."""
        return {
            "patch_size": self.patch_size,
            "window_size": self.window_size or "not certain: several have tables of this size",
            "design": self.design,
        }

    def size(self) -> str:
        """Preset, channels, depths and heads, in words."""
        return size_in_words(self.embed_dim, self.depths, self.num_heads)

    def options(self) -> dict[str, Any]:
        """What `build_model(base, ...)` is to be told besides what it assumes."""
        ratio = self.mlp_widths[-1] / (self.embed_dim * 2 ** (len(self.depths) - 1))
        found = {
            "num_classes": self.num_classes,
            "window_size": self.window_size,
            "patch_size": self.patch_size if self.patch_size != (2, 4, 4) else None,
            "in_channels": self.in_channels if self.in_channels != 3 else None,
            "design": self.design if self.design != "joint" else None,
            "mlp_ratio": ratio if ratio != 4 else None,
        }
        if self.preset is None:
            found |= {
                "embed_dim": self.embed_dim,
                "depths": self.depths,
                "num_heads": self.num_heads,
            }
        return {name: value for name, value in found.items() if value is not None}

    @property
    def is_certain(self) -> bool:
        """Whether `options` say all: one window fits, and all MLPs have one ratio."""
        ratio = self.mlp_widths[-1] / (self.embed_dim * 2 ** (len(self.depths) - 1))
        widths = tuple(int(self.embed_dim * 2**i * ratio) for i in range(len(self.depths)))
        return self.window_size is not None and widths == self.mlp_widths


def preset_of(embed_dim: int, depths: tuple[int, ...], num_heads: tuple[int, ...]) -> str | None:
    """The preset of section 3.3 with these sizes."""
    wanted = (embed_dim, depths, num_heads)
    for name, preset in PRESETS.items():
        if (preset.embed_dim, preset.depths, preset.num_heads) == wanted:
            return name
    return None


def size_in_words(embed_dim: int, depths: tuple[int, ...], num_heads: tuple[int, ...]) -> str:
    """Like "swin_t (C=96, depths 2-2-6-2, heads 3-6-12-24)"."""
    name = preset_of(embed_dim, depths, num_heads) or "no preset"
    blocks, heads = ("-".join(map(str, sizes)) for sizes in (depths, num_heads))
    return f"{name} (C={embed_dim}, depths {blocks}, heads {heads})"


def architecture(
    weights: Mapping[str, Tensor],
    source: str,
    kind: Kind | None = None,
    window: Triple | None = None,
    volume: int | None = None,
) -> Architecture:
    """Infers the model from weights under our names.

    Args:
        weights: under our names, the patch embedding with five dimensions,
            the bias tables of one window.
        source: the checkpoint's name, for errors.
        kind: what its layout holds; None if that is for the shapes to say.
        window: the window, where the checkpoint says it.
        volume: tokens in a window, where the checkpoint has tables that say it.

    Raises:
        WeightsError: if a stage's attention is missing, weights have too few dimensions, or the
            window that is said is not that of the bias tables.
    """
    embed = _dimensions(weights, "patch_embed.proj.weight", 5, source)
    patch: Triple = tuple(embed.shape[2:])  # type: ignore[assignment]
    depths, heads, rows = _stages(weights, source)
    if any(".temporal." in key for key in weights):
        design: Design = "factorized"
    else:
        design = "split" if any(k.startswith("temporal_layers.") for k in weights) else "joint"
    if window is not None:
        spatial: Triple = window if design == "joint" else (1, *window[1:])
        if min(window) < 1 or bias_table_rows(spatial) != rows:
            raise WeightsError(
                f"{source} says window {window}, but its bias tables have {rows} rows"
            )
    else:
        found = _windows(rows, spatial=kind == "2d" or design != "joint")
        found = [w for w in found if volume in (None, math.prod(w))]
        window = found[0] if len(found) == 1 else None
        if design == "factorized" and window is not None:
            temporal = _dimensions(weights, f"layers.0.blocks.0.temporal.{TABLE}", 2, source)
            window = ((temporal.shape[0] + 1) // 2, *window[1:])
    if kind is None:
        is_image = design == "joint" and patch[0] == 1 and window is not None and window[0] == 1
        kind = "2d" if is_image else "video"
    fc1 = [f"layers.{stage}.blocks.0.mlp.fc1.weight" for stage in range(len(depths))]
    head = "head.weight"
    return Architecture(
        kind=kind,
        embed_dim=embed.shape[0],
        depths=depths,
        num_heads=heads,
        in_channels=embed.shape[1],
        patch_size=patch,
        mlp_widths=tuple(_dimensions(weights, name, 2, source).shape[0] for name in fc1),
        window_size=window,
        num_classes=_dimensions(weights, head, 2, source).shape[0] if head in weights else None,
        design=design,
    )


def require_same_size(found: Architecture, config: VideoSwinConfig, source: str) -> None:
    """Refuses the checkpoint of another preset.

    Raises:
        WeightsError: if channels, depths, heads, MLP width, patch or input channels differ.
    """
    have, want = found.size(), size_in_words(config.embed_dim, config.depths, config.num_heads)
    if have != want:
        raise WeightsError(f"{source} holds {have}, but the model is {want}")
    patch: tuple[int, ...] = found.patch_size
    wanted_patch: tuple[int, ...] = config.patch_size
    if found.kind == "2d":  # time is what inflation adds
        patch, wanted_patch = patch[1:], wanted_patch[1:]
    widths = [int(config.embed_dim * 2**i * config.mlp_ratio) for i in range(len(config.depths))]
    for what, has, wants in (
        ("patch", patch, wanted_patch),
        ("number of input channels", found.in_channels, config.in_channels),
        ("width of the MLPs", found.mlp_widths, tuple(widths)),
    ):
        if has != wants:
            raise WeightsError(f"the {what} of {source} is {has}, but the model's is {wants}")


def _windows(rows: int, spatial: bool) -> list[Triple]:
    """Windows (P, M, M), M > 1, whose tables have that many rows; with `spatial`, only P = 1."""
    found: list[Triple] = []
    for m in range(2, (math.isqrt(rows) + 1) // 2 + 1):
        frames, rest = divmod(rows, (2 * m - 1) ** 2)
        if not rest and frames % 2 and (frames == 1 or not spatial):
            found.append(((frames + 1) // 2, m, m))
    return found


def _stages(
    weights: Mapping[str, Tensor], source: str
) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Blocks and heads of each stage, and the number of rows that all bias tables have."""
    depths, heads, rows = [], [], 0
    for stage in range(1 + max(_numbers(weights, r"layers\.(\d+)\.blocks"), default=0)):
        blocks = _numbers(weights, rf"layers\.{stage}\.blocks\.(\d+)\.")
        depths.append(1 + max(blocks, default=-1))
        names = [f"layers.{stage}.blocks.{block}.{TABLE}" for block in sorted(set(blocks))]
        tables = [_dimensions(weights, name, 2, source) for name in names if name in weights]
        if not tables:
            raise WeightsError(f"{source} lacks layers.{stage}.blocks.*.{TABLE}")
        rows, num_heads = tables[0].shape
        heads.append(num_heads)
    return tuple(depths), tuple(heads), rows


def _dimensions(weights: Mapping[str, Tensor], name: str, wanted: int, source: str) -> Tensor:
    if name not in weights:
        raise WeightsError(f"{source} lacks {name}")
    if weights[name].ndim != wanted:
        shape = tuple(weights[name].shape)
        raise WeightsError(f"{source}: {name} has shape {shape}, wanted {wanted} dimensions")
    return weights[name]


def _numbers(weights: Mapping[str, Tensor], pattern: str) -> list[int]:
    return [int(found[1]) for key in weights if (found := re.match(pattern, key))]
