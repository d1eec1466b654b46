"""What claims are about: counted costs, rows of several tables, videos, printed numbers."""

import numpy as np
import pytest

from tests.report.claims.made_up import claim, judged, with_results
from vswin.paper.printed import printed_table
from vswin.report import load_study
from vswin.report.claims import (
    ClaimError,
    Studies,
    judge,
    judge_all,
    judge_claims,
    sources,
    with_holm,
)
from vswin.report.claims.distances import METRICS
from vswin.report.statistics import holm

FLAT = [70.0, 70.5, 69.5, 70.2]


def on_costs(kind, rows, protocol="proxy", **keys):
    return judge(claim(kind, rows, **keys), Studies(protocol, "/nowhere"))


def test_counted_claims_need_no_run():
    found = on_costs("trend", ["dim4", "dim8", "dim16"], metric="flops")
    assert found.verdict == "holds"
    assert "dim4 19.730, dim8 43.945, dim16 105.827 G; counted" in found.reason
    assert (found.p, found.interval, found.seeds, found.margin) == (None, None, (), None)
    found = on_costs("trend", ["dim16", "dim8", "dim4"], metric="flops")
    assert found.verdict == "contradicted"
    found = on_costs("greater", ["win16", "win8"], metric="params")
    assert (found.verdict, found.reason) == ("holds", "win16 28.531 against win8 28.158 M; counted")
    assert on_costs("greater", ["win8", "win16"], metric="params").verdict == "contradicted"


@pytest.mark.parametrize(
    ("bounds", "verdict"),
    [
        ({"high": 0.85}, "holds"),
        ({"low": 0.825, "high": 0.835}, "holds"),
        ({"low": 0.84}, "contradicted"),
        ({"high": 0.83}, "contradicted"),
    ],
)
def test_ratio_of_costs(bounds, verdict):
    """87.889 of 105.827 G: 16.95 % less."""
    found = on_costs("ratio", ["win8", "win16"], metric="flops", bounds=bounds)
    assert found.verdict == verdict
    assert found.difference == pytest.approx(1 - 0.1695, abs=5e-5)
    assert "win8 87.889 against win16 105.827 G, 0.830 times as much; wanted " in found.reason


def test_costs_are_the_papers_under_any_protocol():
    for protocol in ("paper", "smoke"):
        found = on_costs("greater", ["win16", "win8"], protocol, metric="flops")
        assert found.values["win8"] == pytest.approx(87.889, abs=5e-4)


def test_costs_of_other_systems_are_as_printed_and_ours_are_counted():
    """Swin-L against ViViT-H: 200.0 M, which we count, and 647.5 M as Table 1 prints it."""
    printed = printed_table("table1")
    ours = next(row.id for row in printed.rows if row.cells["params"] == "200.0")
    theirs = next(row.id for row in printed.rows if row.cells["params"] == "647.5")
    found = on_costs(
        "ratio", [theirs, ours], table="table1", metric="params", bounds={"low": 2.7, "high": 3.3}
    )
    assert found.values[theirs] == 647.5
    assert found.values[ours] == pytest.approx(200.0, abs=0.05)
    assert found.values[ours] != 200.0
    assert found.verdict == "holds"
    # With the views of each: 12 x 2107 G of ours, counted.
    found = on_costs("greater", [ours, theirs], table="table1", metric="test_flops")
    views = np.prod([int(n) for n in printed.row(ours).cells["views"].split("×")])
    gflops = on_costs("greater", [ours, theirs], table="table1", metric="flops").values[ours]
    assert found.values[ours] == pytest.approx(views * gflops)


def test_a_model_that_no_table_has_is_counted():
    keys = {
        "metric": "flops",
        "bounds": {"low": 0.49, "high": 0.51},
        "models": {"halved": {"preset": "swin_t", "frames": 16}},
    }
    found = on_costs("ratio", ["halved", "win8"], **keys)
    assert found.verdict == "holds"
    assert found.values["halved"] == pytest.approx(43.944, abs=5e-3)


