"""Loading a checkpoint's tensors into a model, whatever its layout; nothing is lost silently.

Either every weight of the model is accounted for, or the model is left as it was and the error
names the keys: training from random weights without noticing is the commonest way of failing to
reproduce this paper.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, get_args

import torch
from torch import Tensor

from vswin.models.errors import WeightsError
from vswin.models.layouts import Action, Found, Kind, some
from vswin.models.registry import code_of, family_of
from vswin.weights.checkpoint import Checkpoint, as_of, checkpoints_of

if TYPE_CHECKING:
    from torch import nn

logger = logging.getLogger("vswin")


@dataclasses.dataclass(frozen=True)
class LoadReport:
    """What became of a checkpoint. Names are the model's, except in `ignored`."""

    source: str
    """The file, or "a mapping"."""
    layout: str
    found: Found
    digest: str
    """SHA-256 over names and values of the checkpoint's weights, whatever its layout or file."""
    mapped: tuple[str, ...]
    """Weights that were copied as they are, under our name."""
    inflated: tuple[str, ...]
    """Weights that were given a temporal extent (section 3.4)."""
    resized: tuple[str, ...]
    """Weights that were interpolated to another size, as 2D bias tables are."""
    cropped: tuple[str, ...]
    """Weights for a larger model, as bias tables of a larger window, cut to the model's size."""
    fresh: tuple[str, ...]
    """Weights of the model that the checkpoint has nothing for; they are as they were before."""
    ignored: dict[str, str]
    """Entries of the checkpoint that were not used, each with the reason."""
    how: dict[str, str]
    """The choices of inflation and fitting that had an effect."""

    def __repr__(self) -> str:
        """A few lines for a log."""
        choices = "".join(f", {what}: {how}" for what, how in self.how.items())
        lines = [
            f"{self.source}: {self.layout} ({self.found.kind}), {self.found.size()}{choices}",
            f"  digest {self.digest}",
            f"  mapped {len(self.mapped)} tensors",
        ]
        for what in ("inflated", "resized", "cropped", "fresh"):
            if names := getattr(self, what):
                lines.append(f"  {what} {len(names)}: {some(names)}")
        reasons: dict[str, list[str]] = {}
        for name, why in self.ignored.items():
            reasons.setdefault(why, []).append(name)
        lines += [f"  ignored {len(n)} ({why}): {some(n)}" for why, n in reasons.items()]
        return "\n".join(lines)


def load_checkpoint(
    model: nn.Module,
    checkpoint: Checkpoint,
    *,
    expect: Kind | None = None,
    head: bool | None = None,
    inflation: Mapping[str, str] | None = None,
) -> LoadReport:
    """Loads a checkpoint into `model`, in place, or raises and leaves it as it was.

    Args:
        model: what to load into.
        checkpoint: from `parse_checkpoint`.
        expect: as in `vswin.load_weights`, as are the others.
        head: whether to load the classifier.
        inflation: choices of the model's family that are not the default.

    Raises:
        WeightsError: as `vswin.load_weights` does.
    """
    family, code = family_of(model), code_of(model)
    config = model.config
    _require_kind(checkpoint, model, expect)
    checkpoint = _as_the_models_own(checkpoint, model)
    found = checkpoint.found
    inflating = found.kind == "2d" and not family.is_image_model(config)
    adapted = code.CHECKPOINTS.adapt(
        checkpoint.weights, found, config, family.choices_with(inflation or {}), checkpoint.source
    )
    with_head = not inflating if head is None else head
    if with_head and checkpoint.other_head:
        listed = [f"{name} {why}" for name, why in checkpoint.other_head.items()]
        raise WeightsError(
            f"{checkpoint.source}: {some(listed)}{_head_hint([code.HEAD], code.HEAD)}"
        )
    without = [n for n in adapted.weights if n.startswith(code.HEAD) and not with_head]
    values = {name: value for name, value in adapted.weights.items() if name not in without}
    anew = dict.fromkeys([*without, *checkpoint.other_head], "the classifier is trained anew")
    target = _weights_of(model)
    may_be_fresh = [n for n in target if n.startswith(code.HEAD) and not with_head]
    if inflating:
        may_be_fresh += [n for n in target if code.CHECKPOINTS.only_in_video(n)]
    fresh = tuple(name for name in may_be_fresh if name not in values)
    _require_names(checkpoint, target, values, fresh, code.HEAD)
    _require_shapes(checkpoint, target, values, code.HEAD)
    _copy(checkpoint, values, target)
    done = {
        action: tuple(name for name in values if action in adapted.actions[name])
        for action in get_args(Action)
    }
    report = LoadReport(
        checkpoint.source,
        checkpoint.layout,
        found,
        checkpoint.digest,
        **done,
        fresh=fresh,
        ignored=checkpoint.left_out | anew,
        how=adapted.applied,
    )
    logger.info("%s", report)
    return report


