"""What runs need before they can begin: data, published weights, and the runs they start from."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from vswin.data.data_file import (
    MissingDataError,
    Sources,
    SplitName,
    is_there,
    load_sources,
    sources_file,
)
from vswin.data.listed import listed_videos
from vswin.data.video_data import VideoData
from vswin.errors import VswinError
from vswin.extras import require_extra
from vswin.runs.config import FromCheckpoint, RunConfig
from vswin.runs.result import VideosDetails
from vswin.runs.store import RunFolder, Store
from vswin.weights.published import find


def missing_inputs(config: RunConfig, store: Store, sources: Sources) -> list[str]:
    """What a run needs and this machine lacks, in words; empty if it can start.

    Lists of videos are looked for, not read: `vswin data check` does that.
    """
    if not isinstance(config.data, VideoData) or store.run(config.run_id).result() is not None:
        return []
    found = []
    splits = sources.splits(config.data.dataset)
    wanted: list[SplitName] = ["train", "test"]
    if config.is_trained and config.recipe.patience is not None:
        wanted.insert(1, "validation")
    for name in wanted:
        what = f"{config.data.dataset}, {name} split"
        if name not in splits:
            hint = ""
            if name == "validation":
                hint = " (for early stopping; `recipe: {patience: null}` in a row goes without)"
            found.append(f"{what}: {sources.absence(config.data.dataset)}{hint}")
            continue
        split = splits[name]
        paths = [p for p in (split.annotations, split.videos, split.labels) if p is not None]
        found += [f"{what}: no {path}" for path in paths if not is_there(path)]
    if isinstance(config.init, FromCheckpoint) and sources.checkpoint(config.init.file) is None:
        found.append(_weights(config.init.file))
    if config.source is not None:
        found += missing_inputs(config.source, store, sources)
    return list(dict.fromkeys(found))


def _weights(file: str) -> str:
    """A checkpoint that is missing, and what fetches it, if it is a published one."""
    known = find(file)
    return f"weights {file}" + (f": vswin weights download {known.name}" if known else "")


def lacking_inputs(configs: Sequence[RunConfig], store: Store) -> list[str]:
    """What of data and weights runs need and this machine lacks, each once."""
    if not any(config.data.kind == "videos" for config in configs):
        return []
    sources = load_sources()
    found = [item for config in configs for item in missing_inputs(config, store, sources)]
    return list(dict.fromkeys(found))


def require_inputs(configs: Sequence[RunConfig], store: Store) -> None:
    """Refuses to begin what cannot be finished on this machine.

    Raises:
        MissingDataError: if videos or weights are missing; names them all.
        OtherListsError: as `_require_lists_as_before`.
        MissingExtraError: if the package lacks a part that they need.
    """
    if any(config.data.kind == "moving_digits" for config in configs):
        require_extra("studies")
    if lacking := lacking_inputs(configs, store):
        raise MissingDataError(
            f"this machine lacks what the runs need, as far as {sources_file()} says (its form: "
            "data.example.yaml):\n  " + "\n  ".join(lacking)
        )
    _require_lists_as_before(configs, store)


class OtherListsError(VswinError):
    """A complete run rests on other videos of one's own dataset than there are now."""


def _require_lists_as_before(configs: Sequence[RunConfig], store: Store) -> None:
    """Refuses to take for done what rests on other lists of one's own than there are now.

    Which videos a published dataset has is no part of a run; copies differ. One's own grows.

    Raises:
        OtherListsError: names the run and the list.
    """
    sources = load_sources() if any(c.data.kind == "videos" for c in configs) else Sources()
    digest = functools.cache(lambda name, split: listed_videos(sources, name, split).digest)
    for config in configs:
        data, folder = config.data, store.run(config.run_id)
        if not isinstance(data, VideoData) or data.dataset not in sources.own:
            continue
        result = folder.result()
        if result is None or not isinstance(result.details, VideosDetails):
            continue
        inputs = result.details.inputs
        for split in sources.splits(data.dataset):
            before = getattr(inputs, split)
            if before is not None and before.digest != digest(data.dataset, split):
                raise OtherListsError(
                    f"{folder.path} rests on another {split} list of {data.dataset} than there is "
                    "now: remove that folder to run it anew, or call the new dataset otherwise"
                )


class SourceNotReadyError(VswinError):
    """The run that another one starts from is not complete, or its weights are lost."""


def require_source(folder: RunFolder, config: RunConfig) -> None:
    """Refuses to begin a run before the run that it starts from is complete.

    Raises:
        SourceNotReadyError: says which run to execute first.
    """
    if config.source is None:
        return
    source = source_folder(folder, config.source)
    if source.has_weights:
        return
    if source.result() is not None and not config.source.is_pretraining:
        raise SourceNotReadyError(
            f"{folder.run_id} starts from {source.run_id}, which is complete, but {source.weights} "
            "is missing: put it back, or remove the folder to train it again"
        )
    source.create(config.source)
    raise SourceNotReadyError(
        f"{folder.run_id} starts from {source.run_id}, which is not complete. Execute that first: "
        f"python -m vswin.runs.execute {source.path} (`vswin run` and `vswin submit` do so by "
        "themselves)"
    )


def source_folder(folder: RunFolder, source: RunConfig) -> RunFolder:
    """The folder of the run that the one in `folder` starts from: they lie side by side."""
    return RunFolder(folder.path.with_name(source.run_id))
