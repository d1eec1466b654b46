"""Clips of videos whose true number of frames only shows while they are read."""

import numpy as np
import pytest
import torch

from tests.videos import decoded, moving, remuxed, with_data, write_video
from vswin.data import video
from vswin.data.annotations import Video
from vswin.data.clips import TrainClips, VideoData, ViewsTest, read_views
from vswin.data.packets import UntrustedError
from vswin.data.video import open_video

SAMPLING = ["dense", "segments"]


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """Packets 30 and 40 of 60 begin like pictures and are none; nothing else tells of them."""
    folder = tmp_path_factory.mktemp("damaged")
    whole = write_video(folder / "whole.webm", moving(60), "libvpx-vp9", gop=20)

    def change(place, packet):
        if place in (30, 40):
            return with_data(packet, bytes(packet)[:1] + bytes(packet.size - 1))
        return packet

    return remuxed(whole, folder / "damaged.webm", change=change)


def data_for(sampling):
    dataset = {"dense": "digits_kinetics", "segments": "digits_ssv2"}[sampling]
    return VideoData(dataset, frames=8, stride=6, size=16, resize=20, sampling=sampling)


def counting(monkeypatch):
    """From now on frames are counted by decoding, and known before anything is drawn."""

    def refuse(container, stream):
        raise UntrustedError("always")

    monkeypatch.setattr(video, "read_packets", refuse)


def test_the_file_seems_to_be_whole(damaged):
    whole = decoded(damaged)
    assert len(whole) < 60
    with open_video(damaged) as reader:
        assert reader.frames == 60
        assert np.array_equal(reader.read([5, 45, 50]), whole[[5, 45, 50]])
        assert reader.frames == len(whole)


@pytest.mark.parametrize("sampling", SAMPLING)
def test_training_draws_anew_by_the_true_number(sampling, damaged, monkeypatch):
    clips = TrainClips((Video(damaged, 0, "a"),), data_for(sampling), seed=7)
    found = [clips[epoch, 0] for epoch in range(6)]
    assert not any(sample.replaced for sample in found)
    counting(monkeypatch)
    for epoch, sample in enumerate(found):
        assert torch.equal(sample.clip, clips[epoch, 0].clip)
        assert sample.erased == clips[epoch, 0].erased


@pytest.mark.parametrize("sampling", SAMPLING)
def test_all_views_are_cut_by_the_true_number(sampling, damaged, monkeypatch):
    clips = {"dense": 4, "segments": 1}[sampling]
    views = read_views(Video(damaged, 0, "a"), data_for(sampling), ViewsTest(clips, 1))
    counting(monkeypatch)
    again = read_views(Video(damaged, 0, "a"), data_for(sampling), ViewsTest(clips, 1))
    assert torch.equal(views, again)
