"""Rendered clips: what they show, and that they are the same wherever they are made."""

import numpy as np
import pytest
import torch

from vswin.data.render_digits import make_digits, rendered
from vswin.data.sample_videos import SAMPLE_KINDS, sample_clips
from vswin.data.transforms import normalise
from vswin.data.video import open_video
from vswin.models.registry import NaturalClips

SMALL = NaturalClips(size=32, frames=4, stride=16, pixels="half")


@pytest.mark.parametrize("kind", SAMPLE_KINDS)
def test_clips_are_as_a_model_is_meant_to_see_them(kind):
    clips = sample_clips(kind, 3, SMALL)
    assert clips.shape == (3, 3, 4, 32, 32)
    assert clips.dtype == torch.float32
    pixels = clips * (0.225 * 255) + 0.45 * 255
    torch.testing.assert_close(pixels, pixels.round(), rtol=0, atol=1e-3)
    assert pixels.min() >= -0.01
    assert pixels.max() <= 255.01
    assert (clips[:, :, 0] - clips[:, :, -1]).abs().amax(dim=(1, 2, 3)).min() > 0.1  # they move
    assert len({clip.sum().item() for clip in clips}) == 3
    torch.testing.assert_close(sample_clips(kind, 1, SMALL), clips[:1], rtol=0, atol=0)


def test_families_differ_in_pixels_alone():
    whole = sample_clips("photographs", 1, SMALL)
    other = sample_clips("photographs", 1, NaturalClips(size=32, frames=4, stride=16))
    pixels = (whole * (0.225 * 255) + 0.45 * 255).round()
    torch.testing.assert_close(other, normalise(pixels))


def test_digits_are_those_of_the_rendered_videos(tmp_path):
    make_digits(tmp_path, "kinetics", train=1, test=3, seed=5)
    _, other, video = rendered("kinetics", "test", 3, seed=5)
    (path,) = (tmp_path / "kinetics" / "test").glob(f"*/{video.id}_*.mp4")
    with open_video(path) as reader:
        shown = reader.read(list(range(64)))
    away, apart = (np.abs(shown.astype(int) - each.frames).mean() for each in (video, other))
    assert away < apart / 2  # what compression loses
