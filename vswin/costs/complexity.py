"""Section C of the MViT appendix: what multi head pooling attention (MHPA) takes, by formulas.

The text gives orders. The functions here give what is inside the O(...), without constants, and
`multiply_accumulates` and `elements` put the constants in. All lengths are those of the text, which
has no class token, and strides divide sizes; `count` counts an attention of ours, which has the
token, and rounds up. The text has f_h once, where f_k is meant.
"""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

from vswin.models.mvit.config import MViTConfig, Triple
from vswin.models.mvit.geometry import BlockPlan, Pool, blocks


@dataclasses.dataclass(frozen=True)
class MHPA:
    """One multi head pooling attention."""

    grid: Triple
    """T x H x W, the input tensor."""
    dim: int
    """D, its channels."""
    heads: int = 1
    """h."""
    q: Pool | None = None
    """What pools queries, by the stride s^Q; None: nothing does."""
    kv: Pool | None = None
    """What pools keys and values, by s^K = s^V."""

    @property
    def length(self) -> int:
        """L = T * H * W."""
        return math.prod(self.grid)

    @property
    def f_q(self) -> int:
        """f^Q = s_T * s_H * s_W: by how much the sequence of queries is shorter."""
        return math.prod(self.q.stride) if self.q else 1

    @property
    def f_k(self) -> int:
        """f^K, that of keys and values."""
        return math.prod(self.kv.stride) if self.kv else 1


def embedding(a: MHPA) -> int:
    """Runtime of queries, keys or values, all heads: O(THW D^2 / h) for each head."""
    return a.length * a.dim**2


def attention(a: MHPA) -> float:
    """Runtime of the attention matrix, all heads: O(T^2 H^2 W^2 D / (f_q f_k h)) for each head.

    The weighted sum of values takes as much.
    """
    return a.length**2 * a.dim / (a.f_q * a.f_k)


def pooling(a: MHPA, pool: Pool | None) -> float:
    """Runtime of pooling one of the three: O(THW D (k_T k_W k_H) / (s_T s_W s_H))."""
    if pool is None:
        return 0.0
    return a.length * a.dim * math.prod(pool.kernel) / math.prod(pool.stride)


def runtime(a: MHPA) -> float:
    """Runtime of MHPA: O(THW D (D + THW / (f_q f_k))), where pooling is neglected."""
    return a.length * a.dim * (a.dim + a.length / (a.f_q * a.f_k))


def scores(a: MHPA) -> float:
    """Memory of the full attention matrix: O(T^2 H^2 W^2 h / (f_q f_k))."""
    return a.length**2 * a.heads / (a.f_q * a.f_k)


def memory(a: MHPA) -> float:
    """Memory of MHPA: O(THW h (D / h + THW / (f_q f_k)))."""
    return a.length * a.heads * (a.dim / a.heads + a.length / (a.f_q * a.f_k))


def multiply_accumulates(a: MHPA) -> float:
    """Runtime with its constants.

    Three embeddings, two products of attention, what pooling takes, and the linear layer behind the
    attention, which the text leaves out and which sees pooled queries.
    """
    linear = 3 * embedding(a) + embedding(a) / a.f_q
    return linear + 2 * attention(a) + pooling(a, a.q) + 2 * pooling(a, a.kv)


def elements(a: MHPA) -> float:
    """Memory with its constants, in numbers that are kept for the backward pass.

    "The sequence itself and other tensors of similar sizes" are the input, what the last linear
    layer reads, and queries, keys and values: each before it is pooled, and twice afterwards.
    """
    sequences = 1 + 1 / a.f_q
    for pool, f in ((a.q, a.f_q), (a.kv, a.f_k), (a.kv, a.f_k)):
        sequences += 1 if pool is None else 1 + 2 / f
    return sequences * a.length * a.dim + scores(a)


def attentions(config: MViTConfig) -> tuple[MHPA, ...]:
    """Those of a model, block by block."""
    return tuple(
        MHPA(plan.grid, plan.dim, plan.num_heads, plan.q, plan.kv) for plan in blocks(config)
    )


class Counted(NamedTuple):
    """An attention of ours."""

    multiply_accumulates: int
    elements: int
    """Numbers that are kept for the backward pass, attention written out."""


def count(a: MHPA) -> Counted:
    """Counts one attention operator by operator, on the meta device, with a class token.

    Pooling is by convolutions: the maximum counts no multiply-accumulates.
    """
    import torch

    from vswin.costs.operators import Weights, count_operators
    from vswin.costs.saved import CLIPS, PlainAttention, saved_bytes
    from vswin.models.mvit.attention import PoolingAttention

    class Layer(torch.nn.Module):
        """The attention as a model of one argument."""

        def __init__(self) -> None:
            super().__init__()
            plan = BlockPlan(a.dim, a.dim, a.heads, a.grid, a.q, a.kv)
            self.attention = PoolingAttention(plan, "conv", eps=1e-6)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.attention(x, a.grid)

    with torch.device("meta"):
        layer, x = Layer(), torch.empty(CLIPS, 1 + a.length, a.dim, requires_grad=True)
    products = Weights(layer_norm=0, batch_norm=0, pooling=0, bias=0)
    found = count_operators(layer, x.detach()[:1], products)
    with PlainAttention():
        kept = saved_bytes(layer, x, but=list(layer.parameters()))
    return Counted(found.total(), kept // x.element_size() // CLIPS)
