"""Videos on their way to a GPU while it computes with the ones before."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

import torch

from vswin.data.clips import SharedViews


def sent_ahead(
    videos: Iterable[SharedViews | str], device: torch.device
) -> Iterator[SharedViews | str]:
    """The same videos in the same order, their views on a GPU, each copied one video ahead.

    The copies have a stream of their own, so that they and the kernels run at the same time; from
    pinned memory, neither makes this process wait. The GPU holds the views of two videos, of 12
    views of 32 x 224 x 224 pixels 116 MB. On the CPU nothing is copied or read ahead.

    Args:
        videos: views, or why a video could not be read.
        device: where they are computed with.
    """
    if device.type != "cuda":
        yield from videos
        return
    copying = torch.cuda.Stream(device)
    ready: list[tuple[SharedViews | str, torch.cuda.Event | None]] = []
    for video in videos:
        ready.append(_sent(video, device, copying))
        if len(ready) > 1:
            yield _received(*ready.pop(0))
    for sent in ready:
        yield _received(*sent)


def _sent(
    video: SharedViews | str, device: torch.device, copying: torch.cuda.Stream
) -> tuple[SharedViews | str, torch.cuda.Event | None]:
    """The copy, which has only begun, and what says that it is there."""
    if isinstance(video, str):
        return video, None
    with torch.cuda.stream(copying):
        views = video.views.to(device, non_blocking=True)
    return dataclasses.replace(video, views=views), copying.record_event()


def _received(video: SharedViews | str, there: torch.cuda.Event | None) -> SharedViews | str:
    """For the stream that computes: it waits for the copy, and its memory is kept until then."""
    if not isinstance(video, str) and there is not None:
        computing = torch.cuda.current_stream(video.views.device)
        computing.wait_event(there)
        video.views.record_stream(computing)  # it is the other stream's, which does not know
    return video
