"""Equation 2 for training on the CPU: probabilities are computed again instead of being kept.

A processor's fused attention takes no bias that needs a gradient. What torch falls back to writes
the N x N scores and probabilities of all windows to memory, keeps them, and reads them again in
several passes. Here the forward pass is the fused one. The backward pass computes the
probabilities once more, of a few windows of one head at a time, in memory that is used again for
the next ones and stays in the cache. `python -m benchmarks kernels` has what this brings.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional as F  # noqa: N812

from vswin.models.cpu import chunked
from vswin.models.swin.config import Triple
from vswin.models.swin.windows import WindowLayout, bias_of, by_size

CACHE_BYTES = 5 * 2**18
"""Scores that one core works on at a time: the windows of the paper by twos, in fp32."""


def serves(qkv: Tensor, table: Tensor) -> bool:
    """Whether `attention` is the faster kernel for the same result, and possible.

    A bias whose table is frozen, or that is computed without gradients, needs none: torch's own
    fused attention takes it.
    """
    return torch.is_grad_enabled() and table.requires_grad and chunked.possible(qkv)


def attention(qkv: Tensor, bias: Tensor, layout: WindowLayout) -> Tensor:
    """As `vswin.models.swin.attention.attention`, differentiable once."""
    return _Attention.apply(qkv, bias, layout)


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, qkv: Tensor, bias: Tensor, layout: WindowLayout) -> Tensor:
        heads, dim = len(bias), qkv.shape[1] // 3
        fixed = bias.detach()  # what asks for a gradient is refused by the fused attention
        out = qkv.new_empty(len(qkv), dim)
        for size, (windows, result) in by_size(layout, qkv, out):
            q, k, v = windows.unflatten(2, (3, heads, -1)).permute(2, 0, 3, 1, 4)
            attended = F.scaled_dot_product_attention(q, k, v, attn_mask=bias_of(fixed, size)[None])
            result.copy_(attended.transpose(1, 2).flatten(2))
        ctx.save_for_backward(qkv, bias, out)
        ctx.layout = layout  # type: ignore[attr-defined]
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        qkv, bias, out = ctx.saved_tensors  # type: ignore[attr-defined]
        grad_qkv, grad_bias = torch.empty_like(qkv), torch.zeros_like(bias)
        rows = [
            x.unflatten(1, (-1, len(bias), qkv.shape[1] // 3 // len(bias)))
            for x in (qkv, out, grad, grad_qkv)
        ]
        for size, tensors in by_size(ctx.layout, *rows):  # type: ignore[attr-defined]
            windows, found, grads, filled = tensors
            _backward(windows, found, grads, filled, bias_of(bias, size), _corner(grad_bias, size))
        return grad_qkv, grad_bias, None


def _corner(bias: Tensor, size: Triple) -> Tensor:
    """The view of (heads, p, h, w, p, h, w) that belongs to a smaller window."""
    t, h, w = size
    return bias[:, :t, :h, :w, :t, :h, :w]


def _backward(
    qkv: Tensor, out: Tensor, grad: Tensor, grad_qkv: Tensor, bias: Tensor, grad_bias: Tensor
) -> None:
    """Fills `grad_qkv` and adds to `grad_bias` for n windows of N tokens.

    With P = SoftMax(S), the gradient of S is P * (dP - D), where D is the sum of dP * P over the
    keys, which is the sum of dO * O over the channels.

    Args:
        qkv: (n, N, 3, heads, d).
        out: (n, N, 1, heads, d), what attention gave.
        grad: (n, N, 1, heads, d), gradient of the loss by `out`.
        grad_qkv: (n, N, 3, heads, d).
        bias: (heads, N, N).
        grad_bias: (heads, p, h, w, p, h, w), with N = p * h * w.
    """
    count, volume, _, heads, dim = qkv.shape
    scale = dim**-0.5
    total = torch.zeros_like(bias)  # of the gradients of all windows
    row_sums = (grad * out).sum(dim=-1)  # (n, N, 1, heads)
    per_thread = max(1, CACHE_BYTES // (volume * volume * qkv.element_size()))
    step = min(count, per_thread * torch.get_num_threads())
    probabilities, grad_scores = qkv.new_empty(2, step, volume, volume)
    for head, start in itertools.product(range(heads), range(0, count, step)):
        some = slice(start, start + step)
        q, k, v = qkv[some, :, :, head].unbind(2)
        grad_q, grad_k, grad_v = grad_qkv[some, :, :, head].unbind(2)
        grad_out = grad[some, :, 0, head]
        p, ds = probabilities[: len(q)], grad_scores[: len(q)]
        torch.baddbmm(bias[head].expand_as(p), q, k.mT, alpha=scale, out=p)
        torch.softmax(p, dim=-1, out=p)
        grad_v.copy_(p.mT @ grad_out)
        torch.bmm(grad_out, v.mT, out=ds)
        ds.sub_(row_sums[some, :, :, head]).mul_(p)
        total[head] += ds.sum(dim=0)
        torch.mul(ds @ k, scale, out=grad_q)
        torch.mul(ds.mT @ q, scale, out=grad_k)
    grad_bias += total.view_as(grad_bias)
