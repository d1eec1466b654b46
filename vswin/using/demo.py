"""A page for this machine alone: drop a video, see its top classes and where the model looks.

What is uploaded is removed once it is answered. What never is goes with the page's own folder, in
which gradio keeps everything.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import html
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from vswin.data.annotations import Video
from vswin.data.clips import read_views
from vswin.data.opening import UnreadableVideoError
from vswin.data.video_data import VideoData, ViewsTest
from vswin.errors import UsageError, VswinError
from vswin.evaluation.public import predict_video
from vswin.using.explaining import explain, gif_of
from vswin.using.heat_maps import method_of

HOST = "127.0.0.1"
FORGOTTEN_S = 3600
"""After so long an upload that nothing has asked about is removed, too."""


@dataclasses.dataclass(frozen=True)
class Shown:
    """What the page says of a video."""

    scores: dict[str, float]
    """SoftMax of the most likely classes, by their names."""
    gif: bytes
    """Frames of one clip beside heat maps."""
    about: str
    """What the heat maps are."""


Answering = Callable[[Path], Shown]


def answering(
    model: Any,
    names: Sequence[str],
    cut: VideoData,
    test: ViewsTest,
    device: torch.device,
    top: int,
) -> Answering:
    """What answers as `vswin predict` does, and explains the first answer.

    Args:
        model: of a family that has heat maps.
        names: of its classes.
        cut: how clips are cut.
        test: the views over which scores are averaged; the heat map is of one, from the middle.
        device: where to compute.
        top: how many classes.

    Raises:
        UsageError: if the family has none.
    """
    model, method = model.to(device), method_of(model)

    def answer(video: Path) -> Shown:
        answers = predict_video(video, model, names, cut, test, device, top)
        (view,) = read_views(Video(video, -1, video.name), cut, ViewsTest(1, 1))
        found = explain(model, view, cut.pixels, device, answers[0].label)
        of = f" for {answers[0].name}" if method.of_class else ""
        about = f"{method.name}{of}, of one clip of {cut.frames} frames"
        return Shown({each.name: each.score for each in answers}, gif_of(found), about)

    return answer


@contextlib.contextmanager
def served(title: str, answer: Answering, port: int | None, max_mb: int) -> Iterator[str]:
    """Serves the page, to this machine alone, while the block lasts.

    Args:
        title: of the page.
        answer: what is said of a video.
        port: None is the first free one from 7860.
        max_mb: megabytes of the largest video that is taken.

    Yields:
        Its address.

    Raises:
        UsageError: if the port cannot be had.
    """
    with tempfile.TemporaryDirectory(prefix="vswin-demo-") as folder, _settings(folder):
        import gradio

        page = _page(title, answer, max_mb)
        try:
            _, address, _ = page.launch(
                server_name=HOST,
                server_port=port,
                max_file_size=max_mb * 10**6,
                theme=gradio.themes.Default(font="sans-serif", font_mono="monospace"),
                footer_links=[],
                share=False,
                ssr_mode=False,
                quiet=True,
                prevent_thread_lock=True,
            )
        except OSError as error:
            which = "every port from 7860 on" if port is None else f"port {port}"
            raise UsageError(f"{which} is taken or barred; choose another with --port") from error
        try:
            yield address
        finally:
            page.close(verbose=False)


def _page(title: str, answer: Answering, max_mb: int) -> Any:
    import gradio

    def look(upload: str) -> tuple[None, dict[str, float] | None, str]:
        """The upload makes room for the next one, and goes."""
        try:
            shown = answer(Path(upload))
        except UnreadableVideoError as error:
            return None, None, _refusal(f"This cannot be read as a video: {error.reason}")
        except VswinError as error:
            return None, None, _refusal(str(error))
        finally:
            _remove(Path(upload))
        return None, shown.scores, _moving(shown)

    with gradio.Blocks(
        title=title, analytics_enabled=False, delete_cache=(60, FORGOTTEN_S)
    ) as page:
        gradio.Markdown(f"## {title}")
        with gradio.Row():
            video = gradio.Video(label=f"A video of up to {max_mb} MB", sources=["upload"])
            with gradio.Column():
                scores = gradio.Label(label="What it shows")
                heat = gradio.HTML()
        video.upload(look, video, [video, scores, heat], concurrency_limit=1)
    return page


def _moving(shown: Shown) -> str:
    """In the page itself: a file would lie in gradio's folder."""
    data = base64.b64encode(shown.gif).decode()
    words = html.escape(shown.about)
    return f'<img alt="{words}" src="data:image/gif;base64,{data}"><p>{words}</p>'


def _refusal(words: str) -> str:
    return f'<p role="alert">{html.escape(words)}</p>'


def _remove(upload: Path) -> None:
    """Gradio puts each into a folder of its own."""
    upload.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # the same file has been uploaded under another name, too
        upload.parent.rmdir()


@contextlib.contextmanager
def _settings(folder: str) -> Iterator[None]:
    """What gradio takes from the environment: its folder, and that this machine needs no proxy."""
    around = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    settings = {
        "GRADIO_TEMP_DIR": folder,
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_RUN_HISTORY": "False",  # it would keep what was asked and answered
        "no_proxy": ",".join(filter(None, (around, HOST))),
    }
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
