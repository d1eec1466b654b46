"""Every video gives the frames that its decoder delivers; the check says what is wrong with it."""

import numpy as np
import pytest

from tests.data.spliced_videos import BY_NAME
from tests.videos import b_frames, decoded, frames_of
from vswin.data.annotations import Video
from vswin.data.check_files import Stat, examine
from vswin.data.video import VideoReader, open_video

DAMAGED = [odd.name for odd in BY_NAME.values() if odd.faults]
QUICK = [odd.name for odd in BY_NAME.values() if odd.quick]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Makes a video once."""
    paths = {}

    def make(name):
        if name not in paths:
            paths[name] = BY_NAME[name].make(tmp_path_factory.mktemp("odd"))
        return paths[name]

    return make


@pytest.mark.parametrize("name", BY_NAME)
def test_frames_are_what_the_decoder_delivers(name, made):
    path, odd = made(name), BY_NAME[name]
    whole = decoded(path)
    assert odd.frames in (len(whole), None)
    assert (b_frames(path) > 0) == odd.b
    with open_video(path) as reader:
        found = reader.with_true_count(lambda count: reader.read(range(count)))
        assert reader.frames == len(whole)
        assert np.array_equal(found, whole)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_few_frames_are_the_same_ones(name, made):
    path = made(name)
    whole = decoded(path)
    rng = np.random.default_rng(1)
    for _ in range(6):
        wanted = np.sort(rng.integers(len(whole), size=4))
        with open_video(path) as reader:
            assert reader.frames == len(whole)
            assert np.array_equal(reader.read(wanted), whole[wanted]), wanted


@pytest.mark.parametrize("name", QUICK)
def test_whole_files_are_not_decoded_from_their_start(name, made, monkeypatch):
    monkeypatch.setattr(VideoReader, "_decode_all", lambda *_: pytest.fail("decoded everything"))
    with open_video(made(name)) as reader:
        reader.read([1, 30, 31, 70])


@pytest.mark.parametrize("name", BY_NAME)
def test_a_deep_check_says_what_is_wrong(name, made):
    path, odd = made(name), BY_NAME[name]
    found = examine((Video(path, 0, "a"), Stat(path.stat().st_size, 0), True))
    assert found.error is None
    assert found.frames == len(frames_of(path))
    assert odd.faults in "; ".join(found.faults)
    assert bool(odd.faults) == bool(found.faults)


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_wrong_is_said_again_of_the_same_file(name, made):
    """FFmpeg's messages about a file do not depend on those about the one before."""
    path = made(name)
    task = (Video(path, 0, "a"), Stat(path.stat().st_size, 0), True)
    assert examine(task) == examine(task)
