"""Without a clone: what works anywhere, what wants a project folder, `vswin init`, the extras."""

import errno
import json
import os
import shlex
import shutil
import subprocess
import sys
import zipfile

import pytest

from tests.command import vswin
from tests.test_packaging import PROJECT
from tests.videos import moving, write_video
from vswin import build_model, extras, save_weights
from vswin.experiments.laying import LAID
from vswin.project import project_root

ROOT = project_root()


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """An empty folder, and code that is in no clone."""
    monkeypatch.setattr("vswin.project.CODE", tmp_path / "site-packages")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.mark.parametrize(
    "args",
    [
        ("list", "table5"),
        ("run", "table5", "--protocol", "smoke"),
        ("run", "table5", "--protocol", "smoke", "--results-dir", "elsewhere"),
        ("submit", "table5", "--profile", "here"),
        ("status",),
        ("logs", "x"),
        ("report", "table5"),
        ("report", "sectionC"),
        ("notebook", "table5"),
        ("claims", "table4"),
        ("audit",),
        ("new", "mine"),
        ("record", "table5", "-o", "there"),
    ],
    ids=" ".join,
)
def test_what_wants_a_project_says_how_to_get_one(args, installed):
    done = vswin(*args)
    assert done.returncode == 2, done.stderr
    (line,) = (x for x in done.stderr.splitlines() if not x.startswith("counting"))
    assert line.startswith("error: there is no vswin project around this folder: `vswin init")
    assert list(installed.iterdir()) == []


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("cost", "swin_t", "--frames", "2", "--size", "32"), "28,158,070 parameters"),
        (("cost", "table8"), "28.158"),
        (("weights", "list"), "mvit_v1_b-dbeb1030.pth"),
    ],
    ids=["preset", "table", "weights"],
)
def test_what_wants_none_works_anywhere(args, words, installed):
    done = vswin(*args)
    assert (done.returncode, done.stderr) == (0, "")
    assert words in done.stdout
    assert list(installed.iterdir()) == []


def test_the_data_file_is_then_that_of_the_current_folder(installed):
    (installed / "data.yaml").write_text("datasets: {kinetics400: {test: nothing}}\n")
    done = vswin("data", "check", "kinetics400")
    assert done.returncode != 0
    assert str(installed / "nothing") in done.stdout + done.stderr


def test_a_checkpoint_is_tested_anywhere_and_kept_where_one_says(installed):
    model = build_model("swin_t", embed_dim=8, depths=(1,), num_heads=(2,), num_classes=2)
    save_weights(model, installed / "weights.pth")
    for name in "abcd":
        write_video(installed / f"{name}.mp4", moving(8))
    for split in ("train", "test"):
        (installed / f"{split}.txt").write_text("a.mp4 0\nb.mp4 1\nc.mp4 0\nd.mp4 1\n")
    (installed / "classes.txt").write_text("a\nb\n")
    (installed / "data.yaml").write_text(
        "datasets: {mine: {classes: classes.txt, train: train.txt, test: test.txt}}\n"
    )
    clip = ("--frames", 4, "--size", 32, "--views", "1x1")
    words = ("eval", "--weights", "weights.pth", "--data", "mine", *clip)
    before = {*installed.iterdir()}
    done = vswin(*words)
    assert done.returncode == 0, done.stderr
    assert "4 of 4 videos read" in done.stdout
    assert {*installed.iterdir()} == before
    done = vswin(*words, "--results-dir", "kept")
    assert done.returncode == 0, done.stderr
    assert f"kept in {installed / 'kept' / 'evaluated'}" in done.stdout


def test_a_laid_project_is_one(installed):
    done = vswin("init", "mine")
    assert done.stdout.splitlines() == [f"{installed / 'mine'}", "next: cd mine, then vswin list"]
    for name in LAID:
        files = [ROOT / name] if (ROOT / name).is_file() else (ROOT / name).rglob("*")
        for file in files:
            part = file.relative_to(ROOT)
            if file.is_file() and "/." not in str(part):  # as in .ipynb_checkpoints
                assert (installed / "mine" / part).read_bytes() == file.read_bytes()
    assert not [*installed.rglob(".*")]
    inside = installed / "mine" / "notebooks"
    for words in (("new", "windows_in_time"), ("list", "windows_in_time", "-p", "smoke")):
        done = vswin(*words, cwd=inside)
        assert (done.returncode, done.stderr) == (0, "")
    assert (installed / "mine" / "experiments" / "windows_in_time.yaml").exists()
    assert (inside / "windows_in_time.ipynb").exists()
    done = vswin("status", "windows_in_time", "-p", "smoke", cwd=inside)
    assert f"results in {installed / 'mine' / 'results'}" in done.stdout


def test_a_clone_yields_to_a_laid_project_and_to_no_other_clone(tmp_path):
    vswin("init", tmp_path / "mine")
    assert vswin("status", "-p", "smoke", cwd=tmp_path / "mine").stderr == ""
    (tmp_path / "mine" / "vswin").mkdir()  # code of its own, which is not what runs
    done = vswin("status", "-p", "smoke", cwd=tmp_path / "mine")
    assert done.stderr == f"project: {ROOT}\n"


