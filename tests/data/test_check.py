"""Checking videos: what is wrong is found and named, and nothing is examined twice."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.videos import numbered, write_video
from vswin.cli.data import app
from vswin.data.annotations import read_annotations
from vswin.data.check import CheckError, check_videos
from vswin.data.check_pool import run_each
from vswin.errors import UsageError


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """One good file of each kind; tests copy them."""
    folder = tmp_path_factory.mktemp("originals")
    write_video(folder / "long.mp4", numbered(30))
    write_video(folder / "one.mp4", numbered(1))
    write_video(folder / "wide.webm", numbered(12, 36, 100), codec="libvpx-vp9", fps=12)
    return folder


@pytest.fixture
def folder(tmp_path, originals):
    """Six listed videos: three good ones, a missing one, a text file and a still."""
    for name, kind in {"a": "long.mp4", "b": "long.mp4", "c": "wide.webm", "s": "one.mp4"}.items():
        (tmp_path / f"{name}{Path(kind).suffix}").write_bytes((originals / kind).read_bytes())
    (tmp_path / "t.mp4").write_text("no video")
    (tmp_path / "list").write_text("a 0\nb 1\nc 2\nm.mp4 3\nt 4\ns 5\n")
    return tmp_path


def listed(folder):
    return read_annotations("digits_kinetics", folder / "list")


def state_lines(folder):
    return [json.loads(line) for line in (folder / "state").read_text().splitlines()]


@pytest.mark.parametrize("workers", [0, 2])
def test_what_is_wrong_is_named(folder, workers):
    report = check_videos(listed(folder), folder / "state", workers)
    assert {(p.kind, p.id) for p in report.problems} == {
        ("missing", "m"),
        ("unreadable", "t"),
        ("short", "s"),
    }
    assert {p.path for p in report.problems} == {str(folder / f"{n}.mp4") for n in "mts"}
    assert all(p.reason for p in report.problems)
    assert not report.ok
    assert (report.listed, report.examined, report.present, report.fresh) == (6, 6, 5, 5)
    assert report.classes == 6
    assert report.count("short") == 1


def test_what_copies_are_compared_by(folder):
    report = check_videos(listed(folder), folder / "state")
    assert report.codecs == {"h264": 3, "vp9": 1}
    assert (report.frames.low, report.frames.median, report.frames.high) == (1, 21, 30)
    assert (report.short_side.low, report.short_side.high) == (36, 48)
    assert (report.fps.low, report.fps.median, report.fps.high) == (12, 25, 25)
    assert report.seconds.high == pytest.approx(1.2)
    sizes = [(folder / name).stat().st_size for name in ("a.mp4", "b.mp4", "c.webm", "s.mp4")]
    assert (report.bytes.low, report.bytes.high) == (min(sizes), max(sizes))
    assert report.total_bytes == sum(sizes) + len("no video")
    assert report.digest == listed(folder).digest


def test_a_list_without_mistakes_is_ok(folder):
    (folder / "list").write_text("a 0\nb 1\n")
    assert check_videos(listed(folder), folder / "state").ok
    (folder / "list").write_text("a 0\nb 1\na 1\n")
    report = check_videos(listed(folder), folder / "state")
    assert not report.ok
    assert (len(report.duplicates), report.problems) == (1, ())


def test_short_is_what_the_caller_says_without_examining_again(folder):
    videos = listed(folder)
    check_videos(videos, folder / "state")
    report = check_videos(videos, folder / "state", min_frames=13)
    assert {p.id for p in report.problems if p.kind == "short"} == {"c", "s"}
    assert report.fresh == 1  # the one that cannot be read
    assert check_videos(videos, folder / "state", min_frames=1).count("short") == 0


def test_only_what_is_new_or_changed_or_bad_is_examined_again(folder, originals):
    videos = listed(folder)
    check_videos(videos, folder / "state")
    before = (folder / "state").read_bytes()
    assert check_videos(videos, folder / "state").fresh == 1
    assert [line["id"] for line in state_lines(folder)[5:]] == ["t"]

    (folder / "m.mp4").write_bytes((originals / "long.mp4").read_bytes())  # new
    (folder / "t.mp4").write_bytes((originals / "long.mp4").read_bytes())  # other size
    os.utime(folder / "a.mp4", ns=(0, 0))  # other time
    (folder / "b.mp4").unlink()  # gone: what was known no longer counts
    report = check_videos(videos, folder / "state")
    assert report.fresh == 3
    assert {(p.kind, p.id) for p in report.problems} == {("missing", "b"), ("short", "s")}
    assert (folder / "state").read_bytes().startswith(before)
    assert {line["id"] for line in state_lines(folder)[6:]} == {"a", "m", "t"}


def test_a_deep_check_counts_for_a_quick_one_and_not_the_other_way(folder):
    (folder / "list").write_text("a 0\nb 1\n")
    fresh = [
        check_videos(listed(folder), folder / "state", deep=deep).fresh
        for deep in (False, True, False, True)
    ]
    assert fresh == [2, 2, 0, 0]


@pytest.mark.parametrize("method", [{}, {"method": 2}])
def test_states_of_earlier_versions_are_read_and_their_files_examined_anew(folder, method):
    videos = listed(folder)
    check_videos(videos, folder / "state")
    lines = state_lines(folder)
    for line in lines:
        del line["faults"], line["method"]
        line.update(method)
    (folder / "state").write_text("".join(json.dumps(line) + "\n" for line in lines))
    report = check_videos(videos, folder / "state")
    assert (report.fresh, report.present) == (5, 5)
    assert check_videos(videos, folder / "state").fresh == 1  # the one that cannot be read


def test_a_check_that_was_killed_goes_on(folder):
    videos = listed(folder)

    def stop(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_videos(videos, folder / "state", on_progress=stop)
    assert len(state_lines(folder)) == 2  # a and b; the missing one is done without a look
    with (folder / "state").open("ab") as file:
        file.write(b'{"id": "c", "size": 24')  # cut in the middle of a line
    seen = []
    report = check_videos(videos, folder / "state", on_progress=lambda *at: seen.append(at))
    assert report.fresh == 3
    assert seen == [(3, 6), (4, 6), (5, 6), (6, 6)]
    assert check_videos(videos, folder / "state").fresh == 1


def test_a_sample_is_the_same_for_the_same_seed(tmp_path):
    (tmp_path / "list").write_text("".join(f"v{i}.mp4 {i % 10}\n" for i in range(200)))
    videos = read_annotations("digits_kinetics", tmp_path / "list")

    def drawn(seed):
        report = check_videos(videos, tmp_path / "state", sample=20, seed=seed)
        assert (report.listed, report.examined, report.present) == (200, 20, 0)
        return [p.id for p in report.problems]

    assert drawn(1) == drawn(1) != drawn(2)
    assert len(set(drawn(1))) == 20
    assert drawn(1) == sorted(drawn(1), key=lambda name: int(name[1:]))
    assert check_videos(videos, tmp_path / "state", sample=500).examined == 200


def test_folders_of_frames_are_named_as_such(tmp_path):
    (tmp_path / "frames").mkdir()
    (tmp_path / "list").write_text("frames 30 1\n")
    (problem,) = check_videos(listed(tmp_path), tmp_path / "state").problems
    assert problem.kind == "unreadable"
    assert "a folder" in problem.reason


def test_another_file_is_not_taken_for_a_state(folder):
    before = (folder / "list").read_bytes()
    with pytest.raises(CheckError, match="is no state of a check"):
        check_videos(listed(folder), folder / "list")
    assert (folder / "list").read_bytes() == before
    with pytest.raises(CheckError, match="cannot be"):
        check_videos(listed(folder), folder / "list" / "state")


# Worker processes.


def halve(number):
    if number == 13:
        os._exit(11)  # as a decoder that crashes
    return number // 2


def test_a_task_that_kills_its_process_costs_no_other_result():
    results = dict(run_each(halve, range(20), workers=2))
    assert results == {n: None if n == 13 else n // 2 for n in range(20)}


def ignores_ctrl_c(_):
    return signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def test_workers_leave_ctrl_c_to_their_parent():
    assert list(run_each(ignores_ctrl_c, [0], workers=1)) == [(0, True)]


def nap(path):
    Path(path).write_text(str(os.getpid()))
    time.sleep(60)


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    file = tmp_path / "pid"
    code = (
        "from vswin.data.check_pool import run_each\nfrom tests.data.test_check import nap\n"
        f"if __name__ == '__main__':\n    list(run_each(nap, [{str(file)!r}], 1))\n"
    )
    (tmp_path / "main.py").write_text(code)
    root = Path(__file__).parents[2]
    parent = subprocess.Popen(
        [sys.executable, tmp_path / "main.py"], cwd=root, env=os.environ | {"PYTHONPATH": str(root)}
    )
    try:
        assert eventually(lambda: file.exists() and file.read_text())
        worker = int(file.read_text())
        assert alive(worker)
        parent.kill()
        parent.wait()
        assert eventually(lambda: not alive(worker))
    finally:
        parent.kill()
        parent.wait()


def alive(pid):
    """Whether a process runs; one that ended and that nobody waits for does not."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def eventually(condition, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


