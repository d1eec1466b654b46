"""Section 3.4, Tables 8 and 9: a video model's weights from a pre-trained 2D Swin Transformer's.

Only two kinds of weights have other shapes in the two models: the linear embedding, and the tables
of relative position biases.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from vswin.models.swin.config import OTHER_FRAME_BIAS, BiasInit, EmbeddingInit, Triple


def inflate_embedding(weight: Tensor, frames: int, how: EmbeddingInit = "inflate") -> Tensor:
    """The linear embedding of 3D patches from that of 2D patches (section 3.4; Table 8).

    Args:
        weight: (C, channels, 4, 4), the 2D weights.
        frames: frames in a 3D patch, 2 in the paper.
        how: "inflate" duplicates the weights along time and divides by `frames`, so that a patch
            of equal frames is embedded as its frame was; "center" puts them all on the frame
            floor(frames / 2), as ViViT does (the paper does not say which), and zeros elsewhere.

    Returns:
        (C, channels, frames, 4, 4).
    """
    if how == "inflate":
        return weight.unsqueeze(2).repeat(1, 1, frames, 1, 1) / frames
    inflated = weight.new_zeros(*weight.shape[:2], frames, *weight.shape[2:])
    inflated[:, :, frames // 2] = weight
    return inflated


def inflate_bias_table(table: Tensor, window: Triple, how: BiasInit = "duplicate") -> Tensor:
    """A 3D table of relative position biases from a 2D one (section 3.4; Table 9).

    Args:
        table: ((2 M' - 1)^2, heads), the 2D table.
        window: (P, M, M) of the video model. If M differs from M', the table is first resized
            like an image, bicubically, as the released code does.
        how: "duplicate" gives a pair of tokens in different frames the bias of their spatial
            offset; "center" gives it `OTHER_FRAME_BIAS`.

    Returns:
        ((2P - 1) (2M - 1) (2M - 1), heads), offsets in t-major order.
    """
    frames, height, width = (2 * size - 1 for size in window)
    frame = resize_bias_table(table, (height, width))
    rows = frame.repeat(frames, 1)
    if how == "center":
        rows = rows.view(frames, *frame.shape)
        others = torch.arange(frames, device=rows.device) != window[0] - 1
        rows[others] = OTHER_FRAME_BIAS
        rows = rows.flatten(0, 1)
    return rows


def resize_bias_table(table: Tensor, size: tuple[int, int]) -> Tensor:
    """(S * S, heads) -> (height * width, heads), bicubically; the table itself if it fits."""
    side = math.isqrt(table.shape[0])
    if (side, side) == size:
        return table
    image = table.t().reshape(1, -1, side, side).float()
    resized = F.interpolate(image, size=size, mode="bicubic", align_corners=False)
    return resized.flatten(2)[0].t().to(table.dtype)


def crop_bias_table(table: Tensor, found: Triple, window: Triple) -> Tensor:
    """The part of a table that a smaller window has offsets for.

    Args:
        table: ((2P - 1) (2M - 1) (2M - 1), heads) for the window `found`.
        found: the window that the table was made for.
        window: the window that it is wanted for, at most `found` on every axis.

    Returns:
        The table for `window`: the same bias for the same offset.
    """
    cube = table.view(*(2 * size - 1 for size in found), -1)
    for axis, (have, want) in enumerate(zip(found, window, strict=True)):
        cube = cube.narrow(axis, have - want, 2 * want - 1)
    return cube.reshape(-1, table.shape[1])