def test_what_nothing_counts_is_refused_by_name():
    with pytest.raises(ClaimError, match="made_up: dim8 has no test_flops"):
        on_costs("greater", ["dim8", "dim4"], metric="test_flops")


def test_what_nothing_measures_is_refused_by_name():
    with pytest.raises(ClaimError, match="nothing measures topl; known: top1, top5, easiest"):
        on_costs("greater", ["dim8", "dim4"], metric="topl")


def test_a_share_that_initialisation_decides_needs_no_run():
    """1 / (1 + 7 exp(-4.6)) of a token's attention stays in its frame in a window of 8 frames."""
    share = 100 / (1 + 7 * np.exp(-4.6))
    keys = {"table": "table9", "metric": "own_frame", "evidence": "at initialisation"}
    for row, expected in (("center", share), ("duplicate", 12.5)):
        found = on_costs("bound", [row], bounds={"low": 90.0}, **keys)
        assert found.values[row] == pytest.approx(expected)
        assert found.verdict == ("holds" if expected > 90 else "contradicted")


def test_other_systems_are_as_printed_where_ours_may_be_set_beside_them():
    ours, theirs = "swin_s", "mvit_b_32x3"  # 80.6 and 80.2
    better = claim("greater", [ours, theirs], table="table1", margins={"videos": 0.5})
    study = with_results(load_study("table1", "paper", results_dir="/nowhere"), swin_s=FLAT)
    found = judge(better, Studies("paper", "/nowhere", known=[study]))
    assert found.values == {ours: pytest.approx(np.mean(FLAT)), theirs: 80.2}
    assert found.verdict == "contradicted"


def test_times_are_compared_seed_by_seed(smoke_results):
    slower = claim("greater", ["dim16", "dim4"], metric="test_seconds", margins=None)
    found = judge(slower, Studies("smoke", smoke_results))
    assert found.difference is not None
    assert " s; 1 paired seed" in found.reason
    least = ", ".join(f"{row} {seconds:.1f}" for row, seconds in found.values.items())
    assert f"the fastest of each: {least} s; rows were tested at different times" in found.reason


@pytest.mark.parametrize(("metric", "column"), [("easiest", "top1"), ("order", "order")])
def test_what_only_moving_digits_tell_is_read_from_the_runs(metric, column, smoke_results):
    found = judge(
        claim("greater", ["win8", "win4"], metric=metric), Studies("smoke", smoke_results)
    )
    study = load_study("table5", "smoke", results_dir=smoke_results)
    assert found.values["win8"] == study.checks().set_index("row").loc["win8", column]


def test_rows_may_be_of_several_tables():
    """Rows of Tables 5 and 8 in one claim, paired over the seeds that both have."""
    same = claim("greater", ["win8", "table8.center"])
    studies = [
        with_results(load_study("table5", results_dir="/nowhere"), win8=FLAT),
        with_results(load_study("table8", results_dir="/nowhere"), center=[68.0, 68.1, 67.9]),
    ]
    found = judge(same, Studies("proxy", "/nowhere", known=studies))
    assert (found.verdict, found.seeds) == ("holds", (0, 1, 2))
    assert found.steps[0].label == "win8 − table8.center"
    found = judge(same, Studies("proxy", "/nowhere", known=studies[:1]))
    assert (found.verdict, found.reason) == ("not run", "missing: table8.center")


def test_a_table_that_the_protocol_cannot_run_is_not_run():
    found = on_costs("greater", ["win8", "win4"], "paper")
    assert (found.verdict, found.reason) == ("not run", "missing: win8, win4")
    level = claim("level", ["swin_t"], table="table1", margins={"videos": 0.5})
    found = judge(level, Studies("proxy", "/nowhere"))
    assert found.verdict == "not run"
    assert "table1 cannot be run under protocol proxy" in found.reason
    level = level.model_copy(update={"evidence": "needs videos"})
    found = judge(level, Studies("proxy", "/nowhere"))
    assert (found.verdict, found.reason) == ("not run", "only the paper's videos can tell")
    assert judge(level, Studies("paper", "/nowhere")).reason == "missing: swin_t"


