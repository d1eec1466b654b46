"""Which frames make a clip (section 4.1): 32 frames at stride 2 for Kinetics, 32 segments for SSv2.

Everything here returns frame numbers from 0 to n - 1 of a video with n frames. The paper says how
long clips are and how many are tested; where they lie is as in its released code.
"""

from __future__ import annotations

import numpy as np


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
