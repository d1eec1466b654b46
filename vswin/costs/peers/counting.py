"""Counting other works' models."""

from __future__ import annotations

import dataclasses

from vswin.paper.peers import PeerModel, PeerRule

LAYERS = ("convolution", "linear")
"""What is counted under the rule `layers`."""


@dataclasses.dataclass(frozen=True)
class PeerCost:
    """What a model costs for one clip."""

    layers: int
    """Multiply-accumulates of linear layers and convolutions."""
    macs: int
    """Those of attention, too."""
    params: int
    """Numbers that are trained."""
    libraries: str
    """What built it, with versions."""

    def flops(self, rule: PeerRule) -> int:
        """Multiply-accumulates under a rule."""
        return self.layers if rule == "layers" else self.macs


def count_peer(model: PeerModel, classes: int) -> PeerCost:
    """Builds a model for so many classes and counts it; takes seconds.

    Raises:
        MissingLibraryError: if a library is not installed.
        UncountedOperatorError: if it uses an operator that has no counting rule.
    """
    import torch

    from vswin.costs.operators import Weights, count_operators
    from vswin.costs.peers import builders
    from vswin.costs.peers.libraries import versions

    libraries = versions(model.libraries)
    with torch.device("meta"):
        build = getattr(builders, model.builder)
        built, clip = build(classes, model.frames, model.size, **model.options)
    products = Weights(layer_norm=0, batch_norm=0, pooling=0, bias=0)
    found = count_operators(built.eval(), clip, products)
    return PeerCost(
        layers=sum(found[operator] for operator in LAYERS),
        macs=found.total(),
        params=sum(p.numel() for p in built.parameters()),
        libraries=libraries,
    )
