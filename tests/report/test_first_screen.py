"""The first screen: a line for each claim, what answers depend on, and what does not hold."""

import dataclasses

import pytest

from tests.report.claims.made_up import with_results
from vswin.report import load_study
from vswin.report.claims import judge_claims
from vswin.report.first_screen import first_screen, negative
from vswin.report.headline import verdict_lines
from vswin.report.page import make_page, render
from vswin.report.pictures.tested import sensitivity_of
from vswin.report.sensitivity import Sensitivity, changed, in_counts, sensitivity

UP, SAME, DOWN = [84.0, 84.4, 83.9, 84.2], [80.1, 80.5, 79.8, 80.2], [76.0, 76.4, 75.8, 76.1]
"""Accuracies of four seeds, apart by four points."""


def designs(joint, split, factorized):
    """Table 4 with made-up accuracies."""
    study = load_study("table4", results_dir="/nowhere")
    return with_results(study, joint=joint, split=split, factorized=factorized)


@pytest.fixture
def study():
    """Joint above factorized above split."""
    return designs(UP, DOWN, SAME)


def line(study, claim):
    """The line of a claim that is judged on a study."""
    judged = judge_claims(study)
    place = [j.claim.id for j in judged].index(claim)
    return first_screen(study, judged, []).claims[place]


def test_a_claim_stands_with_quote_printed_difference_ours_verdict_and_evidence(study):
    found = line(study, "joint_beats_split")
    assert found.quote == "The split version does not work well in our scenarios."
    assert found.where == "section 4.3"
    assert found.printed == "+2.4 (z +9.2): clear"
    assert found.ours == "+8.05 [+7.96, +8.14]"  # t(3) = 3.182, by hand
    assert found.about == "n\u00a0=\u00a04"
    assert (found.verdict, found.tone) == ("holds on Moving Digits", "holds")
    assert found.evidence == "open test; margin\u00a01"


def test_what_is_counted_holds_without_moving_digits(study):
    found = line(study, "factorized_needs_more_parameters")
    assert (found.verdict, found.evidence) == ("holds", "counted")
    assert found.ours == "1.30 times"


def test_what_was_found_has_its_unit():
    """A level is so many points from what is printed; a bound is in %."""
    table1 = load_study("table1", "paper", results_dir="/nowhere")
    found = line(with_results(table1, swin_l_384_50=[84.6]), "level_on_kinetics_400")
    assert found.ours == "−0.30"
    table5 = load_study("table5", results_dir="/nowhere")
    found = line(with_results(table5, single_frame=[8.0, 9.0, 8.5]), "single_frame_tells_nothing")
    assert found.ours.startswith("8.50 [") and found.ours.endswith("] %")


def test_what_limits_a_test_stands_beside_it(study):
    """Here: no weights were trained before, so the zero gate has nothing to protect."""
    study = with_results(study, factorized=SAME, factorized_gate_1=UP)
    said = line(study, "zero_gate_helps")
    assert said.verdict == "contradicted on Moving Digits"
    assert "start from random weights" in said.why
    page = make_page(study)
    for template in ("report.md.j2", "report.html.j2"):
        assert render(template, page).count(said.why) == 1


def test_what_does_not_hold_is_said_as_loudly():
    study = designs(DOWN, SAME, SAME)
    judged = judge_claims(study)
    verdicts = {item.text: item.verdict for item in negative(study, judged).items}
    (lost,) = [j for j in judged if j.claim.id == "joint_beats_split"]
    assert verdicts[lost.says] == "contradicted on Moving Digits"
    assert "no effect on Moving Digits" in verdicts.values()  # factorized against split
    assert "contradicted" in verdict_lines(study, judged)[0]


def test_where_all_holds_that_is_said(study):
    judged = [j for j in judge_claims(study) if j.verdict == "holds"]
    found = negative(study, judged)
    assert found.text == "No claim: every one that was tested or counted holds."
    assert not found.is_empty
    assert negative(study, []).is_empty


def varied(study):
    """A variation with the answers of a study."""
    return Sensitivity("proxy_other", "digits are faster", tuple(judge_claims(study)))


