"""The embedded benchmark: its claims about itself."""

import dataclasses

import numpy as np
import pytest
import sklearn.datasets
import torch

from vswin.data.moving_digits import (
    CLASSES,
    DIRECTIONS,
    SWAPPED,
    TRAIN_INSTANCES,
    UNORDERED_FRAMES_BOUND,
    UNORDERED_PHASES_BOUND,
    MovingDigits,
    _load_scans,
    _render,
    _travel,
)
from vswin.errors import UsageError

CLEAN = MovingDigits(generator_seed=7, noise=0.0)
CLEAN_ONE = dataclasses.replace(CLEAN, digits=1)


def test_the_scans_are_those_of_scikit_learn():
    bundle = sklearn.datasets.load_digits()
    parts = [_load_scans(split) for split in ("train", "test")]
    for found, expected in zip(
        zip(*parts, strict=True), (bundle.images / 16, bundle.target), strict=True
    ):
        assert np.array_equal(np.concatenate(found), expected)
        assert np.concatenate(found).dtype == expected.dtype


def test_same_key_same_clips_another_key_others():
    clips, labels = CLEAN.batch("train", (0, 1), 24)
    again, same = CLEAN.batch("train", (0, 1), 24)
    assert torch.equal(clips, again)
    assert torch.equal(labels, same)
    for split, key in (("train", (0, 2)), ("train", (1, 1)), ("test", (0, 1))):
        assert not torch.equal(clips, CLEAN.batch(split, key, 24)[0])
    assert not torch.equal(
        clips, dataclasses.replace(CLEAN, generator_seed=8).batch("train", (0, 1), 24)[0]
    )


def test_shapes_balance_and_scale():
    data = MovingDigits(generator_seed=7)
    clips, labels = data.batch("train", (0,), 240)
    assert clips.shape == (240, 1, 16, 24, 24)
    assert clips.dtype == torch.float32
    assert labels.bincount().tolist() == [20] * 12
    assert abs(clips.mean()) < 0.1
    assert 0.8 < clips.std() < 1.5


def test_labels_that_do_not_divide_evenly_favour_no_class():
    counts = sum(CLEAN.batch("train", (s,), 32)[1].bincount(minlength=12) for s in range(150))
    assert counts.sum() == 150 * 32
    assert counts.min() > 0.9 * 400
    assert counts.max() < 1.1 * 400


def test_train_and_test_instances_are_disjoint():
    train, test = (
        {scan.tobytes() for scan in _load_scans(split)[0]} for split in ("train", "test")
    )
    assert sum(len(_load_scans(split)[0]) for split in ("train", "test")) == 1797
    assert not train & test