def _copy(checkpoint: Checkpoint, values: dict[str, Tensor], target: dict[str, Tensor]) -> None:
    """All of them, or none where a value is too large for the model's type."""
    cast = {name: value.to(target[name].dtype) for name, value in values.items()}
    for name, value in cast.items():
        if not value.isfinite().all():
            raise WeightsError(f"{checkpoint.source}: {name} overflows {target[name].dtype}")
    with torch.no_grad():
        for name, value in cast.items():
            target[name].copy_(value)


def _as_the_models_own(checkpoint: Checkpoint, model: nn.Module) -> Checkpoint:
    """Settles what shapes leave open where they are exactly the model's, in our own layout."""
    if checkpoints_of(checkpoint.family).layouts[checkpoint.layout].kind is not None:
        return checkpoint
    shapes = {name: value.shape for name, value in checkpoint.weights.items()}
    wanted = {name: value.shape for name, value in _weights_of(model).items()}
    differ = {n for n in shapes.keys() | wanted.keys() if shapes.get(n) != wanted.get(n)}
    if any(not name.startswith(code_of(model).HEAD) for name in differ):
        return checkpoint
    return as_of(checkpoint, model.config)


def _weights_of(model: nn.Module) -> dict[str, Tensor]:
    """What a checkpoint has to give: parameters, and statistics that a model keeps of its data."""
    saved = model.state_dict(keep_vars=True)
    return {name: value for name, value in saved.items() if value.is_floating_point()}


def _require_kind(checkpoint: Checkpoint, model: nn.Module, expect: Kind | None) -> None:
    if next(model.parameters()).is_meta:
        raise WeightsError("the model is on the meta device, where there is nothing to load into")
    family, found = family_of(model), checkpoint.found
    if checkpoint.family != family.name:
        raise WeightsError(
            f"{checkpoint.source} is a checkpoint of family {checkpoint.family} "
            f"({checkpoint.layout}), but the model is of family {family.name}"
        )
    if expect is not None and found.kind != expect:
        words = {"2d": "a 2D (image) checkpoint", "video": "a video checkpoint"}
        hint = ""
        if found.kind == "2d":
            hint = "; without expect='video' it is inflated (section 3.4), to train from"
        raise WeightsError(
            f"{checkpoint.source} is {words[found.kind]}, {checkpoint.layout}; "
            f"wanted {words[expect]}{hint}"
        )


def _require_names(
    checkpoint: Checkpoint,
    target: Mapping[str, Tensor],
    taken: Mapping[str, Tensor],
    fresh: tuple[str, ...],
    head: str,
) -> None:
    what = f"{checkpoint.source} ({checkpoint.layout})"
    missing = [name for name in target if name not in taken and name not in fresh]
    if missing:
        raise WeightsError(f"{what} lacks {some(missing)}{_head_hint(missing, head)}")
    extra = [name for name in taken if name not in target]
    if extra:
        raise WeightsError(f"{what} has {some(extra)}, which the model has not")


def _require_shapes(
    checkpoint: Checkpoint, target: Mapping[str, Tensor], values: Mapping[str, Tensor], head: str
) -> None:
    wrong = {
        name: f"{name} is {tuple(checkpoint.weights[name].shape)}, wanted "
        f"{tuple(target[name].shape)}"
        for name, value in values.items()
        if value.shape != target[name].shape
    }
    if wrong:
        what = f"{checkpoint.source} ({checkpoint.layout})"
        raise WeightsError(f"{what}: {some(wrong.values())}{_head_hint(wrong, head)}")


def _head_hint(names: Iterable[str], head: str) -> str:
    if all(name.startswith(head) for name in names):
        return "; head=False loads the rest and leaves the classifier as it is"
    return ""
