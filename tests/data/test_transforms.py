"""Transforms of clips against plain arithmetic."""

import math

import numpy as np
import pytest
import torch

from vswin.data.transforms import (
    NORMALISED,
    Box,
    centre_crop,
    crop,
    draw_crop,
    draw_erasing,
    draw_flip,
    erase,
    flip,
    normalise,
    resize,
    resize_short_side,
    three_crops,
    to_clip,
    uniform_crops,
)


def rng(seed=0):
    return np.random.default_rng(seed)


def noise(height, width, count=2):
    return rng().integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def places(height, width):
    """Frames whose red is the row and whose green is the column."""
    frames = np.zeros((2, height, width, 3), np.uint8)
    frames[..., 0] = np.arange(height)[:, None]
    frames[..., 1] = np.arange(width)
    return frames


def corners(crops):
    """(row, column) of the top left pixel of each of some crops of `places`."""
    return [tuple(view[0, 0, 0, :2].tolist()) for view in crops]


def interpolated(frame, height, width):
    """Bilinear between pixel centres, with edges repeated; floating point, one pixel at a time."""
    result = np.empty((height, width, 3))
    for i in range(height):
        for j in range(width):
            y = min(max((i + 0.5) * frame.shape[0] / height - 0.5, 0), frame.shape[0] - 1)
            x = min(max((j + 0.5) * frame.shape[1] / width - 0.5, 0), frame.shape[1] - 1)
            top, left = int(y), int(x)
            below, right = min(top + 1, frame.shape[0] - 1), min(left + 1, frame.shape[1] - 1)
            a, b = y - top, x - left
            upper = (1 - b) * frame[top, left] + b * frame[top, right]
            lower = (1 - b) * frame[below, left] + b * frame[below, right]
            result[i, j] = (1 - a) * upper + a * lower
    return result


@pytest.mark.parametrize("size", [(20, 30), (31, 17), (64, 64), (13, 90)])
def test_resizing_is_bilinear_and_at_most_one_level_off(size):
    frames = noise(40, 30)
    resized = resize(frames, *size)
    assert (resized.dtype, resized.shape) == (np.uint8, (2, *size, 3))
    for before, after in zip(frames, resized, strict=True):
        difference = after - interpolated(before.astype(float), *size)
        assert np.abs(difference).max() < 1.01
        assert abs(difference.mean()) < 0.27  # halving leaves many halves, which go up


def test_resizing_takes_views_and_leaves_the_right_size_alone():
    frames = noise(40, 30)
    part = flip(crop(frames, Box(3, 4, 20, 21)))
    assert np.array_equal(resize(part, 10, 10), resize(part.copy(), 10, 10))
    assert resize(frames, 40, 30) is frames


def test_the_short_side_keeps_the_aspect():
    assert resize_short_side(noise(256, 340), 224).shape[1:3] == (224, 298)  # 297.5, rounded up
    assert resize_short_side(noise(64, 48), 36).shape[1:3] == (48, 36)


def test_crop_boxes_lie_inside_and_have_the_drawn_areas_and_ratios():
    generator = rng(1)
    boxes = [draw_crop(256, 256, generator) for _ in range(4000)]
    assert all(0 <= b.top <= 256 - b.height and 0 <= b.left <= 256 - b.width for b in boxes)
    areas = np.array([b.height * b.width / 256**2 for b in boxes])
    ratios = np.log([b.width / b.height for b in boxes])
    assert 0.078 < areas.min() < 0.09
    assert 0.97 < areas.max() <= 1
    # Up to 3/4 of the area every ratio fits, so uniform and log-uniform are not disturbed there.
    undisturbed = areas < 0.75
    assert abs(np.median(areas[undisturbed]) - (0.08 + 0.75) / 2) < 0.02
    assert abs(np.mean(ratios[undisturbed])) < 0.01
    assert abs(np.std(ratios[undisturbed]) - math.log(16 / 9) / math.sqrt(12)) < 0.006
    limits = math.log(4 / 3) + 0.02  # pixels are whole
    assert np.abs(ratios).max() <= limits
    rooms = np.array([(b.top / (256 - b.height), b.left / (256 - b.width)) for b in boxes
                      if max(b.height, b.width) < 256])  # fmt: skip
    assert np.abs(rooms.mean(axis=0) - 0.5).max() < 0.02
    assert rooms.min() == 0
    assert rooms.max() == 1


def test_frames_that_nothing_fits_into_are_cropped_in_the_middle():
    assert draw_crop(10, 1000, rng(), area=(0.5, 1.0)) == Box(0, 495, 10, 10)
    assert draw_crop(1001, 10, rng(), area=(0.5, 1.0)) == Box(495, 0, 10, 10)


def test_the_whole_frame_can_be_drawn():
    assert draw_crop(50, 50, rng(), area=(1.0, 1.0), ratio=(1.0, 1.0)) == Box(0, 0, 50, 50)


