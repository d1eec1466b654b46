"""Sections 3.1 and 3.2: the Video Swin Transformer, from pixels to logits (Figures 1 and 2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils.checkpoint import checkpoint

from vswin.models.errors import ModelError
from vswin.models.layers import MLP, DropPath, feed_forward
from vswin.models.modes import is_exporting, require_dtype
from vswin.models.swin.attention import WindowAttention3D
from vswin.models.swin.config import Triple, VideoSwinConfig
from vswin.models.swin.cpu import inference as inference_cpu
from vswin.models.swin.designs import (
    SPLIT_LAYERS,
    FactorizedTemporalAttention,
    TemporalTransformerLayer,
)
from vswin.models.swin.norms import layer_norm, norm_into_windows, norm_kernel
from vswin.models.swin.partition import half_window
from vswin.models.swin.variants import Variant
from vswin.models.swin.windows import from_windows


class VideoSwinTransformer(nn.Module):
    """Four stages (or as many as `depths` names) of 3D (S)W-MSA blocks, or another design's.

    Parameter names are those of the released code, with `head` for the classifier. With
    patch_size (1, 4, 4) and window_size (1, 7, 7) this is the 2D Swin Transformer, which takes an
    image as a clip of one frame.
    """

    def __init__(self, config: VideoSwinConfig) -> None:
        super().__init__()
        self.config = config
        self.patch_embed = PatchEmbed3D(config.patch_size, config.in_channels, config.embed_dim)
        # "An increasing degree of stochastic depth": linear over all blocks (section 4.1).
        with _disable_current_modes():  # numbers even where tensors are fake
            rates = torch.linspace(0, config.drop_path, sum(config.depths), device="cpu").tolist()
        self.layers = nn.ModuleList()
        for stage, depth in enumerate(config.depths):
            first = sum(config.depths[:stage])
            last = stage == len(config.depths) - 1
            self.layers.append(Stage(config, stage, rates[first : first + depth], merge=not last))
        self.temporal_layers = nn.ModuleList(
            TemporalTransformerLayer(
                config.num_features, config.num_heads[-1], config.mlp_ratio, config.drop_path
            )
            for _ in range(SPLIT_LAYERS if config.design == "split" else 0)
        )
        self.norm = nn.LayerNorm(config.num_features)
        self.dropout = nn.Dropout(config.head_dropout)
        self.head = nn.Linear(config.num_features, config.num_classes)

    def forward(self, clip: Tensor) -> Tensor:
        """Clips (B, in_channels, T, H, W), float -> logits (B, num_classes).

        Raises:
            ModelError: if the clip has another shape or type.
        """
        features = self.forward_features(clip)
        return self.head(self.dropout(features.mean(dim=(1, 2, 3))))

    def forward_features(self, clip: Tensor) -> Tensor:
        """Clips (B, in_channels, T, H, W) -> tokens (B, T', H', W', C) after the final LN.

        Raises:
            ModelError: if the clip has another shape or type.
        """
        self._check(clip)
        x = self.patch_embed(clip)
        for stage in self.layers:
            x = stage(x)
        for layer in self.temporal_layers:
            x = layer(x)
        return self.norm(x)

    def _check(self, clip: Tensor) -> None:
        wanted = f"(B, {self.config.in_channels}, T, H, W)"
        if not isinstance(clip, Tensor):
            raise ModelError(f"clip is a {type(clip).__name__}, wanted a torch.Tensor {wanted}")
        if clip.ndim != 5 or clip.shape[1] != self.config.in_channels:
            hint = ""
            if clip.ndim == 5 and clip.shape[-1] == self.config.in_channels:
                hint = "; channels are last, try clip.permute(0, 4, 1, 2, 3)"
            elif clip.ndim == 4 and clip.shape[0] == self.config.in_channels:
                hint = "; the batch dimension is missing, try clip[None]"
            elif clip.ndim == 5 and clip.shape[2] == self.config.in_channels:
                hint = "; time comes before channels, try clip.transpose(1, 2)"
            shape = tuple(int(size) for size in clip.shape)  # while traced, sizes are tensors
            raise ModelError(f"clip has shape {shape}, wanted {wanted}{hint}")
        if not clip.is_floating_point():
            raise ModelError(f"clip is {clip.dtype}, wanted normalised floating point {wanted}")
        if any(size < 1 for size in clip.shape):
            raise ModelError(f"clip has shape {tuple(clip.shape)}: every size must be at least 1")


class PatchEmbed3D(nn.Module):
    """3D patch partitioning, linear embedding, LN (section 3.1).

    Each patch is one token: 2 x 4 x 4 x 3 = 96 numbers, then a linear layer to C. The weights are
    kept in the shape of the equivalent convolution, as published checkpoints have them.
    """

    def __init__(self, patch_size: Triple, in_channels: int, embed_dim: int) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.variant: Variant | None = None
        self.proj = nn.Conv3d(in_channels, embed_dim, patch_size, stride=patch_size)
        self.norm = nn.LayerNorm(embed_dim)

    def forward(self, clip: Tensor) -> Tensor:
        """(B, in_channels, T, H, W) -> (B, T', H', W', C); zero-padded at the end if need be.

        Raises:
            ModelError: if the clip is of another type than the weights.
        """
        require_dtype(clip, self.proj.weight.dtype)
        clip = _pad_to_multiple(clip, self.patch_size)
        batch, channels, *size = clip.shape
        (t, h, w), (p, m, n) = (
            (s // q for s, q in zip(size, self.patch_size, strict=True)),
            (self.patch_size),
        )
        patches = clip.view(batch, channels, t, p, h, m, w, n).permute(0, 2, 4, 6, 1, 3, 5, 7)
        patches = patches.reshape(batch, t, h, w, channels * p * m * n)
        tokens = F.linear(patches, self.proj.weight.flatten(1), self.proj.bias)
        # The residual connections of the first stage add up in fp32.
        return layer_norm(tokens, self.norm, norm_kernel(self.variant, tokens), halves=False)


class Stage(nn.Module):
    """Blocks with regular and shifted windows in turn, then patch merging (Figure 1)."""

    def __init__(
        self, config: VideoSwinConfig, stage: int, rates: list[float], merge: bool
    ) -> None:
        super().__init__()
        dim = config.embed_dim * 2**stage
        self.activation_checkpointing = config.activation_checkpointing
        self.blocks = nn.ModuleList(
            VideoSwinBlock(config, dim, config.num_heads[stage], number % 2 == 1, rate)
            for number, rate in enumerate(rates)
        )
        self.downsample = PatchMerging(dim) if merge else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, T', H', W', C) -> (B, T', ceil(H'/2), ceil(W'/2), 2C); the same without merging."""
        grid = tuple(map(int, x.shape[1:4]))  # while traced, sizes are tensors
        tokens = x.flatten(1, 3)
        exporting = is_exporting()
        for block in self.blocks:
            if self.activation_checkpointing and torch.is_grad_enabled() and not exporting:
                tokens = checkpoint(block, tokens, grid, use_reentrant=False)
            else:
                tokens = block(tokens, grid)
        x = tokens.unflatten(1, grid)
        return x if self.downsample is None else self.downsample(x)


class VideoSwinBlock(nn.Module):
    """Equation 1: LN, 3D(S)W-MSA, residual; LN, FFN, residual (Figure 2).

    In the split and factorized designs the windows are spatial, and in the factorized one a
    temporal-only attention comes between the two (Table 4).
    """

    def __init__(
        self, config: VideoSwinConfig, dim: int, num_heads: int, shifted: bool, rate: float
    ) -> None:
        super().__init__()
        axes = config.shift if shifted else "none"
        self.window_size = config.spatial_window
        self.shift_size = half_window(self.window_size, axes)
        self.variant: Variant | None = None
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowAttention3D(dim, self.window_size, num_heads)
        self.drop_path = DropPath(rate)
        self.temporal = None
        if config.design == "factorized":
            window = config.temporal_window
            self.temporal = FactorizedTemporalAttention(
                dim, window, num_heads, half_window(window, axes)
            )
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = MLP(dim, int(dim * config.mlp_ratio))

    def forward(self, x: Tensor, grid: Triple) -> Tensor:
        """(B, T'*H'*W', C) tokens of a (T', H', W') grid -> the same shape."""
        layout = self.attn.layout(x, grid, self.shift_size)
        kernel = norm_kernel(self.variant, x)
        in_chunks = (
            self.variant is None
            and not self.drop_path.active
            and inference_cpu.serves(x, self.norm1, self.attn, self.norm2, self.mlp)
        )
        if in_chunks and not layout.masked:
            x = inference_cpu.attend(x, self.norm1, self.attn, layout)
        else:
            windows = self.attn(norm_into_windows(x, self.norm1, layout, kernel), layout)
            x = x + self.drop_path(from_windows(windows, layout))
        if self.temporal is not None:
            x = x + self.drop_path(self.temporal(x, grid))
        if in_chunks:
            return inference_cpu.feed_forward(x, self.norm2, self.mlp)
        if kernel != "fp32":
            return x + self.drop_path(self.mlp(layer_norm(x, self.norm2, kernel)))
        return x + self.drop_path(feed_forward(x, self.norm2, self.mlp))


class PatchMerging(nn.Module):
    """Concatenates 2 x 2 neighbours in space, LN, linear 4C -> 2C; time is kept (section 3.1)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.variant: Variant | None = None
        self.norm = nn.LayerNorm(4 * dim)
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T', H', W', C) -> (B, T', ceil(H'/2), ceil(W'/2), 2C); odd sizes are zero-padded."""
        if x.shape[2] % 2 or x.shape[3] % 2:  # torch copies where there is nothing to pad
            x = F.pad(x, (0, 0, 0, x.shape[3] % 2, 0, x.shape[2] % 2))
        # The order of the four neighbours is that of published weights: height varies fastest.
        quads = [x[:, :, h::2, w::2] for w in (0, 1) for h in (0, 1)]
        joined = torch.cat(quads, dim=-1)
        return self.reduction(layer_norm(joined, self.norm, norm_kernel(self.variant, joined)))


def _pad_to_multiple(clip: Tensor, patch_size: Triple) -> Tensor:
    t, h, w = (-size % patch for size, patch in zip(clip.shape[2:], patch_size, strict=True))
    return F.pad(clip, (0, w, 0, h, 0, t)) if t or h or w else clip
