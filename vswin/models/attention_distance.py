"""Mean attention distance: how far away what a head attends to is (Figure A.6 of the MViT paper).

A family says which modules attend, and between which tokens (`vswin.models.registry.Family`); what
is measured is computed here from those modules' inputs, while the model runs as it always does.

The paper defines it in a line: "the normalized average attention distance (weighted by the
attention scores, with 1.0 being maximum possible distance)". What the line leaves open is chosen
here as in the measurement that it follows, Dosovitskiy et al. 2021, section 4.5:

- A token lies where the patch embedding's grid has it; a pooled token, at the centre of what it was
  pooled from. So all layers of a model are measured on one grid.
- The distance between two tokens is Euclidean, over time, height and width, in steps of that grid,
  divided by the grid's diagonal from the first token to the last (`Measure` has other choices).
- A head's distance is the mean over queries and clips of the distances to all keys, weighted by
  SoftMax. What has no place (the class token, padding) is left out, as query and as key; the
  weights of the other keys stay as they are.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from vswin.models.errors import ModelError
from vswin.models.registry import family_of

Triple = tuple[int, int, int]
Measure = Literal["grid", "frame", "cube"]
"""What counts as a step: `grid`, one along any axis of the grid; `frame`, one along height or
width, and none along time; `cube`, the share of the axis, so that all three are equally long."""
MEASURES: tuple[Measure, ...] = ("grid", "frame", "cube")
CHUNK = 2**21
"""Scores that are held at a time."""


@dataclasses.dataclass(frozen=True, eq=False)
class Attention:
    """What attends to what in one layer, for one clip: n groups of tokens of one shape, as windows.

    Attention without windows is one group.
    """

    q: Tensor
    """(n, heads, Q, d) queries."""
    k: Tensor
    """(n, heads, K, d) keys."""
    q_places: Tensor
    """(Q, 3) where they are, (t, h, w) in steps of the patch embedding's grid, from anywhere."""
    k_places: Tensor
    """(K, 3), from the same point."""
    bias: Tensor | None = None
    """(heads, Q, K), added to the scaled scores."""
    allowed: Tensor | None = None
    """(n, Q, K), where attention is allowed; None: everywhere."""
    q_placed: Tensor | None = None
    """(n or 1, Q), False for a query that has no place; None: all have one."""
    k_placed: Tensor | None = None
    """(n or 1, K), likewise for keys."""


@dataclasses.dataclass(frozen=True, eq=False)
class AttentionLayer:
    """A module that attends, and how to tell from its inputs between which tokens."""

    name: str
    """Where it is in the model, as `blocks.0`."""
    module: nn.Module
    attentions: Callable[..., Iterable[Attention]]
    """Takes what the module is called with, for one clip."""


def attention_distance(
    model: nn.Module, clips: Tensor, measure: Measure = "grid"
) -> dict[str, Tensor]:
    """The mean attention distance of every head of every layer.

    Exact: all scores are computed, some at a time. The model is measured as it is tested, without
    dropout, and left in the mode that it was in.

    Args:
        model: from `vswin.build_model`, of a family that attends.
        clips: (B, in_channels, T, H, W), as the model takes them.
        measure: what counts as a step.

    Returns:
        By the name of the layer, in the order in which layers run: float64 (heads,), from 0 to 1,
        the longest distance that there is.

    Raises:
        ModelError: if the model has no attention, the clips have another shape, or there is no
            such measure.
    """
    return attention_distances(model, clips, (measure,))[measure]


def attention_distances(
    model: nn.Module, clips: Tensor, measures: Sequence[Measure] = MEASURES
) -> dict[Measure, dict[str, Tensor]]:
    """The same by several measures in one pass.

    Raises:
        ModelError: as `attention_distance`.
    """
    if unknown := [measure for measure in measures if measure not in MEASURES]:
        raise ModelError(f"measure={unknown[0]!r} is not possible; wanted one of {MEASURES}")
    if not isinstance(clips, Tensor) or clips.ndim != 5 or not len(clips):
        found = tuple(clips.shape) if isinstance(clips, Tensor) else type(clips).__name__
        raise ModelError(f"clips are {found}, wanted at least one: (B, C, T, H, W)")
    code = _attending(model)
    layers: list[AttentionLayer] = code.attention_layers(model)
    size = (int(clips.shape[2]), int(clips.shape[3]), int(clips.shape[4]))
    steps = [_step_lengths(code.token_grid(model, size), measure) for measure in measures]
    scales = torch.tensor(steps, dtype=torch.float64)
    totals = {layer.name: _Total() for layer in layers}
    with contextlib.ExitStack() as stack, torch.no_grad():
        stack.enter_context(_as_tested(model))
        for layer in layers:
            listen = functools.partial(_listen, layer, totals[layer.name], scales)
            handle = layer.module.register_forward_pre_hook(listen, with_kwargs=True)
            stack.callback(handle.remove)
        for clip in clips:
            model.forward_features(clip[None])  # type: ignore[operator]
    means = {name: total.mean for name, total in totals.items()}
    return {m: {name: mean[i] for name, mean in means.items()} for i, m in enumerate(measures)}


