"""Public checkpoint layouts: how others name the same weights.

Every layout is a renaming of ours (which is that of the released code, with `head` for the
classifier); values and orders are the same in all of them. A layout is therefore one function from
our names to theirs, and reading goes through its inverse.

============== ===== ==========================================================================
layout         kind  where it comes from
============== ===== ==========================================================================
official_2d    2d    microsoft/Swin-Transformer (ImageNet-1K and -22K); timm before 0.9
timm_2d        2d    timm since 0.9: downsampling belongs to the stage after it, head is head.fc
official_video video SwinTransformer/Video-Swin-Transformer: backbone.*, cls_head.fc_cls
mmaction2      video mmaction2 1.x: the same with backbone.norm3 for the final LayerNorm
torchvision    video torchvision.models.video.swin3d_t, _s, _b: features.*
vswin          both  ours; which kind it is, the shapes say
============== ===== ==========================================================================
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Literal

from vswin.models.errors import WeightsError

if TYPE_CHECKING:  # names of weights need no torch, and runs are described by `Kind`
    from torch import Tensor

Kind = Literal["2d", "video"]

NOT_WEIGHTS = {
    re.compile(r"(^|\.)relative_position_index$"): "a lookup table: follows from the window",
    re.compile(r"(^|\.)attn_mask$"): "a lookup table: follows from window and image size",
    re.compile(r"^data_preprocessor\."): "pixel statistics",
    re.compile(r"^window_size$"): "a note of ours",
}
"""What layouts store beside weights, and why it is not needed."""


@dataclasses.dataclass(frozen=True)
class Layout:
    """A naming scheme."""

    name: str
    kind: Kind | None
    """What models it holds; None for ours, which holds both."""
    rename: Callable[[str], str]
    """From our names to this layout's."""
    wrapper: str | None = None
    """Key that its files keep the weights under."""


def _timm(key: str) -> str:
    key = re.sub(r"^layers\.(\d+)\.downsample", lambda m: f"layers.{int(m[1]) + 1}.downsample", key)
    return re.sub(r"^head\.", "head.fc.", key)


def _official_video(key: str) -> str:
    if key.startswith("head."):
        return key.replace("head.", "cls_head.fc_cls.", 1)
    return f"backbone.{key}"


def _mmaction2(key: str) -> str:
    return re.sub(r"^backbone\.norm\.", "backbone.norm3.", _official_video(key))


def _torchvision(key: str) -> str:
    key = re.sub(r"^layers\.(\d+)\.blocks", lambda m: f"features.{2 * int(m[1])}", key)
    key = re.sub(r"^layers\.(\d+)\.downsample", lambda m: f"features.{2 * int(m[1]) + 1}", key)
    return key.replace(".mlp.fc1.", ".mlp.0.").replace(".mlp.fc2.", ".mlp.3.")


LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout("official_2d", "2d", lambda key: key, wrapper="model"),
        Layout("timm_2d", "2d", _timm),
        Layout("official_video", "video", _official_video, wrapper="state_dict"),
        Layout("mmaction2", "video", _mmaction2, wrapper="state_dict"),
        Layout("torchvision", "video", _torchvision),
        Layout("vswin", None, lambda key: key),
    )
}


def recognise(tensors: Mapping[str, Tensor], source: str) -> Layout:
    """Says which layout a checkpoint has, by its keys (and the shape of its patch embedding).

    Args:
        tensors: the checkpoint's entries, unwrapped.
        source: its name, for errors.

    Returns:
        One of `LAYOUTS`.

    Raises:
        WeightsError: if it is none that is known.
    """
    keys = tensors.keys()
    if not keys:
        raise WeightsError(f"{source} holds no tensors")
    if any(key.endswith(("attn.logit_scale", "attn.tau")) or ".cpb_mlp." in key for key in keys):
        raise WeightsError(
            f"{source} is a Swin Transformer V2 checkpoint; its attention is another "
            "(scaled cosine): wanted version 1"
        )
    if "features.0.0.weight" in keys and any(key.startswith("features.1.0.attn") for key in keys):
        raise WeightsError(
            f"{source} is torchvision's 2D Swin Transformer, a layout that is not read; "
            "wanted the same weights from microsoft/Swin-Transformer or timm"
        )
    if "backbone.patch_embed.proj.weight" in keys:
        return LAYOUTS["mmaction2" if "backbone.norm3.weight" in keys else "official_video"]
    if "patch_embed.proj.weight" in keys:
        if any(key.startswith("features.") for key in keys):
            return LAYOUTS["torchvision"]
        if any(key.startswith("layers.0.blocks.0.") for key in keys):
            if tensors["patch_embed.proj.weight"].ndim != 4:
                return LAYOUTS["vswin"]
            later = any(re.match(r"layers\.\d+\.downsample", key) for key in keys)
            is_timm = "head.fc.weight" in keys or (later and not _has(keys, "layers.0.downsample."))
            return LAYOUTS["timm_2d" if is_timm else "official_2d"]
    raise WeightsError(
        f"{source} has a layout that is not known: its keys begin with {some(keys)}; "
        f"known: {', '.join(LAYOUTS)}"
    )


