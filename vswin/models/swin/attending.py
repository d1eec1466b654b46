"""What attends to what in Swin, see `vswin.models.attention_distance`.

Tokens see each other inside their windows alone, so that distances are short in early layers.
Padding takes part in attention and has no place.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from vswin.models.attention_distance import Attention, AttentionLayer
from vswin.models.swin.attention import WindowAttention3D
from vswin.models.swin.config import Triple
from vswin.models.swin.designs import TemporalAttention
from vswin.models.swin.model import VideoSwinTransformer
from vswin.models.swin.windows import WindowLayout, bias_of, by_size


def token_grid(model: VideoSwinTransformer, size: Triple) -> Triple:
    """(T', H', W') of the patch embedding for clips of (T, H, W)."""
    t, h, w = (math.ceil(n / p) for n, p in zip(size, model.config.patch_size, strict=True))
    return t, h, w


def attention_layers(model: VideoSwinTransformer) -> list[AttentionLayer]:
    """Every block's attention in windows, and the temporal ones of the designs of Table 4."""
    found = []
    stages: Any = model.layers
    for number, stage in enumerate(stages):
        step = 2**number  # patch merging has halved height and width so often
        for place, block in enumerate(stage.blocks):
            name = f"layers.{number}.blocks.{place}"
            found.append(_of_windows(name, block.attn, step))
            if block.temporal is not None:
                found.append(_of_windows(f"{name}.temporal", block.temporal.attn, step))
    temporal: Any = model.temporal_layers
    for number, layer in enumerate(temporal):
        attentions = functools.partial(_over_time, layer.attn)
        found.append(AttentionLayer(f"temporal_layers.{number}", layer.attn, attentions))
    return found


def _of_windows(name: str, attn: WindowAttention3D, step: int) -> AttentionLayer:
    return AttentionLayer(name, attn, functools.partial(_in_windows, attn, step))


def _in_windows(
    attn: WindowAttention3D, step: int, windows: Tensor, layout: WindowLayout
) -> Iterator[Attention]:
    """(K, C) tokens of one clip in the layout's order; windows of one size at a time.

    Where shifted windows are full ones with a mask, tokens that may see each other are as far
    apart in them as in the clip.
    """
    bias = attn.bias(layout)
    allowed = layout.allowed
    groups = by_size(layout, attn.qkv(windows), layout.index)
    for number, (size, (qkv, index)) in enumerate(groups):
        q, k, _ = qkv.unflatten(2, (3, attn.num_heads, -1)).permute(2, 0, 3, 1, 4)
        axes = (torch.arange(n, dtype=torch.float64) for n in size)
        places = torch.cartesian_prod(*axes) * torch.tensor((1, step, step))
        placed = index != layout.batch * layout.volume if layout.padded else None
        if layout.by_mask and layout.allowed is not None:
            allowed = layout.allowed[number].expand(len(qkv), -1, -1)
        yield Attention(q, k, places, places, bias_of(bias, size), allowed, placed, placed)


def _over_time(attn: TemporalAttention, x: Tensor) -> Iterator[Attention]:
    """(1, T', H', W', C): all frames at each position."""
    frames, dim = x.shape[1], x.shape[-1]
    qkv = attn.qkv(x).view(frames, -1, 3, attn.num_heads, dim // attn.num_heads)
    q, k, _ = qkv.permute(2, 1, 3, 0, 4)
    places = torch.zeros(frames, 3, dtype=torch.float64)
    places[:, 0] = torch.arange(frames)
    yield Attention(q, k, places, places)