def test_nothing_is_laid_over_what_is_there(installed):
    (installed / "full").mkdir()
    (installed / "full" / "thesis.tex").touch()
    (installed / "file").touch()
    (installed / "empty").mkdir()
    done = vswin("init", "full")
    assert done.returncode == 2
    assert "full is not empty: thesis.tex is there" in done.stderr
    assert [*(installed / "full").iterdir()] == [installed / "full" / "thesis.tex"]
    done = vswin("init", "file")
    assert (done.returncode, "file is a file" in done.stderr) == (2, True)
    assert vswin("init", "empty").returncode == 0


def test_a_full_disk_leaves_no_half_of_a_project(installed, monkeypatch):
    copy, left = shutil.copyfile, [7]

    def full(source, target):
        left[0] -= 1
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        copy(source, target)

    monkeypatch.setattr("shutil.copyfile", full)
    done = vswin("init", "mine")
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert "No space left on device; make room there" in line
    assert [*(installed / "mine").iterdir()] == []
    assert vswin("init", "mine").returncode == 0


@pytest.mark.parametrize(
    ("args", "module", "extra"),
    [
        (("run", "table5", "-p", "smoke"), "sklearn", "studies"),
        (("report", "table5"), "pandas", "studies"),
        (("notebook", "table5"), "papermill", "notebooks"),
        (("notebook", "table5"), "matplotlib", "studies"),
        (("new", "mine"), "nbformat", "notebooks"),
        (("submit", "table5", "--profile", "here"), "submitit", "slurm"),
        (("submit", "table5", "--profile", "here", "--no-notebook"), "submitit", "slurm"),
        (("run", "table5", "-p", "smoke", "--tensorboard"), "tensorboard", "tensorboard"),
        (("data", "make-digits", "digits", "--layout", "kinetics"), "sklearn", "studies"),
        # by the name of its files, which are read anew each time
        (("distance", "mvit_b_16x4", "--kind", "photographs"), "scikit-learn", "studies"),
    ],
)
def test_a_command_says_which_extra_it_lacks(args, module, extra, tmp_path, monkeypatch):
    vswin("init", tmp_path / "mine")
    if module == "scikit-learn":
        monkeypatch.setattr("importlib.metadata.distribution", _none)
    for name in (*(n for n in sys.modules if n.split(".")[0] == module), module):
        monkeypatch.setitem(sys.modules, name, None)
    before = {*(tmp_path / "mine").rglob("*")}
    done = vswin(*args, cwd=tmp_path / "mine")
    (line,) = done.stderr.splitlines()
    shown = module.replace("scikit-learn", "sklearn")
    asked, command = line.split(": pip install ")
    assert (done.returncode, asked) == (1, f"error: this needs {shown}, which is not installed")
    # Packages by their own names, as a shell takes them: an index may have another `vswin`.
    assert shlex.split(command) == PROJECT["optional-dependencies"][extra]
    assert {path for path in (tmp_path / "mine").rglob("*") if path.is_file()} <= before


@pytest.mark.heavy
def test_the_wheel_in_an_empty_folder(tmp_path):
    """What pip would unpack, in processes of its own, far from the clone."""
    wheel = pytest.importorskip("hatchling.builders.wheel")
    (built,) = wheel.WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    zipfile.ZipFile(built).extractall(tmp_path / "site")
    model = build_model("swin_t", embed_dim=8, depths=(1,), num_heads=(2,), num_classes=3)
    save_weights(model, tmp_path / "weights.pth")
    write_video(tmp_path / "video.mp4", moving(40))
    (tmp_path / "here").mkdir()

    def installed(*words, folder="here"):
        return subprocess.run(
            [sys.executable, "-m", "vswin", *map(str, words)],
            cwd=tmp_path / folder,
            env=os.environ | {"PYTHONPATH": str(tmp_path / "site")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    clip = ("--frames", 4, "--size", 32, "--views", "1x1")
    for words, said in {
        ("cost", "table4"): "factorized",
        ("predict", tmp_path / "video.mp4", "--weights", tmp_path / "weights.pth", *clip): "class",
        ("init", "mine"): str(tmp_path / "here" / "mine"),
    }.items():
        done = installed(*words)
        assert (done.returncode, done.stderr) == (0, "")
        assert said in done.stdout
    refused = installed("run", "table5", "--protocol", "smoke")
    assert (refused.returncode, "`vswin init FOLDER`" in refused.stderr) == (2, True)
    for words, said in {
        ("new", "windows_in_time"): "windows_in_time.ipynb",
        ("run", "windows_in_time", "--protocol", "smoke"): "2 runs complete",
        ("report", "windows_in_time", "--protocol", "smoke"): "2 of 2 rows trained",
        ("notebook", "windows_in_time", "--protocol", "smoke"): "windows_in_time.smoke.ipynb",
    }.items():
        done = installed(*words, folder="here/mine/experiments")
        assert done.returncode == 0, done.stderr
        assert said in done.stdout
    assert {path.name for path in (tmp_path / "here").iterdir()} == {"mine"}
    provenance = next((tmp_path / "here" / "mine").glob("results/smoke/runs/*/provenance.json"))
    assert json.loads(provenance.read_text())["commit"] is None


def _none(name):
    import importlib.metadata

    raise importlib.metadata.PackageNotFoundError(name)


def test_another_missing_module_is_a_fault_of_ours():
    assert extras.explained(ModuleNotFoundError("no module", name="vswin.nothing")) is None
    assert extras.explained(ModuleNotFoundError("no module")) is None
