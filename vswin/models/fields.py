"""Checks of the fields of models' configurations, with the words in which they are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from vswin.models.errors import ModelError


def is_count(value: object) -> bool:
    """Whether a value is an integer of at least 1."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def one_of(literal: Any) -> str:
    """The values of a Literal, in words."""
    return "one of " + ", ".join(repr(value) for value in get_args(literal))


def require(ok: bool, name: str, value: object, wanted: str) -> None:
    """Refuses a field's value.

    Raises:
        ModelError: unless `ok`; names the field, its value and what is wanted.
    """
    if not ok:
        raise ModelError(f"{name}={value!r} is not possible; wanted {wanted}")


def with_tuples(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The same fields with tuples in the place of the lists of YAML and JSON."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
