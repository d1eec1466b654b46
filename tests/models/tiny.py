"""Small models of every design, and a step whose gradients no symmetry makes zero."""

import pytest
import torch

from vswin.models import build_model
from vswin.models.cpu import chunked
from vswin.models.swin import attention

DESIGNS = {
    "joint": {"window_size": (4, 3, 3)},
    "split": {"design": "split", "window_size": (1, 3, 3)},
    "factorized": {"design": "factorized", "window_size": (2, 3, 3)},
}


def tiny(**options):
    torch.manual_seed(0)
    model = build_model(
        "swin_t", embed_dim=8, depths=(2, 2), num_heads=(2, 2), num_classes=5, drop_path=0.0,
        head_dropout=0.0, **options,
    )  # fmt: skip
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "table" in name or name.endswith("bias") or "gate" in name:
                parameter.normal_()
    return model


def step(model, clip):
    """Logits and all gradients of a loss that no symmetry can make zero."""
    model.zero_grad()
    logits = model(clip)
    weights = torch.linspace(-1, 2, logits.numel(), device=logits.device)
    (logits * weights.view_as(logits)).sum().backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters()}
    return logits.detach(), gradients


MASKED = attention.masked_attention


def plain_step(model, clip):
    """The same with masked windows and a plain FFN, whatever variant a test is on."""
    with pytest.MonkeyPatch.context() as plain:
        plain.setattr(attention, "SMALL_WINDOW", 10**9)
        plain.setattr(attention, "SMALL_BYTES", 10**12)
        plain.setattr(attention, "masked_attention", MASKED)
        plain.setattr(chunked, "possible", lambda *args: False)
        return step(model, clip)
