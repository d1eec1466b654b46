"""Pooling by a depthwise convolution on the CPU, with another backward pass.

torch's 3D convolution is fast forward, and slow backward: there it has a kernel for depthwise
filters in 2D only. Here the backward pass takes a filter apart into its planes in time, each of
which is a 2D convolution of the frames that it meets. `python -m benchmarks mvit` has what this
brings.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional as F  # noqa: N812

from vswin.models.cpu import chunked
from vswin.models.mvit.geometry import Pool


def serves(x: Tensor, filters: Tensor) -> bool:
    """Whether `convolve` has the faster backward pass for the same result, and is possible.

    What is frozen needs no gradient, which torch would skip and is computed here.
    """
    both = x.requires_grad and filters.requires_grad
    return torch.is_grad_enabled() and both and chunked.possible(x)


def convolve(x: Tensor, filters: Tensor, pool: Pool) -> Tensor:
    """(B, C, T', H', W'), (C, 1, t, h, w) -> (B, C) of a smaller grid; differentiable once.

    Channels are last in memory, also of the result.
    """
    return _Depthwise.apply(x, filters, pool)


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, filters: Tensor, pool: Pool) -> Tensor:
        ctx.save_for_backward(x, filters)
        ctx.pool = pool  # type: ignore[attr-defined]
        return F.conv3d(x, filters, None, pool.stride, pool.padding, groups=len(filters))

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        x, filters = ctx.saved_tensors  # type: ignore[attr-defined]
        pool: Pool = ctx.pool  # type: ignore[attr-defined]
        x, grad = (y.permute(0, 2, 3, 4, 1) for y in (x, grad))  # (B, T', H', W', C)
        grad_x, grad_filters = None, torch.zeros_like(filters)
        middle = pool.padding[0]  # first: with a stride of 1 it meets all frames
        for plane in sorted(range(pool.kernel[0]), key=lambda plane: abs(plane - middle)):
            ours, theirs = _frames(plane, x.shape[1], grad.shape[1], pool)
            if ours.start >= ours.stop:
                continue
            found, grad_filters[:, :, plane] = _backward_2d(
                grad[:, theirs], x[:, ours], filters[:, :, plane], pool
            )
            if grad_x is None and found.shape == x.shape:
                grad_x = found
            else:
                grad_x = x.new_zeros(x.shape) if grad_x is None else grad_x
                grad_x[:, ours] += found
        assert grad_x is not None  # every output frame has a plane that meets a frame
        return grad_x.permute(0, 4, 1, 2, 3), grad_filters, None


def _frames(plane: int, frames: int, pooled: int, pool: Pool) -> tuple[slice, slice]:
    """Input frames that a plane of the filter meets, and the output frames that it does so for."""
    stride, shift = pool.stride[0], plane - pool.padding[0]
    first = max(0, -(shift // stride))
    count = min(pooled, (frames - 1 - shift) // stride + 1) - first
    start = first * stride + shift
    return slice(start, start + (count - 1) * stride + 1, stride), slice(first, first + count)


def _backward_2d(grad: Tensor, x: Tensor, plane: Tensor, pool: Pool) -> tuple[Tensor, Tensor]:
    """Gradients by some frames (B, T', H', W', C) and by a plane (C, 1, h, w) of the filters."""
    images, grads = (y.flatten(0, 1).permute(0, 3, 1, 2) for y in (x, grad))
    found, of_plane, _ = torch.ops.aten.convolution_backward(
        grads,
        images,
        plane,
        None,
        pool.stride[1:],
        pool.padding[1:],
        [1, 1],
        False,
        [0, 0],
        len(plane),
        [True, True, False],
    )
    return found.permute(0, 2, 3, 1).view(x.shape), of_plane
