"""The commit that a result is said to come from."""

import subprocess

from vswin.runs.provenance import git_state


def test_edits_of_the_code_count_and_edits_of_documents_do_not(tmp_path):
    assert git_state(tmp_path) == (None, None)
    (tmp_path / "vswin").mkdir()
    for name in ("vswin/a.py", "README.md"):
        (tmp_path / name).write_text("1")
    for command in (
        ["init", "-q"],
        ["add", "README.md"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    assert git_state(tmp_path) == (None, None)  # somebody else's clone around a copy of us
    subprocess.run(["git", "add", "vswin"], cwd=tmp_path, check=True)
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "y"],
        cwd=tmp_path,
        check=True,
    )
    commit, dirty = git_state(tmp_path)
    assert len(commit) == 40
    assert dirty is False
    (tmp_path / "README.md").write_text("2")
    assert git_state(tmp_path) == (commit, False)
    (tmp_path / "vswin" / "a.py").write_text("2")
    assert git_state(tmp_path) == (commit, True)
