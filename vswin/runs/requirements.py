"""What runs on videos need from this machine, and what they will cost."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

from vswin.cost import Cost
from vswin.data.datasets import dataset
from vswin.data.video_data import VideoData, ViewsTest
from vswin.errors import VswinError
from vswin.models.presets import VideoSwinConfig
from vswin.runs.identity import Initialisation, PretrainedFile, RunConfig
from vswin.runs.sources import MissingDataError, Sources, load_sources
from vswin.runs.store import Store


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


def estimate(
    config: RunConfig,
    cost: Cost,
    store: Store,
    peak_tflops: float,
    share: float,
) -> Price:
    """GPU-hours from what complete runs took, or from a declared share of a GPU's peak.

    A multiply-accumulate is two operations, and a training step three forward passes. Decoding is
    not counted: with too few CPU cores it decides instead.

    Args:
        config: a run on videos.
        cost: of one clip's forward pass.
        store: where the run's result is, if it has been run.
        peak_tflops: of the GPU, dense, in the precision of the run.
        share: of the peak that training and testing reach.

    Raises:
        VswinError: if the run is not on videos.
    """
    data, test = config.data, config.test
    if not isinstance(data, VideoData) or not isinstance(test, ViewsTest):
        raise VswinError(f"{config.run_id} is not on videos, and takes minutes")
    result = store.run(config.run_id).result()
    if result is not None:
        seconds, gpus = result["seconds"], result["processes"]
        return Price(
            seconds["train"] * gpus / 3600, seconds["test"] * gpus / 3600, "measured, this run"
        )
    measured = _measured_rate(store, config)
    about = dataset(data.dataset)
    if about.train_videos is None or about.test_videos is None:
        raise VswinError(f"{about.title} is rendered, in whatever size; its runs take minutes")
    flops = 2 * cost.flops
    rate, basis = peak_tflops * 1e12 * share, f"{100 * share:g} % of {peak_tflops:g} TFLOP/s"
    if measured is not None:
        rate, basis = measured, f"measured, {measured / 1e12:.3g} TFLOP/s in other runs"
    is_trained = not (isinstance(config.init, Initialisation) and config.init.only_test)
    clips = about.train_videos * config.recipe.epochs if is_trained else 0
    views = about.test_videos * test.clips * test.crops
    return Price(
        3 * flops * clips / rate / 3600,
        flops * views / rate / 3600,
        basis,
    )


def _measured_rate(store: Store, config: RunConfig) -> float | None:
    """Operations per second of a process in complete trainings of the same precision; the mean."""
    rates = []
    for folder in store:
        result = folder.result()
        if result is None or not result.get("train_clips"):
            continue
        if folder.config().recipe.precision == config.recipe.precision:
            flops = 6 * result["cost"]["flops"] * result["train_clips"]
            rates.append(flops / result["seconds"]["train"] / result["processes"])
    return sum(rates) / len(rates) if rates else None


def cost_of(config: RunConfig) -> Cost:
    """The cost of one clip's forward pass through a run's model."""
    return _counted(config.model, config.data.frames, config.data.size)


@functools.lru_cache(maxsize=256)
def _counted(model: VideoSwinConfig, frames: int, size: int) -> Cost:
    import torch  # planning does without

    from vswin.cost import cost
    from vswin.models.video_swin import VideoSwinTransformer

    with torch.device("meta"):
        return cost(VideoSwinTransformer(model), (model.in_channels, frames, size, size))
