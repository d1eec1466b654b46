"""What runs will cost in GPU-hours, before they are run."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence

from vswin.costs.cache import cost_at
from vswin.costs.counting import Cost
from vswin.data.data_file import load_sources
from vswin.data.datasets import dataset
from vswin.data.listed import listed_videos
from vswin.data.video_data import VideoData, ViewsTest
from vswin.errors import VswinError
from vswin.files import DamagedFileError
from vswin.launch.slurm.profile import Profile
from vswin.runs.config import RunConfig
from vswin.runs.store import RunFolder, Store, StoreError

_GPUS = ("NVIDIA", "Tesla", "GeForce", "Quadro", "TITAN", "Instinct")
"""What names of GPUs hold, as torch tells them, and those of CPUs do not."""


class NoEstimateError(VswinError):
    """Nothing tells how long a run takes."""

    exit_code = 2


@dataclasses.dataclass(frozen=True)
class Estimate:
    """GPU-hours of a run."""

    train: float
    test: float
    basis: str
    """What they were computed from."""

    @property
    def total(self) -> float:
        """Both together."""
        return self.train + self.test


@dataclasses.dataclass(frozen=True)
class Speed:
    """How fast a GPU goes: as complete runs measured it, or else as it was declared."""

    peak_tflops: float
    """Of the GPU, dense, in the precision of the run."""
    share: float
    """Of the peak that training and testing reach."""
    measured: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """Operations per second of one GPU, by precision."""

    def of(self, config: RunConfig) -> tuple[float, str]:
        """Operations per second in a run, and what that is known from."""
        measured = self.measured.get(config.recipe.precision)
        if measured is not None:
            return measured, f"measured, {measured / 1e12:.3g} TFLOP/s in other runs"
        declared = f"{100 * self.share:g} % of {self.peak_tflops:g} TFLOP/s"
        return self.peak_tflops * 1e12 * self.share, declared


def speed_in(store: Store, peak_tflops: float, share: float) -> Speed:
    """The speed on GPUs, with the means of the trainings that a store holds; it reads them all."""
    rates: dict[str, list[float]] = {}
    for folder in store:
        with contextlib.suppress(DamagedFileError, StoreError):  # its own reader will say it
            result = folder.result()
            if result is None or not result.train_clips or not _was_on_gpus(folder):
                continue
            flops = 6 * result.cost.flops * result.train_clips
            rate = flops / result.seconds.train / result.execution.processes
            rates.setdefault(folder.config().recipe.precision, []).append(rate)
    return Speed(peak_tflops, share, {name: sum(r) / len(r) for name, r in rates.items()})


def estimate(config: RunConfig, cost: Cost, store: Store, speed: Speed) -> Estimate:
    """GPU-hours from what the run took if it is complete, else from how fast GPUs go.

    A multiply-accumulate is two operations, and a training step three forward passes, or one where
    the backbone is frozen. Decoding is not counted: with too few CPU cores it decides instead. Nor
    is what early stopping saves and its validation takes.

    Args:
        config: a run on videos.
        cost: of one clip's forward pass.
        store: where the run's result is, if it has been run.
        speed: from `speed_in`, once for all runs.

    Raises:
        NoEstimateError: if the run is not on videos, or on rendered ones.
    """
    data, test = config.data, config.test
    if not isinstance(data, VideoData) or not isinstance(test, ViewsTest):
        raise NoEstimateError(f"{config.run_id} is not on videos, and takes minutes")
    folder = store.run(config.run_id)
    result = folder.result()
    if result is not None and _was_on_gpus(folder):
        seconds, gpus = result.seconds, result.execution.processes
        return Estimate(
            seconds.train * gpus / 3600, seconds.test * gpus / 3600, "measured, this run"
        )
    train_videos, test_videos = _sizes(data.dataset)
    flops = 2 * cost.flops
    rate, basis = speed.of(config)
    clips = train_videos * config.recipe.epochs if config.is_trained else 0
    views = test_videos * test.clips * test.crops
    return Estimate(
        (3 if config.recipe.trains == "all" else 1) * flops * clips / rate / 3600,
        flops * views / rate / 3600,
        basis,
    )


def _sizes(name: str) -> tuple[int, int]:
    """Videos to train and to test on; of one's own dataset as it is listed on this machine.

    Raises:
        NoEstimateError: if the dataset is rendered.
        MissingDataError, AnnotationError: if its own lists are not there, or cannot be read.
    """
    about, sources = dataset(name), load_sources()
    if about.is_own:
        train, test = (listed_videos(sources, name, split) for split in ("train", "test"))
        return len(train.videos), len(test.videos)
    if about.train_videos is None or about.test_videos is None:
        raise NoEstimateError(f"{about.title} is rendered, in whatever size; its runs take minutes")
    return about.train_videos, about.test_videos


def _was_on_gpus(folder: RunFolder) -> bool:
    """Whether a complete run was executed on GPUs: CPUs tell nothing of how long those take."""
    gpus = folder.status().get("gpus")
    if isinstance(gpus, int):
        return gpus > 0
    device = (folder.provenance() or {}).get("device")  # status.json need not have come along
    return isinstance(device, str) and any(word in device for word in _GPUS)


def cost_of(config: RunConfig) -> Cost:
    """The cost of one clip's forward pass through a run's model.

    Raises:
        NoEstimateError: if the run is not on videos.
    """
    data, model = config.data, config.model
    if not isinstance(data, VideoData):
        raise NoEstimateError(f"{config.run_id} is not on videos, and takes minutes")
    return cost_at(model, (model.in_channels, data.frames, data.size, data.size), "paper")


class TooExpensiveError(VswinError):
    """What would be submitted costs more than was allowed."""


@dataclasses.dataclass(frozen=True)
class Total:
    """GPU-hours of several runs together."""

    gpu_hours: float | None
    """None where nothing tells; 0 on CPUs."""
    basis: str
    """What it was computed from."""

    def __str__(self) -> str:
        """As "964 GPU-hours (15 % of 312 TFLOP/s)"."""
        if self.gpu_hours is None:
            return f"GPU-hours unknown: {self.basis}"
        return f"{self.gpu_hours:.3g} GPU-hours ({self.basis})"

    def require(self, most: float | None) -> None:
        """Refuses what is more, or might be.

        Raises:
            TooExpensiveError: says how much it would be.
        """
        if most is None or self.gpu_hours == 0:
            return
        if self.gpu_hours is None or self.gpu_hours > most:
            raise TooExpensiveError(f"--max-gpu-hours {most:g}, and this would be {self}")


def estimate_all(configs: Sequence[RunConfig], store: Store, profile: Profile) -> Total:
    """An estimate for runs; what they did before they were interrupted is not taken off."""
    if not configs or not profile.gpus:
        return Total(0.0, "no GPU" if configs else "nothing to run")
    if not all(config.data.kind == "videos" for config in configs):
        return Total(
            None, "runs of the embedded benchmark take minutes on a GPU, not measured here"
        )
    speed = speed_in(store, profile.peak_tflops, profile.share)
    try:
        estimates = [estimate(config, cost_of(config), store, speed) for config in configs]
    except NoEstimateError as error:  # it is no reason not to submit
        return Total(None, str(error))
    basis = ", ".join(dict.fromkeys(e.basis for e in estimates))
    return Total(sum(e.total for e in estimates), basis)
