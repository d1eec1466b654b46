"""Pictures: what they show, and that they are kept only while they show it."""

import ast
import dataclasses
import io
import math
import shutil
import typing

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from vswin.report import drawing, load_study, write_report
from vswin.report.claims import judge_claims
from vswin.report.page import make_page
from vswin.report.pictures.curves import LOOKS, Curves, RowCurves
from vswin.report.pictures.forest import Claim, Forest, Step
from vswin.report.pictures.kept import DRAWING, SHARED, Picture, digest, digest_in
from vswin.report.pictures.levels import Bound, Levels, Strip
from vswin.report.pictures.shown import levels_of
from vswin.report.pictures.tested import forest_of

STEP = Step("first − second", (0.9, 1.1), 1.0, 0.8, 1.2)


@pytest.fixture
def study(smoke_results, tmp_path):
    """Table 5 on disk, with a results folder of its own for what is written."""
    results = tmp_path / "results"
    (results / "smoke").mkdir(parents=True)
    (results / "smoke" / "runs").symlink_to(smoke_results / "smoke" / "runs")
    return load_study("table5", "smoke", None, results)


@pytest.fixture
def drawn(monkeypatch):
    """Which pictures were drawn."""
    found, draw = [], drawing.draw
    monkeypatch.setattr(drawing, "draw", lambda picture: found.append(picture) or draw(picture))
    return found


def test_a_picture_is_drawn_once_and_again_when_a_number_changes(study, drawn):
    paths = write_report(study).pictures
    first = {name: path.read_bytes() for name, path in paths.items()}
    assert {name: path.name for name, path in paths.items()} == {
        "claims": "table5.smoke.png",
        "levels": "table5.smoke.levels.png",
        "curves": "table5.smoke.curves.png",
    }
    write_report(study)
    assert len(drawn) == 3
    for name, picture in make_page(study).pictures.items():
        assert digest(picture) == digest_in(first[name])
    values = list(study.values)
    values[0] = values[0]._replace(value=values[0].value + 1e-7)
    write_report(dataclasses.replace(study, values=tuple(values)))
    assert [type(picture).__name__ for picture in drawn[3:]] == ["Forest", "Levels"]


def test_only_what_a_picture_is_drawn_with_is_in_its_digest(tmp_path, monkeypatch):
    shutil.copytree(DRAWING, tmp_path / "drawing")
    monkeypatch.setattr("vswin.report.pictures.kept.DRAWING", tmp_path / "drawing")
    picture, kept = forest(1.0), set()
    for name in ("levels", "forest", "canvas"):
        kept.add(digest(picture))
        with (tmp_path / "drawing" / f"{name}.py").open("a") as file:
            file.write("# another line")
    assert len(kept | {digest(picture)}) == 3  # as before, and for each of forest and canvas


def test_modules_draw_with_nothing_that_a_digest_lacks():
    kinds = {kind.__module__.rpartition(".")[2] for kind in typing.get_args(Picture)}
    for module in DRAWING.glob("*.py"):
        tree = ast.parse(module.read_text(encoding="utf-8"))
        used = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        used = {
            name.rpartition(".")[2] for name in used if name.startswith("vswin.report.drawing.")
        }
        assert used <= set(SHARED), f"{module.name} draws with {used}"
    assert {path.stem for path in DRAWING.glob("*.py")} == {*kinds, *SHARED, "__init__"}


def test_what_is_not_whole_or_says_nothing_is_drawn_again(study, drawn):
    png = write_report(study).pictures["claims"]
    whole = png.read_bytes()
    silent = io.BytesIO()
    with Image.open(png) as image:
        image.convert("RGB").save(silent, "PNG")
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    broken = (whole[:-5], bytes(flipped), silent.getvalue(), b"", b"x")
    for content in broken:
        png.write_bytes(content)
        assert digest_in(content) is None
        assert write_report(study).pictures["claims"].read_bytes() == whole
    assert len(drawn) == 3 + len(broken)


def test_a_picture_of_before_is_removed_where_nothing_can_be_seen(study):
    paths = write_report(study).pictures.values()
    empty = dataclasses.replace(study, runs={}, values=(), curves={})
    assert write_report(empty).pictures == {}
    assert not [path for path in paths if path.exists()]


