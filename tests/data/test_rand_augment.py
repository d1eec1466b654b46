"""RandAugment: each operation against arithmetic on the pixels, and what is drawn."""

import dataclasses

import numpy as np
import pytest

from vswin.data.rand_augment import (
    OPERATIONS,
    Operation,
    RandAugmentDraw,
    draw_rand_augment,
    rand_augment,
)

STRENGTH = 7 / 30
"""Of m = 7."""


def picture(height=40, width=60, count=2):
    """Smooth in space, different in each frame, with all levels from 20 to 220 or so."""
    y, x = np.mgrid[:height, :width]
    planes = [
        20 + 150 * x / width + 40 * y / height,
        210 - 160 * y / height - 20 * np.sin(x / 5),
        120 + 90 * np.sin(x / 9) * np.cos(y / 7),
    ]
    frame = np.stack(planes, axis=-1)
    return np.stack([frame + 10 * i for i in range(count)]).clip(0, 255).astype(np.uint8)


def applied(name, frames, sign=1, strength=STRENGTH, place=(0.5, 0.5)):
    operation = Operation(name, strength, sign, place)
    return rand_augment(frames, RandAugmentDraw(False, (0, 0, 0, 0), (operation,)))


def levels(frames):
    return frames.astype(int)


def test_the_operations_are_those_of_the_released_code():
    assert len(OPERATIONS) == 18


def test_operations_on_levels():
    frames = picture()
    assert np.array_equal(applied("identity", frames), frames)
    assert np.array_equal(applied("invert", frames), 255 - frames)
    assert np.array_equal(applied("posterize", frames), frames & 0b11111110)  # 8 - int(1.4) bits
    threshold = 197  # 256 - int(59.7)
    assert (frames >= threshold).any()
    solarized = np.where(frames < threshold, frames, 255 - frames)
    assert np.array_equal(applied("solarize", frames), solarized)


@pytest.mark.parametrize("sign, factor", [(1, 1.21), (-1, 0.79)])
def test_enhancements_are_by_21_percent(sign, factor):
    frames = picture()
    grey = frames @ np.array([0.299, 0.587, 0.114])
    mean = np.round(grey.mean(axis=(1, 2)))[:, None, None, None]  # of each frame by itself
    wanted = {
        "brightness": frames * factor,
        "contrast": mean + (frames - mean) * factor,
        "color": grey[..., None] + (frames - grey[..., None]) * factor,
    }
    for name, exact in wanted.items():
        difference = applied(name, frames, sign) - exact.clip(0, 255)
        assert np.abs(difference).max() < 1.6, name
    edge = np.zeros((1, 9, 9, 3), np.uint8)
    edge[:, :, 5:] = 200
    sharper = levels(applied("sharpness", edge + np.uint8(20), sign))[0, 4, :, 0]
    assert (sharper[5] - sharper[4] > 200) == (sign > 0)


