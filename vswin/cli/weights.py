"""`vswin weights …`: what a checkpoint is, and turning it into another layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vswin.errors import UsageError, unknown

if TYPE_CHECKING:  # imported by the commands themselves: `vswin --help` has no use for torch
    from vswin.weights.checkpoint import Checkpoint

app = typer.Typer(
    help="Checkpoints: what a file is, and writing it in another public layout.",
    no_args_is_help=True,
)

FileArgument = Annotated[Path, typer.Argument(help="A checkpoint file, whatever it is called.")]


@app.command()
def inspect(
    file: FileArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what a checkpoint is: layout, preset, window, classes, digest."""
    from vswin.weights.files import read_checkpoint

    checkpoint = read_checkpoint(file)
    facts = _facts(checkpoint)
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    for name, value in facts.items():
        print(f"{name:<12} {value}")


@app.command()
def convert(
    source: FileArgument,
    target: Annotated[Path, typer.Argument(help="Where to write: .pth, .pt or .safetensors.")],
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
