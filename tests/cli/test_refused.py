"""Files that are not what they should be and options that would count for nothing are refused."""

import pytest

from tests.command import vswin

FILES = {"none": None, "folder": "folder", "empty": b"", "junk": bytes(range(256)) * 8,
         "text": b"some words\nin lines\n"}  # fmt: skip
TAKERS = {
    "weights": ("weights", "inspect", "{}"),
    "source": ("weights", "convert", "{}", "out.pth"),
    "tested": ("eval", "-w", "{}", "-d", "digits_kinetics", "--annotations", "good.txt"),
    "annotations": ("eval", "-w", "x.pth", "-d", "kinetics400", "--annotations", "{}"),
    "checked": ("data", "check", "kinetics400", "--annotations", "{}"),
    "labels": ("data", "check", "kinetics400", "--annotations", "good.txt", "--labels", "{}"),
    "data file": ("list", "table1", "-p", "paper", "--data-file", "{}"),
    "profile": ("submit", "table5", "-p", "smoke", "--dry-run", "--profile", "{}"),
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("taker", TAKERS)
def test_a_file_that_is_not_what_it_should_be_is_one_line_and_wrong_usage(taker, kind, tmp_path):
    name = {"weights": "f.pth", "source": "f.pth", "tested": "f.pth", "data file": "f.yaml",
            "profile": "f.toml"}.get(taker, "f.txt")  # fmt: skip
    (tmp_path / "good.txt").write_text("a.mp4 0\n")
    if kind == "folder":
        (tmp_path / name).mkdir()
    elif kind != "none":
        (tmp_path / name).write_bytes(FILES[kind])
    if (taker, kind) == ("profile", "empty"):
        return  # a profile may say nothing
    words = [word.format(tmp_path / name) for word in TAKERS[taker]]
    done = vswin(*words, cwd=tmp_path, env={"XDG_CACHE_HOME": str(tmp_path / "cache")})
    lines = [line for line in done.stderr.splitlines() if not line.startswith("project: ")]
    assert (done.returncode, len(lines)) == (2, 1), done.stderr
    assert lines[0].startswith("error: ")
    assert not (tmp_path / "out.pth").exists()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("cost", "table5", "--window", "1x1x1"), "--window is for presets; table5 says it itself"),
        (("cost", "swin_t", "table5", "--frames", 8), "--frames is for presets"),
        (("cost", "swin_t", "--frames", 10**9), "more than fits into this machine's memory"),
        (("run", "table5", "-p", "smoke", "--processes", 3), "--jobs runs several at a time"),
        (("eval", "-w", "x.pth", "-d", "ssv2", "-o", "."), "is a folder"),
        (("predict", "good.mp4", "-w", "x.pth", "--dataset", "ssv3"), "unknown dataset 'ssv3'"),
    ],
)
def test_they_are_refused(args, words, videos, tmp_path):
    at = ("--results-dir", tmp_path / "results") if args[0] == "run" else ()
    done = vswin(*args, *at, cwd=videos)
    assert done.returncode == 2
    assert words in done.stderr.splitlines()[-1]
    assert not (tmp_path / "results").exists()


def test_jobs_below_none_are_refused_by_the_notebook_too():
    assert vswin("notebook", "table5", "--jobs", "-1").returncode == 2
