"""What happens to the frames of a clip between decoding and the model (section 4.1).

Randomness is apart from its use: `draw_…` takes numbers from the caller's generator and returns
them, and what applies them is a pure function, so all frames of a clip are treated alike and a clip
can be made again. Frames are uint8 NumPy arrays (T, H, W, 3) up to `to_clip`, clips are tensors
(B, 3, T, H, W) from there on, and become floating point on the model's device. The numbers that the
paper does not give are those of its released code: random crop and flip for Kinetics; random crop,
RandAugment (`vswin.data.rand_augment`) and random erasing for Something-Something.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from vswin.data.video import scaled_size
from vswin.data.video_data import Pixels

NORMALISED: dict[Pixels, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "imagenet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "half": ((0.45 * 255,) * 3, (0.225 * 255,) * 3),
}
"""Means and standard deviations of red, green and blue, on the scale of 0 to 255."""


@dataclasses.dataclass(frozen=True)
class Box:
    """A rectangle of whole pixels."""

    top: int
    left: int
    height: int
    width: int


def draw_crop(
    height: int,
    width: int,
    rng: np.random.Generator,
    area: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> Box:
    """A random part of the frame, for training.

    Its share of the frame's area is uniform, its width divided by its height log-uniform. Of ten
    tries the first that fits is taken, and placed uniformly; if none fits (in frames much longer
    than wide), it is the largest centred square.
    """
    low, high = np.log(ratio)
    ratios = np.exp(rng.uniform(low, high, size=10))
    areas = rng.uniform(*area, size=10) * (height * width)
    widths = np.round(np.sqrt(areas * ratios)).astype(int)
    heights = np.round(np.sqrt(areas / ratios)).astype(int)
    for h, w in zip(heights.tolist(), widths.tolist(), strict=True):
        if 0 < h <= height and 0 < w <= width:
            top = int(rng.integers(height - h, endpoint=True))
            return Box(top, int(rng.integers(width - w, endpoint=True)), h, w)
    return _centred(height, width, min(height, width))


def draw_flip(rng: np.random.Generator, probability: float = 0.5) -> bool:
    """Whether a clip is mirrored; not for Something-Something, where left and right differ."""
    return bool(rng.random() < probability)


def crop(frames: np.ndarray, box: Box) -> np.ndarray:
    """A part of all frames (T, H, W, 3); a view, nothing is copied."""
    return frames[:, box.top : box.top + box.height, box.left : box.left + box.width]


def flip(frames: np.ndarray) -> np.ndarray:
    """Frames (T, H, W, 3) with left and right exchanged; a view, nothing is copied."""
    return frames[:, :, ::-1]


def resize(frames: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resizes uint8 frames (T, H, W, 3), bilinearly between pixel centres; the aspect may change.

    Shrinking skips pixels rather than averaging them, like the resize that the released models were
    trained with. The arithmetic is torch's in whole numbers, at most one level from the exact value
    and several times as fast as in floating point.
    """
    if frames.shape[1:3] == (height, width):
        return frames
    planes = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
    resized = functional.interpolate(planes, (height, width), mode="bilinear", align_corners=False)
    return resized.permute(0, 2, 3, 1).contiguous().numpy()


def resize_short_side(frames: np.ndarray, short_side: int) -> np.ndarray:
    """Resizes frames (T, H, W, 3) to a shorter side of so many pixels; the aspect is kept."""
    height, width = frames.shape[1:3]
    return resize(frames, *scaled_size(height, width, short_side))


def centre_crop(frames: np.ndarray, size: int) -> np.ndarray:
    """The square of `size` in the middle of frames (T, H, W, 3), for validation.

    Raises:
        ValueError: if frames are smaller than that.
    """
    height, width = frames.shape[1:3]
    if size > min(height, width):
        raise ValueError(f"cannot crop {size} x {size} from frames of {height} x {width} pixels")
    return crop(frames, _centred(height, width, size))


def three_crops(frames: np.ndarray, size: int) -> np.ndarray:
    """The three spatial views of the paper's tests: (3, T, size, size, 3).

    They are spread along the longer axis, in the order left or top, right or bottom, middle. The
    outer two are equally far from the middle one, so with an odd number of pixels to spare the last
    row or column is in none.

    Args:
        frames: (T, H, W, 3), the shorter side of `size` pixels.
        size: pixels.

    Raises:
        ValueError: if the shorter side is another.
    """
    step = _spare(frames, size) // 2
    return _crops_at(frames, size, (0, 2 * step, step))


