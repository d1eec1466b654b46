"""What may import what: imports point down only."""

import ast
import graphlib
import subprocess
import sys
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
    {"using"},
    {"evaluation"},
    {"training"},
    {"tasks"},
    {"weights"},
    {"costs", "data"},
    {"models", "paper"},
    {"errors", "extras", "files", "place", "project", "reading", "version", "wording"},
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


def module_of(path):
    parts = ("vswin", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in PACKAGE.glob("**/*.py")}


def is_for_types(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def imported_modules(tree):
    """Our modules that a syntax tree imports, inside functions, too, but not for types alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("vswin"):
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in MODULES else node.module
                if node.module == "vswin" and alias.name in vswin.HOME:
                    yield vswin.HOME[alias.name]
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif not is_for_types(node):
            yield from imported_modules(node)


GRAPH = {name: {*imported_modules(ast.parse(path.read_text()))} for name, path in MODULES.items()}


def test_no_two_modules_import_each_other_in_whatever_way():
    try:
        graphlib.TopologicalSorter(GRAPH).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(error.args[1])}")


def test_no_folder_of_the_report_reaches_one_above_it():
    above = []
    for folder in ("audit", "overview", "claims", "doubts"):  # from the top down
        start = f"vswin.report.{folder}."
        reached, new = set(), {name for name in GRAPH if name.startswith(start)}
        assert new, f"{start} is empty"
        while new:
            reached |= new
            new = {other for name in new for other in GRAPH.get(name, ())} - reached
        found = sorted(name for name in reached if name.startswith(tuple(above)))
        assert not found, f"{start[:-1]} needs {found}"
        above.append(start)


def test_slurm_knows_nothing_of_what_is_launched_above_it():
    for name, found in GRAPH.items():
        if name.startswith("vswin.launch.slurm"):
            above = {
                other
                for other in found
                if other.startswith("vswin.launch.") and not other.startswith("vswin.launch.slurm")
            }
            assert not above, f"{name} imports {above}"


QUICK = [
    "vswin",
    "vswin.cli.main",
    "vswin.cli.jobs",
    "vswin.cli.listing",
    "vswin.cli.status",
    "vswin.cli.submit",
    "vswin.experiments.planning",
    "vswin.experiments.rows",
    "vswin.launch.cancel",
    "vswin.launch.estimate",
    "vswin.launch.logs",
    "vswin.launch.pool",
    "vswin.launch.progress",
    "vswin.launch.slurm.job",
    "vswin.launch.status",
    "vswin.launch.study",
    "vswin.launch.submit",
    "vswin.report",
    "vswin.report.notebooks",
    "vswin.report.page",
    "vswin.report.drawing",
    "vswin.runs.provenance",
    "vswin.runs.reporter",
    "vswin.runs.requirements",
    "vswin.runs.store",
]
"""What `vswin --help`, list, status, logs, cancel, submit and report are made of."""


def test_what_must_be_quick_does_without_torch():
    """Two seconds, on a login node much more."""
    code = (
        "import importlib, sys\n"
        f"for name in {QUICK}:\n"
        "    importlib.import_module(name)\n"
        "    if 'torch' in sys.modules:\n"
        "        sys.exit(f'{name} loads torch')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
