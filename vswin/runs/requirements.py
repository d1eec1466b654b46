"""What runs on videos need from this machine, and what they will cost."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence

from vswin.cost import Cost
from vswin.cost_cache import cost_at
from vswin.data.datasets import dataset
from vswin.data.video_data import VideoData, ViewsTest
from vswin.errors import VswinError
from vswin.files import DamagedFileError
from vswin.runs.identity import Initialisation, PretrainedFile, RunConfig
from vswin.runs.sources import MissingDataError, Sources, load_sources
from vswin.runs.store import RunFolder, Store, StoreError

_GPUS = ("NVIDIA", "Tesla", "GeForce", "Quadro", "TITAN", "Instinct")
"""What names of GPUs hold, as torch tells them, and those of CPUs do not."""


def missing_inputs(config: RunConfig, store: Store, sources: Sources) -> list[str]:
    """What a run needs and this machine lacks, in words; empty if it can start.

    Lists of videos are looked for, not read: `vswin data check` does that.
    """
    if not isinstance(config.data, VideoData) or store.run(config.run_id).result() is not None:
        return []
    found = []
    splits = sources.splits(config.data.dataset)
    for name in ("train", "test"):
        what = f"{config.data.dataset}, {name} split"
        if name not in splits:
            found.append(f"{what}: not in {sources.file.name}")
            continue
        split = splits[name]
        paths = [p for p in (split.annotations, split.videos, split.labels) if p is not None]
        found += [f"{what}: no {path}" for path in paths if not path.exists()]
    if isinstance(config.init, PretrainedFile) and sources.checkpoint(config.init.file) is None:
        found.append(f"weights {config.init.file}")
    if isinstance(config.init, Initialisation):
        found += missing_inputs(config.init.pretraining, store, sources)
    return list(dict.fromkeys(found))


def require_inputs(configs: Sequence[RunConfig], store: Store) -> None:
    """Refuses to begin what cannot be finished on this machine.

    Raises:
        MissingDataError: if videos or weights are missing; names them all.
    """
    if not any(config.is_on_videos for config in configs):
        return
    sources = load_sources()
    lacking = [item for config in configs for item in missing_inputs(config, store, sources)]
    if lacking:
        raise MissingDataError(
            f"this machine lacks what the runs need, as far as {sources.file} says (its form: "
            "data.example.yaml):\n  " + "\n  ".join(dict.fromkeys(lacking))
        )


class NoEstimateError(VswinError):
    """Nothing tells how long a run takes."""


@dataclasses.dataclass(frozen=True)
class Price:
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
            if result is None or not result.get("train_clips") or not _was_on_gpus(folder):
                continue
            flops = 6 * result["cost"]["flops"] * result["train_clips"]
            rate = flops / result["seconds"]["train"] / result["processes"]
            rates.setdefault(folder.config().recipe.precision, []).append(rate)
    return Speed(peak_tflops, share, {name: sum(r) / len(r) for name, r in rates.items()})


def estimate(config: RunConfig, cost: Cost, store: Store, speed: Speed) -> Price:
    """GPU-hours from what the run took if it is complete, else from how fast GPUs go.

    A multiply-accumulate is two operations, and a training step three forward passes. Decoding is
    not counted: with too few CPU cores it decides instead.

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
        seconds, gpus = result["seconds"], result["processes"]
        return Price(
            seconds["train"] * gpus / 3600, seconds["test"] * gpus / 3600, "measured, this run"
        )
    about = dataset(data.dataset)
    if about.train_videos is None or about.test_videos is None:
        raise NoEstimateError(f"{about.title} is rendered, in whatever size; its runs take minutes")
    flops = 2 * cost.flops
    rate, basis = speed.of(config)
    is_trained = not (isinstance(config.init, Initialisation) and config.init.only_test)
    clips = about.train_videos * config.recipe.epochs if is_trained else 0
    views = about.test_videos * test.clips * test.crops
    return Price(
        3 * flops * clips / rate / 3600,
        flops * views / rate / 3600,
        basis,
    )


def _was_on_gpus(folder: RunFolder) -> bool:
    """Whether a complete run was executed on GPUs: CPUs tell nothing of how long those take."""
    gpus = folder.status().get("gpus")
    if isinstance(gpus, int):
        return gpus > 0
    device = (folder.provenance() or {}).get("device")  # status.json need not have come along
    return isinstance(device, str) and any(word in device for word in _GPUS)


def cost_of(config: RunConfig) -> Cost:
    """The cost of one clip's forward pass through a run's model."""
    data, model = config.data, config.model
    return cost_at(model, (model.in_channels, data.frames, data.size, data.size), "paper")
