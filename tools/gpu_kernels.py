"""What a GPU's kernels need, found without a GPU: `python tools/gpu_kernels.py`.

Compiles the Triton kernels of vswin/models/swin/gpu for an H100 or H200 as a model of the paper
launches them, and prints what each program takes: registers of a thread, bytes that it spilled out
of them (wanted: none), shared memory, and how many programs a multiprocessor of such a card holds
by both. Needs Triton: `pip install triton`.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
from pathlib import Path

import torch

from vswin.models.swin.gpu import possible
from vswin.models.swin.gpu.attention import ENTRIES, ROWS, SUMMANDS, TILES
from vswin.models.swin.gpu.norm import block_of

TILED = ("forward", "query_gradients", "key_gradients", "score_gradients")
OF_LN = ("normalise", "gradients")
CHANNELS = 768
"""That LN is compiled for: the most that a block of Swin-T has."""
OF_TOKENS = {"qkv", "bias", "transposed", "out", "grad", "grad_qkv", "x", "grad_x"}
INTEGERS = {"tiles", "pairs", "starts", "positions", "rows_of", "index"}
COUNTS = ("heads", "rows", "size", "places", "sums_size", "programs")
NUMBERS = {**dict.fromkeys(COUNTS, "i32"), "scale": "fp32", "eps": "fp32"}
PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
WARPS = 4
"""Of a program, Triton's own choice."""
CAPABILITY, REGISTERS, SHARED = 90, 65536, 227 * 1024
"""Of a multiprocessor of the H100 and H200."""


def main(argv: list[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description="What the kernels need, without a GPU.")
    parser.add_argument("--dtypes", nargs="+", default=["bf16"], choices=list(PRECISIONS))
    given = parser.parse_args(argv)
    if not possible.IS_INSTALLED:
        parser.exit(1, "error: Triton is not installed; on Linux: pip install triton\n")
    import triton

    print(f"Triton {triton.__version__}, compute capability {CAPABILITY}, {WARPS} warps")
    print(
        f"{'kernel':<18}{'dtype':>6}{'registers':>10}{'spilled B':>10}{'shared KB':>10}{'fit':>5}"
    )
    kinds = [(name, dtype) for name in ("matrices", *TILED, *OF_LN) for dtype in given.dtypes]
    for name, dtype in [*kinds, ("table_gradients", "")]:
        registers, spilled, shared = needs(name, dtype)
        fit = min(REGISTERS // (32 * WARPS * registers), SHARED // max(1, shared))
        print(f"{name:<18}{dtype:>6}{registers:>10}{spilled:>10}{shared / 1024:>10.1f}{fit:>5}")


def needs(name: str, dtype: str) -> tuple[int, int, int]:
    """Registers of a thread, bytes spilled out of them, bytes of shared memory of a program."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from vswin.models.swin.gpu import kernels, norm_kernels

    kernel = getattr(norm_kernels if name in OF_LN else kernels, name)
    constants = _constants(name, dtype)
    weights = {"bias"} if name in OF_LN else set()
    types = {
        arg: ("constexpr" if arg in constants else None)
        or NUMBERS.get(arg)
        or ("*i32" if arg in INTEGERS else None)
        or (f"*{dtype}" if arg in OF_TOKENS - weights else "*fp32")
        for arg in kernel.arg_names
    }
    # torch's tensors start at multiples of 16 bytes, which Triton sees when it launches a kernel.
    aligned = {
        (place,): [["tt.divisibility", 16]]
        for place, kind in enumerate(types.values())
        if kind.startswith("*")
    }
    compiled = triton.compile(
        ASTSource(kernel, types, constants, aligned),
        target=GPUTarget("cuda", CAPABILITY, 32),
        options={"num_warps": WARPS},
    )
    return *usage(compiled.asm["ptx"]), compiled.metadata.shared


def _constants(name: str, dtype: str) -> dict[str, int]:
    if name in OF_LN:
        return {**block_of(CHANNELS), "indexed": True}
    if name in TILED:
        return {"d": 32, "block": TILES[PRECISIONS[dtype]]}
    return {"block": ENTRIES} if name == "matrices" else {"height": ROWS, "block": SUMMANDS}


def usage(ptx: str) -> tuple[int, int]:
    """Registers of a thread, and bytes that it stores because they do not suffice."""
    import triton

    assembler = Path(triton.__file__).parent / "backends/nvidia/bin/ptxas"
    target = re.search(r"\.target (\w+)", ptx)
    assert target is not None
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "kernel.ptx")
        source.write_text(ptx)
        said = subprocess.run(
            [assembler, "-v", f"-arch={target[1]}", source, "-o", Path(folder, "kernel.cubin")],
            capture_output=True, text=True, check=True,
        ).stderr  # fmt: skip
    registers = re.search(r"Used (\d+) registers", said)
    spilled = re.findall(r"(\d+) bytes spill stores", said)
    assert registers is not None and spilled, said
    return int(registers[1]), sum(map(int, spilled))


if __name__ == "__main__":
    main()
