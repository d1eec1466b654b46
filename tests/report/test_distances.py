"""Attention distances in reports: claims judged on every kind of clips, a table and a picture."""

import pytest

from vswin.data.sample_videos import SAMPLE_KINDS
from vswin.paper.claims import Claim
from vswin.project import project_root
from vswin.report import load_study
from vswin.report.claims import distances as module
from vswin.report.claims.distances import KINDS, METRICS, judge_distances
from vswin.report.claims.judgement import Judgement
from vswin.report.distances import dependence, distances_of, ranges
from vswin.report.drawing import draw
from vswin.report.statistics import t_interval
from vswin.runs.distances import DistanceRecord, Head, Measured

RECORD = project_root() / "results" / "reference"


def heads(*layers):
    """A layer is a list of its heads' distances."""
    return tuple(
        Head(layer, head, value, value, value, (value, value))
        for layer, values in enumerate(layers)
        for head, value in enumerate(values)
    )


def measured(**by_kind):
    """By kind, for each seed the ranges of rows a and b."""
    return {
        Measured(row, f"seed{seed}", kind): heads([0.4, 0.4 + width])
        for kind, seeds in by_kind.items()
        for seed, widths in enumerate(seeds)
        for row, width in zip("ab", widths, strict=True)
    }


def judged(distances, kind="ratio", rows=("b", "a"), evidence="at initialisation", **keys):
    keys = {"metric": "distance_range", "bounds": {"low": 3.5, "high": 4.5}} | keys
    claim = Claim.model_validate(
        {"id": "c", "table": "figureA6", "says": "s", "kind": kind, "rows": rows}
        | {"evidence": evidence}
        | keys
    )
    blank = Judgement(claim, "mvit", "s", "proxy", "not run", "", rows, claim.evidence)
    return judge_distances(blank, distances)


FOUR = [(0.01, 0.0399), (0.01, 0.04), (0.01, 0.0401)]
FIVE = [(0.01, 0.0499), (0.01, 0.05), (0.01, 0.0501)]
TWO = [(0.01, 0.0199), (0.01, 0.02), (0.01, 0.0201)]


def test_what_is_said_of_a_model():
    model = heads([0.2, 0.4], [0.1, 0.6, 0.5], [0.6])
    assert {name: of(model) for name, (of, _) in METRICS.items()} == {
        "distance_range": 0.5,
        "layer_spread": pytest.approx(100 * 0.3 / (1.3 / 3)),
        "layer_trend": pytest.approx(1.0),
        "head_trend": pytest.approx(-1 / 3),  # of three pairs one rises
    }


@pytest.mark.parametrize(
    ("digits", "photographs", "noise", "verdict"),
    [
        (FOUR, FOUR, FOUR, "holds"),
        (FIVE, FIVE, FIVE, "contradicted"),
        (FOUR, FIVE, FOUR, "inconclusive"),  # it depends on the clips
        (TWO, FIVE, FIVE, "inconclusive"),  # on both sides of what is wanted
        (FOUR[:2], FOUR, FOUR, "inconclusive"),  # too few seeds
    ],
)
def test_a_sentence_must_hold_on_every_kind_of_clips(digits, photographs, noise, verdict):
    found = judged(measured(digits=digits, photographs=photographs, noise=noise))
    assert found.verdict == verdict
    wanted = t_interval([b / a for a, b in digits])
    assert found.difference == pytest.approx(wanted.mean)
    assert found.interval.low == pytest.approx(wanted.low)
    assert "wanted 3.5 to 4.5 times on each" in found.reason
    assert [part.split(":")[0] for part in found.found.split("; ")] == list(KINDS)
    assert ("no verdict below 3 seeds" in found.reason) == (len(digits) < 3)
    assert ("may lie between" in found.reason) == (digits is TWO)


def test_a_ratio_that_must_not_be_below_one_is_said_in_words():
    found = judged(measured(digits=FOUR, photographs=FOUR, noise=FOUR), bounds={"low": 1.0})
    assert found.verdict == "holds"
    assert "wanted at least as much on each" in found.reason


