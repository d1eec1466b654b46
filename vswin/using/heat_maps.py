"""Where in a clip a model looks: Grad-CAM for Swin, attention rollout for MViT.

Own code, for both are short, and the libraries for them expect channels first (Grad-CAM) and one
grid of tokens in all layers (rollout), which neither family has.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from vswin.errors import UsageError
from vswin.models.mvit.attending import queries_and_keys
from vswin.models.mvit.config import Triple
from vswin.models.mvit.geometry import Pool
from vswin.models.registry import family_of

CHUNK = 2**24
"""Attention weights that are held at a time."""


@dataclasses.dataclass(frozen=True)
class Method:
    """How a family's heat maps are made."""

    name: str
    of_class: bool
    """Whether it asks what speaks for one class; otherwise, what the answer rests on."""
    make: Callable[[Any, Tensor, int], Tensor]
    """Of a model, a clip (1, C, T, H, W) and a class: (T', H', W'), not negative."""


def method_of(model: nn.Module) -> Method:
    """The one for a model's family.

    Raises:
        UsageError: if there is none.
    """
    name = family_of(model).name
    if name not in METHODS:
        raise UsageError(f"family {name} has no heat maps; wanted one of {', '.join(METHODS)}")
    return METHODS[name]


@torch.no_grad()
def grad_cam(model: Any, clip: Tensor, label: int) -> Tensor:
    """Grad-CAM (Selvaraju et al. 2017) on what the last stage gives, before the final LN.

    Channels are weighted by the mean gradient of the class's logit; what is negative is cut off.

    Args:
        model: a Swin model in evaluation mode.
        clip: (1, C, T, H, W).
        label: the class.

    Returns:
        (T', H', W').
    """
    seen: list[Tensor] = []
    handle = model.norm.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    try:
        model.forward_features(clip)
    finally:
        handle.remove()
    (last,) = seen
    with torch.enable_grad():  # from here on alone: the stages need no gradients
        last.requires_grad_()
        logit = model.head(model.dropout(model.norm(last).mean(dim=(1, 2, 3))))[0, label]
        (gradient,) = torch.autograd.grad(logit, last)
    weights = gradient.mean(dim=(1, 2, 3), keepdim=True)
    return (weights * last.detach()).sum(dim=-1).relu()[0]


@torch.no_grad()
def attention_rollout(model: Any, clip: Tensor, label: int = 0) -> Tensor:
    """Attention rollout (Abnar and Zuidema 2020) from the class token to the patches.

    A layer passes on half of a token by attention, mean over heads, and half by the residual. What
    is pooled is taken for the mean of the tokens under the kernel. All of it is followed backwards
    as one row of weights, so that no matrix of tokens by tokens is made.

    Args:
        model: an MViT model in evaluation mode.
        clip: (1, C, T, H, W).
        label: without effect, for this asks about no class.

    Returns:
        (T', H', W') of the patch embedding; with the class token's own share, the sum is 1.
    """
    del label
    seen: list[tuple[Tensor, Triple]] = []
    handles = [
        block.attn.register_forward_pre_hook(lambda _, args: seen.append((args[0], args[1])))
        for block in model.blocks
    ]
    try:
        model.forward_features(clip)
    finally:
        for handle in handles:
            handle.remove()
    row = seen[-1][0].new_zeros(1 + _volume(model.plans[-1].q_grid))
    row[0] = 1
    for block, (x, grid) in zip(reversed(model.blocks), reversed(seen), strict=True):
        plan = block.plan
        residual = None if plan.q is None else Pool.by_maximum(plan.q.stride)
        q, k = (each[0].transpose(0, 1) for each in queries_and_keys(block.attn, x, grid))
        attended = _spread(_attended(row, q, k), grid, plan.kv)
        row = 0.5 * attended + 0.5 * _spread(row, grid, residual)
    return row[1:].unflatten(0, seen[0][1])


def _attended(row: Tensor, q: Tensor, k: Tensor) -> Tensor:
    """Weights of queries (Q,) -> of keys (K,), for q (heads, Q, d) and k (heads, K, d)."""
    heads, keys, dim = k.shape
    found = row.new_zeros(keys)
    for some in row.nonzero()[:, 0].split(max(1, CHUNK // (heads * keys))):
        attention = (q[:, some] * dim**-0.5 @ k.mT).softmax(dim=-1).mean(dim=0)
        found += row[some] @ attention
    return found


def _spread(row: Tensor, grid: Triple, pool: Pool | None) -> Tensor:
    """Weights of pooled tokens -> of the tokens of a grid; the class token is first and is kept."""
    if pool is None:
        return row
    ones = row.new_ones(1, 1, *pool.kernel)
    sums = functools.partial(F.conv3d, weight=ones, stride=pool.stride, padding=pool.padding)
    counts = sums(row.new_ones(1, 1, *grid))  # of tokens under each kernel
    with torch.enable_grad():  # the gradient of a sum goes to what it is of
        tokens = row.new_zeros(1, 1, *grid, requires_grad=True)
        found = sums(tokens)
    (spread,) = torch.autograd.grad(found, tokens, row[1:].view_as(counts) / counts)
    return torch.cat((row[:1], spread.flatten()))


def _volume(grid: Triple) -> int:
    t, h, w = grid
    return t * h * w


METHODS = {
    "swin": Method("Grad-CAM on the last stage", True, grad_cam),
    "mvit": Method("attention rollout", False, attention_rollout),
}
"""By family."""