@dataclasses.dataclass
class _Total:
    """Sums over the queries that were seen."""

    sums: Tensor = dataclasses.field(default_factory=lambda: torch.zeros((), dtype=torch.float64))
    """(measures, heads)."""
    queries: int = 0

    @property
    def mean(self) -> Tensor:
        """(measures, heads)."""
        assert self.queries  # or the layer was passed over
        return self.sums / self.queries


def _attending(model: nn.Module) -> Any:
    """The module of the model's family that says what attends."""
    family = family_of(model)
    if family.attention is None:
        raise ModelError(f"family {family.name} has no attention whose distance could be measured")
    return importlib.import_module(family.attention)


def _step_lengths(grid: Triple, measure: Measure) -> list[float]:
    """How long a step is along each axis, if the diagonal of the grid is 1."""
    lengths = [max(size - 1, 0) for size in grid]
    steps = {
        "grid": [1.0, 1.0, 1.0],
        "frame": [0.0, 1.0, 1.0],
        "cube": [1 / length if length else 0.0 for length in lengths],
    }[measure]
    diagonal = sum((step * length) ** 2 for step, length in zip(steps, lengths, strict=True)) ** 0.5
    return [step / diagonal if diagonal else 0.0 for step in steps]


@contextlib.contextmanager
def _as_tested(model: nn.Module) -> Iterator[None]:
    """Without dropout; afterwards every module is in the mode that it was in."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _listen(
    layer: AttentionLayer,
    total: _Total,
    scales: Tensor,
    module: nn.Module,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> None:
    """Measures what a module is about to attend to; it gets its inputs as they are."""
    del module
    for attention in layer.attentions(*args, **kwargs):
        sums, queries = weighted_distances(attention, scales)
        total.sums = total.sums + sums
        total.queries += queries


def weighted_distances(attention: Attention, scales: Tensor) -> tuple[Tensor, int]:
    """The weighted distance of each query, summed over queries.

    Args:
        attention: of one clip.
        scales: (measures, 3), how long a step is along each axis.

    Returns:
        float64 (measures, heads) on the CPU, and how many queries that is.
    """
    groups, heads, queries, _ = attention.q.shape
    rows = max(1, CHUNK // (heads * len(attention.k_places)))  # of queries at a time
    total = torch.zeros(len(scales), heads, dtype=torch.float64)
    step = max(1, rows // queries)
    for group in range(0, groups, step):
        for row in range(0, queries, rows):
            some = slice(group, group + step), slice(row, row + rows)
            weights = _weights(attention, *some).sum(dim=0)
            distances = _distances(attention, some[1], scales.to(weights))
            total += (weights.flatten(1) @ distances.flatten(1).T).T.to(total)
    placed = attention.q_placed
    if placed is None:
        return total, groups * queries
    return total, int(placed.sum()) * groups // len(placed)


def _weights(attention: Attention, groups: slice, rows: slice) -> Tensor:
    """(n, heads, rows, K) SoftMax over all keys; 0 where query or key has no place."""
    q, k = attention.q[groups, :, rows], attention.k[groups]
    scores = (q * q.shape[-1] ** -0.5) @ k.mT
    if attention.bias is not None:
        scores += attention.bias[:, rows]
    if attention.allowed is not None:
        scores.masked_fill_(~attention.allowed[groups, None, rows], float("-inf"))
    weights = scores.softmax(dim=-1)
    if attention.q_placed is not None:
        weights *= _of_groups(attention.q_placed, groups)[:, None, rows, None]
    if attention.k_placed is not None:
        weights *= _of_groups(attention.k_placed, groups)[:, None, None, :]
    return weights


def _of_groups(placed: Tensor, groups: slice) -> Tensor:
    return placed if len(placed) == 1 else placed[groups]


def _distances(attention: Attention, rows: slice, scales: Tensor) -> Tensor:
    """(measures, rows, K)."""
    q, k = attention.q_places[rows].to(scales), attention.k_places.to(scales)
    exactly = "donot_use_mm_for_euclid_dist"  # products would cancel between near places
    return torch.cdist(q * scales[:, None], k * scales[:, None], compute_mode=exactly)
