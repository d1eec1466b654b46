"""Checks of numbers against each other: what passes, what fails, and that each can fail."""

import dataclasses

import pytest

from vswin.paper.auditing import Check, System
from vswin.paper.printed import printed_table
from vswin.paper.text import Number
from vswin.report.audit.basis import Basis, Verdict
from vswin.report.audit.checks import (
    distinct_sizes,
    formulas_agree,
    memory_in_order,
    same_system,
)
from vswin.report.audit.collect import load_audit
from vswin.report.audit.texts import check_of, finding_of
from vswin.report.doubts.quantities import cell_span, value_of

NOTHING = Basis("", {}, {}, {}, {}, {}, {})


@pytest.fixture(scope="module")
def results():
    return {check.id: check for check in load_audit().checks}


def number(printed, formula, **more):
    said = {"number": printed, "of": "it", "kind": "ratio", "is": formula}
    return Number.model_validate(said | more)


def checked(printed, formula, **more):
    return check_of("video_swin", "here", number(printed, formula, **more))


@pytest.mark.parametrize(
    ("printed", "formula", "more"),
    [
        ("+0.7%", "table6.shift_3d.top1 - table6.shift_none.top1", {}),
        ("17%", "100 * (1 - table5.win8.flops / table5.win16.flops)", {}),
        ("~3×", "table1.vivit_h.params / table1.swin_l_384_50.params", {"about": True}),
        ("2.1%", "table1.swin_b.top1 - table1.swin_b_1k.top1", {}),
        ("over 16%", "100 * (1 - table5.win8.flops / table5.win16.flops)", {"relation": "over"}),
        ("{2, 2, 6, 2}", [f"preset.swin_t.depths.{stage}" for stage in range(4)], {}),
    ],
)
def test_a_number_of_the_text_that_follows_from_cells(printed, formula, more):
    assert checked(printed, formula, **more).passes


@pytest.mark.parametrize(
    ("printed", "formula", "more"),
    [
        ("+0.9%", "table6.shift_3d.top1 - table6.shift_none.top1", {}),
        ("20%", "100 * (1 - table5.win8.flops / table5.win16.flops)", {}),
        ("~4×", "table1.vivit_h.params / table1.swin_l_384_50.params", {"about": True}),
        ("0.25×", "table1.swin_t.params / table1.swin_b.params", {"about": True}),
        ("over 18%", "100 * (1 - table5.win8.flops / table5.win16.flops)", {"relation": "over"}),
        ("{2, 2, 8, 2}", [f"preset.swin_t.depths.{stage}" for stage in range(4)], {}),
    ],
)
def test_a_number_of_the_text_that_does_not(printed, formula, more):
    found = checked(printed, formula, **more)
    assert not found.passes
    finding = finding_of(number(printed, formula, **more), found, {}, NOTHING, {})
    assert finding.status == "suspicious"
    assert found.computed in finding.evidence


def test_a_copy_of_a_cell_must_be_its_equal():
    copy = {"number": "84.9", "of": "it", "kind": "result", "cell": "table1.swin_l_384_50.top1"}
    assert check_of("video_swin", "here", Number.model_validate(copy)).passes
    other = Number.model_validate(copy | {"number": "84.8"})
    assert not check_of("video_swin", "here", other).passes


def test_a_contradicted_count_puts_a_number_in_doubt():
    said = number("2×", "table1.swin_l.params / table1.swin_b.params", claims=["a_claim"])
    verdicts = {"a_claim": Verdict("contradicted", "counted", "", (), "params", "ratio")}
    basis = dataclasses.replace(NOTHING, verdicts=verdicts)
    finding = finding_of(said, check_of("video_swin", "here", said), {}, basis, {})
    assert finding.status == "suspicious"


def test_the_same_system_has_the_same_numbers_everywhere(results):
    assert results["swin_t_top1"].passes
    assert not results["swin_b_21k_top1"].passes
    assert results["swin_b_21k_top1"].computed == "82.7 and 82.6"
    system = System(id="made_up", says="Not one", rows=("table5.win8", "table5.win4"))
    assert [check.passes for check in same_system("video_swin", system)] == [False] * 4


def test_classes_against_parameter_counts(results):
    assert not results["base_head_600"].passes
    assert not results["large_head_600"].passes
    assert results["ssv2_window"].passes


def test_a_check_can_fail_and_pass():
    def check(left, right, **more):
        return formulas_agree(
            "video_swin", Check(id="x", about="sums", says="", left=left, right=right, **more)
        )

    assert check("table5.dim8.flops", "table5.win8.flops / 2").passes
    assert not check("table5.dim8.flops", "table5.win8.flops / 3").passes
    assert check("table5.dim4.flops", "table5.dim8.flops / 2", relation="at most").passes
    assert not check("table5.win8.flops", "table5.dim8.flops", relation="at most").passes


def test_copied_numbers_of_parameters_are_found():
    (first,) = distinct_sizes(printed_table("table1"))
    assert not first.passes
    assert first.computed == "r2plus1d and nl_i3d_101, both 61.8"
    (second,) = distinct_sizes(printed_table("table2"))
    assert second.passes


def test_memory_is_printed_in_the_order_of_the_model_of_it_but_for_v6(results):
    found = {name: check for name, check in results.items() if name.startswith("memory_order_")}
    tables = [name.removeprefix("memory_order_") for name in found]
    assert tables == ["tableA2", "tableA5", "tableA6", "tableA9"]
    assert [name for name in tables if not found[f"memory_order_{name}"].passes] == ["tableA5"]
    assert "not in it: v6 above v1, v6 above v2, v6" in found["memory_order_tableA5"].computed
    printed = printed_table("tableA2")  # 16.8, 9.8, 8.9
    (wrong,) = memory_in_order(printed, {"vit_b": 1.0, "two_scale": 2.0, "kv_pool": 0.5})
    assert not wrong.passes
    assert wrong.computed.startswith("2 of 3 pairs")


@pytest.mark.parametrize(
    "name",
    ["table1.swin_x.top1", "table99.a.b", "preset.swin_t.nothing", "text.nothing", "table1.i3d"],
)
def test_a_name_that_stands_for_nothing_is_refused(name):
    with pytest.raises(ValueError, match=r"nothing|no number|no printed table|is called"):
        value_of(name)


def test_the_second_number_of_a_cell():
    assert cell_span("table1", "swin_t", "views", 2).face == 3
    with pytest.raises(ValueError, match="has no number 3"):
        cell_span("table1", "swin_t", "views", 3)
