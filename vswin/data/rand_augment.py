"""RandAugment, section 4.1's "stronger augmentation" for Something-Something: n = 4, m = 7.

The paper cites the recipe of MViT; its released code uses imgaug 0.4's `RandAugment(n=4, m=7)`,
whose operations and magnitudes are those here: of 18 operations n different ones, in random order,
each m / 30 as strong as it can be and in a random direction, applied by Pillow. All frames of a
clip share one draw. Differences to imgaug:

* The horizontal flip. imgaug's RandAugment first mirrors every second clip, so the released
  configuration does mirror clips, although its own flip is off and although classes of
  Something-Something tell left from right. Here that is `flip`, off by default; 0.5 is as released.
* Before the operations each side is cropped by up to m / 224 of it and the rest is resized; here
  the bilinear resize is `vswin.data.transforms.resize` instead of OpenCV's, and cropped widths
  are rounded to whole pixels.
* Autocontrast and equalize are Pillow's own, where imgaug has rewritten them (equal but for
  rounding), and all depends on the release of Pillow as imgaug does.
* Random numbers come from NumPy's generator of the caller and so are others.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from vswin.data.transforms import Box, crop, draw_flip, flip, resize

MAX_MAGNITUDE = 30
FILL = 128
"""Grey level of what moves into the picture, and of what is cut out."""

Matrix = tuple[float, float, float, float, float, float]


@dataclasses.dataclass(frozen=True)
class Operation:
    """One operation and its numbers."""

    name: str
    """A key of `OPERATIONS`."""
    strength: float
    """m / 30."""
    sign: int
    """1 or -1, for operations with two directions."""
    place: tuple[float, float]
    """Where the middle of what is cut out lies, as shares of height and width."""


Apply = Callable[[Image.Image, Operation], Image.Image]


@dataclasses.dataclass(frozen=True)
class RandAugmentDraw:
    """What is done to all frames of one clip."""

    flipped: bool
    margins: tuple[float, float, float, float]
    """Cropped from the top, right, bottom and left, as shares of the height or width."""
    operations: tuple[Operation, ...]
    """In the order in which they are applied."""


def draw_rand_augment(
    rng: np.random.Generator, n: int = 4, m: int = 7, flip: float = 0.0
) -> RandAugmentDraw:
    """Draws for one clip.

    Args:
        rng: gives the numbers.
        n: operations, at most 18.
        m: magnitude, 0 to 30.
        flip: probability of mirroring; see the module.
    """
    if not 0 <= n <= len(OPERATIONS) or not 0 <= m <= MAX_MAGNITUDE:
        raise ValueError(f"RandAugment takes n up to {len(OPERATIONS)} and m up to 30: {n}, {m}")
    flipped = draw_flip(rng, flip)
    top, right, bottom, left = rng.uniform(0, m / 224, size=4).tolist()
    names = rng.choice(list(OPERATIONS), size=n, replace=False).tolist()
    signs = rng.choice([-1, 1], size=n).tolist()
    places = rng.random((n, 2)).tolist()
    operations = tuple(
        Operation(name, m / MAX_MAGNITUDE, sign, (y, x))
        for name, sign, (y, x) in zip(names, signs, places, strict=True)
    )
    return RandAugmentDraw(flipped, (top, right, bottom, left), operations)


def rand_augment(frames: np.ndarray, draw: RandAugmentDraw) -> np.ndarray:
    """Applies a draw to uint8 frames (T, H, W, 3); the size stays."""
    height, width = frames.shape[1:3]
    if draw.flipped:
        frames = flip(frames)
    frames = resize(crop(frames, _inner(height, width, draw.margins)), height, width)
    augmented = np.empty(frames.shape, np.uint8)
    for number, frame in enumerate(frames):
        image = Image.fromarray(np.ascontiguousarray(frame))
        for operation in draw.operations:
            image = OPERATIONS[operation.name](image, operation)
        augmented[number] = np.asarray(image)
    return augmented


def _inner(height: int, width: int, margins: tuple[float, float, float, float]) -> Box:
    """What is left inside the margins."""
    top, right, bottom, left = margins
    rows = round(top * height), height - round(bottom * height)
    columns = round(left * width), width - round(right * width)
    return Box(rows[0], columns[0], rows[1] - rows[0], columns[1] - columns[0])


def _rotate(image: Image.Image, operation: Operation) -> Image.Image:
    """Up to 30 degrees about the middle."""
    angle = math.radians(30 * operation.strength * operation.sign)
    cos, sin = math.cos(angle), math.sin(angle)
    x, y = image.width / 2, image.height / 2
    return _affine(image, (cos, sin, x - cos * x - sin * y, -sin, cos, y + sin * x - cos * y))


def _shear_x(image: Image.Image, operation: Operation) -> Image.Image:
    return _affine(image, (1, _shear(operation), 0, 0, 1, 0))


def _shear_y(image: Image.Image, operation: Operation) -> Image.Image:
    return _affine(image, (1, 0, 0, _shear(operation), 1, 0))


def _shear(operation: Operation) -> float:
    """Up to 0.3 radians about the top left; the tangent is hyperbolic in imgaug."""
    return -math.tanh(0.3 * operation.strength * operation.sign)


def _translate_x(image: Image.Image, operation: Operation) -> Image.Image:
    """Up to 33 % of the width."""
    return _affine(
        image, (1, 0, -0.33 * operation.strength * operation.sign * image.width, 0, 1, 0)
    )


def _translate_y(image: Image.Image, operation: Operation) -> Image.Image:
    """Up to 33 % of the height."""
    return _affine(
        image, (1, 0, 0, 0, 1, -0.33 * operation.strength * operation.sign * image.height)
    )


def _affine(image: Image.Image, matrix: Matrix) -> Image.Image:
    """Moves pixels, the nearest one each; `matrix` says where those of the result come from."""
    fill = (FILL, FILL, FILL)
    return image.transform(image.size, Image.Transform.AFFINE, matrix, fillcolor=fill)


def _posterize(image: Image.Image, operation: Operation) -> Image.Image:
    """Keeps 8 to 2 bits."""
    return ImageOps.posterize(image, 8 - int(6 * operation.strength))


def _solarize(image: Image.Image, operation: Operation) -> Image.Image:
    """Inverts levels from a threshold on, which goes from 256 down to 0."""
    return ImageOps.solarize(image, 256 - int(256 * operation.strength))


def _cutout(image: Image.Image, operation: Operation) -> Image.Image:
    """Greys a square with a side of up to 20/32 of the height, which may lie partly outside."""
    half = 20 / 32 * operation.strength * image.height / 2
    y, x = operation.place[0] * image.height, operation.place[1] * image.width
    left, top = max(int(x - half), 0), max(int(y - half), 0)
    right, bottom = min(int(x + half), image.width), min(int(y + half), image.height)
    if right > left and bottom > top:
        image = image.copy()
        image.paste((FILL, FILL, FILL), (left, top, right, bottom))
    return image


def _enhance(kind: Callable[[Image.Image], ImageEnhance._Enhance]) -> Apply:
    """By a factor of 1 ± 0.9 at most."""
    return lambda image, operation: kind(image).enhance(
        1 + 0.9 * operation.strength * operation.sign
    )


OPERATIONS: dict[str, Apply] = {
    "identity": lambda image, _: image,
    "autocontrast": lambda image, _: ImageOps.autocontrast(image),
    "equalize": lambda image, _: ImageOps.equalize(image),
    "invert": lambda image, _: ImageOps.invert(image),
    "rotate": _rotate,
    "posterize": _posterize,
    "solarize": _solarize,
    "color": _enhance(ImageEnhance.Color),
    "contrast": _enhance(ImageEnhance.Contrast),
    "brightness": _enhance(ImageEnhance.Brightness),
    "sharpness": _enhance(ImageEnhance.Sharpness),
    "shear_x": _shear_x,
    "shear_y": _shear_y,
    "translate_x": _translate_x,
    "translate_y": _translate_y,
    "cutout": _cutout,
    "blur": lambda image, _: image.filter(ImageFilter.BLUR),
    "smooth": lambda image, _: image.filter(ImageFilter.SMOOTH),
}
