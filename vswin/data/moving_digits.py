"""Moving Digits, the embedded benchmark: clips whose classes can only be told apart over time.

Handwritten digits (scikit-learn's bundled 8 x 8 scans; train and test instances disjoint) drift
over a torus. A clip's class is how the coherent part of them moves: in one direction throughout
(four classes), or first in one and, from the middle of the clip on, in a perpendicular one (eight
classes). On a torus every position is equally likely at every time, so no single frame tells the
class, and every class is in the set together with its time reversal and with its swap of phases. A
clip in one direction has the frames of its reversal; one in two directions nearly has them, for its
first phase is one step shorter than its second (`UNORDERED_FRAMES_BOUND`). The switch lies at T/2,
on a temporal window border: a model whose windows are not connected over time cannot tell (a, then
b) from (b, then a) and is bounded by `UNORDERED_PHASES_BOUND`.

That is task "temporal", after Something-Something. Task "appearance", after Kinetics, asks as well
which digit is seen: the digits of a clip are of one kind, and a class is a digit and a direction.
Task "stills" is what can be learnt about it from images: the digit alone, in single frames.

Difficulty has two dials: `coherence` (the expected share of digits that follow the class, the rest
follow random ones) and `noise` (standard deviation of pixel noise). Everything is a function of
integer keys: the same key gives the same clips, in any order, on any number of workers.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Le, Len

from vswin.errors import UsageError

if TYPE_CHECKING:  # the dials are plain data: planning runs has no use for torch
    from torch import Tensor

Task = Literal["temporal", "appearance", "stills"]
Split = Literal["train", "test"]
Control = Literal["none", "single_frame", "shuffled_frames"]
Probability = Annotated[float, Ge(0), Le(1)]
Deviation = Annotated[float, Ge(0), Le(100)]
Probabilities = Annotated[tuple[Probability, ...], Len(1)]
Deviations = Annotated[tuple[Deviation, ...], Len(1)]

DIRECTIONS: dict[str, tuple[int, int]] = {
    "up": (-1, 0),
    "down": (1, 0),
    "left": (0, -1),
    "right": (0, 1),
}
"""Unit steps (height, width)."""

CLASSES: tuple[tuple[str, str], ...] = (
    *((d, d) for d in DIRECTIONS),
    *((a, b) for a in ("up", "down") for b in ("left", "right")),
    *((b, a) for a in ("up", "down") for b in ("left", "right")),
)
"""(first phase, second phase) of each of the 12 classes."""

UNORDERED_PHASES_BOUND = (4 + 8 / 2) / len(CLASSES)
"""Best expected top-1 of a model that sees which motions occur but not in which order."""
UNORDERED_FRAMES_BOUND = (4 / 2 + 8) / len(CLASSES)
"""Best expected top-1 on a bag of all frames of the timeline. It is the same for a class of one
direction and its time reversal; the path of a class of two has two arms, which differ in length."""

SWAPPED: tuple[int, ...] = tuple(CLASSES.index((b, a)) for a, b in CLASSES)
"""For each class, the one with the phases in the other order (itself for one direction)."""


@dataclasses.dataclass(frozen=True)
class Classes:
    """What the classes of a task are."""

    phases: tuple[tuple[str, str], ...]
    """(first phase, second phase) of the motion of each class."""
    digits: tuple[int, ...] | None
    """The digit of each class; None where any digit can appear in any class."""

    def __len__(self) -> int:
        return len(self.phases)

    @property
    def swapped(self) -> tuple[int, ...]:
        """For each class, the one with the phases in the other order (itself for one phase)."""
        return SWAPPED if self.digits is None else tuple(range(len(self)))


_SIDEWAYS = (("left", "left"), ("right", "right"))
TASKS: dict[Task, Classes] = {
    "temporal": Classes(CLASSES, None),
    "appearance": Classes(_SIDEWAYS * 10, tuple(digit for digit in range(10) for _ in _SIDEWAYS)),
    "stills": Classes((("right", "right"),) * 10, tuple(range(10))),
}

CHANNELS = 1
DIGIT_SIZE = 8
TEST_INSTANCES = 510
"""The last 510 of scikit-learn's 1,797 scans are for testing. They come writer by writer, each
beginning with 0 to 9 three times, and the split lies between two writers."""
TRAIN_INSTANCES = 1797 - TEST_INSTANCES


@dataclasses.dataclass(frozen=True)
class MovingDigits:
    """The dials of one clip distribution."""

    generator_seed: Annotated[int, Ge(0)]
    """Root of all randomness; calibration and benchmark use different ones."""
    frames: Annotated[int, Ge(1)] = 16
    """Frames that the model sees, evenly spread over the `timeline`."""
    timeline: Annotated[int, Ge(2)] = 16
    """Frames of the underlying motion; fewer `frames` are a coarser sampling of the same clip."""
    image_size: Annotated[int, Ge(DIGIT_SIZE)] = 24
    """Height and width of the torus in pixels."""
    digits: Annotated[int, Ge(1)] = 5
    """Digits in a clip."""
    speed: Annotated[float, Ge(0), Le(100)] = 1.0
    """Pixels per timeline frame."""
    coherence: Probability | Probabilities = 1.0
    """Probability that a digit follows the class; otherwise it follows a random class. Of several
    values each clip draws one, and likewise of `noise`."""
    switch_offset: int = 0
    """The phases switch so many frames after T/2."""
    switch_jitter: Annotated[int, Ge(0)] = 0
    """They switch u frames later, u drawn evenly from -switch_jitter ... switch_jitter."""
    noise: Deviation | Deviations = 0.2
    """Standard deviation of the pixel noise; a digit's ink is 1."""
    control: Control = "none"
    """Destroys the evidence: one frame in place of all, or frames in a random order."""
    task: Task = "temporal"
    """What the classes are, see `TASKS`."""
    scans: tuple[Annotated[int, Ge(0)], Annotated[int, Ge(1), Le(TRAIN_INSTANCES)]] | None = None
    """Training clips show only these scans: [first, last), of those for training. None: all."""
    kind: Literal["moving_digits"] = "moving_digits"
    VERSION: ClassVar[int] = 1
    """Raised by hand when a change of the code changes the clips; see `vswin.runs.identity`."""

    @property
    def slug(self) -> tuple[str, ...]:
        """Words for the name of a run: in what the clips differ from the usual ones."""
        task = () if self.task == "temporal" else (self.task,)
        scans = () if self.scans is None else (f"{self.scans[1] - self.scans[0]}_scans",)
        return (*task, *scans) if self.control == "none" else (*task, *scans, self.control)

    @property
    def classes(self) -> Classes:
        """What the labels of this task mean."""
        return TASKS[self.task]

    def batch(self, split: Split, key: tuple[int, ...], size: int) -> tuple[Tensor, Tensor]:
        """Clips and labels, determined by the dials, the split and `key` alone.

        Args:
            split: which digit instances are used.
            key: any non-negative integers, e.g. (run seed, step).
            size: number of clips B.

        Returns:
            float32 clips (B, 1, frames, image_size, image_size), about zero mean and unit
            variance, and int64 labels (B,), as even over the classes as B allows.
        """
        import torch  # here, where it is wanted

        entropy = (self.generator_seed, ("train", "test").index(split), *key)
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy)))
        count = len(self.classes)
        # What does not divide evenly goes to other classes in every batch.
        classes = rng.permutation(count)
        labels = rng.permutation(classes[np.arange(size) % count])
        scans, instances = self._scans(split, rng, labels)
        start = rng.random((size, self.digits, 2)) * self.image_size
        coherence, deviation = self._difficulty(entropy, size)
        follows = rng.random((size, self.digits)) < coherence[:, None]
        others = rng.integers(count, size=(size, self.digits))
        motion = np.where(follows, labels[:, None], others)
        gain = rng.uniform(0.6, 1.0, size=(size, self.digits))
        order = self._frame_order(rng, size)

        half = self.timeline // 2 + self.switch_offset
        switch = rng.integers(half - self.switch_jitter, half + self.switch_jitter + 1, size=size)
        path = start[:, :, None] + self.speed * _travel(
            self._directions()[motion], switch, self.timeline
        )
        path = np.take_along_axis(path, order[:, None, :, None], axis=2)  # (B, digits, frames, 2)
        ink = scans[instances] * gain[..., None, None]
        clips = _render(
            torch.from_numpy(ink).float(), torch.from_numpy(path).float(), self.image_size
        )
        noise = rng.standard_normal(clips.shape, dtype=np.float32)
        clips += torch.from_numpy(deviation)[:, None, None, None] * torch.from_numpy(noise)
        return ((clips - _MEAN) / _STD)[:, None], torch.from_numpy(labels)

    def _difficulty(self, entropy: tuple[int, ...], size: int) -> tuple[np.ndarray, np.ndarray]:
        """(B,) coherence of each clip, and (B,) float32 standard deviation of its noise."""
        # Numbers of its own: with one value for all, clips are what they would be without it.
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy, spawn_key=(0,))))
        coherence, noise = (
            rng.choice(np.atleast_1d(dial), size) for dial in (self.coherence, self.noise)
        )
        return coherence, noise.astype(np.float32)

    def _scans(
        self, split: Split, rng: np.random.Generator, labels: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The scans (instances, 8, 8), and which of them each clip shows (B, digits)."""
        scans, kinds = _load_scans(split)
        if split == "train" and self.scans is not None:
            scans, kinds = scans[slice(*self.scans)], kinds[slice(*self.scans)]
        shape = (len(labels), self.digits)
        if self.classes.digits is None:
            return scans, rng.integers(len(scans), size=shape)
        wanted = np.asarray(self.classes.digits)[labels]
        pools = [np.flatnonzero(kinds == digit) for digit in range(10)]
        if missing := sorted(digit for digit in wanted if not len(pools[digit])):
            first, last = self.scans or (0, len(scans))
            raise UsageError(
                f"scans {first} to {last - 1} show no digit {missing[0]}; give more of them"
            )
        drawn = rng.random(shape)
        return scans, np.stack(
            [
                pools[d][(row * len(pools[d])).astype(int)]
                for d, row in zip(wanted, drawn, strict=True)
            ]
        )

    def _directions(self) -> np.ndarray:
        """(classes, 2 phases, 2) unit steps of each class."""
        return np.array(
            [[DIRECTIONS[a], DIRECTIONS[b]] for a, b in self.classes.phases], dtype=float
        )

    def _frame_order(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """(B, frames) timeline frame shown at each place."""
        shown = np.arange(self.frames) * self.timeline // self.frames
        if self.control == "single_frame":
            return np.repeat(rng.choice(shown, size=(size, 1)), self.frames, axis=1)
        if self.control == "shuffled_frames":
            return rng.permuted(np.tile(shown, (size, 1)), axis=1)
        return np.tile(shown, (size, 1))


@dataclasses.dataclass(frozen=True)
class GridTest:
    """What a model is tested on under an embedded protocol; the same clips for every seed."""

    clips_per_cell: Annotated[int, Ge(1)]
    """Test clips for each combination of dials; at least one for each class."""
    coherence: Probabilities
    """Values of `MovingDigits.coherence` to test at."""
    noise: Deviations
    """Values of `MovingDigits.noise` to test at."""
    control_clips: Annotated[int, Ge(1)] = 960
    """Test clips at the easiest difficulty of training, and for each control at all of them."""
    kind: Literal["grid"] = "grid"
    VERSION: ClassVar[int] = 1
    """Raised by hand when a change of the code changes what is tested, or how."""

    def __str__(self) -> str:
        return "grid"


# Of noiseless clips with five digits on 24 x 24; fixed numbers, so that a clip does not depend on
# which others are in its batch.
_MEAN, _STD = 0.137, 0.26


@functools.lru_cache(maxsize=2)
def _load_scans(split: Split) -> tuple[np.ndarray, np.ndarray]:
    """(instances, 8, 8) in [0, 1], and (instances,) the digit that each shows."""
    # What sklearn.datasets.load_digits reads; importing that takes as long as importing torch.
    files = importlib.metadata.distribution("scikit-learn")
    file = files.locate_file("sklearn/datasets/data/digits.csv.gz")
    table = np.loadtxt(str(file), delimiter=",")
    part = slice(None, -TEST_INSTANCES) if split == "train" else slice(-TEST_INSTANCES, None)
    return table[part, :-1].reshape(-1, 8, 8) / 16.0, table[part, -1].astype(np.int64)


def _travel(phases: np.ndarray, switch: np.ndarray, timeline: int) -> np.ndarray:
    """How far each digit has moved at each frame, in steps.

    Args:
        phases: (B, K, 2, 2) unit step of each digit in each of the two phases.
        switch: (B,) first frame of the second phase.
        timeline: frames F.

    Returns:
        (B, K, F, 2), zero at the first frame.
    """
    frame = np.arange(timeline)
    before = np.minimum(frame, switch[:, None] - 1)  # (B, F) steps taken in the first phase
    steps = np.stack((before, frame - before), axis=-1)  # (B, F, 2 phases)
    return np.einsum("bfp,bkpd->bkfd", steps, phases)


def _render(ink: Tensor, path: Tensor, size: int) -> Tensor:
    """Draws digits at sub-pixel places of a torus, bilinearly.

    A digit's image is separable: rows @ ink @ columns^T, where rows and columns hold the bilinear
    weights of its position. Stacking all digits of a frame turns the sum over them into one
    matrix product per frame.

    Args:
        ink: (B, K, 8, 8) one image for each digit.
        path: (B, K, F, 2) top left corner (height, width) in pixels, any real number.
        size: S, the side of the torus.

    Returns:
        (B, F, S, S).
    """
    import torch  # here, where it is wanted

    batch, count, frames, _ = path.shape
    pixel = torch.arange(size + DIGIT_SIZE - 1) - (DIGIT_SIZE - 1)
    # Weight of pixel s for a corner at y is the hat function of their distance on the torus. The
    # i-th row of the digit lies at y + i, so its weights are the same, moved by i.
    distance = (pixel - path[..., None] + size / 2) % size - size / 2
    hat = (1 - distance.abs()).clamp_(min=0)  # (B, K, F, 2, S + 7)
    weights = hat.unfold(-1, DIGIT_SIZE, 1).flip(-1)  # (B, K, F, 2, S, 8)
    rows, columns = weights[:, :, :, 0], weights[:, :, :, 1]
    drawn = torch.matmul(rows, ink[:, :, None])  # (B, K, F, S, 8)
    left = drawn.permute(0, 2, 3, 1, 4).reshape(batch, frames, size, count * DIGIT_SIZE)
    right = columns.permute(0, 2, 1, 4, 3).reshape(batch, frames, count * DIGIT_SIZE, size)
    return torch.matmul(left, right)
