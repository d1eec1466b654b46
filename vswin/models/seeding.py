"""Random numbers that follow from a parameter's name: designs start equal where they can."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import torch
from torch import nn


def seed_by_name(seed: int | None, name: str) -> None:
    """Seeds torch's global generator from a seed and a name; None leaves it as it is."""
    if seed is not None:
        key = hashlib.sha256(f"{seed} {name}".encode()).digest()
        torch.manual_seed(int.from_bytes(key[:8], "big") >> 1)


def modules_seeded_by_name(model: nn.Module, seed: int | None) -> Iterator[tuple[str, nn.Module]]:
    """All modules by name; what is drawn after one has been yielded follows from its name."""
    for name, module in model.named_modules():
        seed_by_name(seed, name)
        yield name, module
