"""A clip beside the heat map of what a model makes of it: as a picture, and moving."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from vswin.data.render_digits import encode
from vswin.data.transforms import normalise
from vswin.data.video_data import Pixels
from vswin.evaluation.views import UntestableError
from vswin.files import atomic_write
from vswin.using.heat_maps import method_of

Movie = Literal["gif", "mp4"]
SHOWN = 8
"""Frames in the picture."""
GIF_MS = 100
"""Time that a frame is shown."""


@dataclasses.dataclass(frozen=True)
class Explanation:
    """What a model says of one clip, and where it looks."""

    frames: np.ndarray
    """uint8 (T, S, S, 3)."""
    heat: np.ndarray
    """float32 (T, S, S), from 0 to 1 over the whole clip; 0 throughout if it has no place."""
    scores: np.ndarray
    """float32 (num_classes,), SoftMax."""
    label: int
    """The class that was asked about."""
    method: str
    """How the heat map was made."""


def explain(
    model: Any, view: Tensor, pixels: Pixels, device: torch.device, label: int | None = None
) -> Explanation:
    """Classifies a clip and says where the model looks.

    Args:
        model: of a family that `vswin.using.heat_maps` knows, in evaluation mode, on `device`.
        view: uint8 (3, T, S, S).
        pixels: how it is normalised.
        device: where to compute.
        label: the class to ask about; None is the most likely one.

    Raises:
        UsageError: if the family has no heat maps.
        UntestableError: if the scores are not numbers.
    """
    method = method_of(model)
    clip = normalise(view[None].to(device), pixels=pixels)
    with torch.inference_mode():
        scores = model(clip)[0].softmax(dim=0)
    if not scores.isfinite().all():
        raise UntestableError("the model's scores are not numbers; its weights are damaged")
    label = int(scores.argmax()) if label is None else label
    heat = method.make(model, clip, label)
    large = F.interpolate(heat[None, None], size=view.shape[1:], mode="trilinear")[0, 0]
    spread = large.max() - large.min()
    large = (large - large.min()) / spread if spread > 0 else torch.zeros_like(large)
    frames = view.permute(1, 2, 3, 0).numpy()
    return Explanation(frames, large.cpu().numpy(), scores.cpu().numpy(), label, method.name)


def overlaid(explanation: Explanation) -> np.ndarray:
    """uint8 (T, S, S, 3): frames in grey under the colours of the heat map."""
    colours = colormaps["turbo"](explanation.heat)[..., :3] * 255
    grey = explanation.frames.mean(axis=-1, keepdims=True)
    return (0.5 * grey + 0.5 * colours).round().astype(np.uint8)


def write_picture(explanation: Explanation, answers: Sequence[str], path: Path) -> None:
    """A PNG: frames, evenly chosen, above their heat maps, under the answers.

    Raises:
        NotWritableError: if it cannot be written.
    """
    count = len(explanation.frames)
    shown = np.unique(np.linspace(0, count - 1, min(SHOWN, count)).round().astype(int))
    rows = explanation.frames, overlaid(explanation)
    figure = Figure(figsize=(1.6 * len(shown) + 0.4, 3.6 + 0.22 * len(answers)), dpi=120)
    axes = figure.subplots(2, len(shown), squeeze=False)
    for axis, row in zip(axes, rows, strict=True):
        for place, number in zip(axis, shown, strict=True):
            place.imshow(row[number])
            place.set_axis_off()
    for place, number in zip(axes[0], shown, strict=True):
        place.set_title(f"frame {number}", fontsize=8)
    figure.suptitle("\n".join((*answers, explanation.method)), fontsize=9)
    figure.tight_layout()
    with atomic_write(path) as file:
        figure.savefig(file, format="png")


def write_movie(explanation: Explanation, path: Path, kind: Movie) -> None:
    """Frames beside their heat maps, as a GIF or an MP4.

    Raises:
        NotWritableError: if it cannot be written.
    """
    with atomic_write(path) as file:
        file.write(gif_of(explanation) if kind == "gif" else _mp4_of(explanation))


def gif_of(explanation: Explanation) -> bytes:
    """Frames beside their heat maps."""
    first, *others = map(Image.fromarray, _beside(explanation))
    found = io.BytesIO()
    first.save(found, format="GIF", save_all=True, append_images=others, duration=GIF_MS, loop=0)
    return found.getvalue()


def _mp4_of(explanation: Explanation) -> bytes:
    both = _beside(explanation)
    even = both.shape[1] // 2 * 2  # H.264 has no odd heights
    return encode(np.ascontiguousarray(both[:, :even]), "kinetics")


def _beside(explanation: Explanation) -> np.ndarray:
    """uint8 (T, S, 2 * S, 3)."""
    return np.concatenate((explanation.frames, overlaid(explanation)), axis=2)
