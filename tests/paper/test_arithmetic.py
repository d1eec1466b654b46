"""Printed numbers stand for all numbers that round to them, and so does what follows from them."""

from fractions import Fraction

import pytest

from vswin.paper.arithmetic import Span, evaluate, exactly, names_in, printed_span, printed_spans


def ends(span):
    return float(span.low), float(span.face), float(span.high)


@pytest.mark.parametrize(
    ("text", "is_about", "wanted"),
    [
        ("88.1", False, (88.05, 88.1, 88.15)),
        ("+0.7%", False, (0.65, 0.7, 0.75)),
        ("−0.9%", False, (-0.95, -0.9, -0.85)),
        ("~20×", True, (15, 20, 25)),
        ("0.25×", True, (0.245, 0.25, 0.255)),
        ("half", True, (0.45, 0.5, 0.55)),
        ("half", False, (0.5, 0.5, 0.5)),
        ("Four", False, (4, 4, 4)),
        ("28.3k", False, (28_250, 28_300, 28_350)),
        ("3e-5", False, (2.5e-5, 3e-5, 3.5e-5)),
        ("1.6·10^-3", False, (1.55e-3, 1.6e-3, 1.65e-3)),
        ("11-layer", False, (10.5, 11, 11.5)),
    ],
)
def test_what_a_printed_number_stands_for(text, is_about, wanted):
    assert ends(printed_span(text, is_about=is_about)) == pytest.approx(wanted)


def test_a_unit_scales_nothing():
    assert ends(printed_span("2.1M", unit="M")) == pytest.approx((2.05, 2.1, 2.15))
    assert printed_span("1.28M", unit="images").face == 1_280_000


def test_several_numbers_in_one():
    assert [float(span.face) for span in printed_spans("{2, 2, 6, 2}")] == [2, 2, 6, 2]
    assert [float(span.face) for span in printed_spans("16×56×56")] == [16, 56, 56]
    with pytest.raises(ValueError, match="holds 2 numbers"):
        printed_span("4×3")


VALUES = {"table0.a.x": printed_span("9.8"), "table0.b.x": printed_span("16.8")}


def test_a_formula_keeps_what_its_digits_allow():
    found = evaluate("100 * (1 - table0.a.x / table0.b.x)", VALUES.__getitem__)
    assert float(found.face) == pytest.approx(41.667, abs=1e-3)
    assert float(found.low) == pytest.approx(41.194, abs=1e-3)
    assert float(found.high) == pytest.approx(42.136, abs=1e-3)
    assert found.meets(printed_span("41"))
    assert not found.meets(printed_span("43"))


def test_what_has_no_rounding_has_none_afterwards():
    assert evaluate("-(2 + 3) * 4 / 8", VALUES.__getitem__) == exactly(Fraction(-5, 2))


def test_a_number_that_may_be_zero_divides_nothing():
    with pytest.raises(ZeroDivisionError):
        evaluate("1 / table0.zero.x", lambda _: Span(Fraction(0), Fraction(-1), Fraction(1)))


@pytest.mark.parametrize(
    "formula", ["a.b +", "print(1)", "x", "1 if 2 else 3", "a.b ** 2", "__import__('os')", "'a'"]
)
def test_what_is_no_formula_is_refused(formula):
    with pytest.raises(ValueError, match="formula|names|name|number"):
        evaluate(formula, lambda _: exactly(1))


def test_names_are_found_in_their_order_and_once():
    formula = "table1.b.top1 - preset.swin_t.patch_size.0 + table1.b.top1 * 2.5"
    assert names_in(formula) == ["table1.b.top1", "preset.swin_t.patch_size.0"]
