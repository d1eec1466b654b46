"""What an ablation of one's own must say, may say, and cannot say."""

import pytest

from tests.command import vswin
from tests.own import MINE, own_project, use_project
from vswin.errors import UsageError
from vswin.experiments.library import Library
from vswin.experiments.planning import first_runs, plan_study
from vswin.project import experiments_dir
from vswin.reading import ExperimentError
from vswin.report import load_study


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = own_project(tmp_path)
    use_project(monkeypatch, folder)
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


def test_a_new_ablation_can_be_run_as_it_is_written(project):
    (project / "notebooks").unlink()
    (project / "notebooks").mkdir()
    done = vswin("new", "fresh")
    assert done.returncode == 0, done.stderr
    assert [planned.row.id for planned in plan_study("fresh", "smoke").runs] == ["short", "long"]
    assert "smoke" in (project / "notebooks" / "fresh.ipynb").read_text()
    for name, words in (("fresh", "fresh.yaml is there; choose another name"), ("a-b", "letters")):
        done = vswin("new", name)
        assert done.returncode == 2
        assert words in done.stderr
    done = vswin("new", "other", "--preset", "mvit_b_16x4")
    assert done.returncode == 2
    assert "the ablation that is written is about Swin's windows" in done.stderr
    assert not (project / "experiments" / "other.yaml").exists()


SPLITS = (
    "title: 'Signs: #2', classes: classes.txt, sampling: segments, flip: false, train: clips, "
    "test: clips"
)


def test_a_dataset_of_ones_own_says_classes_sampling_and_mirroring(project, monkeypatch):
    (project / "classes.txt").write_text("a\nb\nc\n")
    (project / "data.yaml").write_text(f"datasets:\n  gestures: {{{SPLITS}}}\n")
    monkeypatch.setenv("VSWIN_DATA", str(project / "data.yaml"))
    (project / "notebooks").unlink()
    (project / "notebooks").mkdir()
    assert vswin("new", "fresh", "--dataset", "gestures", "--preset", "mvit_b_16x4").returncode == 0
    whole, probe = (planned.config for planned in plan_study("fresh", "finetune").runs)
    assert (whole.model.num_classes, whole.data.sampling, whole.data.flip) == (3, "segments", 0.0)
    assert (str(whole.test), whole.recipe.patience) == ("1×3", None)  # there is no validation split
    assert (whole.recipe.trains, probe.recipe.trains) == ("all", "head")
    assert whole.init.file == "K400_MVIT_B_16x4_CONV.pyth"
    experiment = Library(project / "experiments").experiment("fresh")
    assert experiment.title == "Fine-tuning on Signs: #2"
    settings = Library(project / "experiments").protocol("finetune")
    found = settings.settings(experiment, experiment.rows[1])
    assert found["flip"].source == "a mirrored clip of gestures may show another class"
    assert (found["trains"].value, found["trains"].source) == ("head", "the row")


def test_a_dataset_that_this_machine_does_not_know_hides_nothing_else(project):
    tests = "  - {id: b, preset: swin_t, model: {window_size: [4, 7, 7]}, tests: short}\n"
    found = library(project, tests + "protocols: [finetune]\nvideos: {dataset: gestures}\n")
    assert "mine" in vswin("list").stdout
    for words in (["list", "mine", "-p", "finetune"], ["cost", "mine"]):
        done = vswin(*words)
        assert done.returncode == 2
        assert "unknown dataset 'gestures'" in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr
    with pytest.raises(UsageError, match="unknown dataset 'gestures'"):
        plan_study("mine", "finetune")
    assert found.experiment("table5")


def test_a_new_experiment_starts_from_what_is_published_of_its_preset(project, monkeypatch):
    (project / "notebooks").unlink()
    (project / "notebooks").mkdir()
    assert vswin("new", "large", "--dataset", "ssv2", "--preset", "swin_l").returncode == 0
    (first, _) = plan_study("large", "finetune").runs
    assert first.config.init.file == "swin_large_patch4_window7_224_22k.pth"
    done = vswin("new", "other", "--dataset", "ssv2", "--preset", "slowfast_r50_8x8")
    assert done.returncode == 2
    assert "no published checkpoint of it to fine-tune; wanted one of mvit_b_16x4" in done.stderr
    assert not (project / "experiments" / "other.yaml").exists()


