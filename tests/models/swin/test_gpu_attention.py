"""The fused kernel for a GPU: chosen by name alone, and right where Triton interprets it.

tests/models/test_cuda_triton.py has it on a GPU.
"""

import math
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.models.operators import Operators
from tests.models.tiny import DESIGNS, tiny
from vswin.models.cpu import chunked
from vswin.models.errors import ModelError
from vswin.models.swin.attention import WindowAttention3D
from vswin.models.swin.gpu import attention as fused
from vswin.models.swin.gpu import possible
from vswin.models.swin.gpu.work import work
from vswin.models.swin.variants import Variant, take_
from vswin.models.swin.windows import biases_of, window_layout

META, TRITON = torch.device("meta"), Variant(attention="triton")


def numbers(version):
    return tuple(map(int, version.split(".")[:2]))


def test_in_tritons_interpreter():
    """In a process of its own: Triton must be told before it is imported."""
    triton = pytest.importorskip("triton", reason="Triton is not installed: make test-triton")
    if numbers(triton.__version__) < (3, 7) and numbers(np.__version__) >= (2, 4):
        pytest.skip(f"the interpreter of Triton {triton.__version__} needs NumPy before 2.4")
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--noconftest",
         Path(__file__).with_name("interpreted_kernels.py")],
        env={**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout + found.stderr


def test_compiled_for_an_h100_it_stays_in_its_registers():
    """Without one; Triton's interpreter takes much that its compiler does not."""
    pytest.importorskip("triton", reason="Triton is not installed: make test-triton")
    from tools.gpu_kernels import needs

    for name in ("forward", "query_gradients", "key_gradients", "normalise", "gradients"):
        _, spilled, shared = needs(name, "bf16")
        assert spilled == 0
        assert 4 * shared < 227 * 1024  # programs on a multiprocessor


def test_without_triton_its_needs_are_one_line(monkeypatch, capsys):
    from tools import gpu_kernels

    monkeypatch.setattr(possible, "IS_INSTALLED", False)
    with pytest.raises(SystemExit) as end:
        gpu_kernels.main([])
    assert end.value.code == 1
    told = capsys.readouterr()
    assert (told.out, told.err) == (
        "", "error: Triton is not installed; on Linux: pip install triton\n"
    )  # fmt: skip


def test_a_shifted_block_is_one_call_and_one_for_its_gradients(monkeypatch):
    """Swin-T's third stage, with windows of eighteen sizes, on a device that only knows shapes."""
    monkeypatch.setattr(possible, "IS_INSTALLED", True)
    monkeypatch.setattr(possible, "IS_INTERPRETED", True)
    layer = WindowAttention3D(384, (8, 7, 7), 12).to(META)
    take_(layer, TRITON)
    x = torch.empty(16 * 14 * 14, 384, device=META, requires_grad=True)
    layout = layer.layout(x[None], (16, 14, 14), (4, 3, 3))
    layer(x, layout).sum().backward()  # tables are copied to a device once
    with Operators() as found:
        layer(x, layout).sum().backward()
    calls = Counter(name for name in found.kernels if name.startswith("vswin"))
    assert calls == {
        "vswin::window_attention": 1,
        "vswin::window_attention_gradients": 1,
    }
    assert not found.waits
    assert not {"cat", "gather", "scatter_add"} & set(found.kernels)
    assert layer.relative_position_bias_table.grad.shape == (15 * 13 * 13, 12)


@pytest.mark.heavy
def test_torch_compile_sees_one_graph(monkeypatch):
    """Operators stay whole in it."""
    from functorch.compile import make_boxed_func  # takes seconds
    from torch._dynamo.backends.common import aot_autograd

    monkeypatch.setattr(possible, "IS_INSTALLED", True)
    monkeypatch.setattr(possible, "IS_INTERPRETED", True)
    found = []

    def keep(graph, inputs):
        found.extend(str(node.target) for node in graph.graph.nodes)
        return make_boxed_func(graph.forward)

    torch.compiler.reset()
    layer = WindowAttention3D(32, (2, 2, 2), 2).to(META)
    take_(layer, TRITON)
    x = torch.empty(64, 32, device=META, requires_grad=True)
    compiled = torch.compile(
        lambda x: layer(x, layer.layout(x[None], (4, 4, 4), (1, 1, 1))),
        backend=aot_autograd(fw_compiler=keep), fullgraph=True,
    )  # fmt: skip
    compiled(x).sum().backward()
    assert [name for name in found if name.startswith("vswin")] == [
        "vswin.window_attention.default",
        "vswin.window_attention_gradients.default",
    ]
    assert layer.relative_position_bias_table.grad.shape == (27, 2)


WIDE, NARROW = torch.zeros(8, 3 * 32).half(), torch.zeros(8, 3 * 4).half()
REFUSED = {
    "Triton is not installed": (WIDE, False, False),
    "tokens are on the device cpu, wanted a GPU": (WIDE, True, False),
    "heads have 4 channels, wanted 16, 32, 64": (NARROW, True, True),
    "tokens are torch.float64, wanted fp32, fp16 or bf16": (WIDE.double(), True, True),
    "torch.export, torch.jit.trace and torch.func cannot see into it": (WIDE, True, True),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_it_cannot_do_is_an_error_where_it_was_told_to(reason, monkeypatch):
    """Where it is a default, torch's attention takes its place."""
    qkv, installed, interpreted = REFUSED[reason]
    monkeypatch.setattr(possible, "IS_INSTALLED", installed)
    monkeypatch.setattr(possible, "IS_INTERPRETED", interpreted)
    monkeypatch.setattr(fused, "chosen", lambda told, device, clips: told or TRITON)
    mapped = reason.startswith("torch.export")
    monkeypatch.setattr(possible, "is_differentiated_or_mapped", lambda: mapped)
    layout = window_layout((2, 2, 2), (2, 2, 2), (0, 0, 0), qkv.device)
    assert not fused.takes(Variant(), qkv, layout, 1)
    assert not fused.takes(None, qkv, layout, 1)
    with pytest.raises(ModelError, match=re.escape(reason)):
        fused.takes(TRITON, qkv, layout, 1)


def test_what_it_can_do_it_does_by_default_but_for_fp32(monkeypatch):
    monkeypatch.setattr(possible, "IS_INSTALLED", True)
    monkeypatch.setattr(possible, "IS_INTERPRETED", True)
    monkeypatch.setattr(fused, "chosen", lambda told, device, clips: told or TRITON)
    layout = window_layout((2, 2, 2), (2, 2, 2), (0, 0, 0), WIDE.device)
    assert fused.takes(None, WIDE, layout, 1)
    assert not fused.takes(None, WIDE.float(), layout, 1)
    assert fused.takes(TRITON, WIDE.float(), layout, 1)
    large = window_layout((9, 16, 16), (9, 16, 16), (0, 0, 0), WIDE.device)
    assert not fused.takes(None, WIDE, large, 1)


@pytest.mark.parametrize(
    ("capability", "compiler", "lack"),
    [((9, 0), "gcc", None), ((7, 5), "gcc", "older than Ampere"), ((9, 0), None, "no C compiler")],
)
def test_what_a_machine_may_lack(capability, compiler, lack, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(possible.shutil, "which", lambda name: compiler)
    found = possible._lack.__wrapped__(torch.device("cuda"))
    assert found is None if lack is None else lack in found


def test_a_model_that_was_told_to_take_it_takes_nothing_else(monkeypatch):
    """On the CPU: neither masked windows nor windows in chunks."""
    monkeypatch.setattr(possible, "IS_INSTALLED", True)
    model, clip = tiny(**DESIGNS["joint"]), torch.randn(1, 3, 8, 12, 12)
    expected = model.eval()(clip)
    take_(model, TRITON)
    with pytest.raises(ModelError, match="'triton' is not possible: .* 'by_size' always is"):
        model(clip)
    monkeypatch.setattr(chunked, "CACHE_BYTES", -1)
    with pytest.raises(ModelError, match="wanted a GPU"), torch.inference_mode():
        model(clip)
    take_(model, None)
    assert torch.equal(model(clip), expected)


KINDS = {
    "shifted, two clips": ((16, 14, 14), (8, 7, 7), (4, 3, 3), 2),
    "smaller than their table": ((2, 3, 3), (4, 3, 3), (0, 0, 0), 3),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_programs_do_everything_once(kind):
    """What they read of the bias table, too, is what the present path gathers from it."""
    grid, window, shift, batch = kind
    layout = window_layout(grid, window, shift, torch.device("cpu"), batch=batch)
    sizes = tuple((group.size, group.count) for group in layout.groups)
    todo = work(sizes, window, batch, 12, 64, layout.index.device)
    covered = torch.zeros(len(layout.index), dtype=torch.int64)
    for first, volume, place, *_ in todo.tiles.tolist():
        covered[first + place : first + min(place + todo.block, volume)] += 1
    assert set(covered.tolist()) == {1}
    rows = torch.full_like(todo.positions, -1, dtype=torch.int64)
    windows = Counter()
    biases = biases_of(layout.bias_rows[None], layout)
    of_size = {group.size: bias[0] for group, bias in zip(layout.groups, biases, strict=True)}
    whole = [-(-math.prod(size) // todo.block) * todo.block for size, _ in sizes]
    starts = [sum(n**2 for n in whole[:number]) for number in range(len(sizes))]
    at = {start: size for start, (size, _) in zip(starts, sizes, strict=True)}
    for start, n, (size, _) in zip(starts, whole, sizes, strict=True):
        matrix, volume = todo.matrices[start : start + n**2].view(n, n), math.prod(size)
        assert torch.equal(matrix[:volume, :volume], of_size[size])
        assert (matrix[:, volume:] == math.prod(2 * side - 1 for side in window)).all()
        assert torch.equal(todo.transposed[start : start + n**2].view(n, n), matrix.T)
    for first, volume, query, key, start, _, count, sums in todo.pairs.tolist():
        bias, tile = of_size[at[start]], todo.block
        view = rows[sums : sums + volume**2].view(volume, volume)
        assert (view[query : query + tile, key : key + tile] == -1).all()
        view[query : query + tile, key : key + tile] = bias[query : query + tile, key : key + tile]
        windows.update((first + n * volume, query, key) for n in range(count))
    wanted = {
        (first, query, key)
        for first, volume, query, *_ in todo.tiles.tolist()
        for key in range(0, volume, todo.block)
    }
    assert windows == Counter(wanted)
    counts = todo.starts.diff()
    assert torch.equal(rows[todo.positions], torch.arange(len(counts)).repeat_interleave(counts))
