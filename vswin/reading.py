"""Reading experiment and protocol files so that every mistake is named by file, line and key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from vswin.errors import VswinError


class ExperimentError(VswinError):
    """An experiment or protocol file is not what it should be; names file, line and key."""

    exit_code = 2


LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""A report reads some two hundred files, which takes Python's own parser seconds."""
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
_MISSING = ("missing", "missing_argument")
_KEYS = "should be keys and values, such as `{key: value}`"
_WANTED = {
    "tuple_type": "should be a list, such as `[one, two]`",
    "list_type": "should be a list, such as `[one, two]`",
    "dict_type": _KEYS,
    "model_type": _KEYS,
    "dataclass_type": _KEYS,
    "int_": "should be an integer",
    "float_": "should be a number",
    "bool_": "should be true or false",
    "string_type": "should be text",
    "invalid_key": "keys should be text",
}
"""What a value should be, by how the types of pydantic's errors begin."""

PATTERNS = {
    r"^[a-z0-9_]+$": "should be lower-case letters, digits and _, such as `win8`",
    r"^[A-Za-z0-9_]+$": "should be letters, digits and _, such as `tableA1`",
    r"^([A-Za-z0-9_]+\.)?[a-z0-9_]+$": "should be a row or table.row, such as `table5.win8`",
    r"^[1-9][0-9]*x[135]$": "should be clips x crops, with 1, 3 or 5 crops, such as `4x3`",
    r"^[0-9a-f]{64}$": "should be a SHA-256, 64 hexadecimal digits",
    r"\S": "should not be empty",
}
"""What a text should be, by the regular expression that it does not match."""


class Strict(BaseModel):
    """Data from a file: unknown keys are refused, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def __str__(self) -> str:
        return repr(self)


def require_named(path: Path, key: str, value: Any) -> Any:
    """`value`, whose `key` must be the file's own name.

    Raises:
        ExperimentError: if it is not.
    """
    if getattr(value, key) != path.stem:
        raise ExperimentError(
            f"{path}: key '{key}' is {getattr(value, key)!r}, but the file is "
            f"called {path.stem!r}; they must agree"
        )
    return value


def read_strictly(
    path: Path,
    kind: type[BaseModel] | Mapping[str, type[BaseModel]],
    context: Mapping[str, Any] | None = None,
) -> Any:
    """Reads and validates a YAML file.

    A file that says `extends: other` has from other.yaml, beside it, what it does not say itself:
    keys within keys, too, while a list counts as a whole.

    Args:
        path: the file.
        kind: what it must hold; or what it may hold, by the value of its key `kind`.
        context: what its validators want to know of other files.

    Raises:
        ExperimentError: if it is no YAML, repeats a key, or is not what `kind` says.
    """
    node, content = _read(path)
    if isinstance(kind, Mapping):
        chosen = kind.get(str(content.get("kind")))
        if chosen is None:
            line = _line(node, ["kind"])
            raise ExperimentError(
                f"{path}, line {line}: kind: should be one of {', '.join(kind)}, "
                f"not {content.get('kind')!r}"
            )
        kind = chosen
    if "extends" not in kind.model_fields:
        content.pop("extends", None)
    try:
        return kind.model_validate(content, context=context)
    except ValidationError as error:
        problems = error.errors()
        inside = {problem["loc"][:1] for problem in problems if len(problem["loc"]) > 1}
        # A list whose items are all refused is also called too short; that is no second mistake.
        problems = [p for p in problems if p["type"] != "too_short" or p["loc"] not in inside]
        raise ExperimentError("\n".join(_explain(path, node, p) for p in problems)) from error


def _read(path: Path) -> tuple[yaml.Node, dict[str, Any]]:
    """A file's own keys with their lines, and its content with that of the file it extends."""
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=LOADER)
        content = yaml.load(text, Loader=LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else "?"
        raise ExperimentError(f"{path}, line {line}: not valid YAML: {error.problem}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        words = str(error).splitlines()[0]
        raise ExperimentError(f"{path} cannot be read as UTF-8 YAML: {words}") from error
    if not isinstance(node, yaml.MappingNode):
        raise ExperimentError(f"{path}, line 1: wanted keys and values, such as `title: ...`")
    _refuse_repeated_keys(path, node)
    if "extends" not in content:
        return node, content
    other = path.with_name(f"{content['extends']}.yaml")
    if other == path or not other.exists():
        line = _line(node, ["extends"])
        raise ExperimentError(f"{path}, line {line}: extends: there is no other file {other.name}")
    return node, _over(content, _read(other)[1])


def _over(said: dict[Any, Any], other: Mapping[Any, Any]) -> dict[Any, Any]:
    """What is said, and what the other says where nothing is said."""
    found = dict(other)
    for key, value in said.items():
        inner = found.get(key)
        both = isinstance(value, dict) and isinstance(inner, dict)
        found[key] = _over(value, dict(inner or {})) if both else value
    return found


def _refuse_repeated_keys(path: Path, node: yaml.Node) -> None:
    """YAML itself lets the last one win, silently."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise ExperimentError(f"{path}, line {line}: {key.value}: key is given twice")
            seen.add(key.value)
            _refuse_repeated_keys(path, value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeated_keys(path, item)


def _explain(path: Path, node: yaml.Node | None, error: Any) -> str:
    """One line for one problem: file, line, key, what is wrong."""
    location = [part for part in error["loc"] if part != "function-after"]
    key = ".".join(map(str, location)) or "the file"
    message = in_plain_words(error)
    is_about_value = error["type"] not in (*_UNKNOWN, *_MISSING) and "input" in error
    if is_about_value and not isinstance(error["input"], dict | list | tuple):
        message += f", not {'nothing' if error['input'] is None else repr(error['input'])}"
    return f"{path}, line {_line(node, location)}: {key}: {message}"


def in_plain_words(error: Any) -> str:
    """What one of pydantic's errors means to who has written the file, without the value."""
    kind = error["type"]
    if kind in _UNKNOWN:
        return "unknown key"
    if kind in _MISSING:
        is_item = bool(error["loc"]) and isinstance(error["loc"][-1], int)
        return f"item {error['loc'][-1] + 1} is missing" if is_item else "required key is missing"
    if kind == "string_pattern_mismatch":
        return PATTERNS[error["ctx"]["pattern"]]
    for name, words in _WANTED.items():
        if kind.startswith(name):
            return words
    if kind in ("too_short", "too_long"):
        bound = "at least" if kind == "too_short" else "at most"
        count = error["ctx"].get("min_length", error["ctx"].get("max_length"))
        return f"should have {bound} {count} item{'s' * (count != 1)}"
    return (
        str(error["msg"])
        .removeprefix("Value error, ")
        .removeprefix("Input ")
        .removeprefix("String ")
    )


def _line(node: yaml.Node | None, location: list[Any]) -> int:
    """Line (from 1) of the deepest part of `location` that the file has."""
    line = 1
    for part in location:
        child = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == part:
                    line, child = key.start_mark.line + 1, value
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            child = node.value[part] if part < len(node.value) else None
            line = child.start_mark.line + 1 if child is not None else line
        if child is None:
            break
        node = child
    return line
