"""Models in formats that run without this package: ONNX, and torch's own exported programs.

A file takes its name only after it was read back and gave the model's logits, at several sizes of
the batch; where it does not, nothing is kept.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from vswin.errors import UsageError, VswinError
from vswin.extras import require_extra
from vswin.files import TEMPORARY_PREFIX, naming

Format = Literal["onnx", "pt2"]
Run = Callable[[Tensor], Tensor]
"""Clips (B, 3, T, H, W) -> logits (B, num_classes)."""
TOLERANCE = 1e-4
"""Of the largest logit: by how much logits of the file may differ from the model's."""
TRACED_BATCH, BATCHES = 2, (1, 3)
"""Clips that are exported with, and those that the file is tried with: the batch is open."""


class ExportError(VswinError):
    """A model cannot be exported, or what was exported is not the model."""


@dataclasses.dataclass(frozen=True)
class Difference:
    """How far the answers of a file are from the model's."""

    clips: int
    logits: float
    """The largest difference of two logits, as a share of the largest logit."""
    agreeing: int
    """Clips to which both give the same class."""


@dataclasses.dataclass(frozen=True)
class Exported:
    """A file that was written."""

    path: Path
    parity: Difference
    """Of the model in single precision, on random clips and those that were given."""
    int8: Difference | None
    """Of the quantised model, on the clips that were given, or else on random ones."""
    bytes_before: int
    """Of the file in single precision."""


def export_model(
    model: nn.Module,
    size: tuple[int, int, int, int],
    to: Format,
    path: Path,
    about: Mapping[str, Any],
    clips: Tensor | None = None,
    int8: bool = False,
    say: Callable[[str], None] = lambda step: None,
) -> Exported:
    """Writes a model to a file that takes `clip`, float32 (B, *size), and gives its logits.

    Args:
        model: on the CPU; it is exported as it is tested.
        size: (C, T, H, W) of a clip; the batch is left open.
        to: "onnx", or "pt2", a program of `torch.export`.
        path: where to; replaced if it is there.
        about: what the file is to say of itself, as JSON under "vswin".
        clips: normalised (n, *size), on which the file is compared, too.
        int8: whether the weights of linear layers become integers of eight bits (ONNX alone).
        say: told what is being done, which takes a while for large models.

    Raises:
        UsageError: if int8 is asked for in another format.
        MissingExtraError: if what ONNX is written and run with is not installed.
        ExportError: if the model cannot be exported, or the file does not give the same logits.
        NotWritableError: if the file cannot be written.
    """
    if int8 and to != "onnx":
        raise UsageError("int8 is for ONNX; wanted --to onnx with it")
    if to == "onnx":
        require_extra("export", "ONNX", "; --to pt2 needs nothing")
    model = model.eval()
    random = torch.randn(sum(BATCHES), *size, generator=torch.Generator().manual_seed(0))
    known = random if clips is None else torch.cat((random, clips))
    with naming(path), _folder_beside(path) as folder:
        written = folder / f"model.{to}"
        say(f"translating the model to {to}")
        note = json.dumps(dict(about))
        try:
            with _quietly():
                _WRITERS[to](model, random[:TRACED_BATCH], written, note)
        except OSError:
            raise
        except Exception as error:  # the exporters have many of their own
            why = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ExportError(f"this model cannot be exported to {to}: {why}") from error
        before = written.stat().st_size
        say(f"comparing it with the model on {len(known)} clips")
        parity = difference(model, _READERS[to](written), known)
        if not parity.logits <= TOLERANCE:  # also of what is no number
            raise ExportError(
                f"what was exported is not the model: its logits differ by {parity.logits:.1e} of "
                f"the largest, and {TOLERANCE:.0e} is allowed; nothing was written"
            )
        loss = None
        if int8:
            say("quantising, and comparing again")
            written = _quantised(written)
            loss = difference(model, _READERS[to](written), random if clips is None else clips)
        written.chmod(0o644)
        with written.open("rb+") as file:
            os.fsync(file.fileno())
        written.replace(path)
    return Exported(path, parity, loss, before)


@torch.inference_mode()
def difference(model: nn.Module, run: Run, clips: Tensor) -> Difference:
    """Compares two models on (n, C, T, H, W): the first clip alone, the others by three."""
    first, others = BATCHES
    parts = [clips[:first], *clips[first:].split(others)]
    pairs = [(model(part), run(part)) for part in parts if len(part)]
    wanted, found = (torch.cat(side).double() for side in zip(*pairs, strict=True))
    largest = wanted.abs().max().clamp_min(torch.finfo(torch.float32).tiny)
    agreeing = int((wanted.argmax(dim=1) == found.argmax(dim=1)).sum())
    return Difference(len(clips), float((wanted - found).abs().max() / largest), agreeing)


def _write_pt2(model: nn.Module, clips: Tensor, path: Path, about: str) -> None:
    shapes = {"clip": {0: torch.export.Dim("batch")}}
    program = torch.export.export(model, (clips,), dynamic_shapes=shapes)
    torch.export.save(program, path, extra_files={"vswin": about})


def _write_onnx(model: nn.Module, clips: Tensor, path: Path, about: str) -> None:
    program = torch.onnx.export(
        model,
        (clips,),
        dynamo=True,
        dynamic_shapes={"clip": {0: torch.export.Dim("batch")}},
        input_names=["clip"],
        output_names=["logits"],
        verbose=False,
    )
    assert program is not None  # as it is with dynamo
    program.model.metadata_props["vswin"] = about
    program.save(path)


def _run_pt2(path: Path) -> Run:
    program: Run = torch.export.load(path).module()
    return program


def _run_onnx(path: Path) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda clips: torch.from_numpy(session.run(["logits"], {"clip": clips.numpy()})[0])


_WRITERS: dict[Format, Callable[[nn.Module, Tensor, Path, str], None]] = {
    "onnx": _write_onnx,
    "pt2": _write_pt2,
}
_READERS: dict[Format, Callable[[Path], Run]] = {"onnx": _run_onnx, "pt2": _run_pt2}


def _quantised(path: Path) -> Path:
    """Weights of linear layers in eight bits, one scale for each output; the rest stays as it is.

    Activations are quantised while the model runs. Convolutions of clips have no such operator.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    small = path.with_name("int8.onnx")
    with _quietly():
        quantize_dynamic(
            path,
            small,
            op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=True,
            weight_type=QuantType.QInt8,
        )
    return small


@contextmanager
def _folder_beside(path: Path) -> Iterator[Path]:
    """A folder on the same disk for what is not finished."""
    with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=path.parent) as folder:
        yield Path(folder)


@contextmanager
def _quietly() -> Iterator[None]:
    """Without what exporters say about themselves."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
