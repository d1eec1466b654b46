"""What each kernel variant brings: `python -m benchmarks kernels mvit`.

Swin-T as it is, and with one thing at a time taken away, turn by turn in one process: chunks (then
layers are plain, and attention is torch's: fused in inference, unfused in training) and, on top of
that, windows of many sizes (then shifted windows are full ones with a mask). Of MViT, one trick is
taken away at a time, then all of them.
"""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from unittest import mock

import torch
from rich.progress import track

from benchmarks.machine import naming, seconds
from benchmarks.models import Case, build_one, case_step
from vswin.models.cpu import chunked
from vswin.models.mvit import model
from vswin.models.mvit.cpu import block, depthwise, products
from vswin.models.swin import attention

CASES = (
    Case("swin_t", "forward", 1, 32, 224, pairs=6),
    Case("swin_t", "train", 1, 32, 224, pairs=4),
)


@contextlib.contextmanager
def as_it_is() -> Iterator[None]:
    """Nothing taken away."""
    yield


@contextlib.contextmanager
def without_chunks() -> Iterator[None]:
    """As on a GPU."""
    with mock.patch.object(chunked, "possible", lambda *_: False):
        yield


@contextlib.contextmanager
def masked_windows() -> Iterator[None]:
    """All windows of a layer in one call."""
    with (
        without_chunks(),
        mock.patch.object(attention, "SMALL_WINDOW", 10**9),
        mock.patch.object(attention, "SMALL_BYTES", 10**12),
    ):
        yield


Variant = Callable[[], contextlib.AbstractContextManager[object]]
VARIANTS: dict[str, Variant] = {
    "as it is": as_it_is,
    "without chunks": without_chunks,
    "without chunks, masked windows": masked_windows,
}


@contextlib.contextmanager
def all_tokens() -> Iterator[None]:
    """The last block computes what the classifier does not read, too."""
    # A property of the class, which stands before the attribute that models have.
    asked = property(lambda _: False)
    with mock.patch.object(model.MultiscaleViT, "class_token_only", asked, create=True):
        yield


def _without(owner: object, name: str, value: object) -> Variant:
    return lambda: mock.patch.object(owner, name, value)


MVIT_VARIANTS: dict[str, Variant] = {
    "as it is": as_it_is,
    "with all tokens in the last block": all_tokens,
    "with keys and values of all tokens": _without(
        block, "rows_read", lambda grid, *_: (None, grid)
    ),
    "without oneDNN": _without(products, "_ONEDNN", False),
    "with torch's backward pass of convolutions": _without(depthwise, "serves", lambda *_: False),
    "without any of these kernels": _without(chunked, "possible", lambda *_: False),
}


def run(
    wanted: Sequence[Case] | None = None, variants: Mapping[str, Variant] = VARIANTS
) -> list[dict[str, Any]]:
    """A line for each case and variant; None is `CASES`.

    Raises:
        BenchmarkError: if a case fails.
    """
    lines = []
    for case in wanted or CASES:
        with naming(case.name):
            lines += _lines(case, variants)
    return lines


def _lines(case: Case, variants: Mapping[str, Variant]) -> list[dict[str, Any]]:
    step = case_step(build_one(case, "ours"), case)
    times: dict[str, list[float]] = {name: [] for name in variants}
    for _ in track(range(1 + case.pairs), description=case.name):
        for name, variant in variants.items():
            with variant():
                times[name].append(seconds(step, torch.device("cpu")))
    base = times["as it is"][1:]
    return [
        {
            "case": case.name,
            "variant": name,
            "pairs": case.pairs,
            "step_s": statistics.median(found[1:]),
            "times_as_long": statistics.median(f / b for f, b in zip(found[1:], base, strict=True)),
        }
        for name, found in times.items()
    ]
