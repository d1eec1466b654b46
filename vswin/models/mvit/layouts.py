"""Public checkpoint layouts of Multiscale Vision Transformers, as tables of names.

Our names are SlowFast's, with `head` for the classifier. Values are the same in all layouts;
queries, keys and values are one linear layer or three, and tables lack leading dimensions in one.

=============== ===== ===========================================================================
layout          kind  where it comes from
=============== ===== ===========================================================================
slowfast        video facebookresearch/SlowFast: model_state, head.projection
slowfast_2d     2d    the same for images: 2D patch embedding
pytorchvideo    video facebookresearch/pytorchvideo: cls_positional_encoding, attn.q, .k, .v
pytorchvideo_2d 2d    the same for images: 2D patch embedding
torchvision     video torchvision.models.video.mvit_v1_b: conv_proj, pos_encoding
vswin           both  ours; a note holds the configuration, as far as it is known for certain
=============== ===== ===========================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vswin.models.errors import WeightsError
from vswin.models.layouts import Layout

if TYPE_CHECKING:  # names of weights need no torch
    from torch import Tensor

EMBEDDING = "patch_embed.proj.weight"
TABLES = ("pos_embed", "pos_embed_spatial", "pos_embed_temporal", "pos_embed_class")
NOTE = "config"
SEPARATE = tuple(f"blocks.{{i}}.attn.{part}.{{p}}" for part in "qkv")
"""Of the layouts that have three linear layers in the place of `qkv`."""
WEIGHTS = (
    *("patch_embed.proj.{p}", "cls_token", *TABLES, "norm.{p}", "head.{p}"),
    *(f"blocks.{{i}}.{name}.{{p}}" for name in ("norm1", "norm2", "mlp.fc1", "mlp.fc2", "proj")),
    *("blocks.{i}.attn.qkv.{p}", "blocks.{i}.attn.proj.{p}"),
    *(f"blocks.{{i}}.attn.pool_{part}.weight" for part in "qkv"),
    *(f"blocks.{{i}}.attn.norm_{part}.{{p}}" for part in "qkv"),
)
NOT_WEIGHTS = {
    r"\._attention_pool_[qkv]\.": "the weights of pool_* and norm_* once more",
    rf"^{NOTE}$": "a note of ours",
}
"""What layouts store beside weights, and why it is not needed."""
_SLOWFAST = (("head.", "head.projection."),)
_PYTORCHVIDEO = (
    ("patch_embed.proj.", "patch_embed.patch_model."),
    ("cls_token", "cls_positional_encoding.cls_token"),
    ("pos_embed", "cls_positional_encoding.pos_embed"),
    ("norm.", "norm_embed."),
    ("head.", "head.proj."),
)
_TORCHVISION = (
    ("patch_embed.proj.", "conv_proj."),
    ("cls_token", "pos_encoding.class_token"),
    ("pos_embed_spatial", "pos_encoding.spatial_pos"),
    ("pos_embed_temporal", "pos_encoding.temporal_pos"),
    ("pos_embed_class", "pos_encoding.class_pos"),
    ("blocks.{i}.attn.proj.", "blocks.{i}.attn.project.0."),
    *(
        pair
        for part in "qkv"
        for pair in (
            (f"blocks.{{i}}.attn.pool_{part}.", f"blocks.{{i}}.attn.pool_{part}.pool."),
            (f"blocks.{{i}}.attn.norm_{part}.", f"blocks.{{i}}.attn.pool_{part}.norm_act.0."),
        )
    ),
    ("blocks.{i}.mlp.fc1.", "blocks.{i}.mlp.0."),
    ("blocks.{i}.mlp.fc2.", "blocks.{i}.mlp.3."),
    ("blocks.{i}.proj.", "blocks.{i}.project."),
    ("head.", "head.1."),
)
LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout("slowfast", "video", WEIGHTS + SEPARATE, _SLOWFAST, "model_state"),
        Layout("slowfast_2d", "2d", WEIGHTS + SEPARATE, _SLOWFAST, "model_state"),
        Layout("pytorchvideo", "video", WEIGHTS + SEPARATE, _PYTORCHVIDEO, "model_state_dict"),
        Layout("pytorchvideo_2d", "2d", WEIGHTS + SEPARATE, _PYTORCHVIDEO, "model_state_dict"),
        Layout("torchvision", "video", tuple(w for w in WEIGHTS if w != "pos_embed"), _TORCHVISION),
        Layout("vswin", None, WEIGHTS),
    )
}


def recognise(tensors: Mapping[str, Tensor], source: str) -> Layout | None:
    """Says which layout a checkpoint has, by its keys (and the shape of its patch embedding).

    Args:
        tensors: the checkpoint's entries, unwrapped.
        source: its name, for errors.

    Returns:
        One of `LAYOUTS`; None if it is of no Multiscale Vision Transformer.

    Raises:
        WeightsError: if it is of one that cannot be read here.
    """
    keys = tensors.keys()
    if any(".attn.rel_pos_" in key for key in keys):
        raise WeightsError(
            f"{source} is an MViTv2 checkpoint; its attention is another (relative positions, "
            "residual pooling): wanted version 1"
        )
    if "conv_proj.weight" in keys and "pos_encoding.class_token" in keys:
        return LAYOUTS["torchvision"]
    if "patch_embed.patch_model.weight" in keys:
        is_2d = tensors["patch_embed.patch_model.weight"].ndim == 4
        return LAYOUTS["pytorchvideo_2d" if is_2d else "pytorchvideo"]
    if EMBEDDING not in keys or "cls_token" not in keys or "blocks.0.mlp.fc1.weight" not in keys:
        return None
    if "head.projection.weight" in keys:
        return LAYOUTS["slowfast_2d" if tensors[EMBEDDING].ndim == 4 else "slowfast"]
    if tensors[EMBEDDING].ndim == 5:
        return LAYOUTS["vswin"]
    # timm's ViT has the same names; its patches are flat, and it does not pool.
    return LAYOUTS["slowfast_2d"] if any(".attn.pool_" in key for key in keys) else None