def to_ours(
    tensors: Mapping[str, Tensor], layout: Layout, source: str
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Renames a checkpoint's entries to our names.

    Args:
        tensors: the checkpoint's entries, unwrapped.
        layout: from `recognise`.
        source: its name, for errors.

    Returns:
        The weights under our names, and why each other entry was left out, under its own name.

    Raises:
        WeightsError: if an entry is neither a weight nor known to be none.
    """
    names = {layout.rename(key): key for key in _names(layout, tensors)}
    weights, left_out, unknown = {}, {}, []
    for key, value in tensors.items():
        reason = not_a_weight(key)
        if reason is not None:
            left_out[key] = reason
        elif key in names:
            weights[names[key]] = value
        else:
            unknown.append(key)
    if unknown:
        raise WeightsError(
            f"{source} was recognised as {layout.name}, but that has no place for "
            f"{some(unknown)}: the checkpoint of another model, or of a modified one"
        )
    return weights, left_out


def not_a_weight(key: str) -> str | None:
    """Why an entry of that name is no weight; None if it can be one."""
    return next((why for pattern, why in NOT_WEIGHTS.items() if pattern.search(key)), None)


def from_ours(weights: Mapping[str, Tensor], layout: Layout) -> dict[str, Tensor]:
    """Renames our weights (and lookup tables, which have the names of their blocks) to a layout's.

    Raises:
        WeightsError: if the layout has no names for some of them (another design of Table 4).
    """
    known = _names(layout, weights)
    foreign = [key for key in weights if key not in known and not_a_weight(key) is None]
    if foreign:
        raise WeightsError(
            f"layout {layout.name} has no place for {some(foreign)}; "
            "only vswin holds the split and factorized designs"
        )
    return {layout.rename(key): value for key, value in weights.items()}


def some(keys: Iterable[str], most: int = 3) -> str:
    """The first few of many names, and how many more there are."""
    keys = list(keys)
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return ", ".join(str(key) for key in keys[:most]) + more


def _has(keys: Iterable[str], prefix: str) -> bool:
    return any(key.startswith(prefix) for key in keys)


def _names(layout: Layout, keys: Iterable[str]) -> frozenset[str]:
    """Our names of all weights that a model with such keys can have in a layout."""
    numbers = [int(number) for key in keys for number in re.findall(r"\.(\d{1,2})(?=\.)", key)]
    return _all_names(1 + max(numbers, default=0), all_designs=layout.name == "vswin")


@functools.lru_cache(maxsize=8)
def _all_names(most: int, all_designs: bool) -> frozenset[str]:
    """Our names of all weights of any model of at most so many stages, and blocks in each."""
    pair = ("weight", "bias")
    qkv_proj = [f"{x}.{p}" for x in ("qkv", "proj") for p in pair]
    window = ["relative_position_bias_table", *qkv_proj]
    plain = [f"{x}.{p}" for x in ("norm1", "norm2", "mlp.fc1", "mlp.fc2") for p in pair]
    block = [f"attn.{name}" for name in window] + plain
    outside = ("patch_embed.proj", "patch_embed.norm", "norm", "head")
    names = [f"{x}.{p}" for x in outside for p in pair]
    if all_designs:
        layer = [f"attn.{name}" for name in qkv_proj] + plain
        names += [f"temporal_layers.{k}.{name}" for k in range(most) for name in layer]
        block += ["temporal.gate", "temporal.norm.weight", "temporal.norm.bias"]
        block += [f"temporal.attn.{name}" for name in window]
    for i in range(most):
        names += [f"layers.{i}.blocks.{j}.{name}" for j in range(most) for name in block]
        names += [f"layers.{i}.downsample.{x}" for x in ("norm.weight", "norm.bias")]
        names += [f"layers.{i}.downsample.reduction.weight"]
    return frozenset(names)
