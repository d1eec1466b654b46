"""What autograd keeps of a forward pass, counted on the meta device: sizes only, no data.

Attention is written out, as Q K^T, SoftMax and the product with V, whatever fused operator a model
calls. On the meta device none of the project's own kernels for a processor runs. So what is counted
is what the textbook's operators keep: `tests/costs/test_memory.py` has torchvision's models beside
ours.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.overrides import TorchFunctionMode

CLIPS = 2
"""Counted at a time: with one alone, heads and clips are one axis in memory already, and torch
takes views where it copies for several."""


def count_saved(model: nn.Module, size: tuple[int, int, int, int]) -> tuple[int, int]:
    """What is kept for the backward pass, and the scores of attention, in bytes for each clip.

    Each piece of memory counts once, however many operators keep it. Parameters and buffers, which
    are there anyway, do not count; the clip does.

    Args:
        model: in the mode in which it is trained.
        size: (C, T, H, W) of a clip.
    """
    there = [*model.parameters(), *model.buffers()]
    clips = torch.empty(CLIPS, *size, device=there[0].device)
    with PlainAttention() as attention:
        saved = saved_bytes(model, clips, but=there)
    return saved // CLIPS, attention.score_bytes // CLIPS


def saved_bytes(model: nn.Module, clips: Tensor, but: list[Tensor]) -> int:
    """Bytes that autograd keeps of `model(clips)`, without the memory of some tensors."""
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage  # what is held here gives its number to no other
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(clips)
    ignored = {tensor.untyped_storage()._cdata for tensor in but}
    return sum(storage.nbytes() for number, storage in kept.items() if number not in ignored)


class PlainAttention(TorchFunctionMode):
    """Writes torch's fused attention out, and counts its scores."""

    def __init__(self) -> None:
        super().__init__()
        self.score_bytes = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is not F.scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        out, scores = plain_attention(*args, **(kwargs or {}))
        self.score_bytes += scores.nbytes
        return out


def plain_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> tuple[Tensor, Tensor]:
    """SoftMax(Q K^T / sqrt(d) + mask) V, and what the SoftMax is taken of.

    Args:
        query: (..., N, d).
        key: (..., M, d).
        value: (..., M, d').
        attn_mask: added to the scores, or True where they count.
        dropout_p: of the probabilities.
        is_causal: whether queries see no later keys.
        scale: in the place of 1 / sqrt(d).
    """
    scores = (query * (query.shape[-1] ** -0.5 if scale is None else scale)) @ key.mT
    if is_causal:
        attn_mask = torch.ones_like(scores, dtype=torch.bool).tril()
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, -torch.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask
    return F.dropout(scores.softmax(dim=-1), dropout_p) @ value, scores
