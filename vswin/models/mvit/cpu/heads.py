"""Attention of few heads on the CPU, for training.

In the backward pass of fused attention, torch gives each head of each clip to one thread. The first
block of MViT has one head with 25,089 queries: all threads but one would wait. What becomes of a
query concerns no other, so queries go in parts, as if each part were a clip of its own.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from vswin.models.cpu import chunked

MANY_QUERIES = 2**10
"""From which on parts are worth their calls."""


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """SoftMax(Q K^T / sqrt(d)) V: (B, heads, N, d), (B, heads, M, d) twice -> (B, heads, N, d)."""
    n = parts(q)
    if n == 1:
        return F.scaled_dot_product_attention(q, k, v)
    # The class token makes the number of queries odd, and is asked by itself.
    class_token, rest = q.split((1, q.shape[2] - 1), dim=2)
    rest = rest.unflatten(2, (n, -1)).transpose(1, 2).flatten(0, 1)
    keys, values = (x.unsqueeze(1).expand(-1, n, -1, -1, -1).flatten(0, 1) for x in (k, v))
    out = F.scaled_dot_product_attention(rest, keys, values)
    out = out.unflatten(0, (-1, n)).transpose(1, 2).flatten(2, 3)
    return torch.cat((F.scaled_dot_product_attention(class_token, k, v), out), dim=2)


def parts(q: Tensor) -> int:
    """Into how many parts the queries (B, heads, N, d) go, so that each thread has one.

    All are equally long, but for the class token; 1 where that takes too many.
    """
    batch, heads, count, _ = q.shape
    trains = torch.is_grad_enabled() and q.requires_grad
    if not trains or count <= MANY_QUERIES or not chunked.possible(q):
        return 1
    enough = -(-torch.get_num_threads() // (batch * heads))
    return next((n for n in range(enough, 4 * enough) if (count - 1) % n == 0), 1)
