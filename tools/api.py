"""Writes docs/api.md: what the public functions say of themselves.

`python tools/api.py` after a change of one of them, or of its docstring. A test compares.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import vswin
from vswin.evaluation.reading import ClipTransforms
from vswin.files import write_text
from vswin.project import project_root
from vswin.report import Study

PAGE = project_root() / "docs" / "api.md"
HEAD = """\
# In Python

The public functions, in the order of `help(vswin)`. `python tools/api.py` writes this page from
what they say of themselves.
"""
RETURNED: dict[str, tuple[type, tuple[str, ...]]] = {
    "transforms_for": (ClipTransforms, ("read", "frames", "crop", "normalise")),
    "load_study": (Study, ("table", "plot", "frame", "cost_lines")),
}
"""What one works with further of what a function returns: the class, and methods of it."""
_SECTION = re.compile(r"(Args|Returns|Raises|Yields):$")
_ENTRY = re.compile(r"(\*{0,2}\w+(?:, \w+)*): (.+)")


def page() -> str:
    """The whole page."""
    assert vswin.__doc__ is not None
    order = re.findall(r"^ {4}(\w+)\(|, (\w+)\(\.\.\.\)", vswin.__doc__, re.M)
    names = [first or second for first, second in order]
    assert sorted(names) == sorted(vswin.__all__), "the summary of vswin lacks a name"
    parts = [HEAD]
    for name in names:
        parts += _function(name, getattr(vswin, name))
        if name in RETURNED:
            parts.append(_methods(*RETURNED[name]))
    return "\n".join(parts)


def _function(name: str, function: Callable[..., Any]) -> Iterator[str]:
    yield f"## {name}\n\n```python\n{_signature(name, function)}\n```\n"
    yield _markdown(inspect.getdoc(function) or "")


def _methods(kind: type, names: tuple[str, ...]) -> str:
    lines = [f"What it returns, a `{kind.__name__}`, has:\n"]
    for name in names:
        _, *taken = inspect.signature(getattr(kind, name)).parameters
        said = (inspect.getdoc(getattr(kind, name)) or "").split("\n\n")[0]
        lines.append(f"- `{name}({', '.join(taken)})`: {' '.join(said.split())}")
    return "\n".join(lines) + "\n"


def _signature(name: str, function: Callable[..., Any]) -> str:
    """As it is written, with a parameter on each line if one does not hold them."""
    found = inspect.signature(function)
    words = [_parameter(each) for each in found.parameters.values()]
    end = f") -> {found.return_annotation}"
    line = f"{name}({', '.join(words)}{end}"
    return line if len(line) <= 100 else "\n".join([f"{name}(", *(f"    {w}," for w in words), end])


def _parameter(found: inspect.Parameter) -> str:
    stars = {found.VAR_POSITIONAL: "*", found.VAR_KEYWORD: "**"}.get(found.kind, "")
    said = "" if found.annotation is found.empty else f": {found.annotation}"
    shown = "..." if callable(found.default) else repr(found.default)
    default = "" if found.default is found.empty else f" = {shown}"
    return f"{stars}{found.name}{said}{default}"


def _markdown(text: str) -> str:
    """A docstring: paragraphs as they are, sections as lists."""
    lines: list[str] = []
    within = ""
    for line in text.splitlines():
        if section := _SECTION.match(line):
            within = section[1]
            lines += [f"{within}:", ""]
        elif not within or not line.strip():
            lines.append(line)
        elif line.startswith("     ") or (within in ("Returns", "Yields") and lines[-1]):
            lines[-1] += f" {line.strip()}"
        else:
            entry = _ENTRY.match(line.strip())
            lines.append(f"- `{entry[1]}`: {entry[2]}" if entry else line.strip())
    return "\n".join(lines).replace("<", "&lt;") + "\n"


def main() -> None:
    """Writes the page."""
    write_text(PAGE, page())
    print(PAGE)


if __name__ == "__main__":
    main()
