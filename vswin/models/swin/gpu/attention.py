"""Equation 2 for windows of all sizes at once, on a GPU, as operators that torch knows.

torch's fused attention takes windows of one size, so that a shifted block is up to eighteen calls,
and wants the bias as a matrix, whose gradient it writes for each window. The kernels here are one
call for a block, three more and a small one for its gradients, and read the bias table itself.
Nobody has measured them yet; `vswin.models.swin.variants` turns them on.
"""

from __future__ import annotations

import importlib.util
import os
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from vswin.models.errors import ModelError
from vswin.models.modes import is_differentiated_or_mapped, is_exporting
from vswin.models.swin.config import Triple
from vswin.models.swin.gpu.work import work
from vswin.models.swin.variants import Variant, chosen
from vswin.models.swin.windows import WindowLayout

HEAD_WIDTHS = (16, 32, 64)
"""d that the kernels are made for."""
TILES = {torch.float32: 32, torch.float16: 64, torch.bfloat16: 64}
"""Places of a window that a program takes at a time: 64 in fp32 spill out of its registers."""
IS_INSTALLED = importlib.util.find_spec("triton") is not None
IS_INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
"""Whether Triton shall run its kernels on the CPU, slowly; it reads the same."""
LOG2_E = 1.4426950408889634
ROWS, SUMMANDS = 8, 128
"""Of the bias table for a program, and what it adds to each at a time."""


