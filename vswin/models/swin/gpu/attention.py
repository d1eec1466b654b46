"""Equation 2 for windows of all sizes at once, on a GPU, as operators that torch knows.

torch's fused attention takes windows of one size, so that a shifted block is up to eighteen calls,
and wants the bias as a matrix, whose gradient it writes for each window. The kernels here are one
call for a block, three more and a small one for its gradients. `vswin.models.swin.variants` says
where they are taken.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vswin.models.errors import ModelError
from vswin.models.modes import is_exporting
from vswin.models.swin.config import Triple
from vswin.models.swin.gpu.possible import refusal, runs_directly
from vswin.models.swin.gpu.work import work
from vswin.models.swin.variants import Variant, chosen
from vswin.models.swin.windows import WindowLayout

HEAD_WIDTHS = (16, 32, 64)
"""d that the kernels are made for."""
TILES = {torch.float32: 32, torch.float16: 64, torch.bfloat16: 64}
"""Places of a window that a program takes at a time: 64 in fp32 spill out of its registers."""
MOST_TOKENS = 2048
"""Of a window: B of all heads is addressed with 32 bits."""
ROWS, SUMMANDS = 8, 128
"""Of the bias table for a program, and what it adds to each at a time."""
ENTRIES = 1024
"""Of a matrix of biases, for a program."""


def takes(told: Variant | None, qkv: Tensor, layout: WindowLayout, heads: int) -> bool:
    """Whether the kernels here compute attention of (B * K, 3C) queries, keys and values.

    Args:
        told: what the model was told to compute with, see `vswin.models.swin.variants`.
        qkv: queries, keys and values.
        layout: their windows.
        heads: of the attention.

    Raises:
        ModelError: if the model was told to take them and they cannot. As a default they give way
            to torch's attention then, and for fp32 tokens, for which nobody has timed them.
    """
    if told is None and (is_exporting() or qkv.dtype == torch.float32):
        return False
    variant = chosen(told, qkv.device, layout.batch)
    if variant is None or variant.attention != "triton":
        return False
    reason = _refusal(qkv, layout, qkv.shape[1] // 3 // heads)
    if reason is not None and told is not None:
        raise ModelError(f"attention 'triton' is not possible: {reason}; 'by_size' always is")
    return reason is None


def _refusal(qkv: Tensor, layout: WindowLayout, width: int) -> str | None:
    """Why the kernels cannot compute it."""
    if (reason := refusal(qkv)) is not None:
        return reason
    if width not in HEAD_WIDTHS:
        return f"heads have {width} channels, wanted {', '.join(map(str, HEAD_WIDTHS))}"
    if (volume := max(group.volume for group in layout.groups)) > MOST_TOKENS:
        return f"windows have {volume} tokens, wanted {MOST_TOKENS} at most"
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
    learns = torch.is_grad_enabled() and (qkv.requires_grad or table.requires_grad)
    todo = work(sizes, table_window, layout.batch, heads, tile, qkv.device, learns)
    of_programs = (
        todo.matrices, todo.transposed, todo.tiles, todo.pairs, todo.starts, todo.positions,
    )  # fmt: skip
    if runs_directly(qkv):
        return _Attention.apply(qkv, table, *of_programs, todo.block)
    return _operator(qkv, table, *of_programs, todo.block)[0]


def _forward(
    qkv: Tensor, table: Tensor, matrices: Tensor, transposed: Tensor, tiles: Tensor, pairs: Tensor,
    starts: Tensor, positions: Tensor, block: int,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """What attention gives, (B * K, C), and log2 of sums of exponentials, (heads, places)."""
    qkv = qkv.contiguous()
    out, log_sums = _empty_results(
        qkv, table, matrices, transposed, tiles, pairs, starts, positions, block
    )
    bias = _biases(table, matrices, qkv.dtype)
    _launch("forward", tiles, block, qkv, bias, log_sums, tiles, out, log_sums)
    return out, log_sums


def _empty_results(
    qkv: Tensor, table: Tensor, matrices: Tensor, transposed: Tensor, tiles: Tensor, pairs: Tensor,
    starts: Tensor, positions: Tensor, block: int,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    return (
        qkv.new_empty(len(qkv), qkv.shape[1] // 3),
        qkv.new_empty(table.shape[1], len(tiles) * block, dtype=torch.float32),
    )


def _gradients(
    grad: Tensor, qkv: Tensor, table: Tensor, out: Tensor, log_sums: Tensor, matrices: Tensor,
    transposed: Tensor, tiles: Tensor, pairs: Tensor, starts: Tensor, positions: Tensor, block: int,
    of_table: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Gradients of qkv and of the table, fp32, (rows, heads), always summed in the same order.

    Without `of_table` the second has no rows.
    """
    grad, qkv, size = grad.contiguous(), qkv.contiguous(), len(positions)
    bias, turned = (_biases(table, rows, qkv.dtype) for rows in (matrices, transposed))
    grad_qkv, row_sums = torch.empty_like(qkv), torch.empty_like(log_sums)
    _launch(
        "query_gradients", tiles, block, qkv, bias, log_sums, tiles, out, log_sums, grad, grad_qkv,
        row_sums,
    )  # fmt: skip
    per_query = log_sums, row_sums
    _launch("key_gradients", tiles, block, qkv, turned, log_sums, tiles, *per_query, grad, grad_qkv)
    rows, heads = table.shape if of_table else (0, table.shape[1])
    grad_table = log_sums.new_empty(rows, heads)
    if of_table:
        sums = log_sums.new_empty(heads, size)
        _launch(
            "score_gradients", pairs, block, qkv, bias, log_sums, pairs, *per_query, grad, sums,
            size,
        )  # fmt: skip
        with torch.cuda.device_of(qkv):
            _kernels().table_gradients[(heads * -(-rows // ROWS),)](
                sums, starts, positions, grad_table, size, heads, rows, height=ROWS, block=SUMMANDS
            )
    return grad_qkv, grad_table


def _empty_gradients(
    grad: Tensor, qkv: Tensor, table: Tensor, *others: Any
) -> tuple[Tensor, Tensor]:
    rows, heads = table.shape if others[-1] else (0, table.shape[1])
    return qkv.new_empty(qkv.shape), qkv.new_empty(rows, heads, dtype=torch.float32)


def _biases(table: Tensor, rows: Tensor, dtype: torch.dtype) -> Tensor:
    """(heads, S), the rows of the table times log2(e), or minus infinity."""
    table, (last, heads), size = table.contiguous(), table.shape, len(rows)
    bias = table.new_empty(heads, size, dtype=dtype)
    with torch.cuda.device_of(table):
        _kernels().matrices[(-(-size // ENTRIES), heads)](
            table, rows, bias, size, heads, last, block=ENTRIES
        )
    return bias


def _kernels() -> ModuleType:
    from vswin.models.swin.gpu import kernels  # Triton need not be installed

    return kernels


def _launch(
    name: str, programs: Tensor, block: int, qkv: Tensor, bias: Tensor, log_sums: Tensor,
    *others: Tensor | int,
) -> None:  # fmt: skip
    """Runs a kernel: once for each head and each row of `programs`."""
    heads, size = bias.shape
    width = qkv.shape[1] // 3 // heads
    with torch.cuda.device_of(qkv):
        getattr(_kernels(), name)[(heads * len(programs),)](
            qkv, bias, *others, heads, size, log_sums.shape[1], width**-0.5, d=width, block=block
        )


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    *tensors, ctx.block = inputs
    ctx.save_for_backward(*output, *tensors)
    ctx.set_materialize_grads(False)  # what attention gives is all that has one


def _backward(ctx: Any, gradients: Any, grad: Tensor | None) -> tuple[Tensor | None, ...]:
    if grad is None:
        return (None,) * 9
    out, log_sums, qkv, table, *of_programs = ctx.saved_tensors
    of_table = ctx.needs_input_grad[1]
    grad_qkv, grad_table = gradients(
        grad, qkv, table, out, log_sums, *of_programs, ctx.block, of_table
    )
    return grad_qkv, grad_table.to(table.dtype) if of_table else None, *[None] * 7


class _Attention(torch.autograd.Function):
    """What torch knows as an operator, without what an operator takes of the processor's time."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        found = _forward(*inputs)
        _save(ctx, inputs, found)
        return found[0]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return _backward(ctx, _gradients, grad)


_operator = torch.library.custom_op(
    "vswin::window_attention",
    _forward,
    mutates_args=(),
    schema="(Tensor qkv, Tensor table, Tensor matrices, Tensor transposed, Tensor tiles,"
    " Tensor pairs, Tensor starts, Tensor positions, int block) -> (Tensor, Tensor)",
)
_operator_gradients = torch.library.custom_op(
    "vswin::window_attention_gradients",
    _gradients,
    mutates_args=(),
    schema="(Tensor grad, Tensor qkv, Tensor table, Tensor out, Tensor log_sums, Tensor matrices,"
    " Tensor transposed, Tensor tiles, Tensor pairs, Tensor starts, Tensor positions, int block,"
    " bool of_table) -> (Tensor, Tensor)",
)
_operator.register_fake(_empty_results)
_operator.register_autograd(
    lambda ctx, grad, _: _backward(ctx, _operator_gradients, grad), setup_context=_save
)
_operator_gradients.register_fake(_empty_gradients)