def test_margins_are_those_of_what_is_tested():
    """A point apart: equal on clips, where the margin is 1, and not on videos, where it is 0.5."""
    equal = claim("equal", ["win8", "win16"])
    near = [69.31, 69.79, 68.8]  # 0.7 below
    assert judged(equal, win8=near, win16=FLAT[:3]).verdict == "holds"
    assert judged(equal, "paper", win8=near, win16=FLAT[:3]).verdict == "contradicted"
    found = judged(claim("equal", ["win8", "win16"], margins={"videos": 0.5}), win8=near)
    assert (found.verdict, found.reason) == ("not run", "it cannot be tested on clips")


def test_what_is_built_into_clips_is_open_on_videos():
    shown = claim("greater", ["win8", "win4"], evidence="built in", why="The clips need it.")
    assert judged(shown).evidence == "built in"
    assert judged(shown, "paper").evidence == "open test"


@pytest.mark.parametrize(
    ("ours", "verdict"), [([78.4], "holds"), ([78.9, 79.1], "holds"), ([79.4], "contradicted")]
)
def test_a_level_is_compared_with_the_printed_number(ours, verdict):
    level = claim("level", ["win8"], margins={"videos": 0.5}, evidence="needs videos")
    found = judged(level, "paper", win8=ours)  # 78.8 as printed
    assert found.verdict == verdict
    assert found.difference == pytest.approx(sum(ours) / len(ours) - 78.8)


def test_an_accuracy_on_clips_is_never_set_beside_a_printed_one():
    level = claim("level", ["win8"], margins={"clips": 0.5, "videos": 0.5})
    for protocol in ("proxy", "rehearsal"):
        found = judged(level, protocol, win8=[78.8])
        assert found.verdict == "not run"
        assert found.difference is None


def test_holm_is_over_open_tests_alone():
    clear, vague = [72.0, 72.5, 71.4, 72.2], [70.9, 70.2, 70.8, 71.5]
    built_in = {"evidence": "built in", "why": "The clips need it."}
    rows = {"win4": FLAT, "win8": clear, "win16": vague}
    found = [
        judged(claim("greater", ["win8", "win4"]), **rows),
        judged(claim("greater", ["win16", "win4"]), **rows),
        judged(claim("greater", ["win8", "win4"], **built_in), **rows),
        judged(claim("greater", ["dim8", "dim4"]), **rows),
        on_costs("greater", ["win16", "win8"], metric="flops"),
    ]
    first, second, *others = with_holm(found)
    assert first.holm_p == pytest.approx(2 * first.p)
    assert second.holm_p == pytest.approx(max(second.p, 2 * first.p))
    assert [j.holm_p for j in others] == [None, None, None]


def test_a_contradiction_is_adjusted_for_the_number_of_claims_too():
    rows = {"win4": FLAT, "win8": [69.5, 69.8, 69.1, 69.4], "win16": [66.0, 66.2, 65.9, 66.1]}
    pairs = [["win8", "win4"], ["win16", "win4"], ["win16", "win8"]]
    found = [judged(claim("greater", pair), **rows) for pair in pairs]
    found.append(judged(claim("greater", ["win4", "win8"]), **rows))
    adjusted = with_holm(found)
    assert [j.verdict for j in adjusted] == ["contradicted"] * 3 + ["holds"]
    wanted = holm([1 - j.p for j in found])
    assert [j.contrary_holm_p for j in adjusted] == [*map(pytest.approx, wanted[:3]), None]
    assert 1 - found[0].p < wanted[0]
    shown = f"p of the opposite {1 - found[0].p:.3g}, {wanted[0]:.3g} after Holm's"
    assert shown in adjusted[0].reason
    assert "opposite" not in adjusted[3].reason


