"""What runs on videos train on and are tested on, as data; `vswin.data.clips` carries it out.

Apart from it, because planning runs and reading a store have no use for torch and decoders.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le, Len

from vswin.data.datasets import dataset as known_dataset
from vswin.errors import UsageError
from vswin.models.registry import Pixels

Share = Annotated[float, Ge(0), Le(1)]
Sampling = Literal["dense", "spans", "segments"]


@dataclasses.dataclass(frozen=True)
class VideoData:
    """Which videos a model is trained and tested on, and how clips are cut from them.

    Defaults are the paper's for Kinetics (section 4.1) and, where it is silent, the released
    configurations'.
    """

    dataset: str
    """A name that `vswin.data.datasets` knows."""
    frames: Annotated[int, Ge(1)] = 32
    """Frames of a clip."""
    stride: Annotated[int, Ge(1)] = 2
    """Every how many frames of the video one is taken; without effect for segments."""
    sampling: Sampling = "dense"
    """A stretch of the video (as Video Swin's authors cut it, or as MViT's), or one frame from each
    of equal segments (Something-Something); see `vswin.data.sampling`."""
    size: Annotated[int, Ge(1)] = 224
    """Height and width of a clip in pixels."""
    resize: Annotated[int, Ge(1)] = 256
    """Short side in pixels that training frames are brought to before they are cropped."""
    area: Annotated[tuple[Share, Share], Len(2, 2)] = (0.08, 1.0)
    """Smallest and largest share of the frame that a training crop covers."""
    ratio: tuple[Annotated[float, Gt(0)], Annotated[float, Gt(0)]] = (3 / 4, 4 / 3)
    """Smallest and largest width / height of a training crop."""
    flip: Share = 0.5
    """Probability that a training clip is mirrored."""
    rand_augment: tuple[Annotated[int, Ge(0)], Annotated[int, Ge(0), Le(30)]] | None = None
    """(N, M) of RandAugment: operations, and their magnitude of 30."""
    erasing: Share = 0.0
    """Probability that a box of a training clip is erased."""
    pixels: Pixels = "imagenet"
    """How they are normalised."""
    balanced: bool = False
    """Whether training shows every class as often as any other, see `vswin.training.feeding`."""
    kind: Literal["videos"] = "videos"
    VERSION: ClassVar[int] = 1
    """Raised by hand when a change of the code changes the clips; see `vswin.runs.identity`."""

    @property
    def slug(self) -> tuple[str, ...]:
        """Words for the name of a run."""
        return (self.dataset,)


def sampling_of(dataset: str) -> Sampling:
    """How clips of a dataset are sampled: as published, or as the data file says of one's own."""
    return known_dataset(dataset).sampling if dataset else "dense"


@dataclasses.dataclass(frozen=True)
class ViewsTest:
    """How a video is tested: scores are averaged over clips in time x crops in space."""

    clips: Annotated[int, Ge(1)] = 4
    """Clips, evenly spread over the video; section 4.1 says 4 x 3 views for Kinetics."""
    crops: Literal[1, 3, 5] = 3
    """Square crops of each clip along its longer side; one is the centre."""
    kind: Literal["views"] = "views"
    VERSION: ClassVar[int] = 1
    """Raised by hand when a change of the code changes how videos are tested."""

    def __str__(self) -> str:
        return f"{self.clips}×{self.crops}"


def parse_views(text: str, name: str = "views") -> ViewsTest:
    """Views from words such as "4x3", clips x crops.

    Args:
        text: the words.
        name: what an error calls them.

    Raises:
        UsageError: if they are not of that form.
    """
    clips, _, crops = text.partition("x")
    if not clips.isdecimal() or int(clips) < 1 or crops not in ("1", "3", "5"):
        raise UsageError(f"{name} {text}: wanted clips x crops with 1, 3 or 5 crops, such as 4x3")
    return ViewsTest(int(clips), int(crops))  # type: ignore[arg-type]
