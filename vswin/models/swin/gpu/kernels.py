"""Equation 2 and its gradients as Triton kernels, which need no mask and no bias matrix.

A program takes one head and one tile: `block` queries (or keys) of one window, against all keys
(or queries) of that window. Which tile is whose stands in a table (`vswin.models.swin.gpu.work`),
so that one launch serves windows of all sizes. The bias of a pair is read from B-hat itself: its
row is the difference of two numbers, one of the query's place and one of the key's. Sums are in
fp32 and in an order that does not depend on timing, so that results are the same to the bit.

What programs share:
    qkv: (B * K, 3, heads, d), queries, keys and values.
    table: (heads, rows), B-hat times log2(e), fp32: exponentials are powers of two.
    offsets: for the places of a window of each size, what `table` is addressed by.
    log_sums: (heads, B * K), log2 of what each query's exponentials sum up to.
    row_sums: (heads, B * K), the sum over the channels of dO * O for each query.
    tokens, heads, rows: how many there are; `scale` is 1 / sqrt(d).

In the interpreter (TRITON_INTERPRET=1) they run without a GPU.
"""

from __future__ import annotations

import triton
import triton.language as tl
from triton.language import constexpr, tensor

LOG2_E = constexpr(1.4426950408889634)
COUNTS = ("tokens", "heads", "rows", "size")
"""Whatever they are, the machine code is the same: compiled once, not for each stage of a model."""


@triton.jit
def _read(
    base: tensor, first: tensor, place: tensor, volume: tensor, width: tensor, d: constexpr
) -> tensor:  # fmt: skip
    """(block, d): one head's channels at some places of a window, zeros beyond its end."""
    at = (first + place[:, None]) * width + tl.arange(0, d)[None, :]
    return tl.load(base + at, mask=place[:, None] < volume, other=0.0)


@triton.jit
def _write(
    base: tensor, first: tensor, place: tensor, volume: tensor, width: tensor, values: tensor,
    d: constexpr,
) -> None:  # fmt: skip
    """Undoes `_read`, in the precision of what is written to."""
    at = (first + place[:, None]) * width + tl.arange(0, d)[None, :]
    tl.store(base + at, values.to(base.dtype.element_ty), mask=place[:, None] < volume)


@triton.jit
def _product(a: tensor, b: tensor) -> tensor:
    """In fp32; what is fp32 is not rounded to TF32."""
    return tl.dot(a, b, input_precision="ieee")


