"""Testing on videos (section 4.1): every listed video once, its score the mean over its views."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from vswin.data.annotations import Video, VideoList, require_labels
from vswin.data.clips import (
    SharedViews,
    VideoData,
    ViewsTest,
    read_shared_views,
    read_views,
)
from vswin.data.datasets import class_names
from vswin.data.transforms import normalise
from vswin.data.video import UnreadableVideoError
from vswin.data.video_data import Pixels
from vswin.errors import VswinError
from vswin.evaluation.sending import sent_ahead
from vswin.files import DamagedFileError, read_json, write_json
from vswin.tasks import SINGLE_LABEL, Task
from vswin.tasks.task import Kept, as_json, from_json, joined
from vswin.training.distributed import World
from vswin.training.loop import DTYPES

BEST = 5
"""Classes with the highest scores that are kept of each video."""
CHUNK_VIEWS = 12
"""Views that go through the model together."""
SAVE_S = 300.0
"""Time between two notes of what has been tested."""


class UntestableError(VswinError):
    """There is nothing to test on, or the model gives no numbers."""


@dataclasses.dataclass(frozen=True)
class VideoEvaluation:
    """The outcome of a test."""

    predictions: Kept
    """What the task keeps of each listed video, in the list's order."""
    metrics: dict[str, float]
    """The task's, over all listed videos."""
    unreadable: dict[int, str]
    """Why a video could not be read, by its place in the list."""

    @property
    def present(self) -> int:
        """Videos that could be read."""
        return self.listed - len(self.unreadable)

    @property
    def listed(self) -> int:
        """Videos that the list names; every one counts."""
        return len(next(iter(self.predictions.values())))


@torch.inference_mode()
def score_views(
    model: nn.Module,
    views: Tensor,
    device: torch.device,
    precision: str = "fp32",
    task: Task = SINGLE_LABEL,
    pixels: Pixels = "imagenet",
) -> Tensor:
    """The task's scores of each view.

    Args:
        model: in evaluation mode, on `device`.
        views: uint8 (v, 3, T, S, S).
        device: where to compute.
        precision: as in `Recipe.precision`.
        task: what the labels are.
        pixels: how the views are normalised.

    Returns:
        float32 (v, num_classes) on the CPU.
    """
    found = []
    for chunk in views.split(CHUNK_VIEWS):
        with torch.autocast(device.type, DTYPES[precision], enabled=precision != "fp32"):
            logits = model(normalise(chunk.to(device, non_blocking=True), pixels=pixels))
        found.append(task.scores(logits))
    return torch.cat(found).cpu()  # a GPU is waited for once


def evaluate_videos(
    model: nn.Module,
    videos: VideoList,
    data: VideoData,
    test: ViewsTest,
    world: World | None = None,
    precision: str = "fp32",
    workers: int = 0,
    notes: Path | None = None,
    on_video: Callable[[int, int], None] = lambda done, videos: None,
    task: Task = SINGLE_LABEL,
) -> VideoEvaluation:
    """Tests on every listed video once, whatever the number of processes.

    A video that cannot be read is never replaced: it counts as wrong.

    Args:
        model: the trained model, on `world.device`, the same in every process.
        videos: what to test on.
        data: how clips are cut.
        test: views.
        world: this process; None is alone on the CPU.
        precision: as in `Recipe.precision`.
        workers: processes that decode; 0 decodes in this one.
        notes: folder where what has been tested is noted now and then, so that a test that was
            killed goes on; None notes nothing.
        on_video: called with (videos done, videos in all) as this process's share is worked off.
        task: what the labels are.

    Returns:
        The same in every process.

    Raises:
        UntestableError: if no video is listed, one has no label, none can be read, or the model's
            scores are no numbers.
    """
    tests = (test,)
    (found,) = evaluate_in_views(
        model, videos, data, tests, world, precision, workers, notes, on_video, task
    )
    return found


