"""What each of torch's operators counts, and which of them count nothing.

A forward pass is watched operator by operator, as torch dispatches them. What is not counted as a
whole is taken apart, and its parts are counted; a part that is in neither of the two lists here is
an error, so that no operator counts zero because nobody thought of it.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from vswin.errors import VswinError


class UncountedOperatorError(VswinError):
    """A model uses an operator without a counting rule; the message names it."""


@dataclasses.dataclass(frozen=True)
class Weights:
    """What an element counts under a rule, where that differs between rules."""

    layer_norm: int
    batch_norm: int
    pooling: int
    """Of the input of a mean or of a pooling layer."""
    bias: int
    """Of the output of a convolution that has a bias."""


Count = Callable[[tuple[Any, ...], Any, Weights], int]
"""From an operator's arguments, what it gave, and the rule, to multiply-accumulates."""


def _linear(args: tuple[Any, ...], out: Tensor, _: Weights) -> int:
    return out.numel() * args[0].shape[-1]


def _product(args: tuple[Any, ...], out: Tensor, _: Weights) -> int:
    return out.numel() * args[0].shape[-1]


def _sum_and_product(args: tuple[Any, ...], out: Tensor, _: Weights) -> int:
    """Of addmm and the like, whose first argument is added to the product of the next two."""
    return out.numel() * args[1].shape[-1]


def _attention(args: tuple[Any, ...], _out: Tensor, _: Weights) -> int:
    """Q K^T and the product with V: (batch, heads) * N_query * N_key * (d + d of the values)."""
    query, key, value = args[:3]
    return query.shape[:-1].numel() * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def _convolution(args: tuple[Any, ...], out: Tensor, weights: Weights) -> int:
    """Also of a depthwise one: the weight is (out, in / groups, ...), transposed (in, ...)."""
    x, weight, bias, *_, transposed, _output_padding, _groups = args
    places = x.numel() if transposed else out.numel()
    return places * weight[0].numel() + (0 if bias is None else weights.bias * out.numel())


def _layer_norm(args: tuple[Any, ...], _: Tensor, weights: Weights) -> int:
    return weights.layer_norm * args[0].numel()


def _batch_norm(args: tuple[Any, ...], _: Tensor, weights: Weights) -> int:
    return weights.batch_norm * args[0].numel()


def _pooling(args: tuple[Any, ...], _: Tensor, weights: Weights) -> int:
    return weights.pooling * args[0].numel()


COUNTED: dict[str, tuple[str, Count]] = {
    "linear": ("linear", _linear),
    "scaled_dot_product_attention": ("attention", _attention),
    "layer_norm": ("layer_norm", _layer_norm),
    "batch_norm": ("batch_norm", _batch_norm),
    "convolution": ("convolution", _convolution),
    **dict.fromkeys(("mm", "bmm", "mv", "dot"), ("matmul", _product)),
    **dict.fromkeys(("addmm", "addmv", "baddbmm"), ("matmul", _sum_and_product)),
    **dict.fromkeys(
        (
            "mean",
            *(f"avg_pool{n}d" for n in (1, 2, 3)),
            *(f"_adaptive_avg_pool{n}d" for n in (2, 3)),
            *(f"max_pool{n}d_with_indices" for n in (2, 3)),
            *(f"adaptive_max_pool{n}d" for n in (2, 3)),
        ),
        ("pooling", _pooling),
    ),
}
"""By torch's name of an operator, ours and its count. Matmul and einsum are made of these."""

# fmt: off
FREE = frozenset((
    # Moving, making and reading: nothing is computed.
    "_reshape_alias", "_to_copy", "_unsafe_view", "alias", "arange", "as_strided", "cat", "clone",
    "constant_pad_nd", "copy", "detach", "diagonal", "embedding", "empty", "empty_like", "expand",
    "flip", "full", "full_like", "gather", "index", "index_put", "index_select", "lift_fresh",
    "linspace", "masked_fill", "new_empty", "new_full", "new_ones", "new_zeros", "ones",
    "ones_like", "permute", "repeat", "roll", "scalar_tensor", "select", "slice", "split",
    "split_with_sizes", "squeeze", "stack", "t", "transpose", "tril", "unbind", "unfold",
    "unsqueeze", "view", "where", "zeros", "zeros_like",
    # One element at a time, and sums. That these count nothing is the convention of all rules.
    "_log_softmax", "_safe_softmax", "_softmax", "abs", "add", "clamp", "cos", "div", "elu", "erf",
    "exp", "gelu", "hardsigmoid", "hardswish", "leaky_relu", "log", "maximum", "minimum", "mul",
    "neg", "pow", "reciprocal", "relu", "rsqrt", "rsub", "sigmoid", "sign", "silu", "sin", "sqrt",
    "sub", "sum", "tanh",
))
# fmt: on
"""What counts nothing, by torch's names; in place (with a final _) likewise."""


def count_operators(model: nn.Module, clip: Tensor, weights: Weights) -> Counter[str]:
    """The count of a forward pass by operator, under our names.

    Args:
        model: on the same device as the clip, in evaluation mode.
        clip: (1, C, T, H, W).
        weights: of the rule.

    Raises:
        UncountedOperatorError: if an operator is in neither list.
    """
    # In inference mode torch asks before it takes an operator apart, such as linear into addmm.
    with torch.inference_mode(), _Counting(weights) as counting:
        model(clip)
    return counting.counts


class _Counting(TorchDispatchMode):
    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.weights = weights
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name, kwargs = func.overloadpacket.__name__.rstrip("_"), kwargs or {}
        if name not in COUNTED:
            with self:
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        out = func(*args, **kwargs)
        if name in COUNTED:
            ours, count = COUNTED[name]
            self.counts[ours] += count(args, out, self.weights)
        elif name not in FREE and _has_numbers(out):
            raise UncountedOperatorError(
                f"there is no counting rule for torch's operator {name}; add it to COUNTED or FREE "
                "in vswin/costs/operators.py"
            )
        return out


def _has_numbers(out: Any) -> bool:
    """Whether floating point numbers were computed; integers are places, and count nothing."""
    tensors = out if isinstance(out, (tuple, list)) else (out,)
    return any(isinstance(x, Tensor) and not _is_integer(x) for x in tensors)


def _is_integer(x: Tensor) -> bool:
    return not (x.is_floating_point() or x.is_complex())