def test_the_forest_shows_every_seed_of_every_step(study):
    judged = {j.claim.id: j for j in judge_claims(study)}
    forest = forest_of(study, list(judged.values()))
    for claim in forest.claims:
        (judgement,) = [j for j in judged.values() if j.says == claim.title]
        assert [s.by_seed for s in claim.steps] == [
            tuple(step.by_seed.values()) for step in judgement.steps
        ]
        assert claim.margin == judgement.margin
    # One seed has no interval: none is drawn.
    assert all(step.low == step.mean == step.high for c in forest.claims for step in c.steps)


def test_times_are_not_on_the_axis_of_points(study):
    judgement = next(j for j in judge_claims(study) if j.steps and j.claim.kind != "bound")
    timed = judgement.claim.model_copy(update={"metric": "test_seconds"})
    assert forest_of(study, [dataclasses.replace(judgement, claim=timed)]) is None


@pytest.mark.parametrize(
    ("kind", "needs"),
    [("greater", (0, math.inf)), ("within", (-2, math.inf)), ("equal", (-2, 2))],
)
def test_where_the_interval_must_lie_follows_the_kind(kind, needs, study):
    judgement = next(j for j in judge_claims(study) if j.steps and j.claim.metric == "top1")
    claim = judgement.claim.model_copy(update={"kind": kind})
    (drawn,) = forest_of(study, [dataclasses.replace(judgement, claim=claim, margin=2.0)]).claims
    assert drawn.needs == needs


def forest(*extents):
    """A forest of claims whose differences are as large as said."""
    claims = tuple(
        Claim(
            f"A claim of {extent} points. " * 6,
            "contradicted",
            "contradicted",
            (Step("a_long_name_of_a_row − another_long_name", (extent, -extent), 0, -1, 1),),
            (0, math.inf),
            0.1,
        )
        for extent in extents
    )
    return Forest("A title " * 30, ("A note " * 40,), "points", claims)


def test_the_end_of_an_interval_that_decides_keeps_its_sign_in_words():
    close = dataclasses.replace(STEP, low=-1.03, high=-0.002)
    (claim,) = forest(1.0).claims
    shown = dataclasses.replace(forest(1.0), claims=(dataclasses.replace(claim, steps=(close,)),))
    assert shown.in_words.endswith("first − second +1.00 [−1.03, −0.002], n = 2")


STRIP = Strip("a row with a name that is long", (80.0, 81.0), 80.5, 79.0, 82.0, "1 of 2 learnt")
CONTROL = dataclasses.replace(STRIP, by_seed=(8.0,), mean=8.0, low=math.nan, high=math.nan)
BOUNDS = (Bound(8.3, "chance"), Bound(79.5, "a bound with a long name"), Bound(81.5, "another"))
LEVELS = Levels("Title", ("Note",), "top-1, %", (STRIP, STRIP), BOUNDS, (CONTROL,), BOUNDS)
CURVES = Curves(
    "Title", (), "top-1", (RowCurves("a row with a long name " * 2, (1, 2), ((1.0, 2.0),)),) * 5, ()
)


@pytest.mark.parametrize(
    "picture", [forest(1.0), forest(30.0, 1.0), LEVELS, CURVES], ids=lambda p: type(p).__name__
)
def test_no_word_is_cut_off(picture):
    figure = drawing.draw(picture)
    FigureCanvasAgg(figure).draw()
    texts = [*figure.texts, *(text for axis in figure.axes for text in axis.texts)]
    for axis in figure.axes:
        texts += [*axis.get_yticklabels(), *axis.get_xticklabels(), axis.title]
        texts += [axis.xaxis.label, axis.yaxis.label]
    for text in texts:
        if text.get_visible() and text.get_text():
            box = text.get_window_extent()
            assert figure.bbox.x0 - 1 <= box.x0 <= box.x1 <= figure.bbox.x1 + 1, text
            assert figure.bbox.y0 - 1 <= box.y0 <= box.y1 <= figure.bbox.y1 + 1, text


