"""LN of a block's tokens (equation 1), and their way into windows, by several kernels."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from vswin.models.cpu import chunked
from vswin.models.errors import ModelError
from vswin.models.swin.gpu import norm as norm_gpu
from vswin.models.swin.gpu.possible import refusal
from vswin.models.swin.variants import NormKernel, Variant, chosen
from vswin.models.swin.windows import WindowLayout, to_windows


def norm_kernel(told: Variant | None, x: Tensor) -> NormKernel:
    """What LN of (B, ...) tokens is computed with in a module that was `told` to.

    Raises:
        ModelError: if it was told to take Triton's kernel, and that cannot take the tokens. Where
            nobody told it, and it is what a GPU takes by default, `half` takes its place.
    """
    variant = chosen(told, x.device, x.shape[0])
    if variant is None:
        return "fp32"
    if variant.norm != "triton":
        return variant.norm
    reason = refusal(x)
    if reason is None and x.shape[-1] > norm_gpu.MOST_CHANNELS:
        reason = f"tokens have {x.shape[-1]} channels, wanted {norm_gpu.MOST_CHANNELS} at most"
    if reason is not None and told is not None:
        raise ModelError(f"norm 'triton' is not possible: {reason}; 'half' always is")
    return "half" if reason else "triton"


def layer_norm(x: Tensor, norm: nn.LayerNorm, kernel: NormKernel, halves: bool = True) -> Tensor:
    """LN: (..., C) -> (..., C), with means and deviations in fp32.

    Args:
        x: what is normalised.
        norm: its weights.
        kernel: `fp32` is torch's LN, which reads and writes fp32 under autocast. The others write
            the precision of matrix products, to which the next layer would round. `half` reads
            that precision, too, where the tokens are in it, and `triton` either.
        halves: whether they do; False writes fp32 under autocast, whatever the kernel.
    """
    if kernel == "fp32" or not _is_plain(norm, x):
        return norm(x)
    half = _half(x)
    if kernel == "triton":
        dtype = x.dtype if half is None else half if halves else torch.float32
        return _in_triton(x.flatten(0, -2), norm, dtype).view(x.shape)
    if half is None or not halves:
        return norm(x)
    with torch.autocast(x.device.type, enabled=False):
        if x.dtype != half:
            return norm(x).to(half)
        weight, bias = norm.weight.to(half), norm.bias.to(half)
        return F.layer_norm(x, norm.normalized_shape, weight, bias, norm.eps)


def norm_into_windows(
    x: Tensor, norm: nn.LayerNorm, layout: WindowLayout, kernel: NormKernel
) -> Tensor:
    """LN of (B, L, C) tokens of the grid -> (B * K, C), in the order of the layout's groups."""
    if kernel != "triton" or not _is_plain(norm, x):
        return to_windows(layer_norm(x, norm, kernel), layout)
    return _in_triton(x.flatten(0, 1), norm, _half(x) or x.dtype, layout.index)


def _is_plain(norm: nn.LayerNorm, x: Tensor) -> bool:
    """Whether the layer is torch's own, for tokens like these: another one is called itself."""
    return chunked.is_plain(norm) and norm.normalized_shape == tuple(x.shape[-1:])


def _half(x: Tensor) -> torch.dtype | None:
    """The precision of matrix products under autocast; None without it, and of fp64 tokens."""
    device = x.device.type
    known = torch.amp.is_autocast_available(device)  # what only knows shapes has none
    enabled = known and torch.is_autocast_enabled(device) and x.dtype != torch.float64
    return torch.get_autocast_dtype(device) if enabled else None


def _in_triton(
    x: Tensor, norm: nn.LayerNorm, dtype: torch.dtype, index: Tensor | None = None
) -> Tensor:
    return norm_gpu.layer_norm(x, norm.weight, norm.bias, norm.eps, dtype, index)
