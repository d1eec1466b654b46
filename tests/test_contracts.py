"""What may import what: imports point down only."""

import ast
from pathlib import Path

import pytest

import vswin

PACKAGE = Path(vswin.__file__).parent
ORDER = [
    {"cli"},
    {"report"},
    {"launch"},
    {"experiments"},
    {"runs"},
    {"evaluation"},
    {"training"},
    {"tasks"},
    {"weights", "costs", "data"},
    {"models", "paper"},
    {"errors", "files", "place", "project", "reading", "version", "wording"},
]
"""From the top down. A folder may import what stands below it, itself, and nothing else of ours."""


def level(folder):
    found = [number for number, names in enumerate(ORDER) if folder in names]
    assert found, f"vswin/{folder} has no place in the order of imports"
    return found[0]


def imported(path):
    """Our folders and modules that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("vswin"):
            parts = node.module.split(".")
            homes = [
                vswin.HOME[alias.name].split(".")[1] for alias in node.names if len(parts) == 1
            ]
            yield from parts[1:2] or homes
        elif isinstance(node, ast.Import):
            names = (alias.name.split(".") for alias in node.names)
            yield from (parts[1] for parts in names if parts[0] == "vswin" and len(parts) > 1)


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.glob("*/**/*.py")), ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_imports_point_down(path):
    folder = path.relative_to(PACKAGE).parts[0]
    for other in imported(path):
        assert other == folder or level(other) > level(folder), f"{path} imports vswin.{other}"