def test_an_answer_that_changes_is_on_the_first_screen(study):
    judged = judge_claims(study)
    other = varied(designs(SAME, DOWN, UP))  # joint below factorized
    said = [item.text for item in first_screen(study, judged, [other]).items]
    assert said == list(changed(judged, [other]))
    (beats,) = [j for j in judged if j.claim.id == "joint_beats_factorized"]
    assert any(
        text.startswith(beats.says)
        and "Under `proxy_other` (digits are faster): contradicted" in text
        for text in said
    )
    table = sensitivity(study, judged, [other])
    (cells,) = [cells for cells in table.lines if cells[0] == beats.says]
    assert cells[2].startswith("≠ contradicted (")
    assert table.header == ["claim", "here", "proxy_other"]
    assert [i.text for i in table.items if i.verdict == "another answer"] == said


def test_many_variations_stand_below_each_other_on_a_narrow_page(study):
    """Each number then has the variation's name before it; a wide page has columns."""
    judged, other = judge_claims(study), varied(designs(SAME, DOWN, UP))
    few, many = (sensitivity(study, judged, [other] * count) for count in (2, 3))
    assert (few.is_stacked, many.is_stacked) == (False, True)
    page = dataclasses.replace(make_page(study), sections=[many], pictures={})
    html = render("report.html.j2", page)
    assert html.count('<td data-label="proxy_other">') == 3 * len(many.lines)
    assert html.count('<td data-label="here">') == len(many.lines)


def test_the_picture_sets_each_variation_beside_the_study(study):
    other = varied(designs(SAME[:3], DOWN[:3], UP[:3]))
    judged = judge_claims(study)
    drawn = sensitivity_of(study, judged, [other])
    (beats,) = [j for j in judged if j.claim.id == "joint_beats_factorized"]
    (claim,) = [claim for claim in drawn.claims if claim.title == beats.says]
    assert claim.verdict == beats.verdict == "holds"
    assert [step.label for step in claim.steps] == ["here", "≠ proxy_other"]
    assert [round(step.mean, 2) for step in claim.steps] == [3.98, -3.97]  # by hand
    assert [step.tone for step in claim.steps] == ["holds", "contradicted"]
    assert "holds: here +3.98" in drawn.in_words
    assert "contradicted: ≠ proxy_other −3.97" in drawn.in_words
    assert sensitivity_of(study, judged, []) is None


def trend(dim4):
    """Table 5 with made-up accuracies."""
    study = load_study("table5", results_dir="/nowhere")
    return with_results(study, dim4=dim4, dim8=[82.0, 82.2, 81.9], dim16=[82.9, 83.2, 82.8])


def test_the_picture_shows_the_step_that_decides():
    """Of a trend: another one under the variation, whose interval leaves it open."""
    judged, other = judge_claims(trend([80.0, 80.1, 79.9])), varied(trend([80.0, 8.0, 79.9]))
    drawn = sensitivity_of(trend([80.0, 80.1, 79.9]), judged, [other])
    (claim,) = [c for c in drawn.claims if c.title.startswith("A larger temporal dimension")]
    assert [step.label for step in claim.steps] == [
        "here\ndim16 − dim8",
        "proxy_other\ndim8 − dim4",
    ]
    assert [step.tone for step in claim.steps] == ["holds", "inconclusive"]
    assert claim.steps[1].low < 0 < claim.steps[1].high
    assert drawn.notes[0].endswith("the one that decides is drawn, and named.")


def test_the_picture_says_where_a_step_alone_says_something_else():
    """One step rises, the other does nothing: together they say neither."""
    judged = judge_claims(trend([80.0, 80.1, 79.9]))
    flat = with_results(
        load_study("table5", results_dir="/nowhere"),
        dim4=[80.0, 80.1, 79.9],
        dim8=[83.0, 83.2, 82.9],
        dim16=[83.0, 83.3, 82.8],
    )
    drawn = sensitivity_of(flat, judged, [varied(flat)])
    (claim,) = [c for c in drawn.claims if c.title.startswith("A larger temporal dimension")]
    assert claim.steps[1].label == "≠ proxy_other\ndim16 − dim8: alone no effect"
    assert claim.steps[1].tone == "inconclusive"


def test_too_few_seeds_change_no_answer(study):
    judged = judge_claims(study)
    assert not list(changed(judged, [varied(designs(UP[:2], DOWN[:2], SAME[:2]))]))
    assert not list(changed(judged, [varied(study)]))


