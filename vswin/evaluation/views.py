"""Testing on videos (section 4.1): every listed video once, its score the mean over its views."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from vswin.data.annotations import Video, VideoList, require_labels
from vswin.data.clips import VideoData, ViewsTest, read_views
from vswin.data.datasets import class_names
from vswin.data.transforms import normalise
from vswin.data.video import UnreadableVideoError
from vswin.errors import VswinError
from vswin.files import DamagedFileError, read_json, write_json
from vswin.training.distributed import World
from vswin.training.loop import DTYPES

UNREADABLE = -1
"""Predicted class of a video that could not be read: a wrong answer."""
TOP = 5
CHUNK_VIEWS = 12
"""Views that go through the model together."""
SAVE_S = 300.0
"""Time between two notes of what has been tested."""


class UntestableError(VswinError):
    """There is nothing to test on, or the model gives no numbers."""


@dataclasses.dataclass(frozen=True)
class VideoPredictions:
    """One line for each listed video, in the list's order, for comparing two runs in pairs."""

    label: np.ndarray
    """(n,) int32 true class."""
    top1: np.ndarray
    """(n,) int32 predicted class, -1 if the video could not be read."""
    rank: np.ndarray
    """(n,) int32 number of classes scored at least as high as the true one, itself left out: 0 is
    a hit, < 5 a top-5 hit; the number of classes if the video could not be read."""
    top5: np.ndarray
    """(n, 5) int32 classes with the highest scores, the highest first; -1 where there is none."""
    score: np.ndarray
    """(n, 5) float32 their scores: SoftMax, averaged over the views."""


@dataclasses.dataclass(frozen=True)
class VideoEvaluation:
    """The outcome of a test."""

    predictions: VideoPredictions

    @property
    def listed(self) -> int:
        """Videos that the list names; every one counts."""
        return len(self.predictions.label)

    @property
    def present(self) -> int:
        """Videos that could be read."""
        return int((self.predictions.top1 != UNREADABLE).sum())

    @property
    def top1(self) -> float:
        """Over all listed videos, in [0, 1]."""
        return float((self.predictions.rank == 0).mean())

    @property
    def top5(self) -> float:
        """Over all listed videos, in [0, 1]."""
        return float((self.predictions.rank < TOP).mean())


