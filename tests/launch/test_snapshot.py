"""The code that jobs execute is that of their submission."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from vswin.launch.slurm.snapshot import freeze_code
from vswin.project import project_root


def test_the_code_is_that_of_the_submission(tmp_path):
    clone = tmp_path / "clone"
    for name in ("vswin", "experiments", "notebooks"):
        shutil.copytree(project_root() / name, clone / name)
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
        subprocess.run([*git, *arguments], cwd=clone, check=True)
    freeze = "from pathlib import Path; from vswin.launch.slurm.snapshot import freeze_code; "
    freeze += "print(freeze_code(Path('results/code').absolute()))"

    def run(folder, code):
        environment = os.environ | {"PYTHONPATH": str(folder)}
        command = [sys.executable, "-c", code]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    first = Path(run(clone, freeze))
    assert run(clone, freeze) == str(first)
    assert json.loads((first / "snapshot.json").read_text())["dirty"] is False
    version = clone / "vswin" / "version.py"
    version.write_text(version.read_text() + 'VERSION = "edited"\n')
    (clone / "experiments" / "mine.yaml").write_text("an untracked file\n")
    second = Path(run(clone, freeze))
    look = "import vswin.version as v; print(v.VERSION, v.__file__)"
    assert run(first, look).split() != run(second, look).split()
    assert run(second, look) == f"edited {second / 'vswin' / 'version.py'}"
    assert '+VERSION = "edited"' in (second / "uncommitted.patch").read_text()
    assert (second / "experiments" / "mine.yaml").exists()
    state = "from vswin.runs.provenance import git_state; print(*git_state())"
    commit = json.loads((second / "snapshot.json").read_text())["commit"]
    assert run(second, state) == f"{commit} True"
    assert run(first, state) == f"{commit} False"


def test_a_cut_snapshot_is_made_again(tmp_path):
    first = freeze_code(tmp_path)
    (first / "snapshot.json").unlink()
    (first / "vswin" / "version.py").unlink()
    assert freeze_code(tmp_path) == first
    assert (first / "vswin" / "version.py").exists()
