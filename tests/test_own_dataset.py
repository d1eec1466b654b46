"""docs/own_dataset.md: its commands, one after the other, on rendered videos."""

import json
import re
import shlex
import shutil
from types import SimpleNamespace

import pytest
import torch
import yaml

import vswin
from tests.command import vswin as command
from tests.feeding import fed_to
from tests.own import COLOURS, SMALL, own_project, own_videos, use_project
from vswin.data.data_file import VARIABLE, Sources, load_sources
from vswin.data.listed import listed_videos
from vswin.data.lists.listing import AnnotationError
from vswin.experiments.planning import plan_study
from vswin.project import project_root
from vswin.runs.videos import train_and_test_videos
from vswin.weights.files import read_checkpoint, save_weights

TEXT = (project_root() / "docs" / "own_dataset.md").read_text()
DATA, EXPERIMENT, SHIPPED = re.findall(r"```yaml\n(.*?)```", TEXT, re.S)
COMMANDS = [
    shlex.split(line)[1:]
    for block in re.findall(r"```\n(vswin .*?)```", TEXT, re.S)
    for line in block.splitlines()
]
PUBLISHED = "swin_tiny_patch244_window877_kinetics400_1k.pth"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with what the tutorial wants: clips of three classes, and a checkpoint."""
    folder = own_project(tmp_path)
    (folder / "notebooks").unlink()
    (folder / "notebooks").mkdir()
    own_videos(folder / "clips", each=6)
    (folder / "data.yaml").write_text(DATA)
    (folder / "weights").mkdir()
    model = vswin.build_model("swin_t", **SMALL, num_classes=5)
    save_weights(model, folder / "weights" / PUBLISHED, "official_video")
    use_project(monkeypatch, folder)
    monkeypatch.setattr("vswin.data.data_file.project_root", lambda: folder)
    monkeypatch.setenv(VARIABLE, str(folder / "data.yaml"))  # for the runs' own processes
    monkeypatch.chdir(folder)
    return folder


def in_small(path):
    """The experiment that was written, with rows that are trained in seconds."""
    content = yaml.safe_load(path.read_text())
    content["videos"]["views"] = "2x1"
    for row in content["rows"]:
        row |= {"frames": 4, "image_size": 32, "model": SMALL}
        few = {"epochs": 4, "batch_size": 4, "lr": 5e-3, "patience": 2}
        row["recipe"] = few | row.get("recipe", {})
    path.write_text(yaml.safe_dump(content))


def test_the_tutorial(project):
    done = {}
    for written_words in COMMANDS:
        words = [*written_words]
        if words[0] == "weights":  # they are there: the fixture's
            continue
        name = " ".join(words[:2]) if words[0] == "data" else words[0]
        if name == "run":
            in_small(project / "experiments" / "my_ablation.yaml")
        if name == "predict":
            plan = plan_study("my_ablation", "finetune")
            runs = {planned.row.id: plan.folder(planned) for planned in plan.runs}
            words = [word.replace("RUN", runs["head"].run_id) for word in words]
            shutil.copy(project / "clips" / "red" / "red_1.mp4", project / "new.mp4")
        done[name] = command(*words)
        assert done[name].returncode == 0, (words, done[name].stderr)
        if name == "new":
            written = (project / "experiments" / "my_ablation.yaml").read_text()
            assert written.split("\n", 1)[1] == EXPERIMENT
            assert (project / "notebooks" / "my_ablation.ipynb").exists()
    assert [*done] == [
        *("data split", "data check", "new", "list", "run", "report", "status", "predict")
    ]
    assert "2 of 2 rows trained under protocol finetune (2 runs)" in done["report"].stdout
    answers = [line.split("%  ")[1] for line in done["predict"].stdout.splitlines()]
    assert sorted(answers) == [*COLOURS]
    assert all(folder.run_id[:20] in done["status"].stdout for folder in runs.values())
    _check_what_was_trained(project, runs)
    _check_a_loop_of_ones_own(project, runs["head"].weights)
    split = project / "my_gestures_split.csv"
    lines = split.read_text().splitlines()
    moved = next(n for n, line in enumerate(lines) if line.endswith(",test"))
    # A clip that is tested on is trained on, too.
    split.write_text("\n".join([*lines, lines[moved][:-4] + "train"]))
    with pytest.raises(AnnotationError, match="is in the train and in the test split of my_gest"):
        train_and_test_videos(SimpleNamespace(config=plan.runs[0].config, reporter=None))
    # What the runs rest on has changed: nothing passes for done that is not.
    split.write_text("\n".join([*lines[:moved], lines[moved][:-4] + "train", *lines[moved + 1 :]]))
    again = command("run", "my_ablation", "--protocol", "finetune")
    (line,) = again.stderr.splitlines()
    assert again.returncode == 1
    assert "rests on another train list of my_gestures than there is now" in line


def test_the_shipped_examples_are_data_files():
    found = Sources.model_validate(yaml.safe_load(SHIPPED))
    assert [*found.own] == ["ucf101", "hmdb51"]
    assert all([*found.splits(name)] == ["train", "test"] for name in found.own)


def _check_a_loop_of_ones_own(project, weights):
    """It gets the clips of the run, not the model's usual ones, as predict does."""
    model, transforms = vswin.load_model(weights)
    assert (transforms.data.frames, transforms.data.size, str(transforms.test)) == (4, 32, "2×1")
    assert vswin.transforms_for(model).data.frames == 32
    with fed_to(type(model)) as fed:
        done = command("predict", project / "new.mp4", "--weights", weights, "--json")
    clips = transforms.read(project / "new.mp4")
    assert torch.equal(clips, torch.cat(fed))
    with torch.no_grad():
        scores = model(clips).softmax(dim=-1).mean(dim=0)
    found = {answer["label"]: answer["score"] for answer in json.loads(done.stdout)}
    assert [found[label] for label in range(3)] == pytest.approx(scores.tolist(), abs=1e-5)


def _check_what_was_trained(project, runs):
    sources = load_sources()
    before = read_checkpoint(project / "weights" / PUBLISHED)
    for row, folder in runs.items():
        result = folder.result()
        scores = [line["validation"] for line in folder.metrics()]
        assert (
            result.details.best_epoch == max(range(len(scores)), key=lambda e: (scores[e], e)) + 1
        )
        assert result.n == len(listed_videos(sources, "my_gestures", "test").videos) == 3
        assert result.details.inputs.validation.listed == 3
        assert result.train_clips == 12 * len(scores)
        kept = vswin.build_model("swin_t", **SMALL, num_classes=3)
        vswin.load_weights(kept, folder.weights)
        weights = kept.state_dict()
        for name, value in before.weights.items():
            if not name.startswith("head."):
                assert torch.equal(weights[name], value) == (row == "head"), (row, name)
        assert folder.last_weights.exists()
