"""What a run's weights were trained on, for commands that are given the weights alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `vswin --help` has no use for them
    from vswin.data.video_data import VideoData, ViewsTest
    from vswin.evaluation.public import ClipsAsked


@dataclasses.dataclass(frozen=True)
class Trained:
    """The clips of a run on videos."""

    data: VideoData
    test: ViewsTest


def trained_with(weights: Path) -> Trained | None:
    """How the run was trained and tested in whose folder a file is; None if it is in none.

    Raises:
        StoreError: if its run.json is damaged.
    """
    from vswin.data.video_data import VideoData, ViewsTest
    from vswin.runs.store import RunFolder

    folder = RunFolder(weights.expanduser().absolute().parent)
    if not (folder.path / "run.json").is_file():
        return None
    config = folder.config()
    if not isinstance(config.data, VideoData) or not isinstance(config.test, ViewsTest):
        return None
    return Trained(config.data, config.test)


def as_trained(asked: ClipsAsked, trained: Trained | None) -> ClipsAsked:
    """What was asked of the clips, and what was not, as in the run."""
    if trained is None:
        return asked
    return dataclasses.replace(
        asked,
        frames=asked.frames or trained.data.frames,
        stride=asked.stride or trained.data.stride,
        size=asked.size or trained.data.size,
        views=asked.views or trained.test,
        sampling=trained.data.sampling,
    )
