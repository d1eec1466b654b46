"""Command A: is it right? Logits and all gradients beside torchvision's in fp64."""

from __future__ import annotations

import copy
import dataclasses
import functools

import torch
from torch import Tensor, nn

from benchmarks.cuda.cells import Cell, Line
from benchmarks.cuda.setting import Setting

PRESET = "swin_t"
DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32, "fp16": torch.float16}
BOUND = {"fp32": 1e-4, "fp16": 1e-2, "bf16": 5e-2}
"""Of relative errors in norm: of the logits and of each gradient."""
FP16_SCALE = 1024.0
"""What a loss is multiplied by, without which fp16 would lose small gradients."""
LEARNS = {
    "tables": lambda name: "table" in name,
    "all but tables": lambda name: "table" not in name,
    "head": lambda name: name.startswith("head"),
}


@dataclasses.dataclass(frozen=True)
class Reference:
    """A step of torchvision's model in fp64."""

    clips: Tensor
    logits: Tensor
    gradients: dict[str, Tensor]
    """By our names."""


@dataclasses.dataclass(frozen=True)
class Case:
    """What is compared."""

    who: str
    """The variant."""
    precision: str
    is_padded: bool = False
    learns: str | None = None
    """The weights that are not frozen, of `LEARNS`; None is all."""

    @property
    def name(self) -> str:
        """Like "parity padded, by_size, fp32, bf16"."""
        what = f"{self.learns} alone" if self.learns else self.who
        return f"parity {'padded, ' if self.is_padded else ''}{what}, {self.precision}"


def cells(setting: Setting) -> list[Cell]:
    """Every variant in every precision; a size that is padded; some weights frozen."""
    cases = [Case(who, precision) for who in setting.variants for precision in DTYPES]
    cases += [Case(who, "bf16", is_padded=True) for who in setting.variants]
    cases += [
        Case(setting.ours, precision, learns=learns)
        for learns in LEARNS
        for precision in ("bf16", "fp32")
    ]
    return [
        Cell(
            case.name,
            functools.partial(errors, setting, case),
            5 if case.precision == "bf16" else 8,
            {"preset": PRESET, "precision": case.precision, "batch": 2},
        )
        for case in cases
    ]


def errors(setting: Setting, case: Case) -> Line:
    """Relative errors in norm, and whether all are within the bound."""
    wanted = reference(setting, setting.padded if case.is_padded else setting.size)
    with setting.taking(PRESET, case.who) as model:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(case.learns is None or LEARNS[case.learns](name))
        try:
            logits, gradients, tested = _step(model, wanted.clips.float(), DTYPES[case.precision])
        finally:
            model.requires_grad_(True)
    of = {name: _error(found, wanted.gradients[name]) for name, found in gradients.items()}
    of |= {"logits": _error(logits, wanted.logits), "evaluation": _error(tested, wanted.logits)}
    worst = max(of, key=of.__getitem__)
    return {
        "worst_error": of[worst],
        "worst": worst,
        "logits_error": of["logits"],
        "table_error": max((error for name, error in of.items() if "table" in name), default=None),
        "right": all(error < BOUND[case.precision] for error in of.values()),
    }


def reference(setting: Setting, size: tuple[int, int, int]) -> Reference:
    """A step of torchvision's; each size is computed once."""
    key = ("reference", size)
    if key not in setting.found:
        theirs = copy.deepcopy(setting.pair(PRESET)[1]).double().eval()
        clips = setting.clip(2, size).double()
        logits = theirs(clips)
        _loss(logits).backward()
        gradients = {name: parameter.grad for name, parameter in theirs.named_parameters()}
        by_ours = setting.named_as_ours(PRESET, gradients)
        setting.found[key] = Reference(clips, logits.detach(), by_ours)
    return setting.found[key]


def _step(
    model: nn.Module, clips: Tensor, dtype: torch.dtype
) -> tuple[Tensor, dict[str, Tensor], Tensor]:
    """Logits, and gradients of what learns, in training; logits in evaluation."""
    device, scale = clips.device.type, FP16_SCALE if dtype == torch.float16 else 1.0
    autocast = torch.autocast(device, dtype, enabled=dtype != torch.float32)
    model.train().zero_grad(set_to_none=True)
    with autocast:
        logits = model(clips)
    (_loss(logits.float()) * scale).backward()
    gradients = {
        name: parameter.grad / scale
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    with torch.inference_mode(), autocast:
        tested = model.eval()(clips)
    return logits.detach(), gradients, tested


def _loss(logits: Tensor) -> Tensor:
    """One that no symmetry makes zero."""
    weights = torch.linspace(-1, 2, logits.numel(), device=logits.device, dtype=logits.dtype)
    return (logits * weights.view_as(logits)).sum()


def _error(found: Tensor, wanted: Tensor) -> float:
    return ((found.double() - wanted).norm() / wanted.norm()).item()
