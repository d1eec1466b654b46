"""Steps that are timed: a forward pass, or a training step with AdamW."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

Mode = Literal["forward", "train"]


def clip_of(size: tuple[int, ...], device: torch.device) -> Tensor:
    """(B, C, T, H, W) random numbers, always the same."""
    return torch.randn(size, generator=torch.Generator().manual_seed(1)).to(device)


def step_of(
    model: nn.Module,
    clip: Tensor,
    mode: Mode,
    dtype: torch.dtype = torch.float32,
    run: nn.Module | None = None,
) -> Callable[[], Tensor]:
    """One forward pass, or one training step with AdamW; returns logits.

    Args:
        model: whose weights are trained.
        clip: (B, C, T, H, W), on the model's device.
        mode: which of the two.
        dtype: what matrix products are computed in.
        run: what computes the model, as `torch.compile` gives it; None is the model.
    """
    device = clip.device.type
    run = model if run is None else run
    autocast = torch.autocast(device, dtype, enabled=dtype != torch.float32)
    if mode == "forward":
        model.eval()

        def forward() -> Tensor:
            with torch.inference_mode(), autocast:
                return run(clip)

        return forward
    model.train()
    labels = torch.arange(len(clip), device=device) % 10
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, fused=True)

    def train() -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        with autocast:
            logits = run(clip)
            loss = F.cross_entropy(logits, labels)
        loss.backward()
        optimizer.step()
        return logits.detach()

    return train