def test_statistics_are_each_frames_own():
    frames = np.stack([picture(count=1)[0] // 2, picture(count=1)[0] // 4 + 100])
    stretched = applied("autocontrast", frames)
    for frame in stretched:
        assert frame.min(axis=(0, 1)).tolist() == [0, 0, 0]
        assert frame.max(axis=(0, 1)).min() >= 254
    for channel in applied("equalize", frames).reshape(-1, 3).T.reshape(6, -1):
        assert abs(channel.mean() - 127.5) < 8
        assert abs(channel.std() - 256 / np.sqrt(12)) < 8


@pytest.mark.parametrize("sign", [1, -1])
def test_translations_are_by_7_7_percent_and_fill_with_grey(sign):
    frames = picture(100, 200)
    shift = 15  # 0.077 of 200 is 15.4 pixels, and the nearest pixel is taken
    moved = applied("translate_x", frames, sign)
    kept, source = (slice(shift + 1, None), slice(1, -shift))
    if sign < 0:
        kept, source = (slice(None, -shift - 1), slice(shift, -1))
    assert np.array_equal(moved[:, :, kept], frames[:, :, source])
    assert (moved[:, :, :shift] if sign > 0 else moved[:, :, -shift:] == 128).all()
    assert (moved[:, :, 0 if sign > 0 else -1] == 128).all()
    upright = applied("translate_y", frames.transpose(0, 2, 1, 3), sign)
    assert np.array_equal(upright, moved.transpose(0, 2, 1, 3))


def where(frames):
    """(row, column) of the only white spot."""
    return tuple(axis.mean() for axis in np.nonzero(frames[0, ..., 0] > 200))


def spot(row, column, height=101, width=151):
    frames = np.zeros((1, height, width, 3), np.uint8)
    frames[:, row - 1 : row + 2, column - 1 : column + 2] = 255
    return frames


@pytest.mark.parametrize("sign", [1, -1])
def test_rotations_are_by_7_degrees_about_the_middle(sign):
    assert where(applied("rotate", spot(50, 75), sign)) == pytest.approx((50, 75), abs=0.5)
    row, column = where(applied("rotate", spot(50, 125), sign))
    assert np.hypot(row - 50, column - 75) == pytest.approx(50, abs=0.7)
    assert abs(np.degrees(np.arctan2(row - 50, column - 75))) == pytest.approx(7, abs=0.8)
    assert (row > 50) == (where(applied("rotate", spot(50, 125), -sign))[0] < 50)


@pytest.mark.parametrize("sign", [1, -1])
def test_shears_move_rows_by_7_percent_of_their_height(sign):
    row, column = where(applied("shear_x", spot(90, 75), sign))
    assert row == pytest.approx(90, abs=0.5)
    assert column - 75 == pytest.approx(sign * 0.0699 * 90, abs=0.7)
    row, column = where(applied("shear_y", spot(50, 120), sign))
    assert column == pytest.approx(120, abs=0.5)
    assert row - 50 == pytest.approx(sign * 0.0699 * 120, abs=0.7)


def test_cutting_out_a_square_of_14_6_percent_of_the_height():
    frames = picture(96, 128)
    frames[frames == 128] = 127
    for place, wanted in [((0.5, 0.5), (41, 57, 14, 14)), ((0.0, 1.0), (0, 121, 7, 7))]:
        changed = (applied("cutout", frames, place=place) == 128).all(axis=(0, 3))
        rows, columns = np.nonzero(changed)
        assert (rows.min(), columns.min()) == wanted[:2]
        assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == wanted[2:]
        assert changed.sum() == wanted[2] * wanted[3]


def test_blurring_and_smoothing_spread_a_spot_that_far():
    frames = np.zeros((1, 11, 11, 3), np.uint8)
    frames[:, 5, 5] = 160
    assert np.count_nonzero(applied("blur", frames)[0, ..., 0]) == 16  # the rim of 5 x 5
    smooth = applied("smooth", frames)[0, 4:7, 4:7, 0].tolist()
    assert smooth == [[12, 12, 12], [12, 62, 12], [12, 12, 12]]  # 1/13 and 5/13


def test_operations_are_applied_in_their_order():
    frames = picture()
    invert, darken = Operation("invert", 0.5, 1, (0, 0)), Operation("brightness", 0.5, -1, (0, 0))
    draw = RandAugmentDraw(False, (0, 0, 0, 0), (invert, darken))
    either = rand_augment(frames, draw)
    other = rand_augment(frames, dataclasses.replace(draw, operations=(darken, invert)))
    assert np.array_equal(either, applied("brightness", 255 - frames, -1, 0.5))
    assert np.array_equal(other, 255 - applied("brightness", frames, -1, 0.5))


def test_margins_are_cropped_and_the_rest_resized():
    frames = picture(100, 200)
    result = rand_augment(frames, RandAugmentDraw(False, (0.1, 0.05, 0.0, 0.2), ()))
    assert result.shape == frames.shape
    assert np.abs(levels(result)[:, 0, 0] - frames[:, 10, 40]).max() <= 2
    assert np.abs(levels(result)[:, -1, -1] - frames[:, 99, 189]).max() <= 2
    assert np.array_equal(rand_augment(frames, RandAugmentDraw(False, (0.0,) * 4, ())), frames)


def test_flipped():
    frames = picture()
    result = rand_augment(frames, RandAugmentDraw(True, (0.0,) * 4, ()))
    assert np.array_equal(result, frames[:, :, ::-1])


def test_all_frames_share_one_draw_and_the_input_stays():
    frames = np.repeat(picture(count=1), 3, axis=0)
    before = frames.copy()
    rng = np.random.default_rng(0)
    for _ in range(40):
        result = rand_augment(frames, draw_rand_augment(rng))
        assert (result.dtype, result.shape) == (np.uint8, frames.shape)
        assert (result == result[:1]).all()
    assert np.array_equal(frames, before)


def test_four_different_operations_all_equally_likely_in_any_order():
    rng = np.random.default_rng(0)
    draws = [draw_rand_augment(rng) for _ in range(3000)]
    names = [[operation.name for operation in draw.operations] for draw in draws]
    assert all(len(set(row)) == 4 for row in names)
    for place in range(4):
        counts = np.array([sum(row[place] == name for row in names) for name in OPERATIONS])
        assert ((counts - 3000 / 18) ** 2 / (3000 / 18)).sum() < 40.8  # 17 degrees, p = 0.001
    operations = [operation for draw in draws for operation in draw.operations]
    assert {operation.strength for operation in operations} == {STRENGTH}
    assert abs(np.mean([operation.sign for operation in operations])) < 0.04
    assert np.abs(np.mean([operation.place for operation in operations], axis=0) - 0.5).max() < 0.02
    margins = np.array([draw.margins for draw in draws])
    assert 0.99 < margins.max() / (7 / 224) <= 1
    assert np.abs(margins.mean(axis=0) / (7 / 224) - 0.5).max() < 0.03


def test_clips_are_mirrored_only_when_asked_for():
    rng = np.random.default_rng(0)
    assert not any(draw_rand_augment(rng).flipped for _ in range(200))
    share = np.mean([draw_rand_augment(rng, flip=0.5).flipped for _ in range(3000)])
    assert abs(share - 0.5) < 0.03


def test_the_generator_alone_decides():
    first, again, other = (draw_rand_augment(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("n, m", [(19, 7), (-1, 7), (4, 31), (4, -1)])
def test_what_cannot_be_drawn_is_refused(n, m):
    with pytest.raises(ValueError, match="RandAugment takes n up to 18 and m up to 30"):
        draw_rand_augment(np.random.default_rng(0), n, m)
