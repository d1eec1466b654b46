"""One wrong digit of what is printed changes a check, and the status that rests on it."""

import pytest

from vswin.paper.auditing import paper_checks
from vswin.paper.printed import printed_table
from vswin.paper.text import paper_text
from vswin.report.audit.basis import load_basis
from vswin.report.audit.cells import cells_of
from vswin.report.audit.checks import formulas_agree
from vswin.report.audit.collect import load_audit
from vswin.report.audit.texts import check_of, finding_of
from vswin.report.doubts import quantities


@pytest.fixture(scope="module")
def basis():
    return load_basis()


@pytest.fixture(scope="module")
def evidence():
    audit = load_audit()
    cells = {cell.name: cell.finding.evidence for cell in audit.cells}
    return cells | {(n.where, n.printed): n.finding.evidence for n in audit.text}


def reprinted(monkeypatch, name, text):
    """A table with another text in a cell, which formulas see, too."""
    table, row, column = name.split(".")
    old = printed_table(table)
    rows = tuple(
        each.model_copy(update={"cells": each.cells | {column: text}}) if each.id == row else each
        for each in old.rows
    )
    new = old.model_copy(update={"rows": rows})
    monkeypatch.setattr(
        quantities, "printed_table", lambda name: new if name == table else printed_table(name)
    )
    return new


def status(table, name, basis):
    return {cell.name: cell.finding.status for cell in cells_of(table, basis)}[name]


def outcome(check):
    """Whether a check of some paper passes, by its id."""
    return next(
        formulas_agree(paper, found).passes
        for paper in ("video_swin", "mvit")
        for found in paper_checks(paper).checks
        if found.id == check
    )


@pytest.mark.parametrize(
    ("paper", "where", "printed", "wrong"),
    [
        ("video_swin", "section 4.1", "4×3", "4×5"),
        ("video_swin", "section 4.1", "1×3", "1×2"),
        ("video_swin", "section 4.2", "32×3", "32×2"),
        ("video_swin", "section 4.2", "384^2", "386^2"),
        ("mvit", "section A.1", "16×4", "16×8"),
        ("mvit", "section A.1", "32×3", "32×4"),
        ("mvit", "section A.2", "32×3", "31×3"),
        ("mvit", "caption of Table A.3", "16×4", "16×8"),
        ("mvit", "caption of Table A.7", "16×4", "16×8"),
    ],
)
def test_a_wrong_digit_of_the_text_fails_its_check(basis, paper, where, printed, wrong):
    said = next(
        number
        for sentence in paper_text(paper)
        for number in sentence.numbers
        if sentence.where == where and number.number == printed
    )
    other = said.model_copy(update={"number": wrong})
    for number, passes in ((said, True), (other, False)):
        check = check_of(paper, where, number)
        assert check.passes is passes
        found = finding_of(number, check, {}, basis, {})
        assert (found.status != "suspicious") is passes


@pytest.mark.parametrize(
    ("cell", "wrong", "check"),
    [
        ("tableA5.v5.blocks", "[1, 2, 11, 3]", "blocks_v5"),
        ("tableA1.mvit_b_16x4.flops", "70.5×1×7", "views_kinetics_700"),
        ("tableA1.mvit_b_24_32x3.flops", "236×1×6", "views_kinetics_700_24"),
        ("tableA4.t16_c3x7x7.sampling", "16×5", None),
        ("table1.swin_t.views", "4×4", None),
    ],
)
def test_a_wrong_digit_of_a_cell_puts_it_in_doubt(monkeypatch, basis, cell, wrong, check):
    assert status(printed_table(cell.split(".")[0]), cell, basis) == "exact"
    assert check is None or outcome(check)
    table = reprinted(monkeypatch, cell, wrong)
    assert status(table, cell, basis) == "suspicious"
    assert check is None or not outcome(check)


@pytest.mark.parametrize(
    ("check", "cell", "right"),
    [
        ("slowfast_nl_head_600", "table2.slowfast_r101_nl.params", "60.4"),
        ("slowfast_nl_head_700", "tableA1.slowfast_nl.params", "60.6"),
        ("vivit_l_head_600", "table2.vivit_l_320.params", "311.0"),
        ("vivit_h_head_600", "table2.vivit_h.params", "647.8"),
        ("timesformer_head_ssv2", "table3.timesformer_hr.params", "121.1"),
        ("timesformer_positions", "table2.timesformer_hr.params", "121.9"),
        ("vivit_positions", "table1.vivit_l.params", "307.5"),
    ],
)
def test_models_that_differ_in_heads_or_positions_differ_in_parameters(
    monkeypatch, basis, check, cell, right
):
    assert not outcome(check)
    assert status(printed_table(cell.split(".")[0]), cell, basis) == "suspicious"
    reprinted(monkeypatch, cell, right)
    assert outcome(check)


def test_whole_tests_are_views_times_flops(monkeypatch):
    assert outcome("whole_test_of_mvit")
    assert not outcome("whole_test_of_vivit")
    reprinted(monkeypatch, "table1.mvit_b_32x3.views", "1×4")
    assert not outcome("whole_test_of_mvit")


def test_other_views_of_a_model_need_its_training_and_its_weights(basis, evidence):
    for table in ("table1", "table2"):
        said = evidence[f"{table}.swin_l_384_50.top1"]
        assert "swin_large_patch4_window12_384_22k.pth" in said
        trained = basis.hours[table]["swin_l_384"]
        assert f"after the training of `swin_l_384`, about {trained:,.0f}" in said


def test_a_gain_names_what_both_of_its_rows_need(evidence):
    said = evidence["section 4.2", "2.1%"]
    for row in ("swin_b", "swin_b_1k"):
        assert f"--row {row} " in said


def test_what_follows_from_a_near_count_says_how_near(evidence):
    assert "1,435.969 G" in evidence["section A.2", "1446G"]
    assert "tolerance 2 %" in evidence["section A.2", "1446G"]


def test_a_setting_has_the_printed_costs_only_where_they_are_exact(evidence):
    assert "has the printed costs" in evidence["tableA4.t8_c1x4x4.cube"]
    assert "is in doubt" in evidence["tableA4.t8_c3x7x7.cube"]


def test_what_was_chosen_by_a_printed_number_is_said_beside_it(evidence):
    assert "eleven of the twelve blocks" in evidence["tableA2.kv_pool.flops"]
    assert "was chosen because" in evidence["table1.swin_l_384.flops"]
