"""Clip sampling against loops written straight from its description."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from vswin.data.sampling import (
    dense_test,
    dense_train,
    segments_test,
    segments_train,
    spans_test,
    spans_train,
)

COUNTS = [1, 2, 3, 7, 31, 32, 33, 62, 63, 64, 65, 66, 100, 250, 299, 300, 301, 1000]


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("clips", [1, 4, 10])
@pytest.mark.parametrize("length, stride", [(32, 2), (16, 4), (1, 1)])
def test_test_clips_start_in_the_middle_of_equal_parts(length, stride, clips):
    for frames in COUNTS:
        part = Fraction(frames - length * stride + 1, clips)
        wanted = []
        for k in range(clips):
            start = math.floor(k * part + part / 2) if frames >= length * stride else 0
            wanted.append([(start + stride * i) % frames for i in range(length)])
        assert dense_test(frames, length, stride, clips).tolist() == wanted, frames


def test_clips_known_by_heart():
    starts = dense_test(300, 32, 2, 4)[:, 0]
    assert starts.tolist() == [29, 88, 148, 207]  # a = 237 / 4 = 59.25
    assert dense_test(300, 32, 2, 1)[0, [0, -1]].tolist() == [118, 180]
    assert dense_test(3, 4, 2, 2).tolist() == [[0, 2, 1, 0]] * 2
    assert segments_test(33, 32).tolist() == list(range(32))
    assert segments_test(5, 2).tolist() == [1, 3]
    assert segments_test(6, 2).tolist() == [1, 3]  # parts 0 to 2 (2.5 rounded to even) and 2 to 5


def test_training_starts_are_all_the_possible_ones_and_equally_likely():
    draws, frames = 20_000, 70
    starts = [dense_train(frames, 32, 2, generator)[0] for generator in [rng(1)] * draws]
    counts = np.bincount(starts, minlength=7)
    assert len(counts) == 7  # 0 to n - 64
    expected = draws / 7
    assert ((counts - expected) ** 2 / expected).sum() < 22.5  # chi squared, 6 degrees, p = 0.001


def test_training_clips_are_strided_and_looped():
    for frames in COUNTS:
        clip = dense_train(frames, 32, 2, rng(frames))
        assert clip.shape == (32,)
        if frames >= 64:
            assert clip[-1] <= frames - 2
            assert set(np.diff(clip).tolist()) == {2}
        else:
            assert clip.tolist() == [(2 * i) % frames for i in range(32)]


def test_training_segments_are_within_their_borders_both_included():
    length = 8
    for frames in [1, 2, 5, 8, 9, 20, 61]:
        generator = rng(frames)
        drawn = np.stack([segments_train(frames, length, generator) for _ in range(1500)])
        for i in range(length):
            first = round(Fraction(frames - 1, length) * i)
            last = round(Fraction(frames - 1, length) * (i + 1))
            assert set(drawn[:, i].tolist()) == set(range(first, last + 1)), (frames, i)


def test_test_segments_are_the_middles():
    for frames in COUNTS:
        parts = [Fraction(frames - 1, 32) * i for i in range(33)]
        wanted = [(round(a) + round(b)) // 2 for a, b in itertools.pairwise(parts)]
        assert segments_test(frames, 32).tolist() == wanted


def test_the_generator_alone_decides():
    for draw in (lambda g: dense_train(500, 32, 2, g), lambda g: segments_train(500, 32, g)):
        assert draw(rng(5)).tolist() == draw(rng(5)).tolist()
        assert draw(rng(5)).tolist() != draw(rng(6)).tolist()


@pytest.mark.parametrize(
    "call",
    [
        lambda: dense_train(0, 32, 2, rng()),
        lambda: dense_test(10, 0, 2, 1),
        lambda: dense_test(10, 4, 2, 0),
        lambda: dense_test(10, 4, 0, 1),
        lambda: segments_test(0, 4),
    ],
)
def test_what_is_not_there_cannot_be_sampled(call):
    with pytest.raises(ValueError, match="at least 1"):
        call()


def test_spans_reach_from_the_start_of_a_video_to_its_end():
    """Against the rule's words: k · floor(D / (K - 1)), floor(D / 2) for one, even steps."""
    assert spans_test(300, 16, 4, 30, 1).tolist() == [[118 + int(i * 63 / 15) for i in range(16)]]
    found = spans_test(300, 16, 4, 30, 5)
    assert found[:, 0].tolist() == [0, 59, 118, 177, 236]
    assert (found[:, -1] - found[:, 0]).tolist() == [63] * 5
    assert spans_test(300, 32, 2, 30, 10)[1, :4].tolist() == [26, 28, 30, 32]
    assert spans_test(1, 4, 2, 30, 3).tolist() == [[0, 0, 0, 0]] * 3
    assert spans_test(6, 4, 2, 30, 2).tolist() == [[0, 2, 4, 5]] * 2  # the last one is repeated


def test_spans_last_as_long_whatever_the_frame_rate():
    """64 frames of 30 per second are 53.3 of 25 per second."""
    found = spans_test(250, 16, 4, 25, 2)
    steps = [int(i * (64 / 30 * 25 - 1) / 15) for i in range(16)]
    assert found[0].tolist() == steps
    assert found[1, 0] == 196  # floor(250 - 53.33)
    assert (spans_test(250, 16, 4, 0, 2) == spans_test(250, 16, 4, 30, 2)).all()


def test_a_training_span_starts_anywhere():
    rng = np.random.default_rng(0)
    starts = [int(spans_train(100, 16, 4, 30, rng)[0]) for _ in range(600)]
    assert set(starts) == set(range(36))
    assert spans_train(10, 4, 4, 30, rng).tolist() == [0, 5, 9, 9]
