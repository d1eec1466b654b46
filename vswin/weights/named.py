"""Models with published weights, by name. Nothing here downloads: errors say what does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vswin.errors import UsageError
from vswin.models import build
from vswin.models.registry import resolve_config
from vswin.weights.files import SUFFIXES, expanded, load_weights
from vswin.weights.local import require_here
from vswin.weights.published import find, of_preset, require

if TYPE_CHECKING:
    from torch import nn

Source = str | os.PathLike[str]
FILES = (*SUFFIXES, ".pyth", ".pkl", ".bin", ".ckpt")
"""Suffixes of what is meant to be a file."""


def build_model(
    name: str, *, weights: Source | None = None, head: bool | None = None, **overrides: Any
) -> nn.Module:
    """Builds a preset, such as those of section 3.3, with fresh or with published weights.

    Args:
        name: a preset of any family, e.g. "swin_t"; `vswin.models.registry.presets` has all.
        weights: what to load: a tag of `vswin weights list`, such as "kinetics400"; a full name,
            such as "swin_t:kinetics400" or that of a published file; or the path of a file. None
            leaves the weights fresh. 2D weights are inflated (section 3.4).
        head: whether the classifier is loaded, as in `vswin.load_weights`: None loads it unless
            2D weights are inflated; False leaves it fresh, for classes of one's own.
        **overrides: fields of the family's configuration, e.g. `num_classes=174`. What is left out
            is as in the published weights, then as in the preset, or as goes with what is given.

    Returns:
        The model in training mode. Under `with torch.device("meta")` it has shapes and no weights.

    Raises:
        ModelError: if the preset or an override is unknown, or a value is impossible.
        UsageError: if no or several published weights are called so, or they are of another preset.
        MissingDataError: if they are not on this machine; says which command fetches them.
        WeightsError: if the file is not what was published, or does not fit the model.
    """
    if weights is None:
        if head is not None:
            raise UsageError(f"head={head} says what is loaded of weights; give these, too")
        return build.build_model(name, **overrides)
    resolve_config(name, **overrides)  # a mistake in these is said before one in the weights
    path, options = _file_for(name, weights)
    model = build.build_model(name, **options | overrides)
    load_weights(model, path, head=head)
    return model


def weights_file(given: Source) -> Path:
    """The file that is meant by a path, or by the name of published weights, which are intact.

    A file comes first. A path that leads to none is given back if it looks like one.

    Raises:
        UsageError: if it is neither a path nor a name.
        MissingDataError: if published weights are not on this machine; says what fetches them.
        WeightsError: if they are not what was published, or have changed.
    """
    if (path := _path(given)) is not None:
        return path
    found = find(str(given))
    if found is None and (folder := expanded(given)).is_dir():
        return folder  # whoever reads it says what kind of folder it is
    return require_here(found or require(str(given)))


def _file_for(preset: str, given: Source) -> tuple[Path, dict[str, Any]]:
    """The file that is meant for a preset, and the options of the model that it is of."""
    path = _path(given)
    if path is not None or not isinstance(given, str):
        return path or expanded(given), {}
    found = of_preset(preset, given)
    return require_here(found), dict(found.entry.model)


def _path(given: Source) -> Path | None:
    """A file, or what looks like one and is no name; None where a name is meant."""
    path = expanded(given)
    try:
        if path.is_file():
            return path
    except OSError:  # no file can be called so
        return None
    looks_so = path.suffix.lower() in FILES or os.sep in str(given)
    return path if looks_so and find(str(given)) is None else None