def takes(told: Variant | None, qkv: Tensor, layout: WindowLayout, heads: int) -> bool:
    """Whether the kernels here compute attention of (B * K, 3C) queries, keys and values.

    Args:
        told: what the model was told to compute with, see `vswin.models.swin.variants`.
        qkv: queries, keys and values.
        layout: their windows.
        heads: of the attention.

    Raises:
        ModelError: if the model was told to take them and they cannot. Where nobody told it and
            they are what a GPU takes by default, torch's attention does what they cannot.
    """
    if told is None and is_exporting():
        return False
    variant = chosen(told, qkv.device, layout.batch)
    if variant is None or variant.attention != "triton":
        return False
    reason = _refusal(qkv, qkv.shape[1] // 3 // heads)
    if reason is not None and told is not None:
        raise ModelError(f"attention 'triton' is not possible: {reason}; 'by_size' always is")
    return reason is None


def _refusal(qkv: Tensor, width: int) -> str | None:
    """Why the kernels cannot compute it."""
    if not IS_INSTALLED:
        return "Triton is not installed (on Linux: pip install triton)"
    if not qkv.is_cuda and not IS_INTERPRETED:
        return f"tokens are on the device {qkv.device.type}, wanted a GPU"
    if width not in HEAD_WIDTHS:
        return f"heads have {width} channels, wanted {', '.join(map(str, HEAD_WIDTHS))}"
    if qkv.dtype not in TILES:
        return f"tokens are {qkv.dtype}, wanted fp32, fp16 or bf16"
    if is_exporting() or is_differentiated_or_mapped():
        return "neither torch.export nor torch.func knows what to make of it"
    return None


def attention(qkv: Tensor, table: Tensor, layout: WindowLayout, table_window: Triple) -> Tensor:
    """Equation 2 in windows without masks, of all sizes, differentiable once.

    Args:
        qkv: (B * K, 3C), queries, keys and values of all heads, tokens in the layout's order.
        table: (rows, heads), B-hat.
        layout: the windows, not masked.
        table_window: (P, M, M), the window that the table was made for.

    Returns:
        (B * K, C).
    """
    sizes = tuple((group.size, group.count) for group in layout.groups)
    heads, tile = table.shape[1], TILES[qkv.dtype]
    todo = work(sizes, table_window, layout.batch, heads, tile, qkv.device)
    out, _, _ = _forward(
        qkv, table, todo.offsets, todo.tiles, todo.pairs, todo.starts, todo.positions, todo.block
    )
    return out


@torch.library.custom_op(
    "vswin::window_attention",
    mutates_args=(),
    schema="(Tensor qkv, Tensor table, Tensor offsets, Tensor tiles, Tensor pairs, Tensor starts,"
    " Tensor positions, int block) -> (Tensor, Tensor, Tensor)",
)
def _forward(
    qkv: Tensor, table: Tensor, offsets: Tensor, tiles: Tensor, pairs: Tensor, starts: Tensor,
    positions: Tensor, block: int,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """What attention gives, (B * K, C), and what its gradients are computed from.

    That is log2 of each query's sum of exponentials, (heads, B * K), and the table as the kernels
    read it, (heads, rows).
    """
    qkv = qkv.contiguous()
    out, log_sums, scaled = _empty_results(qkv, table)
    torch.mul(table.t(), LOG2_E, out=scaled)
    _launch("forward", tiles, block, qkv, scaled, offsets, tiles, out, log_sums)
    return out, log_sums, scaled


def _empty_results(qkv: Tensor, table: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor]:
    tokens, (rows, heads) = len(qkv), table.shape
    return (
        qkv.new_empty(tokens, qkv.shape[1] // 3),
        qkv.new_empty(heads, tokens, dtype=torch.float32),
        qkv.new_empty(heads, rows, dtype=torch.float32),
    )


@torch.library.custom_op(
    "vswin::window_attention_token_gradients",
    mutates_args=(),
    schema="(Tensor grad, Tensor qkv, Tensor scaled, Tensor out, Tensor log_sums, Tensor offsets,"
    " Tensor tiles, int block) -> (Tensor, Tensor)",
)
def _token_gradients(
    grad: Tensor, qkv: Tensor, scaled: Tensor, out: Tensor, log_sums: Tensor, offsets: Tensor,
    tiles: Tensor, block: int,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The gradient of qkv, and each query's sum of dO * O, (heads, B * K)."""
    grad, qkv = grad.contiguous(), qkv.contiguous()
    grad_qkv, row_sums = _empty_token_gradients(grad, qkv, scaled, out, log_sums)
    shared = (qkv, scaled, offsets, tiles)
    _launch("query_gradients", tiles, block, *shared, out, log_sums, grad, grad_qkv, row_sums)
    _launch("key_gradients", tiles, block, *shared, log_sums, row_sums, grad, grad_qkv)
    return grad_qkv, row_sums


def _empty_token_gradients(
    grad: Tensor, qkv: Tensor, scaled: Tensor, out: Tensor, log_sums: Tensor, *_: Any
) -> tuple[Tensor, Tensor]:
    return qkv.new_empty(qkv.shape), torch.empty_like(log_sums)


@torch.library.custom_op(
    "vswin::window_attention_table_gradient",
    mutates_args=(),
    schema="(Tensor grad, Tensor qkv, Tensor scaled, Tensor log_sums, Tensor row_sums,"
    " Tensor offsets, Tensor pairs, Tensor starts, Tensor positions, int block) -> Tensor",
)
def _table_gradient(
    grad: Tensor, qkv: Tensor, scaled: Tensor, log_sums: Tensor, row_sums: Tensor, offsets: Tensor,
    pairs: Tensor, starts: Tensor, positions: Tensor, block: int,
) -> Tensor:  # fmt: skip
    """The gradient of the bias table, fp32, (rows, heads), always summed in the same order."""
    grad, qkv = grad.contiguous(), qkv.contiguous()
    (heads, rows), size = scaled.shape, len(positions)
    sums, found = scaled.new_empty(heads, size), _empty_table_gradient(grad, qkv, scaled)
    shared = (qkv, scaled, offsets, pairs, log_sums, row_sums, grad)
    _launch("score_gradients", pairs, block, *shared, sums, size)
    with torch.cuda.device_of(qkv):
        _kernels().table_gradients[(heads * -(-rows // ROWS),)](
            sums, starts, positions, found, size, heads, rows, height=ROWS, block=SUMMANDS
        )
    return found


def _empty_table_gradient(grad: Tensor, qkv: Tensor, scaled: Tensor, *_: Any) -> Tensor:
    heads, rows = scaled.shape
    return scaled.new_empty(rows, heads)


def _kernels() -> ModuleType:
    from vswin.models.swin.gpu import kernels  # Triton need not be installed

    return kernels


def _launch(
    name: str, programs: Tensor, block: int, qkv: Tensor, scaled: Tensor, *others: Tensor | int
) -> None:
    """Runs a kernel: once for each head and each row of `programs`."""
    heads, rows = scaled.shape
    width = qkv.shape[1] // 3 // heads
    with torch.cuda.device_of(qkv):
        getattr(_kernels(), name)[(heads * len(programs),)](
            qkv, scaled, *others, len(qkv), heads, rows, width**-0.5, d=width, block=block
        )


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    qkv, table, *work_of_programs, ctx.block = inputs
    ctx.dtype = table.dtype
    ctx.save_for_backward(qkv, *output, *work_of_programs)
    ctx.set_materialize_grads(False)  # what attention gives is all that has one


def _backward(ctx: Any, grad: Tensor, *_: None) -> tuple[Tensor | None, ...]:
    qkv, out, log_sums, scaled, offsets, tiles, *of_table = ctx.saved_tensors
    grad_qkv, row_sums = _token_gradients(
        grad, qkv, scaled, out, log_sums, offsets, tiles, ctx.block
    )
    grad_table = None
    if ctx.needs_input_grad[1]:
        grad_table = _table_gradient(
            grad, qkv, scaled, log_sums, row_sums, offsets, *of_table, ctx.block
        ).to(ctx.dtype)
    return grad_qkv, grad_table, *[None] * 6


_forward.register_fake(_empty_results)
_forward.register_autograd(_backward, setup_context=_save)
_token_gradients.register_fake(_empty_token_gradients)
_table_gradient.register_fake(_empty_table_gradient)
