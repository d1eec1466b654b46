"""What two runs have in common before their first step: how far they are paired.

Runs of one seed are trained on clips in the same order and tested on the same clips. Their weights
start equal where parameters have the same name and shape, or are loaded from the same run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import torch

from vswin.models.registry import build, family_of, initialise_
from vswin.models.seeding import seed_by_name
from vswin.runs.config import FromCheckpoint, RunConfig, TestOnly
from vswin.runs.initial import inflation_of
from vswin.weights.files import load_weights


@dataclasses.dataclass(frozen=True)
class SharedTensors:
    """Parameters of two models before the first step."""

    first: int
    """Parameters of the first model: tensors, not numbers."""
    second: int
    same_shape: int
    """Of those, with the same name and shape in both."""
    equal: int
    """Of those, equal in every bit."""


def shared_tensors(first: RunConfig, second: RunConfig) -> SharedTensors | None:
    """Counts what two runs share; builds both models on the CPU, and those that they start from.

    A run's source is not trained for that: random numbers that follow from its id stand for its
    weights, so that two sources have none in common.

    Returns:
        The counts; None where a run starts from a published file, which need not be here.
    """
    if any(isinstance(run.init, FromCheckpoint) for run in _every(first, second)):
        return None
    with torch.random.fork_rng(devices=[]):
        ours, theirs = _initial_weights(first), _initial_weights(second)
    alike = [name for name in ours if name in theirs and ours[name].shape == theirs[name].shape]
    equal = sum(bool((ours[name] == theirs[name]).all()) for name in alike)
    return SharedTensors(len(ours), len(theirs), len(alike), equal)


def _every(*runs: RunConfig) -> list[RunConfig]:
    return [each for run in runs for each in (run, *run.ancestors)]


def _initial_weights(config: RunConfig) -> Mapping[str, torch.Tensor]:
    """Parameters before the first step, by name."""
    model = build(config.model)
    initialise_(model, config.recipe.linear_std, config.recipe.bias_std, config.seed)
    if source := config.source:
        is_image_model = family_of(source.model).is_image_model(source.model)
        load_weights(
            model,
            _stand_in(source),
            expect="2d" if is_image_model else "video",
            head=isinstance(config.init, TestOnly),
            **inflation_of(config),
        )
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def _stand_in(source: RunConfig) -> dict[str, torch.Tensor]:
    """Random numbers in the place of a run's trained weights, by name."""
    found = {}
    for name, parameter in build(source.model).named_parameters():
        seed_by_name(source.seed, f"{source.run_id} {name}")
        found[name] = torch.randn_like(parameter).detach()
    return found
