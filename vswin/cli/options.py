"""Options that several commands share."""

from __future__ import annotations

import ast
import contextlib
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer

from vswin.errors import UsageError, VswinError
from vswin.project import project_elsewhere, results_path, without_dots

TableArgument = Annotated[str, typer.Argument(help="A table, e.g. table5; see `vswin list`.")]
ProtocolOption = Annotated[
    str, typer.Option("--protocol", "-p", help="How rows are trained and tested: see `vswin list`.")
]
RowOption = Annotated[
    list[str] | None, typer.Option("--row", "-r", help="Only this row (repeat for several).")
]
SeedsOption = Annotated[
    int | None,
    typer.Option(
        "--seeds", "-s", help="How many seeds, from 0 on (default: as the protocol says)."
    ),
]


def _from_here(
    context: typer.Context, parameter: typer.CallbackParam, value: str | None
) -> str | None:
    """A folder that was typed counts from the current one; the default, from the project's root."""
    source = context.get_parameter_source(parameter.name)
    if value is None or source is None or source.name != "COMMANDLINE":
        return value
    return absolute(value)


ResultsOption = Annotated[
    str,
    typer.Option(
        "--results-dir",
        help="Folder of results (default: `results` in the project).",
        callback=_from_here,
        show_default=False,
    ),
]
OptionalResultsOption = Annotated[
    str | None,
    typer.Option("--results-dir", help="Folder of results.", callback=_from_here),
]
EvaluatedOption = Annotated[
    str | None,
    typer.Option(
        "--results-dir",
        help="Folder of results to keep the outcome in, for reports (default: `results` in the "
        "project; without one, or with --annotations, nowhere).",
        callback=_from_here,
    ),
]
JobsOption = Annotated[
    int,
    typer.Option(
        "--jobs", "-j", min=0, help="Runs at a time (0: as many as there are cores or GPUs for)."
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any keyword of vswin.build_model, for a preset: pooling=max, depths=2,2,10,2 "
        "(repeat for several).",
    ),
]
DataFileOption = Annotated[
    Path | None,
    typer.Option(
        "--data-file", help="This machine's data file (default: $VSWIN_DATA or data.yaml)."
    ),
]


def absolute(folder: str) -> str:
    """A folder as it was typed, from the current one; what is no folder's name stays as it is."""
    try:
        return str(without_dots(Path(folder).expanduser().absolute())) if folder.strip() else folder
    except RuntimeError:  # the home of an unknown user; what reads the path says so
        return folder


def say_project(quiet: bool = False) -> None:
    """Names the project on stderr if the current folder is not inside it.

    Args:
        quiet: says nothing; for output that programs read.

    Raises:
        UsageError: if there is no project.
    """
    found = project_elsewhere()
    if found is not None and not quiet:
        print(f"project: {found}", file=sys.stderr)


def say_absent(results_dir: str | Path) -> None:
    """Says on stderr that a folder of results does not exist, for commands that read what is there.

    It may be mistyped; and a new one is no error, for costs need no runs.
    """
    path = results_path(results_dir)
    if not path.is_dir():
        print(f"results in {path}, a folder that does not exist: nothing was run", file=sys.stderr)


def use_data_file(path: Path | None) -> None:
    """Makes `--data-file` count for this command and the processes that it starts.

    Raises:
        UsageError: if there is no such file.
    """
    if path is not None:
        from vswin.data.data_file import VARIABLE  # brings torch, which `--help` has no use for

        path = without_dots(path.expanduser().absolute())
        if not path.is_file():
            raise UsageError(f"--data-file {path}: there is no such file")
        os.environ[VARIABLE] = str(path)


def confirm(question: str, yes: bool, refusal: str) -> None:
    """Asks on the terminal, unless `--yes` was given.

    Raises:
        UsageError: if there is no terminal to ask on.
        VswinError: the refusal, if the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} There is no terminal to ask on; give --yes")
    if not typer.confirm(question):
        raise VswinError(refusal)


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """A closed terminal and SIGTERM end the block as Ctrl-C does."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = {s: signal.signal(s, stop) for s in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


@contextlib.contextmanager
def resumable() -> Iterator[None]:
    """Says on Ctrl-C, and what ends as it does, that nothing is lost."""
    with ended_by_signals():
        try:
            yield
        except KeyboardInterrupt:
            print("interrupted; the same command goes on where it stopped", file=sys.stderr)
            raise typer.Exit(130) from None


def model_options(**words: str | None) -> dict[str, Any]:
    """Overrides of a model's configuration, from the options that were given.

    Raises:
        UsageError: if one is not as it should be.
    """
    from vswin.models.errors import ModelError
    from vswin.models.registry import overrides_of

    found: dict[str, Any] = {}
    for name, text in words.items():
        try:
            found |= overrides_of({name: text} if text is not None else {})
        except ModelError as error:
            raise UsageError(f"--{name} {text}: {error}") from error
    return found


def model_keywords(pairs: Sequence[str], presets: Sequence[str] = ()) -> dict[str, Any]:
    """Overrides of a model's configuration, each from a text such as `kv_stride=1,4,4`.

    Values are as in Python, and 1x4x4 is (1, 4, 4); a word is itself, but true and false are True
    and False. Where a keyword takes tuples of any length, 6 is (6,); where it takes None, so is
    none. Whether a model has such a keyword is for `vswin.models.registry.resolve_config` to say.

    Args:
        pairs: the texts.
        presets: whose keywords they are; all are known.

    Raises:
        UsageError: if a text is not KEY=VALUE, or two say the same key.
    """
    from vswin.models import registry

    known = [registry.presets()[preset].config_type for preset in presets]
    types = {name: hint for each in known for name, hint in get_type_hints(each).items()}
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not (key.isidentifier() and equals and text):
            raise UsageError(f"--set {pair}: wanted KEY=VALUE, such as pooling=max")
        if key in found:
            raise UsageError(f"--set {pair}: {key} is said twice")
        found[key] = _value(text.strip(), types.get(key))
    return found


def _value(text: str, hint: Any) -> Any:
    """What a text stands for, where a value of the type `hint` is wanted."""
    words: dict[str, Any] = {"true": True, "false": False}
    if type(None) in get_args(hint):
        words["none"] = None
    if text.lower() in words:
        return words[text.lower()]
    if re.fullmatch(r"\d+(x\d+)+", text):
        text = text.replace("x", ",")
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    of_any_length = any(get_args(each)[1:] == (Ellipsis,) for each in (hint, *get_args(hint)))
    return (value,) if of_any_length and type(value) is int else value
