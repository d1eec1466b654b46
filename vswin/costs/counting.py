"""What a model costs: multiply-accumulates (the papers' "FLOPs") and parameters.

What is counted is a convention, and the convention decides the last printed digit. Three are
offered; all count one multiply-add as 1, for a single clip (batch 1, one view):

`macs`
    Linear layers, the patch embedding, and the two matrix products of attention. Nothing else.
`fvcore`
    `macs` plus 5 for each element that passes a LayerNorm: the default of fvcore's counter.
`paper`
    `macs` plus 2 for each LayerNorm element, 1 for each element of the final average pooling, and
    the bias of the patch embedding: what the authors' script (mmcv's hooks) counts once the
    attention products, which hooks cannot see, are added. The only one of the three that gives
    every FLOPs cell of the Swin rows in Tables 1, 3 and 5, and all four decimals that the authors'
    README prints (87.9, 165.9, 281.6, 320.6).

GELU, SoftMax, residual and bias additions, scaling, rolling and gathering count nothing anywhere.
Attention is counted although it runs in a fused operator. The count is read off a traced forward
pass on the meta device: shapes only, no weights, no data, whatever the size of the model.
"""

from __future__ import annotations

import copy
import dataclasses
import logging
import math
import warnings
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, get_args

from vswin.errors import UsageError

if TYPE_CHECKING:  # imported by `cost` itself: `vswin --help` has no use for torch
    from torch import nn

Rule = Literal["paper", "macs", "fvcore"]
OpCount = Callable[[list[Any], list[Any]], int]


@dataclasses.dataclass(frozen=True)
class Cost:
    """The cost of one forward pass of one clip."""

    flops: int
    """Multiply-accumulates under `rule`."""
    params: int
    """Number of weights, all of them trainable here."""
    rule: Rule
    """The counting rule, see the module."""
    input_size: tuple[int, int, int, int]
    """(channels, T, H, W) of the clip."""
    by_operator: dict[str, int]
    """`flops` split by operator: linear, attention, layer_norm, pooling, embedding_bias."""

    @property
    def gflops(self) -> float:
        """`flops` in the unit of the paper's tables (10^9)."""
        return self.flops / 1e9

    @property
    def mparams(self) -> float:
        """`params` in the unit of the paper's tables (10^6)."""
        return self.params / 1e6


@dataclasses.dataclass(frozen=True)
class _Weights:
    """What one element of an operator counts under a rule."""

    layer_norm: int
    pooling: int
    embedding_bias: int


_RULES: dict[str, _Weights] = {
    "paper": _Weights(layer_norm=2, pooling=1, embedding_bias=1),
    "macs": _Weights(layer_norm=0, pooling=0, embedding_bias=0),
    "fvcore": _Weights(layer_norm=5, pooling=0, embedding_bias=0),
}
assert set(_RULES) == set(get_args(Rule))


def cost(model: nn.Module, input_size: tuple[int, int, int, int], rule: Rule = "paper") -> Cost:
    """Counts one forward pass of `model` for one clip.

    Args:
        model: a model of `vswin.models`, on any device (also the meta device); left untouched.
        input_size: (channels, T, H, W) of the clip in pixels.
        rule: "paper", "macs" or "fvcore", see the module's docstring.

    Returns:
        The count in total and by operator, and the number of parameters.

    Raises:
        UsageError: if the rule is unknown or `input_size` is not four positive integers.
        ModelError: if the model does not take clips of that size.
    """
    import torch

    if rule not in _RULES:
        raise UsageError(f"unknown counting rule {rule!r}; known: {', '.join(_RULES)}")
    size = tuple(input_size)
    if len(size) != 4 or not all(isinstance(s, int) and s >= 1 for s in size):
        raise UsageError(f"input_size={input_size!r}: wanted four integers >= 1, (C, T, H, W)")
    clip = torch.empty(1, *size, device="meta")
    counts = _count(_without_weights(model), clip, _RULES[rule])
    params = sum(p.numel() for p in model.parameters())
    return Cost(sum(counts.values()), params, rule, size, dict(counts))


def _without_weights(model: nn.Module) -> nn.Module:
    """A copy in evaluation mode whose tensors are on the meta device: nothing is allocated."""
    import torch

    tensors = [*model.parameters(), *model.buffers()]
    memo = {
        id(t): torch.nn.Parameter(t.detach().to("meta"), requires_grad=False)
        if isinstance(t, torch.nn.Parameter)
        else t.to("meta")
        for t in tensors
    }
    model = copy.deepcopy(model, memo).eval()
    for module in model.modules():
        if hasattr(module, "shift_size"):
            # The paper counts shifted windows as its efficient batch computation has them: as
            # many and as large as regular ones, whatever a mask then keeps apart.
            module.shift_size = (0, 0, 0)
    return model


def _count(model: nn.Module, clip: Any, weights: _Weights) -> Counter[str]:
    """Fvcore's tally of a traced forward pass, under our own handlers."""
    import torch
    from fvcore.nn import FlopCountAnalysis

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit.trace is deprecated, and fvcore is built on it
        analysis = FlopCountAnalysis(model, (clip,))
        analysis.clear_op_handles()
        for name, handle in _handles(weights).items():
            analysis.set_op_handle(name, handle)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        counts: Counter[str] = Counter()
        for name, value in analysis.by_operator().items():
            counts[_NAMES[name]] += int(value)
        counts["embedding_bias"] = weights.embedding_bias * _embedding_elements(model, clip)
    return counts


_NAMES = {
    "linear": "linear",
    "scaled_dot_product_attention": "attention",
    "layer_norm": "layer_norm",
    "mean": "pooling",
}


def _handles(weights: _Weights) -> dict[str, OpCount]:
    return {
        "aten::linear": lambda ins, outs: math.prod(_shape(outs[0])) * _shape(ins[0])[-1],
        "aten::scaled_dot_product_attention": _attention,
        "aten::layer_norm": lambda ins, outs: weights.layer_norm * math.prod(_shape(ins[0])),
        "aten::mean": lambda ins, outs: weights.pooling * math.prod(_shape(ins[0])),
    }


def _attention(inputs: list[Any], _: list[Any]) -> int:
    """Q K^T and the product with V: 2 * (batch, heads) * N_query * N_key * d."""
    query, key = _shape(inputs[0]), _shape(inputs[1])
    return 2 * math.prod(query) * key[-2]


def _embedding_elements(model: nn.Module, clip: Any) -> int:
    """Numbers that leave the patch embedding, each of which had a bias added."""
    embed = getattr(model, "patch_embed", None)
    if embed is None or embed.proj.bias is None:
        return 0
    return (
        math.prod(math.ceil(s / p) for s, p in zip(clip.shape[2:], embed.patch_size, strict=True))
        * embed.proj.out_channels
    )


def _shape(value: Any) -> list[int]:
    """The shape of a traced value."""
    return value.type().sizes()


logging.getLogger("fvcore").setLevel(logging.ERROR)