def test_what_holds_and_is_smaller_than_the_margin_says_so():
    small, large = [70.5, 71.1, 70.0, 70.6], [72.5, 72.6, 72.4, 72.5]
    trend = judged(claim("trend", ["win4", "win8", "win16"]), win4=FLAT, win8=small, win16=large)
    assert trend.verdict == "holds"
    assert "win8 − win4 is above zero, but smaller than the margin" in trend.reason
    assert "win16 − win8 is above" not in trend.reason
    equal = judged(claim("equal", ["win8", "win4"]), win4=FLAT, win8=small)
    assert "smaller than the margin" not in equal.reason


def test_all_claims_are_judged_under_a_protocol_whose_runs_are_missing(tmp_path):
    found = judge_all(tmp_path)
    assert len({j.claim.id for j in found}) == len(found)
    for judgement in found:
        needs_no_run = judgement.evidence in ("counted", "at initialisation")
        needs_no_run &= judgement.claim.metric not in METRICS  # measured, and kept as runs are
        assert (judgement.verdict == "not run") != needs_no_run, judgement
        assert judgement.reason
    table = [j for j in found if j.claim.table == "table4"]
    assert table == judge_claims(load_study("table4", results_dir=tmp_path))


def test_claims_of_an_own_ablation_are_judged_with_its_report_and_with_all(tmp_path):
    study = load_study("windows", results_dir=tmp_path)
    own = judge_claims(study)
    assert own
    assert {(j.paper, j.claim.table) for j in own} == {("", "windows")}
    assert [j for j in judge_all(tmp_path) if not j.paper] == own


REGISTERED = """\
written: 2026-01-01T00:00:00Z
level: 0.95
stopping: then
failures: count
claims: []
studies:
- protocol: smoke
  generator_seeds: [0]
  tables: {{table5: {{win8: {{seeds: 2, first: {run}}}}}}}
"""


@pytest.mark.parametrize("is_that_run", [True, False])
def test_more_seeds_than_were_registered_do_not_count(
    is_that_run, smoke_results, monkeypatch, tmp_path
):
    """Of a registered run; of another one, nothing was registered."""
    study = load_study("table5", "smoke", results_dir=smoke_results)
    run = study.runs["win8"][0].run_id if is_that_run else "another-run-s0-0123456789"
    (tmp_path / "file.yaml").write_text(REGISTERED.format(run=run))
    monkeypatch.setattr(sources, "preregistration_file", lambda: tmp_path / "file.yaml")
    study = with_results(study, win8=FLAT, win4=[60.0, 60.1, 60.2, 60.3])
    found = judge(claim("greater", ["win8", "win4"]), Studies("smoke", known=[study]))
    assert found.seeds == ((0, 1) if is_that_run else (0, 1, 2, 3))


def test_a_tables_report_adjusts_p_for_the_whole_list_too(monkeypatch):
    tables = {
        "table4": {"joint": FLAT, "split": [60.0, 60.1, 60.3, 60.2]},
        "table5": {"win8": FLAT, "win16": [70.5, 70.2, 70.3, 71.0], "win4": [65.0, 65.5, 65.1, 66]},
    }
    studies = {
        name: with_results(load_study(name, results_dir="/nowhere"), **top1)
        for name, top1 in tables.items()
    }

    def load(table, *others):
        return studies.get(table) or load_study(table, *others)

    monkeypatch.setattr(sources, "load_study", load)
    every = {j.claim.id: j for j in judge_all("/nowhere")}
    tested = {name for name, j in every.items() if j.holm_p is not None}
    assert tested == {"joint_beats_split", "small_drop", "longer_window_is_better"}
    for study in studies.values():
        for judgement in judge_claims(study):
            assert judgement == every[judgement.claim.id]
