"""Reading off a checkpoint's tensors what model they belong to."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping

from torch import Tensor

from vswin.models.layouts import Kind, WeightsError
from vswin.models.presets import PRESETS, Design, Triple, VideoSwinConfig


@dataclasses.dataclass(frozen=True)
class Architecture:
    """What a checkpoint's shapes say about its model."""

    kind: Kind
    embed_dim: int
    depths: tuple[int, ...]
    num_heads: tuple[int, ...]
    in_channels: int
    patch_size: Triple
    mlp_ratio: float | None
    window_size: Triple | None
    """None where several windows have tables of this size."""
    num_classes: int | None
    """None without a classifier."""
    design: Design

    @property
    def preset(self) -> str | None:
        """The preset of section 3.3 with these sizes."""
        return preset_of(self.embed_dim, self.depths, self.num_heads)

    def size(self) -> str:
        """Preset, channels, depths and heads, in words."""
        return size_in_words(self.embed_dim, self.depths, self.num_heads)


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
    parts = ("-".join(map(str, sizes)) for sizes in (depths, num_heads))
    return f"{name} (C={embed_dim}, depths {next(parts)}, heads {next(parts)})"


def architecture(weights: Mapping[str, Tensor], source: str) -> Architecture:
    """Infers the model from weights under our names.

    Args:
        weights: from `vswin.models.layouts.to_ours`.
        source: the checkpoint's name, for errors.

    Raises:
        WeightsError: if the patch embedding or a whole stage's attention is missing.
    """
    embed = weights["patch_embed.proj.weight"]
    if embed.ndim not in (4, 5):
        raise WeightsError(
            f"{source}: patch_embed.proj.weight has shape {tuple(embed.shape)}, wanted "
            "(C, channels, 4, 4) or (C, channels, 2, 4, 4)"
        )
    patch = tuple(embed.shape[2:]) if embed.ndim == 5 else (1, *embed.shape[2:])
    depths, heads, rows = _stages(weights, source)
    if any(".temporal." in key for key in weights):
        design: Design = "factorized"
    else:
        design = "split" if any(k.startswith("temporal_layers.") for k in weights) else "joint"
    window = _window(rows, spatial=patch[0] == 1 or design != "joint")
    is_image = design == "joint" and patch[0] == 1 and window is not None and window[0] == 1
    fc1 = weights.get("layers.0.blocks.0.mlp.fc1.weight")
    head = weights.get("head.weight")
    return Architecture(
        kind="2d" if embed.ndim == 4 or is_image else "video",
        embed_dim=embed.shape[0],
        depths=depths,
        num_heads=heads,
        in_channels=embed.shape[1],
        patch_size=patch,  # type: ignore[arg-type]
        mlp_ratio=fc1.shape[0] / fc1.shape[1] if fc1 is not None else None,
        window_size=window,
        num_classes=head.shape[0] if head is not None else None,
        design=design,
    )


def table_windows(rows: int) -> list[Triple]:
    """Windows (P, M, M) with M > 1 whose tables have that many rows, the largest M first."""
    found = []
    for m in range(2, (math.isqrt(rows) + 1) // 2 + 1):
        frames, rest = divmod(rows, (2 * m - 1) ** 2)
        if not rest and frames % 2:
            found.append(((frames + 1) // 2, m, m))
    return found[::-1]


def require_same_size(found: Architecture, config: VideoSwinConfig, source: str) -> None:
    """Refuses the checkpoint of another preset.

    Raises:
        WeightsError: if channels, depths, heads, MLP ratio, patch or input channels differ.
    """
    have, want = found.size(), size_in_words(config.embed_dim, config.depths, config.num_heads)
    if have != want:
        raise WeightsError(f"{source} holds {have}, but the model is {want}")
    patch: tuple[int, ...] = found.patch_size
    wanted_patch: tuple[int, ...] = config.patch_size
    if found.kind == "2d":  # time is what inflation adds
        patch, wanted_patch = patch[1:], wanted_patch[1:]
    for what, has, wants in (
        ("patch", patch, wanted_patch),
        ("number of input channels", found.in_channels, config.in_channels),
        ("MLP ratio", found.mlp_ratio or config.mlp_ratio, config.mlp_ratio),
    ):
        if has != wants:
            raise WeightsError(f"the {what} of {source} is {has}, but the model's is {wants}")


def _stages(
    weights: Mapping[str, Tensor], source: str
) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Blocks and heads of each stage, and the number of rows of the largest bias table."""
    depths, heads, rows = [], [], 0
    for stage in range(1 + max(_numbers(weights, r"layers\.(\d+)\.blocks"), default=0)):
        prefix = rf"layers\.{stage}\.blocks\.(\d+)\."
        depths.append(1 + max(_numbers(weights, prefix), default=-1))
        pattern = prefix + r"attn\.relative_position_bias_table"
        tables = [v for key, v in weights.items() if re.fullmatch(pattern, key) and v.ndim == 2]
        if not tables:
            raise WeightsError(
                f"{source} lacks layers.{stage}.blocks.*.attn.relative_position_bias_table"
            )
        heads.append(tables[0].shape[1])
        rows = max([rows, *(table.shape[0] for table in tables)])
    return tuple(depths), tuple(heads), rows


def _window(rows: int, spatial: bool) -> Triple | None:
    side = math.isqrt(rows)
    if spatial and side * side == rows and side % 2:
        return (1, (side + 1) // 2, (side + 1) // 2)
    found = table_windows(rows)
    return found[0] if len(found) == 1 else None


def _numbers(weights: Mapping[str, Tensor], pattern: str) -> list[int]:
    return [int(found[1]) for key in weights if (found := re.match(pattern, key))]
