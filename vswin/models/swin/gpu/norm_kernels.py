"""LN and its gradients as Triton kernels, which may put tokens into windows on the way.

A program takes some rows at a time. Means and deviations are in fp32, whatever comes in and out.
With an index, row i of what comes out is row index[i] of what comes in, or zeros where there is no
such row; each row that comes in is asked for once. Gradients of weights are summed in an order that
does not depend on timing: each program writes what its rows give.

In the interpreter (TRITON_INTERPRET=1) they run without a GPU.
"""

from __future__ import annotations

import triton
import triton.language as tl
from triton.language import constexpr, tensor

COUNTS = ("rows", "places")


@triton.jit
def _rows(
    index: tensor, place: tensor, rows: tensor, places: tensor, indexed: constexpr
) -> tensor:  # fmt: skip
    """(height,) rows that come in, `rows` or more where there is none."""
    if indexed:
        return tl.load(index + place, mask=place < places, other=rows).to(tl.int64)
    return place


@triton.jit(do_not_specialize=COUNTS)
def normalise(
    x: tensor, index: tensor, weight: tensor, bias: tensor, out: tensor, means: tensor,
    scales: tensor, rows: tensor, places: tensor, eps: tensor,
    channels: constexpr, indexed: constexpr, height: constexpr, width: constexpr,
) -> None:  # fmt: skip
    """Writes out (places, channels), means and scales (places,): LN, and one over deviations."""
    place = tl.program_id(0).to(tl.int64) * height + tl.arange(0, height)
    row = _rows(index, place, rows, places, indexed)
    channel = tl.arange(0, width)[None, :]
    wanted = (row[:, None] < rows) & (channel < channels)
    values = tl.load(x + row[:, None] * channels + channel, mask=wanted, other=0.0).to(tl.float32)
    mean = tl.sum(values, axis=1) / channels
    apart = tl.where(wanted, values - mean[:, None], 0.0)
    scale = tl.rsqrt(tl.sum(apart * apart, axis=1) / channels + eps)
    of_channel = channel < channels
    normed = apart * scale[:, None] * tl.load(weight + channel, mask=of_channel, other=0.0)
    normed = tl.where(wanted, normed + tl.load(bias + channel, mask=of_channel, other=0.0), 0.0)
    there = place < places
    at = out + place[:, None] * channels + channel
    tl.store(at, normed.to(out.dtype.element_ty), mask=there[:, None] & of_channel)
    tl.store(means + place, mean, mask=there)
    tl.store(scales + place, scale, mask=there)


@triton.jit(do_not_specialize=(*COUNTS, "programs"))
def gradients(
    grad: tensor, x: tensor, index: tensor, weight: tensor, means: tensor, scales: tensor,
    grad_x: tensor, sums: tensor, rows: tensor, places: tensor, programs: tensor,
    channels: constexpr, indexed: constexpr, height: constexpr, width: constexpr,
) -> None:  # fmt: skip
    """Writes grad_x (rows, channels), and sums (programs, 2, channels) for weight and bias."""
    channel = tl.arange(0, width)[None, :]
    of_channel = channel < channels
    factors = tl.load(weight + channel, mask=of_channel, other=0.0)
    of_weight = tl.zeros([height, width], tl.float32)
    of_bias = tl.zeros([height, width], tl.float32)
    for first in range(tl.program_id(0) * height, places, programs * height):
        place = (first + tl.arange(0, height)).to(tl.int64)
        row = _rows(index, place, rows, places, indexed)
        there = row < rows
        wanted = there[:, None] & of_channel
        at = row[:, None] * channels + channel
        values = tl.load(x + at, mask=wanted, other=0.0).to(tl.float32)
        given = tl.load(grad + place[:, None] * channels + channel, mask=wanted, other=0.0)
        given = given.to(tl.float32)
        scale = tl.load(scales + place, mask=there, other=0.0)[:, None]
        mean = tl.load(means + place, mask=there, other=0.0)[:, None]
        normed = tl.where(wanted, (values - mean) * scale, 0.0)
        of_weight += given * normed
        of_bias += given
        given *= factors
        common = tl.sum(given, axis=1)[:, None] / channels
        along = tl.sum(given * normed, axis=1)[:, None] / channels
        found = scale * (given - common - normed * along)
        tl.store(grad_x + at, found.to(grad_x.dtype.element_ty), mask=wanted)
    sums += tl.program_id(0) * 2 * channels
    channel = tl.arange(0, width)
    tl.store(sums + channel, tl.sum(of_weight, axis=0), mask=channel < channels)
    tl.store(sums + channels + channel, tl.sum(of_bias, axis=0), mask=channel < channels)
