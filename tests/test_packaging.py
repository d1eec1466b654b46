"""What is installed, and that every way of installing installs the same."""

import re
import sys
import zipfile

import pytest
import yaml

from vswin.experiments.laying import LAID
from vswin.extras import MODULES, PACKAGES
from vswin.project import project_root

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = project_root()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
IN_A_CLONE = ("studies", "notebooks", "slurm")
"""The extras that `make` installs, too."""


def name_of(requirement):
    return re.match(r"[A-Za-z0-9_-]+", requirement).group().lower().replace("_", "-")


def pinned():
    pins = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert "==" in line, line
        pins.setdefault(name_of(line), set()).add(line.split(";")[0].strip())
    return pins


def test_every_dependency_is_pinned_and_gives_its_reason():
    text = (ROOT / "pyproject.toml").read_text()
    extras = PROJECT["optional-dependencies"]
    own = f"vswin[{','.join(IN_A_CLONE)}]"
    assert own in extras["dev"]
    for requirement in [
        *PROJECT["dependencies"],
        *(each for extra in (*IN_A_CLONE, "dev") for each in extras[extra] if each != own),
    ]:
        assert name_of(requirement) in pinned(), requirement
        assert re.search(rf'"{re.escape(requirement)}",\s+# \w+', text), f"{requirement}: no reason"
    assert pinned()["torch"] == {"torch==2.13.0"}


def test_an_extra_has_the_modules_that_commands_ask_for():
    names = {"scikit-learn": "sklearn", "huggingface-hub": "huggingface_hub"}
    for extra, modules in MODULES.items():
        assert [*PACKAGES[extra]] == PROJECT["optional-dependencies"][extra]
        listed = {names.get(found, found) for found in _packages(extra)}
        # nbformat comes with papermill, which reads notebooks by it.
        assert set(modules) - {"nbformat"} <= listed, extra


def _packages(extra):
    return [name_of(requirement) for requirement in PROJECT["optional-dependencies"][extra]]


def test_the_wheel_holds_what_commands_read_of_a_clone(tmp_path):
    """Every file of a project that `vswin init` lays, and every one of the package, once."""
    wheel = pytest.importorskip("hatchling.builders.wheel")
    (built,) = wheel.WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(built) as archive:
        found = archive.namelist()
        lay = {name: archive.read(name) for name in found if name.startswith("vswin/shipped/")}
    for name in LAID:
        files = [ROOT / name] if (ROOT / name).is_file() else [*(ROOT / name).rglob("*")]
        for file in files:
            if file.is_file() and not any(part[0] == "." for part in file.parts[1:]):
                path = file.relative_to(ROOT).as_posix()
                assert lay.pop(f"vswin/shipped/{path}") == file.read_bytes(), path
    assert not lay
    package = (
        p for p in (ROOT / "vswin").rglob("*") if p.is_file() and "__pycache__" not in p.parts
    )
    left = {p.relative_to(ROOT).as_posix() for p in package} ^ set(found)
    assert all(re.match(r"vswin/shipped/|vswin-[\d.]+\.dist-info/", name) for name in left), left
    assert len(found) == len(set(found))


def test_conda_environment_installs_this_project_with_these_pins():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["name"] == "vswin"
    (python,) = [d for d in environment["dependencies"] if str(d).startswith("python=")]
    lowest = tuple(map(int, PROJECT["requires-python"].removeprefix(">=").split(".")))
    assert tuple(map(int, python.removeprefix("python=").split("."))) >= lowest
    (pip,) = [d["pip"] for d in environment["dependencies"] if isinstance(d, dict)]
    assert pip == ["--constraint constraints.txt", "--editable .[dev]"]
    makefile = (ROOT / "Makefile").read_text()
    assert "--constraint constraints.txt --editable '.[dev]'" in makefile


def test_tracked_files_are_small():
    import subprocess

    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if names.returncode:
        pytest.skip("not a git checkout")
    big = [
        n
        for n in names.stdout.split("\0")
        if n and (ROOT / n).is_file() and (ROOT / n).stat().st_size > 2**20
    ]
    assert not big


def test_a_clone_called_vswin_does_not_hide_the_package(tmp_path):
    """A newcomer's first folder holds the clone; Python would take it for a namespace package."""
    import subprocess

    (tmp_path / "vswin" / "docs").mkdir(parents=True)
    code = "import vswin; assert callable(vswin.build_model)"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