def evaluate_in_views(
    model: nn.Module,
    videos: VideoList,
    data: VideoData,
    tests: Sequence[ViewsTest],
    world: World | None = None,
    precision: str = "fp32",
    workers: int = 0,
    notes: Path | None = None,
    on_video: Callable[[int, int], None] = lambda done, videos: None,
    task: Task = SINGLE_LABEL,
) -> list[VideoEvaluation]:
    """Several tests in one pass over the videos (Figure A.4).

    Each video is decoded once, and a view that several tests have is scored once.
    Each test notes what it has tested for itself, so that what one was done alone for is not done
    again. The others' views are beside a view when it is scored, so that scores differ from those
    of a test alone in how sums are rounded (10^-6).

    Args:
        model: as for `evaluate_videos`, as are the others, what it raises, and what is returned
            for each test.
        videos: likewise.
        data: likewise.
        tests: views of each.
        world: likewise.
        precision: likewise.
        workers: likewise.
        notes: likewise.
        on_video: likewise.
        task: likewise.
    """
    world = world or World()
    if not videos.videos:
        raise UntestableError(f"{videos.source} lists no video of split {videos.split}")
    require_labels(videos)
    model.eval()
    done = {
        test: _Notes(notes, world, _test_digest(model, videos, data, test, precision))
        for test in tests
    }
    share = range(world.rank, len(videos.videos), world.size)
    lacking = {i: [test for test in done if i not in done[test].kept] for i in share}
    mine = [i for i in share if lacking[i]]
    before = len(share) - len(mine)
    loader = DataLoader(
        _Views([(videos.videos[i], lacking[i]) for i in mine], data),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=1 if workers else None,  # all views of a video are up to 0.7 GB
        pin_memory=world.device.type == "cuda",
    )
    sent = sent_ahead(loader, world.device)
    for number, (place, views) in enumerate(zip(mine, sent, strict=True), start=1):
        # Video by video: what comes out depends on no other video, so neither on the processes.
        if isinstance(views, str):
            for test in lacking[place]:
                done[test].add(place, views)
        else:
            of_views = score_views(model, views.views, world.device, precision, task, data.pixels)
            for test, chosen in zip(lacking[place], views.places, strict=True):
                scores = of_views[list(chosen)].mean(dim=0)
                done[test].add(place, _kept(scores, videos.videos[place], task))
        on_video(before + number, before + len(mine))
    return [_gathered(done[test], videos, world, task) for test in tests]


def _gathered(done: _Notes, videos: VideoList, world: World, task: Task) -> VideoEvaluation:
    """What all processes have found in one test."""
    done.write()
    found = {place: kept for part in world.gather(done.kept) for place, kept in part.items()}
    predictions = _in_order(found, videos, task)
    unreadable = {place: why for place, why in sorted(found.items()) if isinstance(why, str)}
    if len(unreadable) == len(videos.videos):
        raise UntestableError(
            f"none of the {len(videos.videos)} videos of {videos.source} can be read, the first is "
            f"{videos.videos[0].path} ({unreadable[0]}); `vswin data check` says more"
        )
    return VideoEvaluation(predictions, task.metrics(predictions), unreadable)


def _kept(scores: Tensor, video: Video, task: Task) -> Kept:
    if not scores.isfinite().all():
        raise UntestableError(
            "the model's scores are not numbers; its weights are damaged, or overflow in this "
            "precision"
        )
    return task.keep(scores[None], torch.tensor([video.label]), BEST)


def _in_order(found: dict[int, Kept | str], videos: VideoList, task: Task) -> Kept:
    """Every video exactly once, in the list's order; those that could not be read are wrong."""
    count = len(class_names(videos.dataset))
    lines = []
    for place, video in enumerate(videos.videos):
        kept = found[place]
        target = torch.tensor([video.label])
        lines.append(task.keep_missing(target, count, BEST) if isinstance(kept, str) else kept)
    return joined(lines)


def _test_digest(
    model: nn.Module, videos: VideoList, data: VideoData, test: ViewsTest, precision: str
) -> str:
    """Of all that the answers depend on: another test's notes are not taken for this one's."""
    digest = hashlib.sha256(f"{videos.digest} {data} {test} {precision}".encode())
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


class _Views(Dataset[SharedViews | str]):
    """The views of each video for some tests; for one that cannot be read, the reason."""

    def __init__(self, videos: list[tuple[Video, list[ViewsTest]]], data: VideoData) -> None:
        self.videos, self.data = videos, data

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, index: int) -> SharedViews | str:
        video, tests = self.videos[index]
        try:
            if len(tests) > 1:
                return read_shared_views(video, self.data, tests)
            views = read_views(video, self.data, tests[0])
            return SharedViews(views, (tuple(range(len(views))),))
        except UnreadableVideoError as error:
            return error.reason


class _Notes:
    """What has been tested, by place in the list; written now and then, read again after a kill.

    Of a video that could not be read it is the reason. That is not noted, and so the video is tried
    again: the disk may be back.
    """

    def __init__(self, folder: Path | None, world: World, test: str) -> None:
        self.kept: dict[int, Kept | str] = {}
        self.path = folder and folder / f"tested-{test}-{world.rank}-of-{world.size}.json"
        self.written = time.monotonic()
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            # Another number of processes may have begun: each takes up whatever any has noted.
            for path in sorted(folder.glob(f"tested-{test}-*.json")):
                with contextlib.suppress(DamagedFileError):
                    noted = read_json(path) or {}
                    self.kept |= {int(place): from_json(line) for place, line in noted.items()}

    def add(self, place: int, kept: Kept | str) -> None:
        self.kept[place] = kept
        if time.monotonic() - self.written >= SAVE_S:
            self.write()

    def write(self) -> None:
        if self.path is not None:
            noted = {i: as_json(kept) for i, kept in self.kept.items() if not isinstance(kept, str)}
            write_json(self.path, noted)
            self.written = time.monotonic()
