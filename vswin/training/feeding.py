"""Feeding the training loop with clips of videos: order, shares, micro-batches, workers."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Iterator, Sequence

from torch.utils.data import DataLoader

from vswin.data.annotations import VideoList, require_labels
from vswin.data.clips import ClipBatch, Sample, TrainClips, VideoData, collate, random_of
from vswin.errors import UsageError
from vswin.training.batch import Batches
from vswin.training.distributed import World
from vswin.training.recipe import Recipe


def video_batches(
    videos: VideoList,
    data: VideoData,
    recipe: Recipe,
    seed: int,
    world: World,
    micro_batch: int = 8,
    workers: int = 0,
) -> Batches:
    """This process's share of every batch of a training.

    Every epoch goes through the list in a seeded order of its own and leaves out what does not fill
    a batch. If `data.balanced`, it is as long, and shows every class as often as any other: all of
    them in turn, in an order of their own each time, and of each class its videos in turn. Which
    videos a step sees depends on neither processes nor workers nor micro-batches.

    Args:
        videos: the training split.
        data: how clips are cut.
        recipe: with `steps_per_epoch` settled.
        seed: of the run.
        world: this process; each takes an equal stretch of every batch.
        micro_batch: most clips at a time.
        workers: processes that decode; 0 decodes in this one.

    Raises:
        AnnotationError: if a video has no class.
        UsageError: if the batch cannot be shared evenly.
    """
    require_labels(videos)
    if recipe.batch_size % world.size:
        raise UsageError(
            f"a batch of {recipe.batch_size} cannot be shared evenly by {world.size} processes"
        )

    def batches(first_step: int) -> Iterator[Sequence[ClipBatch]]:
        labels = [video.label for video in videos.videos]
        turns = _balanced_epoch(labels) if data.balanced else _shuffled_epoch(len(labels))
        order = _Order(turns, recipe, seed, world, micro_batch, first_step)
        gc.freeze()  # a collection in a worker would copy the list, page by page, into each
        loader: DataLoader[ClipBatch] = DataLoader(
            _Keyed(TrainClips(videos.videos, data, seed)),  # type: ignore[arg-type]
            batch_sampler=order,
            collate_fn=_collate,
            num_workers=workers,
            pin_memory=world.device.type == "cuda",
        )
        parts: list[ClipBatch] = []
        share = recipe.batch_size // world.size
        for part in loader:
            parts.append(part)
            if sum(map(len, parts)) == share:
                yield parts
                parts = []

    return batches


Epoch = Callable[[int, int, int], list[tuple[int, int]]]
"""From the seed of a run, an epoch and its number of clips to (turn through the list, place in it)
of each clip. Two clips of one video are of different turns."""


def _shuffled_epoch(count: int) -> Epoch:
    """The list in another order each time; an epoch that is longer begins it again."""

    def keys(seed: int, epoch: int, wanted: int) -> list[tuple[int, int]]:
        turns = -(-wanted // count)
        found: list[tuple[int, int]] = []
        for turn in range(turns):
            rng = random_of(seed, "order", epoch, turn)
            found += [(epoch * turns + turn, p) for p in rng.permutation(count).tolist()]
        return found

    return keys


def _balanced_epoch(labels: Sequence[int]) -> Epoch:
    """Every class in turn, and of each class its videos in turn."""
    places: dict[int, list[int]] = {}
    for place, label in enumerate(labels):
        places.setdefault(label, []).append(place)

    def keys(seed: int, epoch: int, wanted: int) -> list[tuple[int, int]]:
        rng = random_of(seed, "order", epoch)
        rounds = -(-wanted // len(places))
        turns = max(-(-rounds // len(of_class)) for of_class in places.values())
        queues = [
            [
                (epoch * turns + turn, p)
                for turn in range(-(-rounds // len(of_class)))
                for p in rng.permutation(of_class).tolist()
            ]
            for of_class in places.values()
        ]
        return [queues[c][r] for r in range(rounds) for c in rng.permutation(len(queues)).tolist()]

    return keys


class _Order:
    """Micro-batch by micro-batch, the keys (place in the step's batch, epoch, place in list)."""

    def __init__(
        self, epoch: Epoch, recipe: Recipe, seed: int, world: World, micro_batch: int, first: int
    ) -> None:
        self.epoch, self.recipe, self.seed, self.first = epoch, recipe, seed, first
        self.world, self.micro_batch = world, micro_batch

    def __iter__(self) -> Iterator[list[tuple[int, int, int]]]:
        size, per_epoch = self.recipe.batch_size, self.recipe.steps // self.recipe.epochs
        share = size // self.world.size
        start = self.world.rank * share
        order = functools.lru_cache(maxsize=1)(
            lambda epoch: self.epoch(self.seed, epoch, per_epoch * size)
        )
        for step in range(self.first, self.recipe.steps):
            epoch, number = divmod(step, per_epoch)
            keys = order(epoch)[number * size : (number + 1) * size]
            for first in range(start, start + share, self.micro_batch):
                last = min(first + self.micro_batch, start + share)
                yield [(i, *keys[i]) for i in range(first, last)]


class _Keyed:
    """Hands the place in the step's batch through to `collate`."""

    def __init__(self, clips: TrainClips) -> None:
        self.clips = clips

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, key: tuple[int, int, int]) -> tuple[int, Sample]:
        return key[0], self.clips[key[1:]]


def _collate(samples: list[tuple[int, Sample]]) -> ClipBatch:
    return collate([sample for _, sample in samples], samples[0][0])
