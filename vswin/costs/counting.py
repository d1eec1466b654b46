"""What a model costs: multiply-accumulates (the papers' "FLOPs") and parameters.

What is counted is a convention, and the convention decides the last printed digit. Three are
offered; all count one multiply-add as 1, for a single clip (batch 1, one view):

`macs`
    Linear layers, the patch embedding, and the two matrix products of attention. Nothing else.
`fvcore`
    `macs` plus 5 for each element that passes a LayerNorm: what fvcore's counter does by default.
`paper`
    `macs` plus 2 for each LayerNorm element, 1 for each element of the final average pooling, and
    the bias of the patch embedding: what the authors' script (mmcv's hooks) counts once the
    attention products, which hooks cannot see, are added. The only one of the three that gives
    every FLOPs cell of the Swin rows in Tables 1, 3 and 5, and all four decimals that the authors'
    README prints (87.9, 165.9, 281.6, 320.6).

GELU, SoftMax, residual and bias additions, scaling, rolling and gathering count nothing anywhere.
Other products of matrices and convolutions, also depthwise ones, count under every rule like linear
layers. Under `paper` a convolution's bias counts like the patch embedding's, and a pooling layer
like the final average pooling; batch normalisation counts 2 for each element under `paper` and
`fvcore`.

The count is taken from a forward pass on the meta device: shapes only, no weights, no data,
whatever the size of the model. Attention is counted although it runs in a fused operator. An
operator without a counting rule is an error, see `vswin.costs.operators`.
"""

from __future__ import annotations

import copy
import dataclasses
from collections import Counter
from typing import TYPE_CHECKING, Literal, get_args

from vswin.errors import UsageError
from vswin.models.registry import code_of

if TYPE_CHECKING:  # imported by `cost` itself: `vswin --help` has no use for torch
    from torch import nn

Rule = Literal["paper", "macs", "fvcore"]


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
    """`flops` by operator, such as linear, attention, layer_norm and pooling."""

    @property
    def gflops(self) -> float:
        """`flops` in the unit of the paper's tables (10^9)."""
        return self.flops / 1e9

    @property
    def mparams(self) -> float:
        """`params` in the unit of the paper's tables (10^6)."""
        return self.params / 1e6


_RULES: dict[str, dict[str, int]] = {
    "paper": {"layer_norm": 2, "batch_norm": 2, "pooling": 1, "bias": 1},
    "macs": {"layer_norm": 0, "batch_norm": 0, "pooling": 0, "bias": 0},
    "fvcore": {"layer_norm": 5, "batch_norm": 2, "pooling": 0, "bias": 0},
}
"""Fields of `vswin.costs.operators.Weights`."""
assert set(_RULES) == set(get_args(Rule))


def cost(model: nn.Module, input_size: tuple[int, int, int, int], rule: Rule = "paper") -> Cost:
    """Counts one forward pass of `model` for one clip.

    Args:
        model: of any family, on any device (also the meta device); left untouched.
        input_size: (channels, T, H, W) of the clip in pixels.
        rule: "paper", "macs" or "fvcore", see the module's docstring.

    Returns:
        The count in total and by operator, and the number of parameters.

    Raises:
        UsageError: if the rule is unknown or `input_size` is not four positive integers.
        ModelError: if the model is of no family, or does not take clips of that size.
        UncountedOperatorError: if it uses an operator that has no counting rule.
    """
    import torch

    from vswin.costs.operators import Weights, count_operators

    if rule not in _RULES:
        raise UsageError(f"unknown counting rule {rule!r}; known: {', '.join(_RULES)}")
    size = as_size(input_size)
    code = code_of(model)
    bare = as_counted(model).eval()
    clip = torch.empty(1, *size, device="meta")
    counts = count_operators(bare, clip, Weights(**_RULES[rule]))
    counts += Counter(code.extra_counts(bare, size, rule))
    params = sum(p.numel() for p in model.parameters())
    return Cost(sum(counts.values()), params, rule, size, dict(counts))


def as_size(input_size: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """(C, T, H, W) of a clip.

    Raises:
        UsageError: if it is not four positive integers.
    """
    size = tuple(input_size)
    if len(size) != 4 or not all(isinstance(s, int) and s >= 1 for s in size):
        raise UsageError(f"input_size={input_size!r}: wanted four integers >= 1, (C, T, H, W)")
    return size


def as_counted(model: nn.Module) -> nn.Module:
    """A copy on the meta device, where nothing is allocated, that does all that the papers' does.

    Raises:
        ModelError: if the model is of no family.
    """
    import torch

    code = code_of(model)
    tensors = [*model.parameters(), *model.buffers()]
    memo = {
        id(t): torch.nn.Parameter(t.detach().to("meta"), requires_grad=t.requires_grad)
        if isinstance(t, torch.nn.Parameter)
        else t.to("meta")
        for t in tensors
    }
    bare = copy.deepcopy(model, memo)
    code.prepare_for_counting(bare)
    return bare
