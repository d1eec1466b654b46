"""On what the commands measure: the device, the models, sizes as in the paper or tiny."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import itertools
import math
import time
from collections.abc import Callable, Iterator
from typing import Any, get_args

import torch
from torch import Tensor, nn

from benchmarks.peers import swin_peer
from vswin.costs import counting
from vswin.models.registry import build, resolve_config
from vswin.models.swin.variants import DEFAULTS, AttentionKernel, NormKernel, Variant, take_
from vswin.weights.checkpoint import parse_checkpoint
from vswin.weights.loading import load_checkpoint

VARIANTS: dict[str, Variant] = {
    f"{attention}, {norm}": Variant(attention, norm)
    for norm, attention in itertools.product(get_args(NormKernel), get_args(AttentionKernel))
    if attention == "triton" or norm != "triton"
}
"""Every variant by name; a kernel that is new in `vswin.models.swin.variants` is among them. LN in
Triton is measured with attention in Triton alone."""
OURS = next(name for name, variant in VARIANTS.items() if variant == DEFAULTS[-1].variant)
"""What a GPU takes."""
WITHOUT_TRITON = next(name for name, x in VARIANTS.items() if x == Variant("by_size", "half"))
"""What it takes instead where Triton is not installed."""
THEIRS = "torchvision"
TINY = {"depths": (2, 1), "num_heads": (1, 1), "window_size": (2, 2, 2), "num_classes": 10}


@dataclasses.dataclass(eq=False)
class Setting:
    """The same for all cells of a command, which share models and what was found about them."""

    device: torch.device
    tiny: bool = False
    """Whether everything is so small that a CPU does it in seconds; the figures mean nothing."""
    until: float = math.inf
    """When the command's budget is used up, by `time.perf_counter`."""
    found: dict[Any, Any] = dataclasses.field(default_factory=dict)
    """What cells tell those after them: rates, and the memory of a step."""

    @property
    def variants(self) -> tuple[str, ...]:
        """Names of those that the device computes: Triton is for GPUs."""
        on_gpu = self.device.type == "cuda"
        return tuple(n for n, v in VARIANTS.items() if on_gpu or v.attention != "triton")

    @property
    def ours(self) -> str:
        """What a GPU takes, as far as the device computes it."""
        return OURS if OURS in self.variants else WITHOUT_TRITON

    @property
    def presets(self) -> tuple[str, ...]:
        """The models that are measured."""
        return "swin_t", "swin_b"

    @property
    def size(self) -> tuple[int, int, int]:
        """(T, H, W) of a clip."""
        return (4, 16, 16) if self.tiny else (32, 224, 224)

    @property
    def padded(self) -> tuple[int, int, int]:
        """(T, H, W) that neither patches nor windows divide."""
        return (3, 11, 14) if self.tiny else (31, 218, 222)

    @property
    def clips(self) -> tuple[int, ...]:
        """Clips in a step, the most important number first."""
        return (2, 1) if self.tiny else (8, 1, 4, 32)

    def config(self, preset: str) -> Any:
        """The model's, without what is drawn at random."""
        changes: dict[str, Any] = {"drop_path": 0.0, "head_dropout": 0.0}
        if self.tiny:
            changes |= TINY | {"embed_dim": 16 if preset == "swin_b" else 8}
        return resolve_config(preset, **changes)

    @functools.cached_property
    def _pairs(self) -> dict[str, tuple[nn.Module, nn.Module]]:
        return {}

    def pair(self, preset: str) -> tuple[nn.Module, nn.Module]:
        """(ours, torchvision's) with the same weights, on the device; made once."""
        if preset not in self._pairs:
            torch.manual_seed(0)
            config = self.config(preset)
            ours, theirs = build(config), swin_peer(config)
            for name, parameter in theirs.named_parameters():
                if "bias_table" in name:  # as large as trained ones, so that an error would show
                    nn.init.normal_(parameter)
            load_checkpoint(ours, parse_checkpoint(theirs.state_dict()))
            self._pairs[preset] = ours.to(self.device), theirs.to(self.device)
        return self._pairs[preset]

    @contextlib.contextmanager
    def taking(self, preset: str, who: str) -> Iterator[nn.Module]:
        """torchvision's, or ours with the kernels of a variant, and afterwards as it was."""
        model = self.pair(preset)[who == THEIRS]
        try:
            if who != THEIRS:
                take_(model, VARIANTS[who])
            yield model
        finally:
            if who != THEIRS:
                take_(model, None)
            model.zero_grad(set_to_none=True)

    def named_as_ours(self, preset: str, theirs: dict[str, Tensor]) -> dict[str, Tensor]:
        """What torchvision's model has by parameter (weights or gradients), by our names."""
        ours, peer = self.pair(preset)
        target = copy.deepcopy(ours).to(next(iter(theirs.values())).dtype)
        load_checkpoint(target, parse_checkpoint(peer.state_dict() | theirs))
        return {name: parameter.detach() for name, parameter in target.named_parameters()}

    def clip(self, clips: int, size: tuple[int, int, int] | None = None) -> Tensor:
        """(B, 3, T, H, W) random numbers, drawn on the device: a CPU takes seconds for many."""
        generator = torch.Generator(self.device).manual_seed(1)
        shape = (clips, 3, *(size or self.size))
        return torch.randn(shape, generator=generator, device=self.device)

    def macs(self, preset: str) -> float:
        """Multiply-accumulates of a clip, as the paper counts them."""
        key = ("macs", preset)
        if key not in self.found:
            size = (3, *self.size)
            self.found[key] = counting.cost(self.pair(preset)[0], size, rule="macs").flops
        return self.found[key]

    def matmul_rate(self) -> float:
        """Operations per second of a large square product in bf16."""
        if "matmul" not in self.found:
            n = 256 if self.tiny else 8192
            a, b = torch.randn(2, n, n, device=self.device, dtype=torch.bfloat16)
            self.found["matmul"] = 2 * n**3 / self.timed(lambda: a @ b)
        return self.found["matmul"]

    def timed(self, call: Callable[[], object], turns: int = 10, before: int = 3) -> float:
        """Seconds of a call, of several in a row: a GPU is waited for at the end alone."""
        turns, before = (1, 1) if self.tiny else (turns, before)
        for _ in range(before):
            call()
        self.wait()
        start = time.perf_counter()
        for _ in range(turns):
            call()
        self.wait()
        return (time.perf_counter() - start) / turns

    def wait(self) -> None:
        """Until the device has done what it was asked."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
