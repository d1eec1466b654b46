"""What runs on videos need from this machine."""

from __future__ import annotations

from collections.abc import Sequence

from vswin.data.data_file import MissingDataError, Sources, load_sources
from vswin.data.video_data import VideoData
from vswin.runs.identity import Initialisation, PretrainedFile, RunConfig
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
