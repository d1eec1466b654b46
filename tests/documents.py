"""The commands in the documents: found, held against the parsers that there are, and executed."""

import re
import shlex

from typer.main import get_command

from tests.command import vswin
from tests.test_packaging import PROJECT
from vswin.cli.main import app
from vswin.project import project_root

ROOT = project_root()
DOCUMENTS = (
    "README.md",
    *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))),
    "benchmarks/README.md",
    "experiments/README.md",
    "results/README.md",
    "slurm/README.md",
    "CONTRIBUTING.md",
)


def text_of(document):
    return (ROOT / document).read_text()


def blocks(document, kind=""):
    """The fenced blocks of a kind: "" is what a terminal gets."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text_of(document), re.S | re.M)
    return [block for each, block in found if each == kind]


def commands(document):
    """Each line of the blocks for a terminal, in words, without what it says about itself."""
    lines = (line for block in blocks(document) for line in block.splitlines())
    for line in lines:
        if line[:1].isalpha():
            yield shlex.split(re.split(r"\s{2,}", line)[0], comments=True)


def spoken(document):
    """Commands of ours in the sentences, in words."""
    prose = re.sub(r"^```.*?^```", "", text_of(document), flags=re.S | re.M)
    for code in re.findall(r"`([^`]+)`", prose):
        if re.match(r"vswin [a-z]", code):
            yield shlex.split(code)


def require_known(words, whole=True):
    """Fails where a command names what there is not: a command, an option, a file, a target.

    Args:
        words: the command.
        whole: whether nothing may be left out that it needs.
    """
    while re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    program, *rest = words
    if program == "vswin":
        _require_parsed(["1" if word == "N" else word.strip("[]") for word in rest], whole)
    else:
        OTHERS[program](rest)


def _require_parsed(words, whole):
    command, *rest = get_command(app), *words
    while hasattr(command, "commands"):
        name, *rest = rest
        assert name in command.commands, f"vswin {' '.join(words)}: there is no {name}"
        command = command.commands[name]
        if not rest and not whole:
            return
    try:
        command.make_context(name, rest)
    except Exception as error:  # click's, wherever typer keeps it
        lacks = type(error).__name__ == "MissingParameter" and not whole
        assert lacks, f"vswin {' '.join(words)}: {error}"


def _make(words):
    makefile = (ROOT / "Makefile").read_text()
    for word in (word for word in words if "=" not in word):
        rule = re.sub(r"^(table|figure|section)\w+$", r"\1%", word)
        assert re.search(rf"^{re.escape(rule)}:", makefile, re.M), f"make {word}"


def _python(words):
    if words[0] == "-m":  # a package of the clone that is a program
        assert (ROOT / words[1] / "__main__.py").is_file(), words
    else:
        assert (ROOT / words[0]).is_file(), words


def _cp(words):
    source, _ = words
    assert (ROOT / source).is_file(), words


def _pip(words):
    extras = [extra for word in words for extra in re.findall(r"\[(.+)\]", word)]
    assert {*",".join(extras).split(",")} <= {"", *PROJECT["optional-dependencies"]}, words


OTHERS = {
    "make": _make,
    "python": _python,
    "cp": _cp,
    "pip": _pip,
    "cd": lambda words: None,
    "git": lambda words: None,
    "source": lambda words: None,
}
"""What else a line may begin with, and what is held against it."""


def execute(document, folder, only):
    """Executes those commands of a document that can be here, one after the other.

    Args:
        document: its path.
        folder: where the first is executed; `cd` changes it.
        only: whether a command, in words, can be.

    Returns:
        What each printed, by the command.
    """
    said = {}
    for words in filter(only, commands(document)):
        if words[0] == "cd":
            folder = folder / words[1]
            continue
        done = vswin(*words[1:], cwd=folder)
        assert done.returncode == 0, (words, done.stderr)
        said[" ".join(words)] = done.stdout
    return said
