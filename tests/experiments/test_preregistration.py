"""What was fixed beforehand: made from the tree, compared with it, and checked against runs."""

import datetime
import hashlib

import pytest
import yaml

from tests.own import own_project, use_project
from tools.preregister import main
from vswin.errors import UsageError
from vswin.experiments.library import Library
from vswin.experiments.preregistration import (
    Plan,
    as_yaml,
    differences,
    read_preregistration,
    register,
)
from vswin.experiments.registered_runs import (
    registration_problems,
    runs_of_study,
    sources_of_study,
)
from vswin.paper.claims import COUNTED, paper_claims
from vswin.project import experiments_dir
from vswin.reading import ExperimentError
from vswin.report.statistics import LEVEL
from vswin.runs.provenance import preregistration_digest
from vswin.runs.record import RunRecord

LIBRARY = Library(experiments_dir())
NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
PLANS = (
    Plan("proxy", ("table6", "table5"), 12, {"table5.win8": 16}),
    Plan("proxy_speed2", ("table5",), 4),
)


@pytest.fixture(scope="module")
def registered():
    return register(LIBRARY, PLANS, NOW, 0.95)


def test_it_names_claims_rows_seeds_and_runs(registered):
    claims = {claim.id: claim for claim in registered.claims}
    shift = claims["temporal_shift_helps"]
    assert (shift.kind, shift.metric, shift.margin) == ("greater", "top1", 1.0)
    assert shift.rows == ("table6.shift_3d", "table6.shift_spatial")
    shuffled = claims["shuffled_frames_tell_half"]
    assert (shuffled.bounds.high, shuffled.evidence) == (50.0, "built in")
    assert not {claim.metric for claim in registered.claims} & {*COUNTED}  # no run decides these
    proxy, speed2 = registered.studies
    assert proxy.tables["table6"]["shift_none"].seeds == 12
    assert proxy.tables["table5"].keys() == {r.id for r in LIBRARY.experiment("table5").rows}
    assert speed2.varies == LIBRARY.protocol("proxy_speed2").varies
    assert {row.seeds for row in speed2.tables["table5"].values()} == {4}
    assert proxy.generator_seeds == (LIBRARY.protocol("proxy").data.generator_seed,)
    experiment = LIBRARY.experiment("table5")
    run = LIBRARY.protocol("proxy").configure(experiment, experiment.row("dim4"), 0)
    assert proxy.tables["table5"]["dim4"].first == run.run_id


def test_claims_and_tables_of_another_paper_change_nothing(registered, monkeypatch):
    """The registered study is of one paper; the file stays true when the other one grows."""
    others = {claim.id for claim in paper_claims("mvit")}
    assert others and others.isdisjoint(claim.id for claim in registered.claims)
    grown = (*paper_claims("mvit"), paper_claims("mvit")[0].model_copy(update={"id": "new"}))
    known = {"video_swin": paper_claims("video_swin"), "mvit": grown}
    monkeypatch.setattr("vswin.experiments.preregistration.paper_claims", known.__getitem__)
    assert differences(registered, LIBRARY, 0.95) == []


def test_rows_that_share_a_run_have_as_many_seeds(registered):
    tables = registered.studies[0].tables
    assert tables["table5"]["win8"].seeds == 16
    assert tables["table6"]["shift_3d"] == tables["table5"]["win8"]
    assert tables["table5"]["win16"].seeds == 12


def test_the_file_is_read_as_it_was_written(registered, tmp_path):
    path = tmp_path / "preregistration.yaml"
    path.write_text(as_yaml(registered))
    assert read_preregistration(path) == registered
    assert yaml.safe_load(path.read_text())["level"] == 0.95
    assert read_preregistration(tmp_path / "other.yaml") is None
    path.write_text(as_yaml(registered).replace("level: 0.95", "level: 95"))
    with pytest.raises(ExperimentError, match=r"preregistration.yaml, line \d+: level"):
        read_preregistration(path)


def test_what_cannot_be_registered_is_refused_by_name():
    for plan, words in (
        (Plan("proxy", ("table5",), 12, {"table5.win9": 16}), "table5.win9 is no row here"),
        (Plan("paper", ("table5",), 12), "protocol paper is not of the embedded benchmark"),
        (Plan("proxy", ("table1",), 12), "table1 cannot be run under protocol proxy"),
    ):
        with pytest.raises(UsageError, match=words):
            register(LIBRARY, [plan], NOW, 0.95)


def test_a_tree_as_it_was_registered_has_no_differences(registered):
    assert differences(registered, LIBRARY, 0.95) == []


def changed(registered, **fields):
    return registered.model_copy(update=fields)


def test_every_change_since_is_named(registered):
    claims = registered.claims
    other = claims[0].model_copy(update={"margin": 7.0})
    assert differences(changed(registered, claims=(other, *claims[1:])), LIBRARY, 0.95) == [
        f"claims.{other.id}.margin: registered 7.0, now {claims[0].margin}"
    ]
    assert f"claims.{claims[0].id}.kind: registered nothing, now {claims[0].kind}" in differences(
        changed(registered, claims=claims[1:]), LIBRARY, 0.95
    )
    assert differences(registered, LIBRARY, 0.9) == ["level: registered 0.95, now 0.9"]
    study = registered.studies[1]
    rows = study.tables["table5"]
    moved = rows | {"dim4": rows["dim4"].model_copy(update={"first": "other"})}
    moved = study.model_copy(update={"tables": {"table5": moved}})
    (line,) = differences(
        changed(registered, studies=(registered.studies[0], moved)), LIBRARY, 0.95
    )
    assert line.startswith("studies.proxy_speed2.tables.table5.dim4.first: registered other, now s")
    (line,) = differences(
        changed(registered, studies=(registered.studies[0].model_copy(update={"protocol": "no"}),)),
        LIBRARY,
        0.95,
    )
    assert line.startswith("what was registered cannot be run: unknown protocol 'no'")


