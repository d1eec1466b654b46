"""Run ids: stable, and different for different runs."""

import dataclasses
import json
from pathlib import Path
from typing import get_args

import pytest

from vswin.data.clips import VideoData, ViewsTest
from vswin.data.moving_digits import MovingDigits
from vswin.evaluation.grid import GridTest
from vswin.experiments.library import Library
from vswin.models.swin.config import PRESETS, VideoSwinConfig
from vswin.project import experiments_dir
from vswin.runs.config import (
    Data,
    FromCheckpoint,
    FromRun,
    Random,
    RunConfig,
    TestOnly,
    read_config,
)
from vswin.runs.execute import EXECUTORS
from vswin.runs.identity import default_of
from vswin.runs.store import RunFolder, StoreError
from vswin.tasks import SingleLabel
from vswin.training.recipe import Recipe

GOLDEN = Path(__file__).parent / "golden_identity.json"
KINDS = (
    VideoSwinConfig,
    MovingDigits,
    Recipe,
    GridTest,
    RunConfig,
    Random,
    FromRun,
    FromCheckpoint,
    TestOnly,
    SingleLabel,
    VideoData,
    ViewsTest,
)
BASE = RunConfig(
    preset="swin_t",
    model=dataclasses.replace(PRESETS["swin_t"], num_classes=12, window_size=(4, 3, 3)),
    data=MovingDigits(generator_seed=0),
    recipe=Recipe(steps_per_epoch=10, lr=1e-3),
    test=GridTest(clips_per_cell=24, coherence=(1.0,), noise=(0.2,)),
    seed=0,
)
ON_VIDEOS = RunConfig(
    preset="swin_t",
    model=PRESETS["swin_t"],
    data=VideoData("kinetics400"),
    recipe=Recipe(),
    test=ViewsTest(),
    seed=0,
    init=FromCheckpoint("swin_tiny_patch4_window7_224.pth", "2d"),
)


def defaults(kind):
    found = {f.name: default_of(f) for f in dataclasses.fields(kind)}
    found = {k: v for k, v in found.items() if v is not dataclasses.MISSING}
    return {
        k: dataclasses.asdict(v) if dataclasses.is_dataclass(v) else v for k, v in found.items()
    }


def test_what_a_checkpoint_digests_to_is_no_part_of_the_run():
    known = dataclasses.replace(ON_VIDEOS.init, digest="0" * 64)
    assert dataclasses.replace(ON_VIDEOS, init=known).run_id == ON_VIDEOS.run_id
    other = dataclasses.replace(ON_VIDEOS.init, file="other.pth")
    assert dataclasses.replace(ON_VIDEOS, init=other).run_id != ON_VIDEOS.run_id


STARTS = [
    Random(),
    FromCheckpoint("x.pth", "2d", {"embedding": "center"}, "0" * 64),
    FromRun(dataclasses.replace(BASE, is_pretraining=True), {"bias": "center"}),
    TestOnly(dataclasses.replace(ON_VIDEOS, init=FromRun(BASE))),
]


@pytest.mark.parametrize("config", [BASE, ON_VIDEOS], ids=["digits", "videos"])
def test_what_is_written_is_read_again(config, tmp_path):
    for init in STARTS:
        one = dataclasses.replace(config, init=init)
        folder = RunFolder(tmp_path / one.run_id)
        folder.create(one)
        assert folder.config() == one


@pytest.mark.parametrize("part", ["model", "data", "test", "init", "task"])
def test_unions_are_told_apart_by_their_tags_alone(part):
    tag = "family" if part == "model" else "kind"
    content = ON_VIDEOS.as_dict()
    assert content[part][tag] == ON_VIDEOS.identity()[part][tag]
    for broken in ({k: v for k, v in content[part].items() if k != tag}, {tag: "other"}):
        if part == "task" and not broken:
            continue  # there is but one task yet
        with pytest.raises(ValueError, match=r".+"):
            read_config(content | {part: broken})


def test_each_kind_of_data_has_one_way_to_be_executed():
    (members, _) = get_args(Data)
    assert EXECUTORS.keys() == {member.kind for member in get_args(members)}


def again(config):
    """The same run, that knows nothing of its id yet."""
    return dataclasses.replace(config)


