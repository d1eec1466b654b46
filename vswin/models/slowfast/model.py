"""SlowFast networks (Feichtenhofer et al. 2019): two ResNets, one of which sees more frames.

What the MViT appendix calls SlowFast R50 and R101 8 x 8 (Table A.8). A clip has the frames of the
fast pathway; the slow pathway sees every fourth. Weights have the names of its authors' own code.

pytorchvideo's list of models has 65.71 G (R50) and 127.20 G (R101) for clips of 256 x 256. The list
mixes two rules. The first number counts the products alone, as rule `macs` does here; by that rule
R101 has 125.91 G. The second is that and 5 for each element that passes a batch normalisation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from vswin.models.errors import ModelError
from vswin.models.slowfast.config import ALPHA, BETA, SlowFastConfig

FUSED = 2
"""Channels that a lateral connection gives for each one of the fast pathway."""
WINDOW = 7
"""Side of the maps that the classifier averages over, as 224 pixels give."""
Triple = tuple[int, int, int]
Maps = tuple[Tensor, Tensor]
"""Of the slow and of the fast pathway: (B, C, T / ALPHA, H, W) and (B, C / BETA, T, H, W)."""


def slow_frames(frames: int) -> list[int]:
    """Which frames of a clip the slow pathway sees: evenly from first to last, rounded down.

    For 32 frames 0, 4, 8, 13, 17, 22, 26, 31.
    """
    count = frames // ALPHA
    return [k * (frames - 1) // max(1, count - 1) for k in range(count)]


class SlowFast(nn.Module):
    """A classifier of clips of any size whose number of frames is a multiple of ALPHA."""

    def __init__(self, config: SlowFastConfig) -> None:
        super().__init__()
        self.config = config
        self.s1 = Stem(config.in_channels, config.width)
        dim = config.width
        self.s1_fuse = Fusion(dim // BETA, config.fusion_kernel)
        for number, depth in enumerate(config.depths, start=2):
            out = 4 * config.width * 2 ** (number - 2)
            self.add_module(f"s{number}", Stage(number, depth, dim, out))
            dim = out
            if number <= len(config.depths):  # the classifier reads both pathways itself
                self.add_module(f"s{number}_fuse", Fusion(dim // BETA, config.fusion_kernel))
        self.dropout = nn.Dropout(config.head_dropout)
        self.head = nn.Linear(dim + dim // BETA, config.num_classes)

    def forward(self, clip: Tensor) -> Tensor:
        """Clips (B, in_channels, T, H, W), float -> logits (B, num_classes).

        Where frames are larger than 224 pixels, logits are the mean over the places of a window
        that is as large as the last map of 224 pixels: 2 x 2 of them at 256.

        Raises:
            ModelError: if the clip has another shape.
        """
        pooled = torch.cat([_averaged(x) for x in self._maps(clip)], dim=1)
        places = pooled.flatten(2).transpose(1, 2)
        return self.head(self.dropout(places)).mean(dim=1)

    def forward_features(self, clip: Tensor) -> Tensor:
        """Clips (B, in_channels, T, H, W) -> both pathways, (B, T / ALPHA, H', W', C).

        Channels of the slow pathway come first; the fast one's are means over ALPHA frames.

        Raises:
            ModelError: if the clip has another shape.
        """
        slow, fast = self._maps(clip)
        fast = fast.unflatten(2, (-1, ALPHA)).mean(dim=3)
        return torch.cat((slow, fast), dim=1).permute(0, 2, 3, 4, 1)

    def _maps(self, clip: Tensor) -> Maps:
        """What the last stage gives."""
        self._check(clip)
        maps = self.s1((clip[:, :, slow_frames(clip.shape[2])], clip))
        maps = self.s1_fuse(maps)
        for number in range(2, 2 + len(self.config.depths)):
            maps = self.get_submodule(f"s{number}")(maps)
            if number <= len(self.config.depths):
                maps = self.get_submodule(f"s{number}_fuse")(maps)
        return maps

    def _check(self, clip: Tensor) -> None:
        wanted = f"(B, {self.config.in_channels}, T, H, W) with T a multiple of {ALPHA}"
        if not isinstance(clip, Tensor):
            raise ModelError(f"clip is a {type(clip).__name__}, wanted a torch.Tensor {wanted}")
        shape = tuple(clip.shape)
        if len(shape) != 5 or shape[1] != self.config.in_channels or shape[2] % ALPHA:
            raise ModelError(f"clip has shape {shape}, wanted {wanted}")
        if not clip.is_floating_point():
            raise ModelError(f"clip is {clip.dtype}, wanted normalised floating point {wanted}")
        if min(shape) < 1:
            raise ModelError(f"clip has shape {shape}: every size must be at least 1")


class Stem(nn.Module):
    """The first convolution of each pathway: 1 x 7 x 7 and 5 x 7 x 7."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.pathway0_stem = StemOfOne(in_channels, width, (1, 7, 7))
        self.pathway1_stem = StemOfOne(in_channels, width // BETA, (5, 7, 7))

    def forward(self, maps: Maps) -> Maps:
        """Frames of both pathways -> maps of a quarter of their height and width."""
        return self.pathway0_stem(maps[0]), self.pathway1_stem(maps[1])


class StemOfOne(nn.Module):
    """Convolution, normalisation and maximum, each at every second place."""

    def __init__(self, in_channels: int, width: int, kernel: Triple) -> None:
        super().__init__()
        self.conv = convolution(in_channels, width, kernel, (1, 2, 2))
        self.bn = nn.BatchNorm3d(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, T, H, W) -> (B, width, T, H / 4, W / 4)."""
        return F.max_pool3d(F.relu(self.bn(self.conv(x))), (1, 3, 3), (1, 2, 2), (0, 1, 1))


class Fusion(nn.Module):
    """A lateral connection: the fast pathway, convolved over time, joins the slow one."""

    def __init__(self, dim: int, kernel: int) -> None:
        super().__init__()
        self.conv_f2s = convolution(dim, FUSED * dim, (kernel, 1, 1), (ALPHA, 1, 1))
        self.bn = nn.BatchNorm3d(FUSED * dim)

    def forward(self, maps: Maps) -> Maps:
        """Both pathways -> the same, with more channels in the slow one."""
        slow, fast = maps
        return torch.cat((slow, F.relu(self.bn(self.conv_f2s(fast)))), dim=1), fast


class Stage(nn.Module):
    """As many blocks of each pathway, the first of which has the stride."""

    def __init__(self, number: int, depth: int, dim: int, out: int) -> None:
        """Builds stage res<number>.

        Args:
            number: from 2 on; the slow pathway sees neighbouring frames from 4 on.
            depth: blocks.
            dim: channels of the slow pathway before it, without what is fused.
            out: and after it.
        """
        super().__init__()
        self.depth = depth
        stride = 1 if number == 2 else 2
        for pathway, before, after, time in (
            (0, dim + FUSED * dim // BETA, out, 1 if number < 4 else 3),
            (1, dim // BETA, out // BETA, 3),
        ):
            for i in range(depth):
                block = Bottleneck(after if i else before, after, time, 1 if i else stride)
                self.add_module(f"pathway{pathway}_res{i}", block)

    def forward(self, maps: Maps) -> Maps:
        """Both pathways -> both."""
        slow, fast = maps
        for i in range(self.depth):
            slow = self.get_submodule(f"pathway0_res{i}")(slow)
            fast = self.get_submodule(f"pathway1_res{i}")(fast)
        return slow, fast


class Bottleneck(nn.Module):
    """A residual block; its shortcut is a convolution where the shape changes."""

    def __init__(self, dim: int, out: int, time: int, stride: int) -> None:
        super().__init__()
        self.has_convolution = dim != out or stride > 1
        if self.has_convolution:
            self.branch1 = convolution(dim, out, (1, 1, 1), (1, stride, stride))
            self.branch1_bn = nn.BatchNorm3d(out)
        self.branch2 = Transform(dim, out, time, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, dim, T, H, W) -> (B, out, T, H / stride, W / stride)."""
        skip = self.branch1_bn(self.branch1(x)) if self.has_convolution else x
        return F.relu(skip + self.branch2(x))


class Transform(nn.Module):
    """Three convolutions, over time, over space, and to more channels."""

    def __init__(self, dim: int, out: int, time: int, stride: int) -> None:
        super().__init__()
        inner = out // 4
        self.a = convolution(dim, inner, (time, 1, 1))
        self.a_bn = nn.BatchNorm3d(inner)
        self.b = convolution(inner, inner, (1, 3, 3), (1, stride, stride))
        self.b_bn = nn.BatchNorm3d(inner)
        self.c = convolution(inner, out, (1, 1, 1))
        self.c_bn = nn.BatchNorm3d(out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, dim, T, H, W) -> (B, out, T, H / stride, W / stride)."""
        x = F.relu(self.a_bn(self.a(x)))
        x = F.relu(self.b_bn(self.b(x)))
        return self.c_bn(self.c(x))


def convolution(dim: int, out: int, kernel: Triple, stride: Triple = (1, 1, 1)) -> nn.Conv3d:
    """A convolution without bias that keeps the size, but for its stride."""
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    return nn.Conv3d(dim, out, kernel, stride, padding, bias=False)


def _averaged(x: Tensor) -> Tensor:
    """Means over time and windows: (B, C, T, H, W) -> (B, C, 1, places, places)."""
    return F.avg_pool3d(x, (x.shape[2], min(WINDOW, x.shape[3]), min(WINDOW, x.shape[4])), stride=1)
