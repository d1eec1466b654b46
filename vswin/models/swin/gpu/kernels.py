"""Equation 2 and its gradients as Triton kernels, which need no mask.

A program takes one head and one tile: `block` queries (or keys) of one window, against all keys
(or queries) of that window. Which tile is whose stands in a table (`vswin.models.swin.gpu.work`),
so that one launch serves windows of all sizes. B is a matrix for each size of window, padded to
whole tiles, which are read without a mask; the padding is minus infinity and so gets no weight.
Sums are in fp32 and in an order that does not depend on timing, so that results are the same to the
bit.

What programs share:
    qkv: (B * K, 3, heads, d), queries, keys and values.
    bias: (heads, size), B times log2(e) of each size of window: exponentials are powers of two.
    log_sums: (heads, places), log2 of what each query's exponentials sum up to. Places are those of
        all tiles; infinity where there is no query, by which it gives no weight to any key.
    row_sums: (heads, places), the sum over the channels of dO * O for each query.
    heads, size, places: how many there are; `scale` is 1 / sqrt(d).

In the interpreter (TRITON_INTERPRET=1) they run without a GPU.
"""

from __future__ import annotations

import triton
import triton.language as tl
from triton.language import constexpr, tensor

LOG2_E = constexpr(1.4426950408889634)
COUNTS = ("heads", "rows", "size", "places", "sums_size")
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
def _biases(
    bias: tensor, head: tensor, size: tensor, start: tensor, row: tensor, column: tensor,
    volume: tensor, block: constexpr,
) -> tensor:  # fmt: skip
    """(block, block): some rows and columns of the matrix that starts at `start`."""
    # Whoever made the matrices started each at a whole tile, which the compiler cannot know.
    start = tl.multiple_of(head * tl.multiple_of(size, 16) + tl.multiple_of(start, 16), 16)
    at = start + row[:, None] * (tl.cdiv(volume, block) * block) + column[None, :]
    return tl.load(bias + at).to(tl.float32)


@triton.jit
def _per_query(
    values: tensor, head: tensor, places: tensor, start: tensor, query: tensor
) -> tensor:  # fmt: skip
    """Where `log_sums` or `row_sums` of some queries are, whose window starts at `start`."""
    start = head.to(tl.int64) * tl.multiple_of(places, 16) + tl.multiple_of(start, 16)
    return values + start + query