def test_a_dial_that_was_turned_since_shows_in_every_row(registered, tmp_path):
    folder = own_project(tmp_path) / "experiments"
    path = folder / "protocols" / "proxy.yaml"
    path.write_text(path.read_text().replace("batch_size: 32", "batch_size: 16", 1))
    lines = differences(registered, Library(folder), 0.95)
    rows = sum(len(rows) for study in registered.studies for rows in study.tables.values())
    assert len(lines) == rows
    assert all(".first: registered swin_t" in line for line in lines)


def test_a_run_notes_the_digest_of_what_was_registered(registered, tmp_path):
    assert preregistration_digest(tmp_path) is None
    (tmp_path / "experiments").mkdir()
    text = as_yaml(registered)
    (tmp_path / "experiments" / "preregistration.yaml").write_text(text)
    assert preregistration_digest(tmp_path) == hashlib.sha256(text.encode()).hexdigest()


def test_the_tool_writes_what_is_asked_for_once(tmp_path, monkeypatch, capsys):
    folder = own_project(tmp_path)
    (folder / "experiments" / "preregistration.yaml").unlink(missing_ok=True)  # this project's
    use_project(monkeypatch, folder)
    given = ["--tables", "table5", "--sensitivity", "proxy_speed2=4", "--seeds", "5", "--more"]
    assert main([*given, "table5.win9=7"]) == 2
    assert capsys.readouterr().err.startswith("error: table5.win9 is no row here")
    assert main([*given, "table5.win8=7"]) == 0
    assert "proxy: 7 distinct rows, 37 runs" in capsys.readouterr().out
    found = read_preregistration(folder / "experiments" / "preregistration.yaml")
    assert [study.protocol for study in found.studies] == ["proxy", "proxy_speed2"]
    assert found.level == LEVEL
    assert differences(found, Library(folder / "experiments"), LEVEL) == []
    assert main(given[:-1]) == 2
    assert "remove it only if there are none" in capsys.readouterr().err


def test_it_is_no_experiment(registered, tmp_path):
    folder = own_project(tmp_path) / "experiments"
    (folder / "preregistration.yaml").write_text(as_yaml(registered))
    assert sorted(Library(folder).tables()) == sorted([*LIBRARY.tables(), "mine"])


def made(run_id, digest="d" * 64, started="2026-01-02T04:00:00+00:00"):
    """What a record says of a run, as far as it is looked at here."""
    return RunRecord(run_id, None, None, {"preregistration": digest, "started": started})


@pytest.fixture(scope="module")
def records(registered):
    """A record in which all is as it should be."""
    found = {}
    for study in registered.studies:
        ids = runs_of_study(study, LIBRARY).keys() | sources_of_study(study, LIBRARY)
        found[study.protocol] = {run_id: made(run_id) for run_id in sorted(ids)}
    return found


def problems(registered, records):
    return registration_problems(registered, LIBRARY, records, "d" * 64, NOW)


def replaced(records, run):
    return records | {"proxy": records["proxy"] | {run.run_id: run}}


def test_a_record_of_what_was_registered_has_no_problems(registered, records):
    assert problems(registered, records) == ([], [])
    # Of eleven rows shift_3d and win8 are one run, with 16 seeds, and so are win16 and dim16.
    assert len(records["proxy"]) == 12 * 8 + 16
    assert len(records["proxy_speed2"]) == 4 * 7


def test_an_empty_record_lacks_everything(registered, records):
    wrong, lacking = problems(registered, {})
    assert wrong == []
    assert len(lacking) == sum(map(len, records.values()))
    assert "proxy: table6.shift_none seed 11" in lacking


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"digest": "e" * 64}, "notes another preregistration: eee"),
        ({"digest": None}, "notes another preregistration: none"),
        ({"started": NOW.isoformat()}, "before the registration"),
        ({"started": "2025-12-31T00:00:00+00:00"}, "before the registration"),
        ({"started": None}, "does not say when it started"),
    ],
)
def test_a_run_that_was_made_before_is_named(registered, records, fields, words):
    run_id = registered.studies[0].tables["table6"]["shift_none"].first
    (line,), lacking = problems(registered, replaced(records, made(run_id, **fields)))
    assert line.startswith(run_id)
    assert words in line
    assert lacking == []


def test_a_seed_too_many_and_one_too_few_are_named(registered, records):
    experiment = LIBRARY.experiment("table6")
    row = LIBRARY.protocol("proxy").configure(experiment, experiment.row("shift_none"), 0)
    too_many = row.with_seed(12).run_id
    wrong, lacking = problems(registered, replaced(records, made(too_many)))
    assert (wrong, lacking) == ([f"proxy: {too_many} is not registered"], [])
    fewer = {i: run for i, run in records["proxy"].items() if i != row.with_seed(3).run_id}
    assert problems(registered, records | {"proxy": fewer}) == (
        [],
        ["proxy: table6.shift_none seed 3"],
    )


def test_rows_that_became_other_runs_are_refused(registered, records):
    study = registered.studies[1]
    rows = study.tables["table5"]
    moved = rows | {"dim4": rows["dim4"].model_copy(update={"first": "other"})}
    other = changed(registered, studies=(study.model_copy(update={"tables": {"table5": moved}}),))
    with pytest.raises(UsageError, match="table5.dim4 was registered as other; now it is swin_t"):
        problems(other, records)