def test_a_preset_that_is_not_trained_here_is_refused(project):
    text = MINE.replace(
        "preset: swin_t, model: {window_size: [4, 7, 7]}", "preset: slowfast_r50_8x8"
    )
    text += "protocols: [finetune]\nvideos: {dataset: kinetics400}\n"
    (project / "experiments" / "mine.yaml").write_text(text)
    with pytest.raises(UsageError, match="slowfast_r50_8x8 has no drop_path, which every recipe"):
        plan_study("mine", "finetune")


def test_something_something_is_never_mirrored(project):
    found = library(project, "protocols: [finetune]\nvideos: {dataset: ssv2}\n")
    (run, *_) = first_runs(found.experiment("mine"), found.protocol("finetune")).values()
    assert run.data.flip == 0.0


@pytest.mark.parametrize("table", ["table1", "mine"])
def test_fine_tuning_is_for_experiments_that_name_it(table, project):
    library(project, "videos: {dataset: kinetics400}\n")
    with pytest.raises(UsageError, match=r"finetune, which is for experiments that name it"):
        plan_study(table, "finetune")


def test_only_a_printed_table_has_a_section(project):
    with pytest.raises(ExperimentError, match=r"line 7: section: unknown key"):
        library(project, 'section: "4.3"\n').experiment("mine")


CLAIM = """\
claims:
  - {id: long_helps, says: s, kind: greater, metric: top1, rows: [long, short], margins: {clips: 1}}
  - {id: costs, says: s, kind: ratio, metric: flops, rows: [long, short], bounds: {low: 1.1}}
"""


def test_it_has_claims_of_its_own(project):
    helps, costs = library(project, CLAIM).experiment("mine").claims
    assert (helps.table, helps.evidence, helps.margin("clips")) == ("mine", "open test", 1.0)
    assert (costs.table, costs.evidence) == ("mine", "counted")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[long, short], margins", "[long, shorter], margins", "shorter is none of short, long"),
        ("{id: costs", "{id: long_helps", "claim ids must differ; repeated: long_helps"),
        ("kind: greater", "kind: grater", "line 8: claims.0.kind"),
        (", margins: {clips: 1}", "", "kind greater needs margins for top1"),
        ("metric: top1", "metrics: top1", "line 8: claims.0.metrics: unknown key"),
        ("metric: top1", "metric: topp", "claim long_helps: nothing measures topp; known: top1"),
        ("metric: flops, rows", "metric: order, rows", "a ratio is of flops.* not of order"),
        (", bounds: {low: 1.1}", "", "kind ratio needs bounds"),
        (
            "kind: greater, metric: top1, rows: [long, short]",
            "kind: level, metric: top1, rows: [long]",
            "kind level takes a printed number",
        ),
    ],
)
def test_a_claim_that_cannot_be_judged_is_refused(old, new, words, project):
    assert old in CLAIM
    with pytest.raises(ExperimentError, match=f"mine.yaml, .*{words}"):
        library(project, CLAIM.replace(old, new, 1)).experiment("mine")


def test_the_grid_of_windows_shares_the_runs_of_table_5():
    committed = Library(experiments_dir())
    proxy = committed.protocol("proxy")
    grid = first_runs(committed.experiment("windows"), proxy)
    table5 = first_runs(committed.experiment("table5"), proxy)
    assert len({run.run_id for run in grid.values()}) == len(grid) == 9
    assert [grid[row].run_id for row in ("p4_m7", "p8_m7", "p16_m7")] == [
        table5[row].run_id for row in ("win4", "win8", "win16")
    ]


def test_rows_of_two_presets_with_one_small_model_share_their_runs():
    """Table 7 is about Swin-B, Tables 8 and 9 are about Swin-T."""
    committed = Library(experiments_dir())
    proxy = committed.protocol("proxy")
    runs = [first_runs(committed.experiment(t), proxy) for t in ("table7", "table8", "table9")]
    table7, table8, table9 = runs
    assert table7["ratio_0_1_1k"].run_id == table8["inflate"].run_id == table9["duplicate"].run_id
    assert len({run.run_id for table in runs for run in table.values()}) == 13
    assert len({run.source.run_id for table in runs for run in table.values() if run.source}) == 2
