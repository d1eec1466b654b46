"""The overview's picture, wide and narrow: what it shows, and that nothing is cut off."""

import dataclasses
import itertools

import pytest

from vswin.report.overview import narrow, plots
from vswin.report.overview.blocks import TITLES, name_of
from vswin.report.overview.page import write_overview
from vswin.report.overview.picture import MARKS, picture_of
from vswin.report.overview.plots import COLOURS, draw
from vswin.report.page import as_address


def judgement(overview, claim):
    (found,) = [j for j in overview.judgements if j.claim.id == claim]
    return found


def named(overview, claim):
    return name_of(judgement(overview, claim))


def test_the_forest_shows_where_each_claim_is_true(overview):
    groups = picture_of(overview).groups
    lines = {line.name: line for group in groups for line in group.lines}
    joint = lines[named(overview, "joint_beats_split")]
    assert joint.zone == (0.0, float("inf"))
    mean, low, high = joint.estimate
    assert mean == pytest.approx(4.95)
    assert low < mean < high
    assert joint.verdict == "holds"
    assert joint.elsewhere == ("≠",)
    assert lines[named(overview, "joint_beats_factorized")].elsewhere == ("=",)
    close = lines[named(overview, "factorized_is_close_to_joint")]
    assert close.zone == (-close.margin, float("inf"))


def test_a_claim_that_waits_takes_no_line_of_the_picture(overview):
    groups = picture_of(overview).groups
    assert all(line.verdict != "not run" for group in groups for line in group.lines)
    (embeddings,) = [group for group in groups if group.title.startswith("Table 8")]
    assert (embeddings.lines, embeddings.waiting) == ((), 1)
    drawn = draw(picture_of(overview))
    assert "1 not run" in [text.get_text() for axis in drawn.axes for text in axis.texts]


@pytest.mark.parametrize("share", [0.01, 1, 3])
def test_the_axis_is_labelled_on_both_sides_and_no_label_hides_another(overview, share):
    picture = picture_of(overview)
    groups = tuple(
        dataclasses.replace(
            group,
            lines=tuple(
                dataclasses.replace(line, estimate=tuple(share * x for x in line.estimate))
                for line in group.lines
            ),
        )
        for group in picture.groups
    )
    figure = draw(dataclasses.replace(picture, groups=groups))
    figure.draw_without_rendering()
    labels = figure.axes[1].get_xticklabels()
    boxes = [label.get_window_extent() for label in labels]
    assert all(a.x1 < b.x0 for a, b in itertools.pairwise(boxes))
    assert {"−2", "−1", "0", "+1", "+2"} <= {label.get_text() for label in labels}


@pytest.mark.parametrize("draw", [plots.draw, narrow.draw], ids=["wide", "narrow"])
def test_nothing_in_the_picture_is_cut_off(overview, draw):
    picture = picture_of(overview)
    studies = ("speed2", "half", "double", "ratio1", "border")
    groups = tuple(
        dataclasses.replace(
            group,
            lines=tuple(
                dataclasses.replace(line, text="weakest of 2: −10.7 [−11.9, −10.1]")
                for line in group.lines
            ),
        )
        for group in picture.groups
    )
    figure = draw(dataclasses.replace(picture, elsewhere=studies, groups=groups))
    figure.draw_without_rendering()
    whole = figure.bbox
    texts = [text for axis in figure.axes for text in axis.texts] + figure.texts
    texts += [axis.xaxis.label for axis in figure.axes]
    texts += [text for legend in figure.legends for text in legend.get_texts()]
    assert len(texts) > 50
    for text in texts:
        box = text.get_window_extent()
        assert whole.x0 <= box.x0 and box.x1 <= whole.x1, text.get_text()
        assert whole.y0 <= box.y0 and box.y1 <= whole.y1, text.get_text()


def test_a_narrow_page_has_a_picture_of_its_own_with_the_same_words(overview):
    files = write_overview(overview)
    html = files.html.read_text()
    wide, slim = (as_address(path.read_bytes()) for path in (files.png, files.narrow))
    assert f'<source media="(max-width: 60rem)" srcset="{slim}"><img src="{wide}"' in html
    picture = picture_of(overview)
    said = [
        {text.get_text() for axis in draw(picture).axes for text in axis.texts}
        for draw in (plots.draw, narrow.draw)
    ]
    lines = [line for group in picture.groups for line in group.lines]
    shown = {words for line in lines for words in (line.name, line.verdict, line.text, "≠", "=")}
    assert shown <= said[0] & said[1]
    assert plots.draw(picture).get_figwidth() > 1.5 * narrow.draw(picture).get_figwidth()


def test_what_marks_mean_is_said(overview):
    picture = picture_of(overview)
    (said,) = [t.get_text() for t in draw(picture).texts if "Sensitivity studies" in t.get_text()]
    assert all(f"{mark} {words}" in said for mark, words in MARKS.items())


@pytest.mark.parametrize(
    ("here", "there", "mark"),
    [("holds", "inconclusive", "?"), ("inconclusive", "holds", "?"), ("no effect", "holds", "≠")],
)
def test_a_mark_says_whether_two_answers_agree(overview, here, there, mark):
    found = judgement(overview, "joint_beats_split")
    (other,) = overview.elsewhere
    changed = dataclasses.replace(
        overview,
        judgements=(dataclasses.replace(found, verdict=here),),
        elsewhere=(
            dataclasses.replace(other, judgements=(dataclasses.replace(found, verdict=there),)),
        ),
    )
    ((line,),) = (group.lines for group in picture_of(changed).groups)
    assert line.elsewhere == (mark,)


def test_of_a_claim_in_steps_the_weakest_is_drawn(overview):
    found = judgement(overview, "joint_beats_split")
    (step,) = found.steps
    better = dataclasses.replace(
        step, interval=dataclasses.replace(step.interval, mean=9.0, low=8.0, high=10.0)
    )
    steps = dataclasses.replace(found, steps=(better, step))
    picture = picture_of(dataclasses.replace(overview, judgements=(steps,)))
    ((line,),) = (group.lines for group in picture.groups)
    assert line.estimate[0] == pytest.approx(4.95)
    assert line.text.startswith("weakest of 2: +5.0")
    assert "of a claim in several steps, that of the weakest" in picture.note


def test_every_verdict_has_a_colour_and_a_place():
    assert set(COLOURS) == set(TITLES)