@triton.jit
def _tile(tiles: tensor, offsets: tensor, heads: tensor, block: constexpr) -> tensor:
    """This program's: head, first token and size of the window, its offsets, places in it."""
    head, tile = tl.program_id(0) % heads, tiles + 4 * (tl.program_id(0) // heads)
    first, volume = tl.load(tile).to(tl.int64), tl.load(tile + 1)
    place = tl.load(tile + 3) + tl.arange(0, block)
    return head, first, volume, offsets + tl.load(tile + 2), place


@triton.jit(do_not_specialize=COUNTS)
def forward(
    qkv: tensor, table: tensor, offsets: tensor, tiles: tensor, out: tensor, log_sums: tensor,
    tokens: tensor, heads: tensor, rows: tensor, scale: tensor, d: constexpr, block: constexpr,
) -> None:  # fmt: skip
    """Writes out (B * K, heads, d) and log_sums, a tile of queries for each program."""
    head, first, volume, offsets, query = _tile(tiles, offsets, heads, block)
    width = 3 * heads * d
    qkv += head * d
    table += head * rows + rows // 2  # the row of two tokens at the same place
    q = _read(qkv, first, query, volume, width, d)
    offset = tl.load(offsets + query, mask=query < volume, other=0)
    largest = tl.full([block], float("-inf"), tl.float32)
    total = tl.zeros([block], tl.float32)
    mean = tl.zeros([block, d], tl.float32)
    for start in range(0, volume, block):
        key = start + tl.arange(0, block)
        k = _read(qkv + heads * d, first, key, volume, width, d)
        v = _read(qkv + 2 * heads * d, first, key, volume, width, d)
        of_key = tl.load(offsets + key, mask=key < volume, other=0)
        bias = tl.load(table + offset[:, None] - of_key[None, :])
        scores = _product(q, tl.trans(k)) * (scale * LOG2_E) + bias
        scores = tl.where(key[None, :] < volume, scores, float("-inf"))
        larger = tl.maximum(largest, tl.max(scores, axis=1))
        shrunk = tl.exp2(largest - larger)
        weights = tl.exp2(scores - larger[:, None])
        total = total * shrunk + tl.sum(weights, axis=1)
        mean = mean * shrunk[:, None] + _product(weights.to(v.dtype), v)
        largest = larger
    _write(out + head * d, first, query, volume, heads * d, mean / total[:, None], d)
    log_sums += head.to(tl.int64) * tokens + first
    tl.store(log_sums + query, largest + tl.log2(total), mask=query < volume)


@triton.jit(do_not_specialize=COUNTS)
def query_gradients(
    qkv: tensor, table: tensor, offsets: tensor, tiles: tensor, out: tensor, log_sums: tensor,
    grad: tensor, grad_qkv: tensor, row_sums: tensor,
    tokens: tensor, heads: tensor, rows: tensor, scale: tensor, d: constexpr, block: constexpr,
) -> None:  # fmt: skip
    """Writes the queries' part of grad_qkv, and row_sums; grad is that of out."""
    head, first, volume, offsets, query = _tile(tiles, offsets, heads, block)
    width = 3 * heads * d
    qkv += head * d
    table += head * rows + rows // 2
    there = query < volume
    per_query = head.to(tl.int64) * tokens + first + query
    q = _read(qkv, first, query, volume, width, d)
    d_out = _read(grad + head * d, first, query, volume, heads * d, d)
    result = _read(out + head * d, first, query, volume, heads * d, d)
    offset = tl.load(offsets + query, mask=there, other=0)
    log_sum = tl.load(log_sums + per_query, mask=there, other=float("inf"))
    row_sum = tl.sum(d_out.to(tl.float32) * result.to(tl.float32), axis=1)
    tl.store(row_sums + per_query, row_sum, mask=there)
    d_q = tl.zeros([block, d], tl.float32)
    for start in range(0, volume, block):
        key = start + tl.arange(0, block)
        k = _read(qkv + heads * d, first, key, volume, width, d)
        v = _read(qkv + 2 * heads * d, first, key, volume, width, d)
        of_key = tl.load(offsets + key, mask=key < volume, other=0)
        bias = tl.load(table + offset[:, None] - of_key[None, :])
        scores = _product(q, tl.trans(k)) * (scale * LOG2_E) + bias
        # What is no key has no weight: it might be infinite, and infinity times nothing is no
        # number.
        scores = tl.where(key[None, :] < volume, scores, float("-inf"))
        weights = tl.exp2(scores - log_sum[:, None])
        d_scores = weights * (_product(d_out, tl.trans(v)) - row_sum[:, None])
        d_q += _product(d_scores.to(k.dtype), k)
    _write(grad_qkv + head * d, first, query, volume, width, d_q * scale, d)


@triton.jit(do_not_specialize=COUNTS)
def key_gradients(
    qkv: tensor, table: tensor, offsets: tensor, tiles: tensor, log_sums: tensor, row_sums: tensor,
    grad: tensor, grad_qkv: tensor,
    tokens: tensor, heads: tensor, rows: tensor, scale: tensor, d: constexpr, block: constexpr,
) -> None:  # fmt: skip
    """Writes the keys' and values' part of grad_qkv, a tile of keys for each program."""
    head, first, volume, offsets, key = _tile(tiles, offsets, heads, block)
    width = 3 * heads * d
    qkv += head * d
    grad_qkv += head * d
    table += head * rows + rows // 2
    log_sums += head.to(tl.int64) * tokens + first
    row_sums += head.to(tl.int64) * tokens + first
    k = _read(qkv + heads * d, first, key, volume, width, d)
    v = _read(qkv + 2 * heads * d, first, key, volume, width, d)
    offset = tl.load(offsets + key, mask=key < volume, other=0)
    d_k = tl.zeros([block, d], tl.float32)
    d_v = tl.zeros([block, d], tl.float32)
    for start in range(0, volume, block):
        query = start + tl.arange(0, block)
        there = query < volume
        q = _read(qkv, first, query, volume, width, d)
        d_out = _read(grad + head * d, first, query, volume, heads * d, d)
        of_query = tl.load(offsets + query, mask=there, other=0)
        # What is no query gives no weight to any key.
        log_sum = tl.load(log_sums + query, mask=there, other=float("inf"))
        row_sum = tl.load(row_sums + query, mask=there, other=0.0)
        bias = tl.load(table + of_query[None, :] - offset[:, None])
        scores = _product(k, tl.trans(q)) * (scale * LOG2_E) + bias
        weights = tl.exp2(scores - log_sum[None, :])
        d_v += _product(weights.to(v.dtype), d_out)
        d_scores = weights * (_product(v, tl.trans(d_out)) - row_sum[None, :])
        d_k += _product(d_scores.to(q.dtype), q)
    _write(grad_qkv + heads * d, first, key, volume, width, d_k * scale, d)
    _write(grad_qkv + 2 * heads * d, first, key, volume, width, d_v, d)


@triton.jit(do_not_specialize=COUNTS)
def score_gradients(
    qkv: tensor, table: tensor, offsets: tensor, pairs: tensor, log_sums: tensor, row_sums: tensor,
    grad: tensor, sums: tensor, size: tensor,
    tokens: tensor, heads: tensor, rows: tensor, scale: tensor, d: constexpr, block: constexpr,
) -> None:  # fmt: skip
    """Writes sums (heads, size): gradients of scores, summed over some windows of one size.

    A program takes a tile of queries against one of keys, in one window after the other.
    """
    head, pair = tl.program_id(0) % heads, pairs + 7 * (tl.program_id(0) // heads)
    first, volume = tl.load(pair).to(tl.int64), tl.load(pair + 1)
    offsets += tl.load(pair + 2)
    query = tl.load(pair + 3) + tl.arange(0, block)
    key = tl.load(pair + 4) + tl.arange(0, block)
    windows, start = tl.load(pair + 5), tl.load(pair + 6)
    width = 3 * heads * d
    qkv += head * d
    there = query < volume
    offset = tl.load(offsets + query, mask=there, other=0)
    of_key = tl.load(offsets + key, mask=key < volume, other=0)
    bias = tl.load(table + head * rows + rows // 2 + offset[:, None] - of_key[None, :])
    total = tl.zeros([block, block], tl.float32)
    for _ in range(0, windows):
        per_query = head.to(tl.int64) * tokens + first + query
        q = _read(qkv, first, query, volume, width, d)
        k = _read(qkv + heads * d, first, key, volume, width, d)
        v = _read(qkv + 2 * heads * d, first, key, volume, width, d)
        d_out = _read(grad + head * d, first, query, volume, heads * d, d)
        log_sum = tl.load(log_sums + per_query, mask=there, other=float("inf"))
        row_sum = tl.load(row_sums + per_query, mask=there, other=0.0)
        scores = _product(q, tl.trans(k)) * (scale * LOG2_E) + bias
        weights = tl.exp2(scores - log_sum[:, None])
        total += weights * (_product(d_out, tl.trans(v)) - row_sum[:, None])
        first += volume
    at = head * size + start + query[:, None] * volume + key[None, :]
    tl.store(sums + at, total, mask=there[:, None] & (key[None, :] < volume))


@triton.jit(do_not_specialize=COUNTS)
def table_gradients(
    sums: tensor, starts: tensor, positions: tensor, grad_table: tensor, size: tensor,
    heads: tensor, rows: tensor, height: constexpr, block: constexpr,
) -> None:  # fmt: skip
    """Writes grad_table (rows, heads): sums of what `positions` says of each row, in its order."""
    head = tl.program_id(0) % heads
    row = tl.program_id(0) // heads * height + tl.arange(0, height)
    there = row < rows
    start = tl.load(starts + row, mask=there, other=0)
    count = tl.load(starts + row + 1, mask=there, other=0) - start
    total = tl.zeros([height], tl.float32)
    for first in range(0, tl.max(count, axis=0), block):
        number = first + tl.arange(0, block)
        found = number[None, :] < count[:, None]
        at = tl.load(positions + start[:, None] + number[None, :], mask=found, other=0)
        total += tl.sum(tl.load(sums + head * size + at, mask=found, other=0.0), axis=1)
    tl.store(grad_table + row * heads + head, total, mask=there)
