"""What models make of videos before they classify: one vector for each video, or all tokens.

Each video's features are kept in a folder beside the file until all are there, so that the same
command goes on where it stopped.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import shutil
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from vswin.data.annotations import Video
from vswin.data.clips import read_views
from vswin.data.transforms import normalise
from vswin.data.video import UnreadableVideoError
from vswin.data.video_data import VideoData, ViewsTest
from vswin.evaluation.views import CHUNK_VIEWS, UntestableError
from vswin.files import atomic_write
from vswin.models.registry import family_of
from vswin.weights.checkpoint import head_of


@dataclasses.dataclass(frozen=True)
class Extraction:
    """What is computed of each video."""

    data: VideoData
    """How clips are cut."""
    test: ViewsTest
    """Which views: vectors are means over them; tokens are of one."""
    tokens: bool
    """Whether all tokens are wanted, and not a vector."""
    model: str
    """Its configuration."""
    weights: str
    """Digest of the model's weights."""


@torch.no_grad()
def features_of(model: nn.Module, clips: Tensor, tokens: bool = False) -> Tensor:
    """The features of normalised clips.

    Args:
        model: from `vswin.build_model`, in evaluation mode.
        clips: (B, C, T, H, W), on the model's device.
        tokens: whether all tokens are wanted.

    Returns:
        (B, C'), what the classifier reads: of Swin the mean over all tokens, of MViT the class
        token; or (B, T', H', W', C'), what `forward_features` gives.
    """
    if tokens:
        found: Tensor = model.forward_features(clips)  # type: ignore[operator]
        return found
    read: list[Tensor] = []
    head = model.get_submodule(head_of(family_of(model)).rstrip("."))
    handle = head.register_forward_pre_hook(lambda _, args: read.append(args[0]))
    try:
        model(clips)
    finally:
        handle.remove()
    (features,) = read
    return features if features.ndim == 2 else features.flatten(1, -2).mean(dim=1)


def extract_features(
    model: nn.Module,
    videos: Sequence[Video],
    what: Extraction,
    out: Path,
    device: torch.device,
    batch: int = 4,
    workers: int = 0,
    skip_unreadable: bool = False,
    on_video: Callable[[int, int], None] = lambda done, videos: None,
) -> dict[Path, str]:
    """Writes `features`, float32 (n, ...), and `videos`, their paths, in order, to an .npz file.

    `labels`, int64 (n,), are beside them if all videos have one.

    Args:
        model: on `device`, in evaluation mode.
        videos: the files, with labels or without (-1); one that is named twice is twice in the
            result.
        what: of each of them.
        out: the file; it is written when all videos are done.
        device: where to compute.
        batch: videos whose views go through the model together.
        workers: decoding processes.
        skip_unreadable: whether the file is written without videos that cannot be read.
        on_video: told how many videos are done, of how many.

    Returns:
        Why a video could not be read. Unless these are to be skipped, or if they are all that
        there is, nothing is written then, but what was computed is kept.

    Raises:
        NotWritableError: if something cannot be written.
        UntestableError: if the features are not numbers.
    """
    folder = out.with_name(f"{out.name}.parts")
    folder.mkdir(exist_ok=True)
    parts = [folder / f"{_name(video.path, what)}.npy" for video in videos]
    missing = {part: video for part, video in zip(parts, videos, strict=True) if not part.exists()}
    done = len(videos) - len(missing)
    unreadable: dict[Path, str] = {}
    loader = DataLoader(
        _Views([video.path for video in missing.values()], what),
        batch_size=batch,
        num_workers=workers,
        collate_fn=list,
        prefetch_factor=1 if workers else None,
    )
    waiting = iter(missing)
    on_video(done, len(videos))
    for some in loader:
        placed = dict(zip(itertools.islice(waiting, len(some)), some, strict=True))
        unreadable |= {missing[p].path: why for p, why in placed.items() if isinstance(why, str)}
        views = {part: found for part, found in placed.items() if isinstance(found, Tensor)}
        for part, found in _through(model, views, what, device).items():
            with atomic_write(part) as file:
                np.save(file, found.numpy())
        done += len(some)
        on_video(done, len(videos))
    kept = [(v, p) for v, p in zip(videos, parts, strict=True) if v.path not in unreadable]
    if kept and (skip_unreadable or not unreadable):
        _join(out, kept, dataclasses.asdict(what))
        shutil.rmtree(folder)
    return unreadable


def _through(
    model: nn.Module, views: Mapping[Path, Tensor], what: Extraction, device: torch.device
) -> dict[Path, Tensor]:
    """The features of each video, of views uint8 (v, 3, T, S, S) each."""
    if not views:
        return {}
    chunks = torch.cat(list(views.values())).split(CHUNK_VIEWS)
    found = [
        features_of(model, normalise(chunk.to(device), pixels=what.data.pixels), what.tokens).cpu()
        for chunk in chunks
    ]
    if not all(each.isfinite().all() for each in found):
        raise UntestableError("the model's features are not numbers; its weights are damaged")
    of_videos = torch.cat(found).float().split([len(each) for each in views.values()])
    return {part: each.mean(dim=0) for part, each in zip(views, of_videos, strict=True)}


def _join(out: Path, kept: Sequence[tuple[Video, Path]], about: dict[str, Any]) -> None:
    """Puts the parts into one file, one at a time: together they may be larger than memory."""
    shape = np.load(kept[0][1], mmap_mode="r").shape
    header = {"descr": "<f4", "fortran_order": False, "shape": (len(kept), *shape)}
    others: dict[str, Any] = {"videos": [str(video.path) for video, _ in kept]}
    others["about"] = json.dumps(about)
    labels = [video.label for video, _ in kept]
    if min(labels) >= 0:
        others["labels"] = np.array(labels, dtype=np.int64)
    with atomic_write(out) as file, zipfile.ZipFile(file, "w") as archive:
        with archive.open("features.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array_header_1_0(member, header)
            for _, part in kept:
                member.write(np.load(part).astype("<f4").tobytes())
        for name, value in others.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, np.array(value), allow_pickle=False)


def _name(video: Path, what: Extraction) -> str:
    """Another one for another video, a changed file or other settings."""
    try:
        state = video.stat()
        seen = f"{state.st_size} {state.st_mtime_ns}"
    except OSError:  # not there; reading it says so
        seen = ""
    versions = f"{VideoData.VERSION} {ViewsTest.VERSION}"  # of the code that cuts clips
    text = f"{video.absolute()} {seen} {what} {versions}"
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:32]


class _Views(Dataset["Tensor | str"]):
    """The views of each video; for one that cannot be read, the reason."""

    def __init__(self, videos: list[Path], what: Extraction) -> None:
        self.videos, self.what = videos, what

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, index: int) -> Tensor | str:
        path = self.videos[index]
        try:
            return read_views(Video(path, -1, path.name), self.what.data, self.what.test)
        except UnreadableVideoError as error:
            return error.reason