# The command.


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def call(*words):
    return CliRunner().invoke(app, ["check", *map(str, words)], catch_exceptions=True)


def test_the_command_prints_a_table_and_fails_if_anything_is_wrong(folder):
    words = ("digits_kinetics", "--annotations", folder / "list", "-j", 1)
    result = call(*words)
    assert result.exit_code == 1
    for text in ("5 of 6 examined", "h264 3, vp9 1", "21 (1 to 30)", "25 (12 to 25)"):
        assert text in result.stdout
    assert f"train: missing: {folder / 'm.mp4'}" in result.stdout
    (folder / "list").write_text("a 0\nb 1\n")
    result = call(*words)
    assert result.exit_code == 0
    assert "2 of 2 examined" in result.stdout


def test_the_command_prints_json_and_remembers(folder):
    words = ("digits_kinetics", "--annotations", folder / "list", "--split", "val", "-j", 1)
    first, second = (json.loads(call(*words, "--json").stdout) for _ in range(2))
    assert first["ok"] is False
    assert {p["kind"] for p in first["splits"]["val"]["problems"]} == {
        "missing",
        "short",
        "unreadable",
    }
    assert (first["splits"]["val"]["fresh"], second["splits"]["val"]["fresh"]) == (5, 1)


def test_without_a_list_the_machine_is_asked(folder, monkeypatch):
    (folder / "data.yaml").write_text(
        "datasets:\n  digits_kinetics:\n    train: {annotations: list}\n"
        "    test: {annotations: list, videos: .}\n"
    )
    monkeypatch.setenv("VSWIN_DATA", str(folder / "data.yaml"))
    found = json.loads(call("digits_kinetics", "--json", "-j", 1).stdout)["splits"]
    assert set(found) == {"train", "test"}
    found = json.loads(call("digits_kinetics", "--json", "-j", 1, "--split", "test").stdout)
    assert set(found["splits"]) == {"test"}
    result = call("digits_kinetics", "--split", "val")
    assert isinstance(result.exception, UsageError)
    assert "does not say where split val of digits_kinetics is" in str(result.exception)
    assert "does not say where ssv2 is" in str(call("ssv2").exception)
    assert "did you mean" in str(call("ssv3").exception)
    assert "needs --annotations" in str(call("ssv2", "--videos", folder).exception)