def shift_between(a, b):
    """The circular shift (height, width) that best maps image a to image b."""
    product = torch.fft.ifft2(torch.fft.fft2(b) * torch.fft.fft2(a).conj()).real
    place = int(product.argmax())
    shift = np.array([place // a.shape[1], place % a.shape[1]])
    return tuple((shift + a.shape[0] // 2) % a.shape[0] - a.shape[0] // 2)


def test_clips_move_as_their_class_says():
    clips, labels = CLEAN.batch("test", (3,), 48)
    for clip, label in zip(clips[:, 0], labels, strict=True):
        first, second = CLASSES[label]
        assert shift_between(clip[0], clip[7]) == tuple(7 * d for d in DIRECTIONS[first])
        assert shift_between(clip[8], clip[15]) == tuple(7 * d for d in DIRECTIONS[second])


def test_classes_are_closed_under_time_reversal_and_swap():
    opposite = {"up": "down", "down": "up", "left": "right", "right": "left"}
    assert len(set(CLASSES)) == 12
    for first, second in CLASSES:
        assert (opposite[second], opposite[first]) in CLASSES
        assert (second, first) in CLASSES
    for number, other in enumerate(SWAPPED):
        assert SWAPPED[other] == number
    assert pytest.approx(2 / 3) == UNORDERED_PHASES_BOUND


def test_how_many_classes_a_bag_of_frames_tells_apart():
    """By brute force: where one digit is in all frames, seen from each of these places."""

    def bag(label):
        steps = np.array([[DIRECTIONS[name] for name in CLASSES[label]]], dtype=float)
        path = _travel(steps[None], np.array([8]), 16)[0, 0].astype(int)
        seen = [sorted(map(tuple, ((path - place) % 24).tolist())) for place in path]
        return tuple(min(seen))  # a digit may start anywhere

    bags = {bag(label) for label in range(12)}
    assert len(bags) / 12 == pytest.approx(UNORDERED_FRAMES_BOUND) == 10 / 12
    up, down, right = (CLASSES.index((name, name)) for name in ("up", "down", "right"))
    assert bag(up) == bag(down) != bag(right)
    # Of two phases the reversal has another path: the second is followed for a step more.
    assert bag(CLASSES.index(("up", "right"))) != bag(CLASSES.index(("left", "down")))


def test_no_frame_tells_the_class():
    """Mean frames of the classes differ by no more than chance at any time."""
    data = dataclasses.replace(CLEAN, digits=3)
    clips, labels = data.batch("train", (5,), 4800)
    for frame in (0, 8, 15):
        images = clips[:, 0, frame]
        means = torch.stack([images[labels == c].mean(0) for c in range(12)])
        spread = means.std(0).mean()
        shuffled = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))]
        null = torch.stack([images[shuffled == c].mean(0) for c in range(12)]).std(0).mean()
        assert spread / null == pytest.approx(1, abs=0.1)


def test_fewer_frames_sample_the_same_clip_more_coarsely():
    full, labels = CLEAN.batch("train", (0,), 12)
    half, same = dataclasses.replace(CLEAN, frames=8).batch("train", (0,), 12)
    assert torch.equal(labels, same)
    torch.testing.assert_close(half, full[:, :, ::2])


def test_controls_destroy_the_evidence():
    still, _ = dataclasses.replace(CLEAN, control="single_frame").batch("train", (0,), 12)
    assert torch.equal(still, still[:, :, :1].expand_as(still))
    normal, _ = CLEAN.batch("train", (0,), 12)
    shuffled, _ = dataclasses.replace(CLEAN, control="shuffled_frames").batch("train", (0,), 12)

    def frames(clip):
        return sorted(round(frame.double().pow(2).sum().item(), 2) for frame in clip[0])

    moved = 0
    for a, b in zip(normal, shuffled, strict=True):
        assert not torch.equal(a, b)
        moved += len(frames(a)) == len(frames(b)) == 16
    assert moved == 12


def test_coherence_is_the_share_of_digits_that_follow():
    """With coherence 0 the label says nothing: frames move by a random class's direction."""
    data = dataclasses.replace(CLEAN, digits=1, coherence=0.0)
    clips, labels = data.batch("train", (0,), 600)
    agree = [
        shift_between(c[0, 0], c[0, 7]) == tuple(7 * d for d in DIRECTIONS[CLASSES[k][0]])
        for c, k in zip(clips, labels, strict=True)
    ]
    assert np.mean(agree) == pytest.approx(0.25, abs=0.06)  # one of four first directions


def test_rendering_equals_placing_pixels_one_by_one():
    generator = torch.Generator().manual_seed(0)
    ink = torch.rand(1, 2, 8, 8, generator=generator)
    path = torch.rand(1, 2, 3, 2, generator=generator) * 30 - 5
    size = 12
    expected = torch.zeros(1, 3, size, size)
    for digit in range(2):
        for frame in range(3):
            y, x = path[0, digit, frame].tolist()
            for i in range(8):
                for j in range(8):
                    top, left = int(np.floor(y + i)), int(np.floor(x + j))
                    fy, fx = y + i - top, x + j - left
                    for dy, wy in ((0, 1 - fy), (1, fy)):
                        for dx, wx in ((0, 1 - fx), (1, fx)):
                            expected[0, frame, (top + dy) % size, (left + dx) % size] += (
                                wy * wx * ink[0, digit, i, j]
                            )
    torch.testing.assert_close(_render(ink, path, size), expected, rtol=1e-4, atol=1e-5)


def only(monkeypatch, keep):
    """Blanks every scan but those that `keep(number, digit)` names."""
    scans, kinds = _load_scans("train")
    kept = np.array([keep(number, digit) for number, digit in enumerate(kinds)])
    blanked = np.where(kept[:, None, None], scans, 0.0)
    monkeypatch.setattr(
        "vswin.data.moving_digits._load_scans", lambda split: (blanked, kinds), raising=True
    )


@pytest.mark.parametrize(("task", "classes"), [("appearance", 20), ("stills", 10)])
def test_a_class_shows_its_digit_and_no_other(task, classes, monkeypatch):
    data = dataclasses.replace(CLEAN, task=task, digits=2)
    assert len(data.classes) == classes
    only(monkeypatch, lambda _, digit: digit == 3)
    clips, labels = data.batch("train", (0,), 4 * classes)
    assert labels.bincount().tolist() == [4] * classes
    has_ink = clips.flatten(1).amax(1) > clips.min() + 1e-4
    shows_three = torch.tensor([data.classes.digits[label] == 3 for label in labels])
    assert torch.equal(has_ink, shows_three)


def test_the_other_half_of_an_appearance_class_is_its_motion():
    data = dataclasses.replace(CLEAN, task="appearance", digits=1)
    clips, labels = data.batch("train", (0,), 40)
    for clip, label in zip(clips, labels, strict=True):
        (direction, same) = data.classes.phases[label]
        assert direction == same
        assert direction in ("left", "right")
        step = tuple(7 * d for d in DIRECTIONS[direction])
        assert shift_between(clip[0, 0], clip[0, 7]) == step
    # Each digit goes both ways, so that a frame tells half of the class.
    assert sorted({(data.classes.digits[c], data.classes.phases[c][0]) for c in range(20)}) == [
        (digit, way) for digit in range(10) for way in ("left", "right")
    ]


def test_each_clip_draws_its_difficulty_evenly_from_several_values():
    """Noise is read off pixels without ink; coherence off clips with a single digit."""
    silent = dataclasses.replace(CLEAN, noise=(0.1, 0.5), digits=1)
    clips, labels = silent.batch("train", (3,), 600)
    ink = CLEAN_ONE.batch("train", (3,), 600)[0]
    deviation = 0.26 * (clips - ink).std(dim=(1, 2, 3, 4))
    share = (deviation > 0.3).float().mean()
    assert (deviation.sub(0.1).abs().minimum(deviation.sub(0.5).abs()) < 0.05).all()
    assert 0.4 < share < 0.6
    mixed = dataclasses.replace(CLEAN_ONE, coherence=(0.0, 1.0))
    follows = (mixed.batch("train", (3,), 600)[0] == ink).flatten(1).all(1).float().mean()
    assert 0.5 < follows < 0.6  # all of one half, and of the other those that follow by chance
    assert torch.equal(labels, CLEAN_ONE.batch("train", (3,), 600)[1])


def test_one_value_is_the_same_as_several_equal_ones():
    one = MovingDigits(generator_seed=7, noise=0.3, coherence=0.6)
    several = dataclasses.replace(one, noise=(0.3, 0.3), coherence=(0.6,))
    for found, expected in zip(
        several.batch("test", (1,), 48), one.batch("test", (1,), 48), strict=True
    ):
        assert torch.equal(found, expected)


def test_the_switch_can_lie_beside_the_middle():
    """Up to it, clips are those that switch earlier or later; from it on, they are not."""
    usual = CLEAN_ONE.batch("train", (0,), 48)[0]
    late = dataclasses.replace(CLEAN_ONE, switch_offset=4).batch("train", (0,), 48)[0]
    same = (usual == late).all(dim=(0, 1, 3, 4))
    assert same.tolist() == [True] * 8 + [False] * 8


def test_training_clips_can_be_of_some_scans_alone():
    """Another range, other clips; none, the usual ones; the test's are the same for all."""
    usual = dataclasses.replace(CLEAN, task="stills", frames=1, timeline=2, digits=1)
    some = dataclasses.replace(usual, scans=(0, 30))
    scans, kinds = _load_scans("train")
    found, drawn = some._scans("train", np.random.default_rng(0), np.arange(10).repeat(50))
    assert np.array_equal(found, scans[:30])
    assert np.array_equal(kinds[:30][drawn[:, 0]], np.arange(10).repeat(50))
    assert set(drawn[:, 0]) == set(range(30))
    assert not torch.equal(some.batch("train", (0,), 20)[0], usual.batch("train", (0,), 20)[0])
    every = dataclasses.replace(usual, scans=(0, TRAIN_INSTANCES))
    assert torch.equal(every.batch("train", (0,), 20)[0], usual.batch("train", (0,), 20)[0])
    assert torch.equal(some.batch("test", (0,), 20)[0], usual.batch("test", (0,), 20)[0])
    assert (usual.slug, some.slug) == (("stills",), ("stills", "30_scans"))


def test_scans_without_one_of_the_digits_are_refused():
    few = dataclasses.replace(CLEAN, task="stills", scans=(0, 5))
    with pytest.raises(UsageError, match=r"scans 0 to 4 show no digit 5; give more"):
        few.batch("train", (0,), 10)