@torch.inference_mode()
def score_views(
    model: nn.Module, views: Tensor, device: torch.device, precision: str = "fp32"
) -> Tensor:
    """SoftMax scores of each view.

    Args:
        model: in evaluation mode, on `device`.
        views: uint8 (v, 3, T, S, S).
        device: where to compute.
        precision: as in `Recipe.precision`.

    Returns:
        float32 (v, num_classes) on the CPU.
    """
    found = []
    for chunk in views.split(CHUNK_VIEWS):
        with torch.autocast(device.type, DTYPES[precision], enabled=precision != "fp32"):
            logits = model(normalise(chunk.to(device)))
        found.append(logits.float().softmax(dim=1).cpu())
    return torch.cat(found)


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

    Returns:
        The same in every process.

    Raises:
        UntestableError: if no video is listed, one has no label, none can be read, or the model's
            scores are no numbers.
    """
    world = world or World()
    if not videos.videos:
        raise UntestableError(f"{videos.source} lists no video of split {videos.split}")
    require_labels(videos)
    model.eval()
    done = _Notes(notes, world, _test_digest(model, videos, data, test, precision))
    mine = [i for i in range(world.rank, len(videos.videos), world.size) if i not in done.lines]
    before = len(range(world.rank, len(videos.videos), world.size)) - len(mine)
    loader = DataLoader(
        _Views([videos.videos[i] for i in mine], data, test),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=1 if workers else None,  # all views of a video are up to 0.7 GB
    )
    for number, (place, views) in enumerate(zip(mine, loader, strict=True), start=1):
        # Video by video: what comes out depends on no other video, so neither on the processes.
        scores = None
        if views is not None:
            scores = score_views(model, views, world.device, precision).mean(dim=0)
        done.add(place, _line(scores, videos.videos[place].label))
        on_video(before + number, before + len(mine))
    done.write()
    lines = {place: line for part in world.gather(done.lines) for place, line in part.items()}
    count = len(class_names(videos.dataset))
    evaluation = VideoEvaluation(_collect(lines, videos.videos, count))
    if evaluation.present == 0:
        raise UntestableError(
            f"none of the {len(videos.videos)} videos of {videos.source} can be read, the first is "
            f"{videos.videos[0].path}; `vswin data check` says why"
        )
    return evaluation


Line = tuple[int, int, list[int], list[float]]
"""top1, rank, top5 and score of one video."""


def _line(scores: Tensor | None, label: int) -> Line:
    if scores is None:
        return UNREADABLE, -1, [UNREADABLE] * TOP, [0.0] * TOP
    # A tie counts against the model, so that a constant one gets nothing for free.
    rank = int((scores >= scores[label]).sum()) - 1
    best = scores.topk(min(TOP, len(scores)))
    if not scores.isfinite().all():
        raise UntestableError(
            "the model's scores are not numbers; its weights are damaged, or overflow in this "
            "precision"
        )
    missing = TOP - len(best.indices)
    classes = best.indices.tolist() + [UNREADABLE] * missing
    return classes[0], rank, classes, best.values.tolist() + [0.0] * missing


def _collect(lines: dict[int, Line], videos: Sequence[Video], num_classes: int) -> VideoPredictions:
    """Every video exactly once, in the list's order."""
    top1, rank, top5, score = zip(*(lines[place] for place in range(len(videos))), strict=True)
    ranks = np.asarray(rank, dtype=np.int32)
    ranks[np.asarray(top1) == UNREADABLE] = num_classes
    return VideoPredictions(
        label=np.asarray([video.label for video in videos], dtype=np.int32),
        top1=np.asarray(top1, dtype=np.int32),
        rank=ranks,
        top5=np.asarray(top5, dtype=np.int32),
        score=np.asarray(score, dtype=np.float32),
    )


def _test_digest(
    model: nn.Module, videos: VideoList, data: VideoData, test: ViewsTest, precision: str
) -> str:
    """Of all that the answers depend on: another test's notes are not taken for this one's."""
    digest = hashlib.sha256(f"{videos.digest} {data} {test} {precision}".encode())
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


class _Views(Dataset[Tensor | None]):
    """The views of each video, None for one that cannot be read."""

    def __init__(self, videos: list[Video], data: VideoData, test: ViewsTest) -> None:
        self.videos, self.data, self.test = videos, data, test

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, index: int) -> Tensor | None:
        try:
            return read_views(self.videos[index], self.data, self.test)
        except UnreadableVideoError:
            return None


class _Notes:
    """What has been tested, by place in the list; written now and then, read again after a kill.

    A video that could not be read is tried again: the disk may be back.
    """

    def __init__(self, folder: Path | None, world: World, test: str) -> None:
        self.lines: dict[int, Line] = {}
        self.path = folder and folder / f"tested-{test}-{world.rank}-of-{world.size}.json"
        self.written = time.monotonic()
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            # Another number of processes may have begun: each takes up whatever any has noted.
            for path in sorted(folder.glob(f"tested-{test}-*.json")):
                with contextlib.suppress(DamagedFileError):
                    noted = read_json(path) or {}
                    self.lines |= {
                        int(place): tuple(line)
                        for place, line in noted.items()
                        if line[0] != UNREADABLE
                    }

    def add(self, place: int, line: Line) -> None:
        self.lines[place] = line
        if time.monotonic() - self.written >= SAVE_S:
            self.write()

    def write(self) -> None:
        if self.path is not None:
            write_json(self.path, self.lines)
            self.written = time.monotonic()