def test_a_fix_of_the_video_transforms_leaves_runs_on_moving_digits_alone(monkeypatch, tmp_path):
    digits, videos = BASE.run_id, ON_VIDEOS.run_id
    later = dataclasses.replace(BASE, init=FromRun(ON_VIDEOS)).run_id
    folder = RunFolder(tmp_path / videos)
    folder.create(ON_VIDEOS)
    monkeypatch.setattr(VideoData, "VERSION", 2)
    assert again(BASE).run_id == digits
    assert again(ON_VIDEOS).run_id != videos
    assert dataclasses.replace(BASE, init=FromRun(again(ON_VIDEOS))).run_id != later
    with pytest.raises(StoreError, match=r"not of this code's versions \(videos 2\)"):
        folder.config()


def test_versions_are_those_of_the_components_that_a_run_uses():
    assert BASE.versions.keys() == {"swin", "moving_digits", "grid", "single_label", "training"}
    tested = dataclasses.replace(ON_VIDEOS, init=TestOnly(ON_VIDEOS))
    assert tested.versions.keys() == {"swin", "videos", "views", "single_label"}


def test_ids_and_defaults_are_golden():
    """If this fails, old results would be taken for new ones, or lost. A new field needs a default
    that means what the code did before: add it to the file. A changed default, or changed results,
    need a higher version of the component and a new file."""
    found = json.loads(
        json.dumps(
            {
                "versions": {**BASE.versions, **ON_VIDEOS.versions},
                "run_id": BASE.run_id,
                "run_id_on_videos": ON_VIDEOS.run_id,
                "defaults": {kind.__name__: defaults(kind) for kind in KINDS},
            }
        )
    )
    assert found == json.loads(GOLDEN.read_text())


CHANGES = {
    "seed": dataclasses.replace(BASE, seed=1),
    "window": dataclasses.replace(
        BASE, model=dataclasses.replace(BASE.model, window_size=(2, 3, 3))
    ),
    "shift": dataclasses.replace(BASE, model=dataclasses.replace(BASE.model, shift="none")),
    "data": dataclasses.replace(BASE, data=MovingDigits(generator_seed=1)),
    "control": dataclasses.replace(
        BASE, data=MovingDigits(generator_seed=0, control="single_frame")
    ),
    "recipe": dataclasses.replace(BASE, recipe=Recipe(steps_per_epoch=10, lr=2e-3)),
    "test": dataclasses.replace(BASE, test=dataclasses.replace(BASE.test, clips_per_cell=25)),
}


def test_whatever_changes_a_result_changes_the_id():
    ids = {BASE.run_id, *(config.run_id for config in CHANGES.values())}
    assert len(ids) == 1 + len(CHANGES)


def test_a_label_does_not_change_the_hash():
    other = dataclasses.replace(BASE, preset="swin_s")
    assert other.run_id.rsplit("-", 1)[1] == BASE.run_id.rsplit("-", 1)[1]


def test_a_field_at_its_default_leaves_the_id_alone():
    spelled_out = dataclasses.replace(BASE, data=MovingDigits(generator_seed=0, speed=1.0))
    assert spelled_out.run_id == BASE.run_id


@pytest.mark.parametrize("protocol", ["smoke", "proxy"])
def test_table_5_is_five_distinct_runs_and_two_controls(protocol):
    library = Library(experiments_dir())
    experiment, chosen = library.experiment("table5"), library.protocol(protocol)
    ids = {row.id: chosen.configure(experiment, row, 0).run_id for row in experiment.rows}
    assert ids["dim16"] == ids["win16"]  # printed twice
    assert len(set(ids.values())) == len(ids) - 1 == 7


def test_proxy_geometry_is_the_papers_in_small():
    library = Library(experiments_dir())
    proxy = library.protocol("proxy")
    experiment, found = library.experiment("table5"), {}
    for row in experiment.rows:
        config = proxy.configure(experiment, row, 0)
        found[row.id] = (config.data.frames // 2, config.model.window_size[0])
        # The last stage is one spatial window, as 7 x 7 is at 224 x 224.
        last = config.data.image_size // 4 // 2 ** (len(config.model.depths) - 1)
        assert config.model.window_size[1:] == (last, last)
    assert found == {
        "dim16": (8, 8),
        "dim8": (4, 4),
        "dim4": (2, 2),
        "win16": (8, 8),
        "win8": (8, 4),
        "win4": (8, 2),
        "single_frame": (8, 4),
        "shuffled_frames": (8, 4),
    }
