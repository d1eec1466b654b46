"""Arithmetic of printed numbers, each of which stands for all the numbers that round to it.

A difference of two printed numbers need not round to the printed difference: 3.0 of 7.1 is 42.3 %,
and yet 43 % is possible, as 3.04 of 7.06 is 43.1 %. What a check asks is whether a printed number
is possible, given the digits of those that it follows from.
"""

from __future__ import annotations

import ast
import dataclasses
import operator
import re
from collections.abc import Callable
from fractions import Fraction

WORDS: dict[str, int | Fraction] = {
    "zero": 0,
    "one": 1,
    "single": 1,
    "two": 2,
    "twice": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "half": Fraction(1, 2),
    "other half": Fraction(1, 2),
}
"""Words that stand for a number in the text of a paper."""
SCALES = {"k": 1000, "m": 1_000_000}
POWER = re.compile(r"(?:(\d+(?:\.\d+)?)·)?10\^(-?\d+)|(\d+(?:\.\d+)?)e(-?\d+)")


@dataclasses.dataclass(frozen=True)
class Span:
    """A number at its face, and the least and the greatest that it may stand for."""

    face: Fraction
    low: Fraction
    high: Fraction

    def __add__(self, other: Span) -> Span:
        """Both ends, as always below."""
        return Span(self.face + other.face, self.low + other.low, self.high + other.high)

    def __sub__(self, other: Span) -> Span:
        """The least of a difference is that of the least and the greatest."""
        return Span(self.face - other.face, self.low - other.high, self.high - other.low)

    def __mul__(self, other: Span) -> Span:
        """The ends are among the products of ends."""
        ends = [a * b for a in (self.low, self.high) for b in (other.low, other.high)]
        return Span(self.face * other.face, min(ends), max(ends))

    def __truediv__(self, other: Span) -> Span:
        """Likewise.

        Raises:
            ZeroDivisionError: if what divides may be zero.
        """
        if other.low <= 0 <= other.high:
            raise ZeroDivisionError("a printed number that may stand for zero cannot divide")
        ends = [a / b for a in (self.low, self.high) for b in (other.low, other.high)]
        return Span(self.face / other.face, min(ends), max(ends))

    def meets(self, other: Span) -> bool:
        """Whether both may stand for the same number."""
        return self.low <= other.high and other.low <= self.high


def exactly(number: float | Fraction) -> Span:
    """A number that stands for itself alone."""
    value = number if isinstance(number, Fraction) else Fraction(str(number))
    return Span(value, value, value)


def printed_span(text: str, unit: str = "", is_about: bool = False) -> Span:
    """A printed number with what rounds to it.

    Args:
        text: as printed; one number, in digits or as a word.
        unit: if it is the letter that the number ends with (`1.5M` in M), that scales nothing.
        is_about: of "about 20" only the digits before the closing zeros count, so that it stands
            for 15 to 25.

    Raises:
        ValueError: if there is not exactly one number in it.
    """
    found = printed_spans(text, unit, is_about)
    if len(found) != 1:
        raise ValueError(f"{text!r} holds {len(found)} numbers, wanted one")
    return found[0]


def printed_spans(text: str, unit: str = "", is_about: bool = False) -> list[Span]:
    """Every number in a printed text, likewise: three of `16×56×56`."""
    if (word := WORDS.get(text.lower().removeprefix("over "))) is not None:
        half = Fraction(1, 20) if is_about else Fraction(0)
        return [Span(Fraction(word), word - half, word + half)]
    if power := POWER.search(text):
        factor, exponent = (power[1] or "1", power[2]) if power[2] else (power[3], power[4])
        return [_scaled(factor, Fraction(10) ** int(exponent), is_about)]
    signs = {"-": -1, "−": -1}
    found = []
    for match in re.finditer(r"([-−]?)(\d+(?:\.\d+)?)([kKM]\b)?", text):
        is_negative = match[1] in signs and not re.search(r"[\w\])]$", text[: match.start()])
        suffix = (match[3] or "").lower()
        scale = 1 if suffix == unit.lower() else SCALES.get(suffix, 1)
        span = _scaled(match[2], Fraction(scale), is_about)
        found.append(exactly(0) - span if is_negative else span)
    return found


def _scaled(digits: str, scale: Fraction, is_about: bool) -> Span:
    """A number of so many digits, times a scale."""
    step = Fraction(1, 10 ** len(digits.partition(".")[2]))
    if is_about and "." not in digits:
        step = Fraction(10 ** (len(digits) - len(digits.rstrip("0"))))
    face = Fraction(digits) * scale
    return Span(face, face - step * scale / 2, face + step * scale / 2)


OPERATORS: dict[type[ast.operator], Callable[[Span, Span], Span]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
KNOWN = (ast.Name, ast.Load, ast.BinOp, ast.UnaryOp, ast.USub, ast.Constant, *OPERATORS)
"""What the tree of a formula may hold."""


NAME = re.compile(r"[A-Za-z]\w*(?:\.\w+)+")
"""What a formula calls a number: `table5.win8.flops`, `preset.swin_t.patch_size.0`."""


def evaluate(formula: str, value_of: Callable[[str], Span]) -> Span:
    """What a formula such as `100 * (1 - table5.win8.flops / table5.win16.flops)` stands for.

    Args:
        formula: numbers, names with dots, + - * / and brackets.
        value_of: what a name stands for.

    Raises:
        ValueError: if it is no such formula, or from `value_of`, if a name is none.
    """
    names = names_in(formula)
    return _evaluate(_parsed(formula), names, value_of)


def names_in(formula: str) -> list[str]:
    """The names in a formula, in its order, each once.

    Raises:
        ValueError: if it is no formula.
    """
    _parsed(formula)
    return list(dict.fromkeys(NAME.findall(formula)))


def _parsed(formula: str) -> ast.expr:
    """Its tree, in which a name is `_` and its place in `names_in`."""
    names = list(dict.fromkeys(NAME.findall(formula)))
    text = NAME.sub(lambda found: f"_{names.index(found[0])}", formula)
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"{formula!r} is no formula") from error
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not re.fullmatch(r"_\d+", node.id):
            raise ValueError(f"{formula!r}: {node.id} is no name of a number; those have dots")
        is_number = not isinstance(node, ast.Constant) or isinstance(node.value, int | float)
        if not isinstance(node, KNOWN) or not is_number:
            raise ValueError(f"{formula!r} has more than numbers, names, + - * / and brackets")
    return tree


def _evaluate(node: ast.expr, names: list[str], value_of: Callable[[str], Span]) -> Span:
    match node:
        case ast.Name(id=place):
            return value_of(names[int(place[1:])])
        case ast.BinOp(op=op):
            sides = (_evaluate(side, names, value_of) for side in (node.left, node.right))
            return OPERATORS[type(op)](*sides)
        case ast.UnaryOp():
            return exactly(0) - _evaluate(node.operand, names, value_of)
        case ast.Constant(value=int() | float() as number):
            return exactly(number)
    raise AssertionError(node)


def in_words(span: Span) -> str:
    """A number with what it may be, given the digits of what it follows from."""
    if span.low == span.high:
        return in_digits(span.face)
    return f"{in_digits(span.face)} (from {in_digits(span.low)} to {in_digits(span.high)})"


def in_digits(number: Fraction) -> str:
    """A number for a reader: three digits after the point at most, without closing zeros."""
    if number != 0 and abs(number) < Fraction(1, 100):
        return f"{float(number):.3g}"
    text = f"{float(number):,.3f}"
    return text.rstrip("0").rstrip(".").replace("-", "−")
