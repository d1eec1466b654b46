"""Order, shares and micro-batches: section 4.1's batch of 64, whatever the number of GPUs."""

import dataclasses
from pathlib import Path

import pytest
import torch

from tests.videos import write_video
from vswin.data.annotations import AnnotationError, Video, VideoList
from vswin.data.clips import NoReadableVideoError, TrainClips, VideoData
from vswin.errors import UsageError
from vswin.training.distributed import World
from vswin.training.feeding import video_batches
from vswin.training.recipe import Recipe

DATA = VideoData(
    "digits_ssv2", frames=2, stride=2, size=16, resize=20, rand_augment=(2, 7), erasing=0.5
)
RECIPE = Recipe(epochs=3, batch_size=4)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Ten videos, each of one shade."""
    import numpy as np

    folder, rng = tmp_path_factory.mktemp("videos"), np.random.default_rng(0)
    listed = []
    for number in range(10):
        frames = rng.integers(0, 256, size=(8, 24, 32, 3), dtype=np.uint8)
        write_video(folder / f"{number}.mp4", frames)
        listed.append(Video(folder / f"{number}.mp4", number, str(number)))
    return VideoList("digits_ssv2", "train", folder, tuple(listed))


def steps(videos, world=None, micro_batch=8, workers=0, first=0, data=DATA, recipe=RECIPE, seed=7):
    """Everything that a process is fed with, from a step on."""
    recipe = recipe.for_clips(len(videos.videos))
    batches = video_batches(videos, data, recipe, seed, world or World(), micro_batch, workers)
    return list(batches(first))


def joined(parts):
    """A step's clips and labels in the order of the batch."""
    parts = sorted(parts, key=lambda part: part.first)
    loaded = [part.on(torch.device("cpu")) for part in parts]
    return tuple(torch.cat(each) for each in zip(*loaded, strict=True))


def test_an_epoch_shows_every_video_at_most_once_in_another_order_each_time(videos):
    fed = steps(videos)
    assert len(fed) == 3 * 2  # two batches of four from ten videos: two are left out
    epochs = [
        [*joined(fed[2 * e])[1].tolist(), *joined(fed[2 * e + 1])[1].tolist()] for e in range(3)
    ]
    assert all(len(set(epoch)) == 8 for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert {label for epoch in epochs for label in epoch} == set(range(10))  # others each time


def test_what_a_step_sees_depends_on_neither_processes_workers_nor_micro_batches(videos):
    alone = [joined(step) for step in steps(videos)]
    for micro_batch, workers in ((1, 0), (3, 0), (8, 2)):
        others = [joined(step) for step in steps(videos, None, micro_batch, workers)]
        for (clips, labels), (found, also) in zip(alone, others, strict=True):
            assert torch.equal(clips, found)
            assert torch.equal(labels, also)
    shares = [steps(videos, World(rank, 2), 1) for rank in range(2)]
    for (clips, labels), first, second in zip(alone, *shares, strict=True):
        found, also = joined([*first, *second])
        assert torch.equal(clips, found)
        assert torch.equal(labels, also)


def test_a_training_that_goes_on_is_fed_what_it_would_have_been(videos):
    whole, rest = steps(videos), steps(videos, first=3)
    for expected, found in zip(whole[3:], rest, strict=True):
        assert torch.equal(joined(expected)[0], joined(found)[0])


def test_another_seed_is_another_order_and_other_crops(videos):
    first, second = joined(steps(videos)[0]), joined(steps(videos, seed=8)[0])
    assert not torch.equal(first[1], second[1])
    clips, seeds = TrainClips(videos.videos, DATA, 7), TrainClips(videos.videos, DATA, 8)
    assert not torch.equal(clips[0, 3].clip, seeds[0, 3].clip)
    assert not torch.equal(clips[0, 3].clip, clips[1, 3].clip)  # nor the same in every epoch
    assert torch.equal(clips[1, 3].clip, clips[1, 3].clip)


def test_an_unreadable_video_is_replaced_by_a_seeded_one_and_counted(videos):
    broken = [dataclasses.replace(v, path=Path("nowhere.mp4")) for v in videos.videos[:3]]
    some = dataclasses.replace(videos, videos=(*broken, *videos.videos[3:]))
    fed = steps(some)
    assert sum(part.replaced for step in fed for part in step) > 0
    for expected, found in zip(fed, steps(some, micro_batch=1, workers=2), strict=True):
        assert torch.equal(joined(expected)[0], joined(found)[0])
        assert sum(p.replaced for p in expected) == sum(p.replaced for p in found)
    sample = TrainClips(some.videos, DATA, 7)[0, 0]
    assert sample.replaced
    assert sample.label >= 3  # its own label, not that of the video that it replaces
    kept = TrainClips(some.videos, DATA, 7)[0, 5]
    assert (kept.replaced, kept.label) == (False, 5)


def test_a_list_of_which_nothing_can_be_read_is_an_error(videos):
    gone = tuple(dataclasses.replace(v, path=Path("nowhere.mp4")) for v in videos.videos)
    with pytest.raises(NoReadableVideoError, match=r"nowhere.mp4.*vswin data check"):
        _ = TrainClips(gone, DATA, 7)[0, 0]


def test_what_cannot_be_trained_on_is_refused(videos):
    with pytest.raises(UsageError, match="batch of 4 cannot be shared evenly by 3 processes"):
        steps(videos, World(0, 3))
    nameless = dataclasses.replace(
        videos, videos=(*videos.videos, dataclasses.replace(videos.videos[0], label=-1, id="x"))
    )
    with pytest.raises(AnnotationError, match="no class for 1 videos, x for one"):
        steps(nameless)
    with pytest.raises(UsageError, match="10 training videos are fewer than one batch of 64"):
        steps(videos, recipe=Recipe())


def test_flip_mirrors_whole_clips(videos):
    still = dataclasses.replace(
        DATA, rand_augment=None, erasing=0.0, area=(1.0, 1.0), ratio=(4 / 3, 4 / 3)
    )
    plain = TrainClips(videos.videos, dataclasses.replace(still, flip=0.0), 7)
    mirrored = TrainClips(videos.videos, dataclasses.replace(still, flip=1.0), 7)
    for place in range(3):
        assert torch.equal(plain[0, place].clip.flip(-1), mirrored[0, place].clip)


def test_balanced_batches_follow_from_their_step_alone(videos):
    data = dataclasses.replace(DATA, balanced=True)
    whole = [joined(parts) for parts in steps(videos, data=data)]
    shared = [steps(videos, World(rank, 2), 1, first=3, data=data) for rank in (0, 1)]
    for (clips, labels), *parts in zip(whole[3:], *shared, strict=True):
        other_clips, other_labels = joined([part for of_rank in parts for part in of_rank])
        assert torch.equal(labels, other_labels)
        assert torch.equal(clips, other_clips)
    assert len(whole) == 6
