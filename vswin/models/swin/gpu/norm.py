"""LN on a GPU in kernels of our own, as operators that torch knows.

torch's LN gives each token a block of threads, too many for a few channels, and reads and writes
fp32 under autocast. This one writes the precision that is asked for, in the order of windows if
that is wanted, so that no gather is needed.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vswin.models.swin.gpu.possible import runs_directly

ELEMENTS = 1024
"""Numbers that a program has in its registers at a time."""
PROGRAMS = 1024
"""At most so many sum up gradients of weights: several for each multiprocessor."""
MOST_CHANNELS = 8192


def layer_norm(
    x: Tensor, weight: Tensor, bias: Tensor, eps: float, dtype: torch.dtype, index: Tensor | None
) -> Tensor:
    """LN, differentiable once.

    Args:
        x: (R, C).
        weight: (C,) factors.
        bias: (C,) summands.
        eps: what variances are increased by.
        dtype: of what comes out.
        index: (K,) which row of `x` each row of the result is of, R for zeros; every row is there
            once. None is all of them as they are.

    Returns:
        (R, C), or (K, C).
    """
    if runs_directly(x):
        return _LayerNorm.apply(x, weight, bias, index, eps, dtype)
    return _operator(x, weight, bias, index, eps, dtype)[0]


def _forward(
    x: Tensor, weight: Tensor, bias: Tensor, index: Tensor | None, eps: float, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """LN, means, and one over deviations."""
    x = x.contiguous()
    out, means, scales = _empty_results(x, weight, bias, index, eps, dtype)
    shape = block_of(x.shape[1])
    with torch.cuda.device_of(x):
        _kernels().normalise[(-(-len(out) // shape["height"]),)](
            x, x if index is None else index, weight.contiguous(), bias.contiguous(), out, means,
            scales, len(x), len(out), eps, indexed=index is not None, **shape,
        )  # fmt: skip
    return out, means, scales


def _empty_results(
    x: Tensor, weight: Tensor, bias: Tensor, index: Tensor | None, eps: float, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    places, channels = len(x if index is None else index), x.shape[1]
    means, scales = (x.new_empty(places, dtype=torch.float32) for _ in range(2))
    return x.new_empty(places, channels, dtype=dtype), means, scales


def _gradients(
    grad: Tensor, x: Tensor, weight: Tensor, index: Tensor | None, means: Tensor, scales: Tensor
) -> tuple[Tensor, Tensor]:
    """The gradient of x, and those of weight and bias, (2, C), always summed in the same order."""
    grad, x, shape = grad.contiguous(), x.contiguous(), block_of(x.shape[1])
    programs = min(PROGRAMS, -(-len(grad) // shape["height"]))
    grad_x, sums = torch.empty_like(x), means.new_empty(programs, 2, x.shape[1])
    with torch.cuda.device_of(x):
        _kernels().gradients[(programs,)](
            grad, x, x if index is None else index, weight.contiguous(), means, scales, grad_x,
            sums, len(x), len(grad), programs, indexed=index is not None, **shape,
        )  # fmt: skip
    return grad_x, sums.sum(dim=0)


def _empty_gradients(
    grad: Tensor, x: Tensor, weight: Tensor, index: Tensor | None, means: Tensor, *_: Any
) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), means.new_empty(2, x.shape[1])


def block_of(channels: int) -> dict[str, int]:
    """Rows and channels that a program takes at a time: powers of two."""
    width = max(16, 1 << (channels - 1).bit_length())
    return {"channels": channels, "width": width, "height": max(1, ELEMENTS // width)}


def _kernels() -> ModuleType:
    from vswin.models.swin.gpu import norm_kernels  # Triton need not be installed

    return norm_kernels


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    x, weight, bias, index, _, _ = inputs
    ctx.dtypes = weight.dtype, bias.dtype
    ctx.save_for_backward(x, weight, index, *output[1:])
    ctx.set_materialize_grads(False)  # LN is all that has one


def _backward(ctx: Any, gradients: Any, grad: Tensor | None) -> tuple[Tensor | None, ...]:
    if grad is None:
        return (None,) * 6
    grad_x, of_weights = gradients(grad, *ctx.saved_tensors)
    by_weight = (found.to(dtype) for found, dtype in zip(of_weights, ctx.dtypes, strict=True))
    return grad_x, *by_weight, None, None, None


class _LayerNorm(torch.autograd.Function):
    """What torch knows as an operator, without what an operator takes of the processor's time."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        found = _forward(*inputs)
        _save(ctx, inputs, found)
        return found[0]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return _backward(ctx, _gradients, grad)


_operator = torch.library.custom_op(
    "vswin::layer_norm",
    _forward,
    mutates_args=(),
    schema="(Tensor x, Tensor weight, Tensor bias, Tensor? index, float eps, ScalarType dtype)"
    " -> (Tensor, Tensor, Tensor)",
)
_operator_gradients = torch.library.custom_op(
    "vswin::layer_norm_gradients",
    _gradients,
    mutates_args=(),
    schema="(Tensor grad, Tensor x, Tensor weight, Tensor? index, Tensor means, Tensor scales)"
    " -> (Tensor, Tensor)",
)
_operator.register_fake(_empty_results)
_operator.register_autograd(
    lambda ctx, grad, *_: _backward(ctx, _operator_gradients, grad), setup_context=_save
)
_operator_gradients.register_fake(_empty_gradients)
