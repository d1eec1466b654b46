"""Which frames make a clip (section 4.1): 32 frames at stride 2 for Kinetics, 32 segments for SSv2.

"Dense" clips are those of Video Swin, "spans" those of MViT and SlowFast.

Everything here returns frame numbers from 0 to n - 1 of a video with n frames. The paper says how
long clips are and how many are tested; where they lie is as in its released code.
"""

from __future__ import annotations

import numpy as np

FPS = 30
"""Frames per second that the strides of MViT and SlowFast are meant for."""


def dense_train(frames: int, length: int, stride: int, rng: np.random.Generator) -> np.ndarray:
    """One clip from a random place, for training on Kinetics.

    It starts at 0 ... n - length · stride, all equally likely: a clip counts as length · stride
    frames long, so the stride - 1 frames after its last one lie within the video, too, and the
    video's last frame is seen with stride 1 only. A clip from a shorter video starts at 0 and goes
    round: frame i is i mod n.

    Args:
        frames: n, at least 1.
        length: frames of the clip.
        stride: from one frame of the clip to the next.
        rng: gives the start; nothing is drawn for a video that is no longer than the clip.

    Returns:
        int64 (length,).
    """
    _require_positive(frames=frames, length=length, stride=stride)
    last = frames - length * stride
    start = int(rng.integers(last + 1)) if last > 0 else 0
    return (start + stride * np.arange(length)) % frames


def dense_test(frames: int, length: int, stride: int, clips: int) -> np.ndarray:
    """Clips evenly over a video: 4 or 10 for the tables of Kinetics, 1 for validation.

    The places where a clip can start are cut into `clips` equal parts, and clip k starts in the
    middle of its part, floor(k · a + a / 2) with a = (n - length · stride + 1) / clips. A video
    shorter than length · stride is looped, and all of its clips are the same.

    Args:
        frames: n, at least 1.
        length: frames of a clip.
        stride: from one frame of a clip to the next.
        clips: how many.

    Returns:
        int64 (clips, length).
    """
    _require_positive(frames=frames, length=length, stride=stride, clips=clips)
    part = max(frames - length * stride + 1, 0) / clips
    starts = (np.arange(clips) * part + part / 2).astype(np.int64)
    return (starts[:, None] + stride * np.arange(length)) % frames


def spans_train(
    frames: int, length: int, stride: int, fps: float, rng: np.random.Generator
) -> np.ndarray:
    """One clip from a random place, as MViT and SlowFast were trained; see `spans_test`.

    Args:
        frames: n, at least 1.
        length: frames of the clip.
        stride: from one frame of the clip to the next, in a video of 30 frames per second.
        fps: frames per second of the video; 0 where that is not known.
        rng: gives the start.

    Returns:
        int64 (length,).
    """
    span = _span(length, stride, fps)
    start = rng.uniform(0, max(frames - span, 0))
    return _spread(np.asarray([start]), frames, length, span)[0]


def spans_test(frames: int, length: int, stride: int, fps: float, clips: int) -> np.ndarray:
    """Clips over a video from its start to its end, as MViT and SlowFast were tested.

    A clip spans as much time as length · stride frames of a video with 30 frames per second, and
    its frames are spread evenly from the first to the last frame of that span, rounded down; for
    16 × 4 they are 4.2 frames apart. Clip k starts at k · floor(D / (clips - 1)) with D = n - span,
    and a single clip at floor(D / 2) (Figure A.4). A video that is shorter than a span repeats its
    last frame, and all of its clips are the same.

    Args:
        frames: n, at least 1.
        length: frames of a clip.
        stride: from one frame of a clip to the next, in a video of 30 frames per second.
        fps: frames per second of the video; 0 where that is not known, which counts as 30.
        clips: how many.

    Returns:
        int64 (clips, length).
    """
    _require_positive(frames=frames, length=length, stride=stride, clips=clips)
    span = _span(length, stride, fps)
    rest = max(frames - span, 0)
    starts = np.arange(clips) * (rest // (clips - 1)) if clips > 1 else np.asarray([rest // 2])
    return _spread(starts, frames, length, span)


def _span(length: int, stride: int, fps: float) -> float:
    """Frames that a clip lasts for."""
    return length * stride * (fps or FPS) / FPS


def _spread(starts: np.ndarray, frames: int, length: int, span: float) -> np.ndarray:
    """Evenly spread frames of clips (clips,) that start somewhere: int64 (clips, length)."""
    steps = np.arange(length) * (span - 1) / max(1, length - 1)
    places = starts[:, None] + steps
    return np.clip(places, 0, frames - 1).astype(np.int64)


def segments_train(frames: int, length: int, rng: np.random.Generator) -> np.ndarray:
    """One random frame from each of `length` equal parts of a video, for Something-Something.

    Part i is from round(i · s) to round((i + 1) · s), both included, with s = (n - 1) / length and
    halves rounded to even. Neighbouring parts share the frame between them; a video with fewer
    frames repeats some.

    Args:
        frames: n, at least 1.
        length: frames of the clip.
        rng: gives one number for each frame.

    Returns:
        int64 (length,), ascending.
    """
    first, last = _segments(frames, length)
    return rng.integers(first, last, endpoint=True)


def segments_test(frames: int, length: int) -> np.ndarray:
    """The middle frame, rounded down, of each part of `segments_train`.

    Returns:
        int64 (length,), ascending.
    """
    first, last = _segments(frames, length)
    return (first + last) // 2


def _segments(frames: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """The first and the last frame of each part, int64 (length,)."""
    _require_positive(frames=frames, length=length)
    borders = np.round((frames - 1) / length * np.arange(length + 1)).astype(np.int64)
    return borders[:-1], borders[1:]


def _require_positive(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} is {count}, wanted at least 1")