def test_no_verdict_without_all_kinds_or_with_nothing():
    found = judged(measured(digits=FOUR))
    assert found.verdict == "inconclusive"
    assert "not measured on photographs, noise" in found.reason
    none = judged({})
    assert (none.verdict, none.reason) == ("not run", "`vswin distance figureA6` measures it")
    trained = judged({}, "bound", ("a",), "needs videos", metric="layer_trend")
    assert trained.verdict == "not run"
    assert "`vswin distance figureA6 --weights FILE`" in trained.reason


def test_trained_weights_are_judged_by_what_is_there():
    one = {Measured("a", "0a1b", kind): heads([0.1], [0.2], [0.3]) for kind in KINDS}
    found = judged(one, "bound", ("a",), "needs videos", metric="layer_trend", bounds={"low": 0.5})
    assert found.difference == pytest.approx(1.0)
    assert found.verdict == "inconclusive"  # one training is no sample
    assert "1 file" in found.reason


def test_kinds_are_those_that_can_be_rendered():
    assert tuple(KINDS) == SAMPLE_KINDS
    assert module.kinds_of(measured(noise=FOUR, digits=FOUR)) == ["digits", "noise"]


@pytest.fixture
def study(tmp_path):
    record = DistanceRecord(tmp_path, "figureA6")
    for kind, widths in {"digits": FIVE, "photographs": TWO}.items():
        for row, place in (("vit_b", 0), ("mvit_b", 1)):
            for seed, pair in enumerate(widths):
                model = heads([0.4, 0.4 + pair[place]], [0.4])
                record.add(Measured(row, f"seed{seed}", kind), model, {})
    return load_study("figureA6", results_dir=tmp_path)


def test_the_page_has_a_line_for_each_model_and_kind(study):
    shown = ranges(study)
    assert [line[:2] for line in shown.lines] == [
        [model, kind]
        for model in ("(a) ViT-B initialization", "(b) MViT-B initialization")
        for kind in ("digits", "photographs")
    ]
    assert shown.lines[2][3].startswith("0.05 [")
    assert dependence(study).lines[0][:2] == ["digits", "all clips"]
    assert dependence(study).lines[0][2].startswith("5 [")
    assert [line[2] for line in dependence(study).lines[4:6]] == ["2 [1.98, 2.02]"] * 2


def test_the_picture_has_a_point_for_each_head_on_equal_axes(study):
    picture = distances_of(study)
    assert [[panel.kind for panel in line] for line in picture.lines] == [
        ["digits", "digits"],
        ["photographs", "photographs"],
    ]
    first = picture.lines[0][1]
    assert first.points == ((1, 0.4), (1, pytest.approx(0.4499)), (2, 0.4))
    assert first.aside == "seed 0: range 0.0499"
    assert "(c) ViT-B convergence" in " ".join(picture.notes)
    axes = draw(picture).axes
    assert len(axes) == 4
    assert len({(axis.get_xlim(), axis.get_ylim()) for axis in axes}) == 1


def test_other_tables_show_no_distances(tmp_path):
    other = load_study("table5", results_dir=tmp_path)
    assert ranges(other).is_empty
    assert dependence(other).is_empty
    assert distances_of(other) is None


def test_the_record_has_every_head():
    found = DistanceRecord(RECORD, "figureA6").read()
    if not found:
        pytest.skip("nothing is recorded")
    assert {m.row for m in found} == {"vit_b", "mvit_b"}
    for row, count, layers in (("vit_b", 144, 12), ("mvit_b", 65, 16)):
        groups = [heads for m, heads in found.items() if m.row == row]
        assert {len(group) for group in groups} == {count}
        assert {max(head.layer for head in group) + 1 for group in groups} == {layers}
        assert all(0 < head.grid < 1 for group in groups for head in group)
    seeds = {(m.row, m.clips): 0 for m in found}
    for m in found:
        seeds[m.row, m.clips] += 1
    assert min(seeds.values()) >= 3
    assert {kind for _, kind in seeds} == set(KINDS)
