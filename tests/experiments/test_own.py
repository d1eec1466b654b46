"""What an ablation of one's own must say, may say, and cannot say."""

import pytest

from tests.command import vswin
from tests.own import MINE, own_project
from vswin.errors import UsageError
from vswin.experiments.library import Library
from vswin.experiments.planning import plan_study
from vswin.reading import ExperimentError
from vswin.report import load_study


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = own_project(tmp_path)
    monkeypatch.setattr("vswin.project.project_root", lambda: folder)
    return folder


def library(project, added=""):
    (project / "experiments" / "mine.yaml").write_text(MINE + added)
    return Library(project / "experiments")


def test_it_names_the_protocols_that_it_may_be_run_under(project, tmp_path):
    found = library(project, "protocols: [smoke]\n")
    assert found.protocols_of(found.experiment("mine")) == ["smoke"]
    assert plan_study("mine", "smoke").runs
    said = "mine names its protocols, and proxy is none of them; it can be run under: smoke"
    for act in (plan_study, load_study):
        with pytest.raises(UsageError, match=said):
            act("mine", "proxy", results_dir=tmp_path / "results")
    for command in ("run", "report", "notebook", "status"):
        done = vswin(command, "mine", "--protocol", "proxy")
        assert done.returncode == 2, command
        assert said in done.stderr, command
    assert not (tmp_path / "results").exists()
    assert "not under proxy" in vswin("list", "mine").stdout


@pytest.mark.parametrize("names", ["[smok]", "[smoke, smok]"])
def test_a_protocol_that_there_is_not_is_refused_with_the_known_ones(names, project):
    found = library(project, f"protocols: {names}\n")
    with pytest.raises(ExperimentError) as error:
        found.experiment("mine")
    for words in ("mine.yaml, line 7: protocols.", "rehearsal, smoke, not 'smok'"):
        assert words in str(error.value)


def test_no_protocol_at_all_is_refused(project):
    with pytest.raises(ExperimentError, match="line 7: protocols: .*at least 1 item"):
        library(project, "protocols: []\n").experiment("mine")


@pytest.mark.parametrize(
    ("said", "classes"),
    [
        ("", 400),  # the preset's
        ("num_classes: 10\n", 10),
        ("videos: {dataset: kinetics600}\n", 600),
        ("videos: {dataset: ssv2}\nnum_classes: 174\n", 174),
    ],
)
def test_the_data_says_how_many_classes_there_are(said, classes, project):
    experiment = library(project, said).experiment("mine")
    assert experiment.paper_model(experiment.rows[0]).num_classes == classes


def test_classes_that_contradict_the_data_are_refused(project):
    found = library(project, "videos: {dataset: ssv2}\nnum_classes: 400\n")
    with pytest.raises(ExperimentError, match=r"num_classes is 400.*ssv2, has 174; leave.*out"):
        found.experiment("mine")


def test_only_a_printed_table_has_a_section(project):
    with pytest.raises(ExperimentError, match=r"line 7: section: unknown key"):
        library(project, 'section: "4.3"\n').experiment("mine")