@triton.jit
def _tile(tiles: tensor, heads: tensor, block: constexpr) -> tensor:
    """This program's: head, first token and size of the window, places in it, starts of B, sums."""
    head, tile = tl.program_id(0) % heads, tiles + 5 * (tl.program_id(0) // heads)
    first, volume = tl.load(tile).to(tl.int64), tl.load(tile + 1)
    place = tl.multiple_of(tl.load(tile + 2), block) + tl.arange(0, block)
    return head, first, volume, place, tl.load(tile + 3), tl.load(tile + 4)


@triton.jit(do_not_specialize=COUNTS)
def matrices(
    table: tensor, rows_of: tensor, bias: tensor, size: tensor, heads: tensor, rows: tensor,
    block: constexpr,
) -> None:  # fmt: skip
    """Writes bias (heads, size): rows of B-hat (rows, heads), minus infinity beyond the last."""
    entry, head = tl.program_id(0) * block + tl.arange(0, block), tl.program_id(1)
    there = entry < size
    row = tl.load(rows_of + entry, mask=there, other=0)
    value = tl.load(table + row * heads + head, mask=row < rows, other=float("-inf"))
    value = value.to(tl.float32) * LOG2_E
    tl.store(bias + head * size + entry, value.to(bias.dtype.element_ty), mask=there)


@triton.jit(do_not_specialize=COUNTS)
def forward(
    qkv: tensor, bias: tensor, tiles: tensor, out: tensor, log_sums: tensor,
    heads: tensor, size: tensor, places: tensor, scale: tensor, d: constexpr, block: constexpr,
) -> None:  # fmt: skip
    """Writes out (B * K, heads, d) and log_sums, a tile of queries for each program."""
    head, first, volume, query, matrix, of_sums = _tile(tiles, heads, block)
    width = 3 * heads * d
    qkv += head * d
    q = _read(qkv, first, query, volume, width, d)
    largest = tl.full([block], float("-inf"), tl.float32)
    total = tl.zeros([block], tl.float32)
    mean = tl.zeros([block, d], tl.float32)
    for start in range(0, volume, block):
        key = start + tl.arange(0, block)
        k = _read(qkv + heads * d, first, key, volume, width, d)
        v = _read(qkv + 2 * heads * d, first, key, volume, width, d)
        of_pairs = _biases(bias, head, size, matrix, query, key, volume, block)
        scores = _product(q, tl.trans(k)) * (scale * LOG2_E) + of_pairs
        larger = tl.maximum(largest, tl.max(scores, axis=1))
        shrunk = tl.exp2(largest - larger)
        weights = tl.exp2(scores - larger[:, None])
        total = total * shrunk + tl.sum(weights, axis=1)
        mean = mean * shrunk[:, None] + _product(weights.to(v.dtype), v)
        largest = larger
    _write(out + head * d, first, query, volume, heads * d, mean / total[:, None], d)
    log_sum = tl.where(query < volume, largest + tl.log2(total), float("inf"))
    tl.store(_per_query(log_sums, head, places, of_sums, query), log_sum)


@triton.jit(do_not_specialize=COUNTS)
def query_gradients(
    qkv: tensor, bias: tensor, tiles: tensor, out: tensor, log_sums: tensor,
    grad: tensor, grad_qkv: tensor, row_sums: tensor,
    heads: tensor, size: tensor, places: tensor, scale: tensor, d: constexpr, block: constexpr,
) -> None:  # fmt: skip
    """Writes the queries' part of grad_qkv, and row_sums; grad is that of out."""
    head, first, volume, query, matrix, of_sums = _tile(tiles, heads, block)
    width = 3 * heads * d
    qkv += head * d
    q = _read(qkv, first, query, volume, width, d)
    d_out = _read(grad + head * d, first, query, volume, heads * d, d)
    result = _read(out + head * d, first, query, volume, heads * d, d)
    log_sum = tl.load(_per_query(log_sums, head, places, of_sums, query))
    row_sum = tl.sum(d_out.to(tl.float32) * result.to(tl.float32), axis=1)
    tl.store(_per_query(row_sums, head, places, of_sums, query), row_sum)
    d_q = tl.zeros([block, d], tl.float32)
    for start in range(0, volume, block):
        key = start + tl.arange(0, block)
        k = _read(qkv + heads * d, first, key, volume, width, d)
        v = _read(qkv + 2 * heads * d, first, key, volume, width, d)
        of_pairs = _biases(bias, head, size, matrix, query, key, volume, block)
        scores = _product(q, tl.trans(k)) * (scale * LOG2_E) + of_pairs
        weights = tl.exp2(scores - log_sum[:, None])
        d_scores = weights * (_product(d_out, tl.trans(v)) - row_sum[:, None])
        d_q += _product(d_scores.to(k.dtype), k)
    _write(grad_qkv + head * d, first, query, volume, width, d_q * scale, d)


@triton.jit(do_not_specialize=COUNTS)
def key_gradients(
    qkv: tensor, transposed: tensor, tiles: tensor, log_sums: tensor, row_sums: tensor,
    grad: tensor, grad_qkv: tensor,
    heads: tensor, size: tensor, places: tensor, scale: tensor, d: constexpr, block: constexpr,
) -> None:  # fmt: skip
    """Writes the keys' and values' part of grad_qkv, a tile of keys for each program.

    `transposed` is `bias` with each matrix transposed: to turn its tiles here would keep them from
    being fetched ahead.
    """
    head, first, volume, key, matrix, of_sums = _tile(tiles, heads, block)
    width = 3 * heads * d
    qkv += head * d
    grad_qkv += head * d
    k = _read(qkv + heads * d, first, key, volume, width, d)
    v = _read(qkv + 2 * heads * d, first, key, volume, width, d)
    d_k = tl.zeros([block, d], tl.float32)
    d_v = tl.zeros([block, d], tl.float32)
    for start in range(0, volume, block):
        query = start + tl.arange(0, block)
        q = _read(qkv, first, query, volume, width, d)
        d_out = _read(grad + head * d, first, query, volume, heads * d, d)
        log_sum = tl.load(_per_query(log_sums, head, places, of_sums, query))
        row_sum = tl.load(_per_query(row_sums, head, places, of_sums, query))
        of_pairs = _biases(transposed, head, size, matrix, key, query, volume, block)
        scores = _product(k, tl.trans(q)) * (scale * LOG2_E) + of_pairs
        weights = tl.exp2(scores - log_sum[None, :])
        d_v += _product(weights.to(v.dtype), d_out)
        d_scores = weights * (_product(v, tl.trans(d_out)) - row_sum[None, :])
        d_k += _product(d_scores.to(q.dtype), q)
    _write(grad_qkv + heads * d, first, key, volume, width, d_k * scale, d)
    _write(grad_qkv + 2 * heads * d, first, key, volume, width, d_v, d)


@triton.jit(do_not_specialize=COUNTS)
def score_gradients(
    qkv: tensor, bias: tensor, pairs: tensor, log_sums: tensor, row_sums: tensor,
    grad: tensor, sums: tensor, sums_size: tensor,
    heads: tensor, size: tensor, places: tensor, scale: tensor, d: constexpr, block: constexpr,
) -> None:  # fmt: skip
    """Writes sums (heads, sums_size): gradients of scores, summed over some windows of one size.

    A program takes a tile of queries against one of keys, in one window after the other.
    """
    head, pair = tl.program_id(0) % heads, pairs + 8 * (tl.program_id(0) // heads)
    first, volume = tl.load(pair).to(tl.int64), tl.load(pair + 1)
    query = tl.multiple_of(tl.load(pair + 2), block) + tl.arange(0, block)
    key = tl.multiple_of(tl.load(pair + 3), block) + tl.arange(0, block)
    matrix, of_sums = tl.load(pair + 4), tl.load(pair + 5)
    windows, start = tl.load(pair + 6), tl.load(pair + 7)
    width = 3 * heads * d
    qkv += head * d
    of_pairs = _biases(bias, head, size, matrix, query, key, volume, block)
    total = tl.zeros([block, block], tl.float32)
    for _ in range(0, windows):
        q = _read(qkv, first, query, volume, width, d)
        k = _read(qkv + heads * d, first, key, volume, width, d)
        v = _read(qkv + 2 * heads * d, first, key, volume, width, d)
        d_out = _read(grad + head * d, first, query, volume, heads * d, d)
        log_sum = tl.load(_per_query(log_sums, head, places, of_sums, query))
        row_sum = tl.load(_per_query(row_sums, head, places, of_sums, query))
        scores = _product(q, tl.trans(k)) * (scale * LOG2_E) + of_pairs
        weights = tl.exp2(scores - log_sum[:, None])
        total += weights * (_product(d_out, tl.trans(v)) - row_sum[:, None])
        first += volume
        of_sums += tl.cdiv(volume, block) * block
    at = head * sums_size + start + query[:, None] * volume + key[None, :]
    tl.store(sums + at, total, mask=(query[:, None] < volume) & (key[None, :] < volume))


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