def test_a_small_difference_can_be_seen_beside_a_large_one():
    """All are on one axis, so that the larger difference looks larger."""
    (unequal,) = drawing.draw(forest(60.0, 1.0)).axes
    (alike,) = drawing.draw(forest(3.0, 1.0)).axes
    assert "(logarithmic beyond ±2)" in unequal.get_xlabel()
    assert "logarithmic" not in alike.get_xlabel()
    place = unequal.transData.transform
    one, most = (place((x, 0))[0] - place((0, 0))[0] for x in (1, 60))
    assert most / 12 < one < most  # on a linear axis, a sixtieth
    assert [text.get_text() for text in unequal.get_xticklabels()].count("0") == 1


def test_a_difference_says_its_metric_where_there_are_several_and_its_seeds(study):
    judgement = next(j for j in judge_claims(study) if j.steps and j.claim.metric == "top1")
    kept = judgement.claim.model_copy(update={"metric": "stills"})
    step = dataclasses.replace(judgement.steps[0], by_seed={0: 1.0, 1: 2.0})
    other = dataclasses.replace(judgement, claim=kept, steps=(step,))
    forest = forest_of(study, [judgement, other])
    first, second = (claim.steps[0].label for claim in forest.claims)
    assert (first, second) == (f"top-1: {step.label}", f"still images: {step.label}")
    assert "paired over 1 to 2 seeds" in forest.notes[0]
    (axis,) = drawing.draw(forest).axes
    said = [text.get_text() for text in axis.texts]
    assert "n = 1" in said and "n = 2" in said
    (alone,) = forest_of(study, [other]).claims
    assert alone.steps[0].label == step.label


def test_each_step_has_the_colour_of_its_own_verdict(study):
    judgement = next(j for j in judge_claims(study) if j.claim.kind == "trend" and j.steps)
    first, second = (
        dataclasses.replace(step, verdict=verdict)
        for step, verdict in zip(judgement.steps, ("holds", "no effect"), strict=True)
    )
    (claim,) = forest_of(study, [dataclasses.replace(judgement, steps=(first, second))]).claims
    assert [step.tone for step in claim.steps] == ["holds", "no effect"]


def test_bounds_of_curves_look_as_their_words_say(study):
    curves = make_page(study).pictures["curves"]
    for look, bound in zip(LOOKS, curves.bounds, strict=True):
        assert f"{look.capitalize()}: {bound.label}" in curves.notes[0]
    bounds = tuple(dataclasses.replace(bound, value=1.0) for bound in curves.bounds)
    lines = drawing.draw(dataclasses.replace(curves, bounds=bounds)).axes[0].lines
    assert [line.get_linestyle() for line in lines[-2:]] == [":", "--"]


def test_long_labels_are_without_ids_where_no_other_row_is_called_so(study):
    """Names must not take half of a picture."""
    rows = [r for r in study.all_rows if r.control == "none"][:3]
    cells = ("alike", "alike", "a row with a title that is long")
    named = [dataclasses.replace(r, labels={"row": c}) for r, c in zip(rows, cells, strict=True)]
    strips = levels_of(dataclasses.replace(study, all_rows=tuple(named))).rows
    labels = [strip.label for strip in strips]
    assert labels == [named[0].label, named[1].label, cells[2]]
    same = dataclasses.replace(rows[0], labels={"row": rows[0].id.capitalize()})
    assert same.label == rows[0].id.capitalize()


def test_the_axis_of_rows_shows_their_spread_and_that_of_controls_starts_at_zero():
    rows, controls = drawing.draw(LEVELS).axes
    low, high = rows.get_xlim()
    assert high - low < 10
    assert controls.get_xlim()[0] == 0
    assert any("below this axis: chance 8.3" in text.get_text() for text in rows.texts)


@pytest.mark.parametrize("picture", [forest(1.0), LEVELS, CURVES], ids=lambda p: type(p).__name__)
def test_everything_that_a_picture_shows_is_in_its_digest(picture):
    others = [
        dataclasses.replace(picture, **{field.name: _other(getattr(picture, field.name))})
        for field in dataclasses.fields(picture)
    ]
    assert len({digest(p) for p in [picture, *others]}) == 1 + len(others)


def _other(value):
    """Another value of the same kind."""
    return (*value, "other") if isinstance(value, tuple) else f"{value} other"