def test_a_folder_of_videos_that_is_not_there_is_refused(folder):
    result = call("ssv2", "--annotations", folder / "list", "--videos", folder / "none")
    assert isinstance(result.exception, UsageError)
    assert "there is no such folder" in str(result.exception)


def test_ctrl_c_says_that_it_can_be_resumed(tmp_path):
    write_video(tmp_path / "slow.mp4", np.tile(numbered(80), (8, 1, 1, 1)))
    for i in range(400):
        os.link(tmp_path / "slow.mp4", tmp_path / f"{i}.mp4")
    (tmp_path / "list").write_text("".join(f"{i}.mp4 0\n" for i in range(400)))
    words = f"['check', 'digits_kinetics', '--annotations', {str(tmp_path / 'list')!r}, "
    # Every frame: on a quick machine the rest would be done before the signal comes.
    words += f"'--state', {str(tmp_path / 'state')!r}, '-j', '1', '--deep']"
    (tmp_path / "main.py").write_text(
        "import signal\nfrom vswin.cli.data import app\nif __name__ == '__main__':\n"
        # A shell starts what is in the background with SIGINT ignored, and that is inherited.
        f"    signal.signal(signal.SIGINT, signal.default_int_handler)\n    app({words})\n"
    )
    process = subprocess.Popen(
        [sys.executable, tmp_path / "main.py"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    state = tmp_path / "state"
    assert eventually(lambda: state.exists() and state.stat().st_size > 0)
    os.killpg(process.pid, signal.SIGINT)  # workers get it, too, as from a terminal
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.startswith("interrupted; the same command goes on where it stopped")
    assert "Traceback" not in errors
    done = len(state_lines(tmp_path))
    assert 0 < done < 400
    report = check_videos(listed(tmp_path), state)
    assert report.fresh == 400 - done
    assert report.ok