def test_a_difference_that_vanishes_changes_it_though_it_is_inconclusive(study):
    judged = judge_claims(study)
    other = varied(designs(UP, DOWN, [82.5, 85.0, 82.5, 83.9]))
    verdicts = {j.claim.id: j.verdict for j in other.judgements}
    assert verdicts["joint_beats_factorized"] == "inconclusive"
    (beats,) = [j for j in judged if j.claim.id == "joint_beats_factorized"]
    assert [text for text in changed(judged, [other]) if text.startswith(beats.says)]


def test_a_table_without_sensitivity_studies_says_so(study):
    found = sensitivity(study, judge_claims(study), [])
    assert (found.lines, found.text) == ([], "No sensitivity study was run for this table.")
    assert sensitivity(study, [], []).is_empty  # nothing was tested


UNSURE = [82.5, 85.9, 83.5]
"""Of three seeds, about as good as `UP`, and by how much cannot be told."""


def test_claims_tested_there_are_counted_by_how_their_answers_stand_beside_those_here(study):
    judged, other = judge_claims(study), varied(designs(UP[:3], DOWN[:3], UNSURE))
    assert [j.verdict for j in other.tested] == ["holds", "inconclusive", "holds", "holds"]
    said = in_counts(judged, [other])
    assert said == (
        "Of 4 claims of accuracy tested there, 2 have the same answer, 1 is undecided with 3 "
        "seeds, 1 is decided only there, none has another answer"
    )
    assert said in sensitivity(study, judged, [other]).before


def test_an_inconclusive_answer_agrees_with_nothing(study):
    unsure = designs(UP[:3], DOWN[:3], UNSURE)
    judged = judge_claims(unsure)
    assert "3 have the same answer, 1 is undecided" in in_counts(judged, [varied(unsure)])
    said = "2 have the same answer, 1 is undecided with 4 seeds, 1 is decided only there"
    assert said in in_counts(judged, [varied(study)])
    items = sensitivity(unsure, judged, [varied(study)]).items
    (alone,) = [item.text for item in items if item.verdict == "decided only there"]
    assert "Under `proxy_other` (digits are faster): holds (+3.98 [" in alone
    assert "; here: inconclusive (+0.13 [" in alone


def test_the_same_answer_with_another_effect_is_said_with_both_intervals(study):
    judged = judge_claims(study)
    other = varied(designs([84.0, 84.4, 83.9], [82.0, 82.4, 81.8], [84.0, 84.4, 83.9]))
    items = {i.text: i.verdict for i in sensitivity(study, judged, [other]).items}
    (beats,) = [j for j in judged if j.claim.id == "joint_beats_split"]
    assert (
        items[
            f"{beats.says} joint − split, under `proxy_other` (digits are faster): "
            "+2.03 [+1.89, +2.18], n = 3; here: +8.05 [+7.96, +8.14], n = 4."
        ]
        == "of another size"
    )
    assert not any(text.startswith(beats.says) for text in changed(judged, [other]))
    assert "2 effects are of another size" in in_counts(judged, [other])


def test_seconds_are_no_effect_of_another_size():
    """They say how busy the machine was."""
    study, others = (
        with_results(load_study("table5", results_dir="/nowhere"), "test_seconds", **seconds)
        for seconds in (
            {"dim4": [1.0, 1.1, 0.8], "dim8": [3.0, 3.3, 2.9], "dim16": [5.0, 5.1, 4.6]},
            {"dim4": [1.0, 1.1, 0.8], "dim8": [9.0, 9.4, 8.8], "dim16": [20.0, 20.1, 19.7]},
        )
    )
    judged = judge_claims(study)
    said = in_counts(judged, [varied(others)])
    assert said == "No claim of accuracy is tested there"


def test_each_answer_of_several_steps_names_the_step_that_decides():
    study, other = trend([80.0, 80.1, 79.9]), varied(trend([80.0, 8.0, 79.9]))
    lines = sensitivity(study, judge_claims(study), [other]).lines
    (cells,) = [cells for cells in lines if cells[0].startswith("A larger temporal dimension l")]
    assert cells[1].startswith("holds (dim16 − dim8 +0.93 [")
    assert cells[2].startswith("inconclusive (dim8 − dim4 +26.07 [")


def test_intervals_of_two_steps_are_not_compared():
    """The step that decides there is another one; the one that decides here is as it was."""
    judged, other = judge_claims(trend([80.0, 80.1, 79.9])), varied(trend([80.0, 81.9, 77.0]))
    assert not list(changed(judged, [other]))
