"""Public checkpoint layouts of Swin Transformers, as tables of names.

Our names are those of the released code, with `head` for the classifier. Values and orders are the
same in all layouts.

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

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from vswin.models.errors import WeightsError
from vswin.models.layouts import Layout

if TYPE_CHECKING:  # names of weights need no torch
    from torch import Tensor

TABLE = "attn.relative_position_bias_table"
LINEAR = ("norm1.{p}", "norm2.{p}", "mlp.fc1.{p}", "mlp.fc2.{p}")
WEIGHTS = (
    *("patch_embed.proj.{p}", "patch_embed.norm.{p}", "norm.{p}", "head.{p}"),
    *("layers.{i}.downsample.norm.{p}", "layers.{i}.downsample.reduction.weight"),
    *(
        f"layers.{{i}}.blocks.{{j}}.{name}"
        for name in (TABLE, "attn.qkv.{p}", "attn.proj.{p}", *LINEAR)
    ),
)
"""Of the 2D and the joint design, which others have, too."""
OF_OTHER_DESIGNS = (
    *(f"temporal_layers.{{i}}.{name}" for name in ("attn.qkv.{p}", "attn.proj.{p}", *LINEAR)),
    *(
        f"layers.{{i}}.blocks.{{j}}.temporal.{name}"
        for name in ("gate", "norm.{p}", TABLE, "attn.qkv.{p}", "attn.proj.{p}")
    ),
)
"""Of the split and factorized designs of Table 4."""
NOT_WEIGHTS = {
    r"(^|\.)relative_position_index$": "a lookup table: follows from the window",
    r"(^|\.)attn_mask$": "a lookup table: follows from window and image size",
    r"^data_preprocessor\.": "pixel statistics",
    r"^window_size$": "a note of ours",
    r"^mask_token$": "what SimMIM shows in place of a hidden patch",
}
"""What layouts store beside weights, and why it is not needed."""
_HEAD = ("head.", "cls_head.fc_cls.")
LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout("official_2d", "2d", WEIGHTS, wrapper="model"),
        Layout(
            "timm_2d",
            "2d",
            WEIGHTS,
            (("layers.{i}.downsample.", "layers.{i+1}.downsample."), ("head.", "head.fc.")),
        ),
        Layout("official_video", "video", WEIGHTS, (_HEAD, ("", "backbone.")), "state_dict"),
        Layout(
            "mmaction2",
            "video",
            WEIGHTS,
            (_HEAD, ("norm.", "backbone.norm3."), ("", "backbone.")),
            "state_dict",
        ),
        Layout(
            "torchvision",
            "video",
            WEIGHTS,
            (
                ("layers.{i}.blocks.{j}.mlp.fc1.", "features.{2i}.{j}.mlp.0."),
                ("layers.{i}.blocks.{j}.mlp.fc2.", "features.{2i}.{j}.mlp.3."),
                ("layers.{i}.blocks.", "features.{2i}."),
                ("layers.{i}.downsample.", "features.{2i+1}."),
            ),
        ),
        Layout("vswin", None, WEIGHTS + OF_OTHER_DESIGNS),
    )
}


def recognise(tensors: Mapping[str, Tensor], source: str) -> Layout | None:
    """Says which layout a checkpoint has, by its keys (and the shape of its patch embedding).

    Args:
        tensors: the checkpoint's entries, unwrapped.
        source: its name, for errors.

    Returns:
        One of `LAYOUTS`; None if it is of no Swin Transformer.

    Raises:
        WeightsError: if it is of a Swin Transformer that cannot be read here.
    """
    keys = tensors.keys()
    if any(key.endswith(("attn.logit_scale", "attn.tau")) or ".cpb_mlp." in key for key in keys):
        raise WeightsError(
            f"{source} is a Swin Transformer V2 checkpoint; its attention is another "
            "(scaled cosine): wanted version 1"
        )
    if "features.0.0.weight" in keys and _has(keys, "features.1.0.attn"):
        raise WeightsError(
            f"{source} is torchvision's 2D Swin Transformer, a layout that is not read; "
            "wanted the same weights from microsoft/Swin-Transformer or timm"
        )
    if _is_recogniser(tensors):
        return LAYOUTS["mmaction2" if "backbone.norm3.weight" in keys else "official_video"]
    if "patch_embed.proj.weight" not in keys:
        return None
    if _has(keys, "features."):
        return LAYOUTS["torchvision"]
    if not _has(keys, "layers.0.blocks.0."):
        return None
    if tensors["patch_embed.proj.weight"].ndim != 4:
        return LAYOUTS["vswin"]
    later = any(re.match(r"layers\.\d+\.downsample", key) for key in keys)
    is_timm = "head.fc.weight" in keys or (later and not _has(keys, "layers.0.downsample."))
    return LAYOUTS["timm_2d" if is_timm else "official_2d"]


def _is_recogniser(tensors: Mapping[str, Tensor]) -> bool:
    """Whether it is a video model as the released code and mmaction2 have it: with `backbone`.

    Others, too, call a whole model so within a larger one.
    """
    embedding = tensors.get("backbone.patch_embed.proj.weight")
    if embedding is None or embedding.ndim == 4 or _has(tensors, "backbone.head."):
        return False
    return not _has(tensors, "backbone.features.")


def _has(keys: Iterable[str], prefix: str) -> bool:
    return any(key.startswith(prefix) for key in keys)
