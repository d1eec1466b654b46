"""Where the time of a step goes, by kind of operator: `python -m benchmarks profile`.

Of our model and of torchvision's, one step each after a warm-up. `at_matmul_rate_ms` is what the
step's multiply-accumulates, as the paper counts them (shifted windows at full size), would
take at the rate of a large square matrix product.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

import vswin
from benchmarks.machine import matmul_rate, naming
from benchmarks.models import CASES as KNOWN
from benchmarks.models import WHO, Case, build, build_one, case_step

CASES = ("swin_t-forward-1x32x224", "swin_t-train-1x32x224", "proxy-train-32x16x24")
KINDS = {
    "linear layers": ("addmm", "addmm_", "mm", "mkldnn::_linear_pointwise"),
    "attention products": ("bmm", "baddbmm", "_scaled_dot_product_flash_attention_for_cpu",
                           "_scaled_dot_product_flash_attention_for_cpu_backward"),
    "convolutions": ("mkldnn_convolution", "convolution_backward"),
    "softmax": ("_softmax", "_softmax_backward_data"),
    "GELU": ("gelu", "gelu_backward"),
    "LN": ("native_layer_norm", "native_layer_norm_backward"),
    "copies": ("copy_", "cat", "clone", "contiguous", "index_select", "index_copy_", "index",
               "roll", "constant_pad_nd", "index_put_", "_index_put_impl_", "gather"),
    "sums and products": ("add", "add_", "sub_", "mul", "mul_", "sum", "masked_fill_", "div"),
    "optimiser": ("_fused_adamw_",),
}  # fmt: skip
_KIND_OF = {
    name if "::" in name else f"aten::{name}": kind
    for kind, names in KINDS.items()
    for name in names
}


def run(wanted: Sequence[Case] | None = None) -> list[dict[str, Any]]:
    """A line for each case, model and kind; None is `CASES`.

    Raises:
        BenchmarkError: if a case fails.
    """
    lines = []
    threads = torch.get_num_threads()
    for case in wanted or [KNOWN[name] for name in CASES]:
        torch.set_num_threads(case.threads or threads)
        with naming(case.name):
            for who, model in zip(WHO, build(case), strict=True):
                lines += _lines(case, who, model)
        torch.set_num_threads(threads)
    return lines


def _lines(case: Case, who: str, model: torch.nn.Module) -> list[dict[str, Any]]:
    size = (case.channels, case.frames, case.size, case.size)
    macs = vswin.cost(build_one(case, "ours"), size, rule="macs").flops * case.batch
    bound = 2 * macs * (3 if case.mode == "train" else 1) / matmul_rate(torch.device("cpu"))
    step = case_step(model, case)
    for _ in range(2):
        step()
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        start = time.perf_counter()
        step()
        total = 1e3 * (time.perf_counter() - start)
    spent: Counter[str] = Counter()
    for event in profiled.key_averages():
        if event.key in _KIND_OF:
            spent[_KIND_OF[event.key]] += event.self_cpu_time_total / 1e3
    spent["rest"] = total - sum(spent.values())
    return [
        {
            "case": case.name,
            "model": who,
            "kind": kind,
            "ms": milliseconds,
            "share": milliseconds / total,
            "step_ms": total,
            "at_matmul_rate_ms": 1e3 * bound,
            "threads": torch.get_num_threads(),
        }
        for kind, milliseconds in spent.most_common()
    ]
