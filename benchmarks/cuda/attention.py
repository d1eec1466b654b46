"""Command A: how fast are attention and gathers at the sizes that Swin-T and Swin-B have?"""

from __future__ import annotations

import functools
from collections import Counter

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from benchmarks.cuda.cells import Cell, Line
from benchmarks.cuda.setting import Setting
from vswin.models.swin.partition import half_window, partition

WINDOW, HEAD = (8, 7, 7), 32
STAGES = {1: ((16, 56, 56), 3), 2: ((16, 28, 28), 6), 3: ((16, 14, 14), 12), 4: ((16, 7, 7), 24)}
"""The grid of tokens and the heads of each stage of Swin-T."""
SIZES = {"regular": (0, 0, 0), "shifted": half_window(WINDOW, "3d")}


def cells(setting: Setting) -> list[Cell]:
    """Attention by stage, number of clips and backend; then the gathers."""
    on_gpu = setting.device.type == "cuda"
    backends = ["EFFICIENT_ATTENTION", "CUDNN_ATTENTION"] if on_gpu else ["MATH"]
    stages, numbers = ([4], [1]) if setting.tiny else (list(STAGES), [8, 32])
    found = [
        Cell(
            f"attention stage {stage}, {clips} clips, {backend.split('_')[0].lower()}",
            functools.partial(attention, setting, stage, clips, backend),
            10 if backend.startswith("CUDNN") else 3,
            {"stage": stage, "batch": clips, "backend": backend},
        )
        for clips in numbers
        for backend in backends
        for stage in stages
    ]
    return [*found, Cell("gathers", lambda: gathers(setting), 3)]


def attention(setting: Setting, stage: int, clips: int, backend: str) -> Line:
    """Scores per second in regular windows and in shifted ones by size, and of each size the times.

    cuDNN gives a bias no gradient, so that it runs forwards alone; its first call plans.
    """
    grid, heads = STAGES[stage]
    line: Line = {}
    for kind, shift in SIZES.items():
        cut = partition(grid, WINDOW, shift, masked=False, batch=1)
        windows: Counter[int] = Counter()
        for group in cut.groups:
            windows[group.volume] += group.count * clips
        sizes = {
            str(volume): {"windows": count, **_tried(setting, count, volume, heads, backend)}
            for volume, count in windows.items()
        }
        scores = sum(heads * count * volume**2 for volume, count in windows.items())
        for way in ("forward", "backward"):
            if all(f"{way}_ms" in found for found in sizes.values()):
                took = sum(found[f"{way}_ms"] for found in sizes.values()) / 1e3
                line[f"{kind}_{way}_scores_per_s"] = scores / took
        line[f"{kind}_sizes"] = sizes
    return line


def _tried(setting: Setting, windows: int, volume: int, heads: int, backend: str) -> Line:
    """As `_times`, or why the backend refuses windows of this size, as cuDNN does with some."""
    try:
        return _times(setting, windows, volume, heads, backend)
    except RuntimeError as error:
        if backend != "CUDNN_ATTENTION":
            raise
        return {"error": str(error).strip().split("\n")[0][:300]}


def _times(setting: Setting, windows: int, volume: int, heads: int, backend: str) -> Line:
    """Milliseconds of the first call, a forward and a backward pass."""
    trains = backend != "CUDNN_ATTENTION"
    shape, device = (windows, volume, 3, heads, HEAD), setting.device
    qkv = torch.randn(shape, dtype=torch.bfloat16, device=device, requires_grad=trains)
    bias = torch.randn(heads, volume, volume, dtype=torch.bfloat16, device=device)
    bias.requires_grad_(trains)

    def forward() -> Tensor:
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        return scaled_dot_product_attention(q, k, v, attn_mask=bias[None])

    with sdpa_kernel([SDPBackend.__members__[backend]]):
        with torch.no_grad():
            first = setting.timed(forward, turns=1, before=0)
            forwards = setting.timed(forward)
        found = {"first_ms": 1e3 * first, "forward_ms": 1e3 * forwards}
        if trains:
            out = forward()
            gradient = torch.randn_like(out)
            back = setting.timed(
                lambda: torch.autograd.grad(out, (qkv, bias), gradient, retain_graph=True)
            )
            found["backward_ms"] = 1e3 * back
    return found


def gathers(setting: Setting) -> Line:
    """Tokens into windows, by type of token and of index; and the bias table's gradient."""
    clips, device = 1 if setting.tiny else 8, setting.device
    grid = STAGES[4 if setting.tiny else 1][0]
    cut = partition(grid, WINDOW, SIZES["shifted"], masked=False, batch=clips)
    line: Line = {}
    for dtype in (torch.float32, torch.bfloat16):
        tokens = torch.randn(clips * cut.volume, 96, device=device, dtype=dtype)
        for kind in (torch.int32, torch.int64):
            index = torch.from_numpy(cut.index).to(device, kind)
            took = setting.timed(lambda: tokens.index_select(0, index))  # noqa: B023
            name = f"{str(dtype)[6:]}_by_{str(kind)[6:]}_bytes_per_s"
            line[name] = 2 * tokens.nbytes / took
    rows = torch.from_numpy(cut.bias_rows).to(device).expand(3, -1)
    gradient = torch.randn(rows.shape, device=device)
    table = torch.zeros(3, 15 * 13 * 13, device=device)
    line["table_gradient_ms"] = 1e3 * setting.timed(lambda: table.scatter_add(1, rows, gradient))
    return line