def test_flips_are_as_probable_as_wanted_and_exchange_left_and_right():
    generator = rng()
    assert abs(np.mean([draw_flip(generator) for _ in range(4000)]) - 0.5) < 0.03
    assert not any(draw_flip(generator, 0.0) for _ in range(100))
    frames = places(6, 9)
    assert flip(frames)[1, 4, 0].tolist() == [4, 8, 0]
    assert np.array_equal(flip(flip(frames)), frames)


def test_the_centre():
    assert corners([centre_crop(places(9, 12), 6)]) == [(1, 3)]
    with pytest.raises(ValueError, match="cannot crop 10 x 10 from frames of 9 x 12"):
        centre_crop(places(9, 12), 10)


def test_three_crops_are_first_last_middle_along_the_longer_axis():
    assert corners(three_crops(places(8, 20), 8)) == [(0, 0), (0, 12), (0, 6)]
    assert corners(three_crops(places(20, 8), 8)) == [(0, 0), (12, 0), (6, 0)]
    assert corners(three_crops(places(8, 21), 8)) == [(0, 0), (0, 12), (0, 6)]  # 13 to spare
    assert corners(three_crops(places(8, 8), 8)) == [(0, 0)] * 3
    assert three_crops(places(8, 20), 8).shape == (3, 2, 8, 8, 3)


def test_one_three_and_five_crops():
    wide, tall = places(8, 21), places(21, 8)
    assert corners(uniform_crops(wide, 8, 1)) == [(0, 6)]
    assert np.array_equal(uniform_crops(wide, 8, 3), three_crops(wide, 8))
    assert corners(uniform_crops(wide, 8, 5)) == [(0, 0), (0, 3), (0, 6), (0, 9), (0, 13)]
    assert corners(uniform_crops(tall, 8, 5)) == [(0, 0), (3, 0), (6, 0), (9, 0), (13, 0)]


@pytest.mark.parametrize("n", [1, 3, 5])
def test_crops_that_do_not_span_the_shorter_side_are_refused(n):
    with pytest.raises(ValueError, match="crops of 7 pixels need that shorter side, not 8 x 20"):
        uniform_crops(places(8, 20), 7, n)


def test_other_numbers_of_crops_are_refused():
    with pytest.raises(ValueError, match="2 crops"):
        uniform_crops(places(8, 20), 8, 2)


def test_a_clip_has_its_channels_first():
    frames = noise(5, 7, count=4)
    clip = to_clip(flip(frames))
    assert (clip.dtype, clip.shape, clip.is_contiguous()) == (torch.uint8, (3, 4, 5, 7), True)
    assert clip[1, 2, 3, 0] == frames[2, 3, 6, 1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_normalising(dtype):
    clips = torch.stack([to_clip(noise(5, 7, count=4)), to_clip(places(5, 7)).repeat(1, 2, 1, 1)])
    before = clips.clone()
    result = normalise(clips, dtype)
    assert result.dtype == dtype
    mean, std = NORMALISED["imagenet"]
    for c in range(3):
        wanted = (clips[:, c].double() - mean[c]) / std[c]
        tolerance = 0.02 if dtype == torch.bfloat16 else 1e-5
        torch.testing.assert_close(result[:, c].double(), wanted, atol=tolerance, rtol=0)
    assert torch.equal(clips, before)
    assert torch.equal(normalise(clips[0], dtype), result[0])


def test_erased_boxes_have_the_drawn_areas_and_ratios():
    generator = rng(2)
    boxes = [draw_erasing(224, 224, generator) for _ in range(8000)]
    drawn = [box for box in boxes if box is not None]
    assert abs(len(drawn) / len(boxes) - 0.25) < 0.02
    assert all(0 <= b.top <= 224 - b.height and 0 <= b.left <= 224 - b.width for b in drawn)
    areas = np.array([b.height * b.width / 224**2 for b in drawn])
    ratios = np.log([b.height / b.width for b in drawn])
    assert areas.min() > 0.019
    assert 0.3 < areas.max() < 0.34
    small = areas < 0.25  # there every ratio fits
    assert abs(np.mean(areas[small]) - (0.02 + 0.25) / 2) < 0.01
    assert abs(np.std(ratios[small]) - 2 * math.log(1 / 0.3) / math.sqrt(12)) < 0.03
    assert abs(np.mean(ratios[small])) < 0.06


def test_erasing_is_the_same_in_all_frames_and_nothing_else_changes():
    clips = normalise(torch.randint(1, 255, (3, 3, 4, 10, 12), dtype=torch.uint8))
    before = clips.clone()
    assert erase(clips, [None, Box(2, 3, 4, 5), Box(0, 0, 10, 12)]) is clips
    assert torch.equal(clips[0], before[0])
    erased = torch.zeros(10, 12, dtype=torch.bool)
    erased[2:6, 3:8] = True
    assert (clips[1][..., erased] == 0).all()
    assert torch.equal(clips[1][..., ~erased], before[1][..., ~erased])
    assert (clips[2] == 0).all()
    with pytest.raises(ValueError):
        erase(clips, [None])
