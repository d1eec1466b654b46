"""`vswin claims`: a list for programs, and a table that cuts nothing."""

import json
import re

import pytest

from tests.command import vswin
from tests.results import complete, of_top1
from vswin.experiments.planning import plan_study
from vswin.paper.claims import claims_of

KEYS = ["paper", "table", "claim", "kind", "protocol", "evidence_class", "verdict", "rows", "seeds"]
KEYS += ["difference", "interval", "p", "margin"]


def trained(results):
    """Three seeds of Table 8's rows, equal but for tenths."""
    plan = plan_study("table8", "proxy", 3, results, rows=["inflate", "center"])
    for planned in plan.runs:
        folder = plan.folder(planned)
        folder.create(planned.config)
        off = 0.1 * planned.seed if planned.row.id == "center" else 0.0
        complete(folder, of_top1(80 + off, n=5760))


def test_the_list_has_every_claim_with_the_same_keys(tmp_path):
    trained(tmp_path)
    done = vswin("claims", "table8", "--json", "--results-dir", tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout, parse_constant=lambda name: 1 / 0)
    assert [each["claim"] for each in found] == [claim.id for claim in claims_of("table8")]
    for each in found:
        assert list(each) == KEYS
    (equal,) = [each for each in found if each["kind"] == "equal"]
    assert equal["paper"] == "video_swin"
    assert equal["protocol"] == "proxy"
    assert equal["verdict"] == "holds"
    assert equal["seeds"] == 3
    assert sorted(equal["rows"]) == ["center", "inflate"]
    low, high = equal["interval"]
    assert low < equal["difference"] < high
    assert abs(abs(equal["difference"]) - 0.1) < 0.02


def test_what_does_not_apply_is_null(tmp_path):
    found = json.loads(vswin("claims", "table5", "--json", "--results-dir", tmp_path).stdout)
    counted = [each for each in found if each["evidence_class"] == "counted"]
    assert counted
    for each in counted:
        assert each["verdict"] in ("holds", "contradicted")
        assert each["seeds"] is each["interval"] is each["p"] is each["margin"] is None
    trained_ones = [each for each in found if each["evidence_class"] == "open test"]
    assert {each["verdict"] for each in trained_ones} == {"not run"}
    assert {each["difference"] for each in trained_ones} == {None}


def test_what_is_seen_before_the_first_step_has_a_number_and_no_seeds(tmp_path):
    found = json.loads(vswin("claims", "table9", "--json", "--results-dir", tmp_path).stdout)
    (share,) = [each for each in found if each["evidence_class"] == "at initialisation"]
    assert share["seeds"] is share["interval"] is None
    assert 90 < share["difference"] < 100


def test_an_empty_folder_says_where_the_record_is(tmp_path):
    hint = "--results-dir results/reference"
    assert hint in vswin("claims", "table4", "--results-dir", tmp_path).stdout
    assert hint not in vswin("claims", "table4", "--results-dir", "results/reference").stdout
    assert hint not in vswin("claims", "tableA2", "--results-dir", tmp_path).stdout  # all counted


@pytest.mark.parametrize(
    "command",
    [("claims", "table4", "--json"), ("report", "tableA5"), ("audit", "--table", "table4")],
)
def test_a_folder_that_does_not_exist_is_named(command, tmp_path):
    absent = tmp_path / "mistyped"
    done = vswin(*command, "--results-dir", absent)
    assert done.returncode == 0
    said = f"results in {absent}, a folder that does not exist: nothing was run"
    assert said in done.stderr.splitlines()
    there = vswin(*command, "--results-dir", tmp_path)
    assert "does not exist" not in there.stderr


def test_the_table_cuts_nothing_and_counts_the_verdicts(tmp_path):
    trained(tmp_path)
    for columns in ("80", "60"):
        done = vswin("claims", "table8", "--results-dir", tmp_path, env={"COLUMNS": columns})
        assert "…" not in done.stdout
        for claim in claims_of("table8"):
            assert re.search(rf"(^|[│ ]){claim.id}($|[│ ])", done.stdout, re.M), claim.id
        *_, count, registered = done.stdout.splitlines()
        assert count.startswith(f"{len(claims_of('table8'))} claim")
        assert "6 of 52 registered runs are complete" in registered
        assert "hold" in count


def test_an_unknown_table_is_refused_in_a_line(tmp_path):
    done = vswin("claims", "table0", "--results-dir", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: unknown table 'table0'")
    assert len(done.stderr.splitlines()) == 1
