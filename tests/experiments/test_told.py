"""What rows say and a protocol does not do as they say is told or refused, with the reason."""

import pytest

from tests.command import vswin
from tests.own import own_project, use_project
from vswin.errors import UsageError
from vswin.experiments.planning import plan_study
from vswin.experiments.tables import Experiment
from vswin.reading import ExperimentError, read_strictly
from vswin.report import load_study
from vswin.report.page import make_page, render

HEAD = "table: mine\ntitle: t\n"
ROWS = "rows:\n  - {id: base, preset: swin_t}\n"
VIDEOS = "videos: {dataset: kinetics400}\n"
STARTS = """\
start: {from: imagenet_1k}
rows:
  - {id: b, preset: swin_t, start: {checkpoint: a.pth}}
  - {id: c, preset: swin_t, start: {checkpoint: b.pth}, model: {window_size: [4, 7, 7]}}
"""
RECIPES = """\
start: {from: imagenet_1k}
rows:
  - {id: a, preset: swin_t}
  - {id: b, preset: swin_t, videos: {recipe: {lr: 7.0e-4, drop_path: 0.5, epochs: 3}}}
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    folder = own_project(tmp_path)
    use_project(monkeypatch, folder)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda text: (folder / "experiments" / "mine.yaml").write_text(HEAD + text)


def page_of(protocol, tmp_path):
    return render("report.md.j2", make_page(load_study("mine", protocol, None, tmp_path)))


def flat(text):
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("protocol", "more"),
    [
        ("smoke", "task: appearance\n"),
        ("smoke", ""),  # nothing is pre-trained: both would start from random weights
        ("proxy", "task: appearance\n"),
        ("rehearsal", VIDEOS),
    ],
)
@pytest.mark.parametrize("other", ["start: {checkpoint: b.pth}, ", ""])
def test_rows_with_different_checkpoints_do_not_start_alike(protocol, more, other, write, tmp_path):
    write(more + STARTS.replace("start: {checkpoint: b.pth}, ", other))
    for act in (plan_study, load_study):
        with pytest.raises(UsageError) as error:
            act("mine", protocol, results_dir=tmp_path)
        said = str(error.value)
        assert f"rows b and c, cannot be run under protocol {protocol}: start.checkpoint is" in said
        assert f"a.pth in the one and {'b.pth' if other else 'None'} in the other" in said


@pytest.mark.parametrize("where", ["row", "table"])
@pytest.mark.parametrize(
    ("protocol", "more", "place"),
    [
        ("smoke", "task: appearance\n", "swin_t-t1-"),
        ("smoke", "", "random"),
        ("rehearsal", VIDEOS, "swin_t-t1-"),
    ],
)
def test_what_takes_a_checkpoints_place_is_told(where, protocol, more, place, write, tmp_path):
    rows = "rows: [{id: b, preset: swin_t%s}]\n"
    if where == "table":
        write(f"{more}start: {{from: imagenet_1k, checkpoint: a.pth}}\n{rows % ''}")
    else:
        start = rows % ", start: {checkpoint: a.pth}"
        write(f"{more}start: {{from: imagenet_1k}}\n{start}")
    told = f"start imagenet_1k, checkpoint a.pth → {place}"
    assert told in page_of(protocol, tmp_path)
    assert told in flat(vswin("list", "mine", "--protocol", protocol).stdout)


def test_under_paper_a_rows_own_settings_are_told_as_it_says_them(write, tmp_path):
    write(VIDEOS + RECIPES)
    listed = vswin("list", "mine", "--protocol", "paper").stdout
    page = page_of("paper", tmp_path)
    assert "Trained as:\n" in listed
    assert "  a: drop_path 0.1; lr 0.001; epochs 30\n" in listed
    assert "  b: drop_path 0.5; lr 0.0007; epochs 3\n" in listed
    assert "| a | 0.1 | 0.001 | 30 |" in page
    assert "| b | 0.5 | 0.0007 | 3 |" in page
    assert "Left of an arrow" not in page


def test_in_a_rehearsal_they_are_told_beside_the_rehearsals(write, tmp_path):
    write(VIDEOS + RECIPES.replace("epochs: 3", "epochs: 3, resize: 280"))
    page = page_of("rehearsal", tmp_path)
    assert "| row | drop_path | lr | epochs | resize |" in page
    assert "| a | 0.1 → 0.0 | 0.002 | 30 | 36 |" in page
    assert "| b | 0.5 | 0.0007 | 3 | 280 → 40 |" in page
    assert "Training, where a row says nothing else: 30 epochs" in page


def test_rates_of_models_are_told_under_paper_too(write):
    write(f"{VIDEOS}{ROWS}  - {{id: b, preset: swin_t, model: {{drop_path: 0.4}}}}\n")
    listed = vswin("list", "mine", "--protocol", "paper").stdout
    assert "  base: drop_path 0.1\n" in listed
    assert "  b: drop_path 0.4\n" in listed


REASONS = [
    ("protocols: [paper]\n" + ROWS, "paper", "names none (`videos: {dataset: kinetics400}`)"),
    (ROWS, "rehearsal", "names none (`videos: {dataset: kinetics400}`)"),
    (ROWS.replace("swin_t", "swin_s"), "smoke", "no small model of swin_s (row base)"),
    (ROWS.replace("swin_t", "swin_s"), "proxy", "no small model of swin_s (row base)"),
]


@pytest.mark.parametrize(("text", "protocol", "reason"), REASONS)
def test_why_a_protocol_does_not_fit_is_said_everywhere(text, protocol, reason, write, tmp_path):
    write(text)
    said = f"mine cannot be run under protocol {protocol}, which "
    with pytest.raises(UsageError) as error:
        plan_study("mine", protocol)
    whole = str(error.value)
    assert whole.startswith(said)
    assert reason in whole
    assert "; it can be run under: " in whole
    assert whole in page_of(protocol, tmp_path)
    for command in ("run", "report", "list"):
        done = vswin(command, "mine", "--protocol", protocol)
        assert whole in flat(done.stdout + done.stderr), command
        assert done.returncode == (2 if command == "run" else 0)


def test_list_names_protocols_that_can_run_every_row_and_says_why_others_cannot(write):
    write(VIDEOS + ROWS + "  - {id: deep, preset: swin_t, model: {depths: [2, 2, 2, 2]}}\n")
    listed = vswin("list").stdout
    (line,) = [line for line in listed.splitlines() if "│ mine " in line]
    assert line.split("│")[4].strip() == "paper, paper_printed"
    for protocol in ("proxy", "rehearsal", "smoke"):
        said = f"mine.yaml, row deep, cannot be run under protocol {protocol}: model.depths"
        assert said in flat(listed)


def test_list_does_not_offer_moving_digits_for_recipes(write):
    write(VIDEOS + RECIPES)
    listed = vswin("list").stdout
    (line,) = [line for line in listed.splitlines() if "│ mine " in line]
    assert line.split("│")[4].strip() == "paper, paper_printed, rehearsal"
    assert "row b, cannot be run under protocol smoke: videos.recipe.lr" in flat(listed)


ROW = "rows: [{id: a, preset: swin_t%s}]\n"
WORDS = [
    ("rows: []\n", "rows: should have at least 1 item"),
    ("rows:\n", "rows: should be a list, such as `[one, two]`, not nothing"),
    ("rows: {id: a}\n", "rows: should be a list, such as `[one, two]`"),
    ("rows: [3]\n", "rows.0: should be keys and values, such as `{key: value}`, not 3"),
    (f"choices: nothing\n{ROW % ''}", "choices: should be a list, such as `[one, two]`, not 'no"),
    (f"choices: [3]\n{ROW % ''}", "choices.0: should be text, not 3"),
    (f"protocols: smoke\n{ROW % ''}", "protocols: should be a list, such as `[one, two]`, not 's"),
    (ROW % ", frames: 2.5", "rows.0.frames: should be an integer, not 2.5"),
    (ROW % ", model: [3]", "rows.0.model: should be keys and values, such as `{key: value}`"),
    (
        ROW % ", start: x",
        "rows.0.start: should be keys and values, such as `{key: value}`, not 'x'",
    ),
    (ROW % ", start: {from: x}", "rows.0.start.from: should be 'imagenet_1k', 'imagenet_21k', 'ki"),
    (
        ROW % ", control: x",
        "rows.0.control: should be 'none', 'single_frame', 'shuffled_frames' or",
    ),
    (ROW % ", videos: {recipe: {area: [1]}}", "recipe: area: item 2 is missing, not [1]"),
    (ROW % ", videos: {recipe: {betas: 3}}", "recipe: betas: should be a list, such as `[one"),
    (ROW % ", videos: {recipe: {lr: x}}", "recipe: lr: should be a number, not 'x'"),
]


@pytest.mark.parametrize(("text", "words"), WORDS)
def test_mistakes_in_files_are_told_in_plain_words(text, words, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(HEAD + text)
    with pytest.raises(ExperimentError) as error:
        read_strictly(path, Experiment)
    said = str(error.value)
    assert words in said
    assert "\n" not in said
    assert not any(word in said for word in ("Input", "Tuple", "valid", "tuple", "dict", "None,"))
