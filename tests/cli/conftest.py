"""Videos that several commands are given."""

import numpy as np
import pytest

from tests.videos import write_video


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Four files, of which three are no videos, and lists of them."""
    folder = tmp_path_factory.mktemp("videos")
    rng = np.random.default_rng(0)
    write_video(folder / "good.mp4", rng.integers(0, 256, size=(8, 16, 16, 3), dtype=np.uint8))
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("no video\n")
    (folder / "junk.mp4").write_bytes(bytes(range(256)) * 8)
    names = ("good", "empty", "text", "gone")
    lines = [f"{name}.mp4 {label}\n" for label, name in enumerate(names)]
    (folder / "list.txt").write_text("".join(lines))
    many = [f"absent_{k:02}.mp4 {k % 10}\n" for k in range(25)]
    (folder / "many.txt").write_text("".join([lines[0], *many]))
    return folder
