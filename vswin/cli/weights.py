"""`vswin weights …`: which are published, fetching them, what a file is, other layouts."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vswin.cli.options import DataFileOption, resumable, use_data_file
from vswin.cli.terminal import print_line, print_table
from vswin.errors import UsageError, unknown

if TYPE_CHECKING:  # imported by the commands themselves: `vswin --help` has no use for torch
    from vswin.weights.checkpoint import Checkpoint

app = typer.Typer(
    help="Checkpoints: published ones, what a file is, and writing it in another public layout.",
    no_args_is_help=True,
)

FileArgument = Annotated[Path, typer.Argument(help="A checkpoint file, whatever it is called.")]


@app.command("list")
def list_(
    name: Annotated[
        list[str] | None, typer.Argument(help="Say all that is known of these only.")
    ] = None,
    data_file: DataFileOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Published checkpoints: what they are, their names, and which are on this machine."""
    from vswin.weights.local import machine
    from vswin.weights.published import published, require

    use_data_file(data_file)
    here = machine()
    files = [require(each) for each in name or ()] or published()
    facts = [each.facts() | {"path": _text(here.checkpoint(each.file))} for each in files]
    if as_json:
        print(json.dumps(facts, indent=2))
    elif name:
        print("\n\n".join(_lines(each) for each in facts))
    else:
        columns = ("name", "trained on", "what it is", "publisher", "licence", "MiB", "SHA-256")
        print_table("", (*columns, "here", "file"), [_row(each) for each in facts])
        print_line("What a publisher does not say is left out. All of one: vswin weights list NAME")


@app.command()
def download(
    name: Annotated[list[str], typer.Argument(help="Names of `vswin weights list`.")],
    mirror: Annotated[
        str | None,
        typer.Option(
            help="Address of a folder that has the files, or one with {url} or {file} in it "
            "(default: $VSWIN_WEIGHTS_MIRROR, else where they are published)."
        ),
    ] = None,
    data_file: DataFileOption = None,
) -> None:
    """Fetch published checkpoints into the first folder of `weights` in data.yaml.

    Without one, into the user's cache. What is there is not fetched again, an interrupted download
    goes on where it stopped, and a file that is not what was published is refused. Proxies are as
    the environment says (HTTPS_PROXY).
    """
    from vswin.weights.download import download as fetch
    from vswin.weights.local import machine
    from vswin.weights.published import require

    use_data_file(data_file)
    files = [require(each) for each in name]  # all of them before the first is fetched
    sources = machine()
    for found in files:
        here = sources.checkpoint(found.file)
        folder = here.parent if here else sources.folders()[0]

        def waiting(file: str = found.file) -> None:
            print(f"waiting for another download of {file}", file=sys.stderr)

        with resumable(), _bytes_bar(found.file) as show:
            done = fetch(found, folder, mirror, show, waiting)
        state = "is there already" if done.was_there else "downloaded"
        known = "as published" if found.entry.digest else "kept beside it to compare with"
        size = done.path.stat().st_size / 2**20
        print(f"{found.name}: {state}, {done.path}, {size:.1f} MiB, SHA-256 {done.digest}, {known}")


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="A checkpoint file, or a name of `list`.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what a checkpoint is: layout, preset, window, classes, digest."""
    from vswin.weights.files import read_checkpoint
    from vswin.weights.named import weights_file

    checkpoint = read_checkpoint(weights_file(file))
    facts = _facts(checkpoint)
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    for name, value in facts.items():
        print(f"{name:<12} {value}")


@app.command()
def convert(
    source: FileArgument,
    target: Annotated[
        Path, typer.Argument(help="Where to write: .pth, .pyth, .pt or .safetensors.")
    ],
    to: Annotated[
        str,
        typer.Option(
            help="Of all families: torchvision or vswin; of Swin also official_2d, timm_2d, "
            "official_video or mmaction2; of MViT also slowfast, slowfast_2d, pytorchvideo or "
            "pytorchvideo_2d."
        ),
    ] = "vswin",
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a checkpoint in another layout. 2D weights stay 2D weights, video ones video ones."""
    from vswin.weights.checkpoint import layouts
    from vswin.weights.files import read_checkpoint, save_weights

    if to not in layouts():
        raise unknown("layout", to, layouts())
    target = target.expanduser()
    if target.exists() and not force:
        raise UsageError(f"{target} exists; --force replaces it")
    checkpoint = read_checkpoint(source)
    save_weights(checkpoint, target, to)
    print(
        f"{source} ({checkpoint.layout}) -> {target} ({to}): {len(checkpoint.weights)} weights, "
        f"digest {checkpoint.digest[:16]}"
    )


@contextlib.contextmanager
def _bytes_bar(file: str) -> Iterator[Callable[[int, int | None], None]]:
    """Yields a callback for (bytes, all bytes): a bar with rate and time left, on stderr."""
    from rich.console import Console
    from rich.progress import (
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (TextColumn("{task.description}"), DownloadColumn(binary_units=True))
    timing = (TransferSpeedColumn(), TimeRemainingColumn(elapsed_when_finished=True))
    bar = Progress(*columns, *timing, console=Console(stderr=True))
    task = bar.add_task(file, total=None)

    def show(done: int, size: int | None) -> None:
        bar.start()  # not before: what is there already makes no progress
        bar.update(task, completed=done, total=size)

    try:
        yield show
    finally:
        if bar.live.is_started:
            bar.stop()


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _row(facts: dict[str, Any]) -> tuple[str, ...]:
    """What `vswin weights list` shows of a file."""
    size = "" if facts["mib"] is None else f"{facts['mib']:.0f}"
    words = (facts["name"], facts["trained_on"], facts["about"], facts["publisher"])
    here = "yes" if facts["path"] else ""
    return (*words, facts["licence"], size, facts["sha256"] or "", here, facts["file"])


def _lines(facts: dict[str, Any]) -> str:
    """All that is known of a file, a line for each fact."""
    unsaid = {"mib": "not published", "sha256": "not published", "path": "not on this machine"}
    unsaid |= {"preset": "not said for certain; vswin weights inspect FILE tells by its shapes"}
    said = {n: unsaid.get(n, "") if value is None else value for n, value in facts.items()}
    return "\n".join(f"{n:<12} {v}" for n, v in said.items() if v not in ("", {}, False))


def _no_classes(checkpoint: Checkpoint) -> str:
    names = ", ".join(checkpoint.other_head)
    return f"another classifier ({names}); head=False leaves it out" if names else "no classifier"


def _facts(checkpoint: Checkpoint) -> dict[str, Any]:
    found = checkpoint.found
    types = sorted({str(v.dtype).removeprefix("torch.") for v in checkpoint.weights.values()})
    words = [f"{name}={value!r}" for name, value in found.options().items()]
    model = f"vswin.build_model({', '.join([repr(found.base), *words])})"
    return {
        "family": checkpoint.family,
        "layout": checkpoint.layout,
        "kind": found.kind,
        "size": found.size(),
        **found.facts(),
        "num_classes": found.num_classes or _no_classes(checkpoint),
        "parameters": sum(value.numel() for value in checkpoint.weights.values()),
        "types": ", ".join(types),
        "not weights": len(checkpoint.left_out),
        "digest": checkpoint.digest,
        "model": model if found.is_certain else "not certain",
        "load": f"vswin.load_weights(model, FILE{'' if found.num_classes else ', head=False'})",
    }
