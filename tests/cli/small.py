"""A small model that is saved, and the clips that fit it."""

import torch

from vswin import build_model, save_weights

SMALL = {"embed_dim": 8, "depths": (2,), "num_heads": (2,), "window_size": (2, 2, 2)}
CLIP = ("--frames", 4, "--stride", 1, "--size", 16, "--views", "1x1")


def saved(path, num_classes):
    torch.manual_seed(0)
    save_weights(build_model("swin_t", **SMALL, num_classes=num_classes), path)
    return path