def uniform_crops(frames: np.ndarray, size: int, n: int) -> np.ndarray:
    """One, three or five spatial views (n, T, size, size, 3).

    One is the centre, three are `three_crops`. Five are for the paper's 10 x 5 views (Tables 1 and
    2, Swin-L at 384 pixels), of which no code was released: taken to be equally spaced along the
    longer axis from end to end, in that order.

    Args:
        frames: (T, H, W, 3), the shorter side of `size` pixels.
        size: pixels.
        n: 1, 3 or 5.

    Raises:
        ValueError: if the shorter side or `n` is another.
    """
    if n == 1:
        _spare(frames, size)
        return centre_crop(frames, size)[None]
    if n == 3:
        return three_crops(frames, size)
    if n == 5:
        spare = _spare(frames, size)
        return _crops_at(frames, size, [k * spare // 4 for k in range(5)])
    raise ValueError(f"{n} crops are wanted; there can be 1, 3 or 5")


def to_clip(frames: np.ndarray) -> Tensor:
    """uint8 frames (T, H, W, 3) as one contiguous uint8 tensor (3, T, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(frames.transpose(3, 0, 1, 2)))


def normalise(
    clips: Tensor, dtype: torch.dtype = torch.float32, pixels: Pixels = "imagenet"
) -> Tensor:
    """Pixels to about zero mean and unit variance, on the tensor's own device.

    Args:
        clips: (B, 3, T, H, W) or (3, T, H, W), 0 to 255.
        dtype: of the result; single precision is used in between.
        pixels: by which means and deviations.
    """
    mean, std = (
        # Filled in there: a GPU would be waited for while numbers are copied to it.
        torch.stack(
            [
                torch.full((1, 1, 1), value, dtype=torch.float32, device=clips.device)
                for value in values
            ]
        )
        for values in NORMALISED[pixels]
    )
    return clips.to(torch.float32).sub(mean).div_(std).to(dtype)


def draw_erasing(
    height: int, width: int, rng: np.random.Generator, probability: float = 0.25
) -> Box | None:
    """A random rectangle to erase from all frames of a clip; None: this clip is left whole.

    Its share of the area is uniform between 0.02 and 1/3, its height divided by its width
    log-uniform between 0.3 and 1 / 0.3. Of ten tries the first that is smaller than the frame
    in both directions is taken; if none is, nothing is erased.
    """
    if rng.random() >= probability:
        return None
    limit = math.log(0.3)
    for _ in range(10):
        area = rng.uniform(0.02, 1 / 3) * height * width
        ratio = math.exp(rng.uniform(limit, -limit))
        h, w = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if h < height and w < width:
            top = int(rng.integers(height - h, endpoint=True))
            return Box(top, int(rng.integers(width - w, endpoint=True)), h, w)
    return None


def erase(clips: Tensor, boxes: Sequence[Box | None]) -> Tensor:
    """Sets a rectangle of each clip to zero, which after `normalise` is the mean colour.

    Args:
        clips: (B, 3, T, H, W), normalised; changed in place, on any device.
        boxes: for each clip what `draw_erasing` drew.

    Returns:
        `clips`.
    """
    for clip, box in zip(clips, boxes, strict=True):
        if box is not None:
            rows = slice(box.top, box.top + box.height)
            clip[..., rows, box.left : box.left + box.width] = 0
    return clips


def _centred(height: int, width: int, size: int) -> Box:
    return Box((height - size) // 2, (width - size) // 2, size, size)


def _spare(frames: np.ndarray, size: int) -> int:
    """By how many pixels the longer side exceeds `size`, which the shorter must have."""
    height, width = frames.shape[1:3]
    if min(height, width) != size:
        raise ValueError(f"crops of {size} pixels need that shorter side, not {height} x {width}")
    return max(height, width) - size


def _crops_at(frames: np.ndarray, size: int, offsets: Sequence[int]) -> np.ndarray:
    """Squares at places along the longer axis: (len(offsets), T, size, size, 3)."""
    wide = frames.shape[2] > size
    boxes = (Box(0, o, size, size) if wide else Box(o, 0, size, size) for o in offsets)
    return np.stack([crop(frames, box) for box in boxes])
