"""What is wrong with a list is said in one line with its file and line, by every command."""

import pytest

from tests.command import vswin
from tests.lists import touch, write

WRONG = {
    "a.mp4 3\nb.mp4 12\n": "line 2: label 12 is none of digits_kinetics's 0 to 9",
    "a.mp4 3\nb.mp4 0\na.avi 4\n": "line 3: a is in line 1, too, there with label 3, here with 4",
    "path label\na.mp4 digit 7\nb.mp4 ten\n": "line 3: 'ten' is no class of digits_kinetics",
    "0 a.mp4\n1 b.mp4\n": "line 1: '0' stands first like a label",
    "a.mp4 1\nb.mp4 10\n": "its labels go up to 10 and none is 0",
    "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1\n": "is a list of UCF101",
    "a.mp4 3\n\udcff.mp4 4\n": "line 2: cannot be read as text",
    "": "is empty; wanted a list of videos",
}


def said(*words):
    """The one line that a command that fails says."""
    done = vswin(*words)
    assert done.returncode != 0
    (line,) = done.stderr.splitlines()
    return line


WEIGHTS = __file__  # a file that is there; it is not read before the list


def lists(tmp_path, text):
    source = tmp_path / "list.txt"
    source.write_bytes(text.encode("utf-8", "surrogateescape"))
    touch(tmp_path, "a.mp4", "b.mp4")
    content = f"datasets:\n  digits_kinetics:\n    test: {{annotations: {source}}}\n"
    return source, write(tmp_path / "data.yaml", content)


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_list(tmp_path, text):
    source, data_file = lists(tmp_path, text)
    command = ["eval", "--weights", WEIGHTS, "--data", "digits_kinetics"]
    for where in (["--annotations", source], ["--data-file", data_file]):
        line = said(*command, *where)
        assert str(source) in line
        assert WRONG[text] in line


def test_the_check_names_the_lines_and_fails(tmp_path):
    source, data_file = lists(tmp_path, "path label\na.mp4 7\nb.mp4 ten\n")
    for where in (["--annotations", source], ["--data-file", data_file]):
        done = vswin("data", "check", "digits_kinetics", *where, "--state", tmp_path / "state")
        assert done.returncode == 1
        assert "unknown: line 3: 'ten' is no class of digits_kinetics" in done.stdout


@pytest.mark.parametrize("key", ["annotations", "videos"])
def test_what_a_data_file_names_and_is_not_there(tmp_path, key):
    source, data_file = lists(tmp_path, "a.mp4 3\n")
    entries = {"annotations": source, "videos": tmp_path} | {key: tmp_path / "none"}
    text = ", ".join(f"{name}: {path}" for name, path in entries.items())
    write(data_file, f"datasets:\n  digits_kinetics:\n    test: {{{text}}}\n")
    what = "list is" if key == "annotations" else "videos are in"
    for command in (
        ["eval", "--weights", WEIGHTS, "--data", "digits_kinetics"],
        ["data", "check", "digits_kinetics"],
    ):
        line = said(*command, "--data-file", data_file)
        assert f"{data_file} says that digits_kinetics's test {what} {tmp_path / 'none'}" in line


def test_what_an_option_names_and_is_not_there(tmp_path):
    source, _ = lists(tmp_path, "a.mp4 3\n")
    for command in (
        ["eval", "--weights", WEIGHTS, "--data", "digits_kinetics"],
        ["data", "check", "digits_kinetics"],
    ):
        words = [*command, "--annotations", source, "--videos", tmp_path / "none"]
        assert f"--videos {tmp_path / 'none'}: there is no such folder" in said(*words)
        line = said(*command, "--annotations", tmp_path / "no" / "list.txt")
        assert f"there is no file or folder {tmp_path / 'no' / 'list.txt'}" in line
