"""Lists of videos, written and read in tests."""

import pytest

from vswin.data.annotations import AnnotationError, read_annotations, require_clean


def write(path, text, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding=encoding, newline="")
    return path


def touch(folder, *names):
    for name in names:
        write(folder / name, "")


def labels(videos):
    return [video.label for video in videos.videos]


def ids(videos):
    return [video.id for video in videos.videos]


def read(source, dataset="kinetics400", **kwargs):
    """(id, label) of each video of a list without faults."""
    videos = require_clean(read_annotations(dataset, source, **kwargs)).videos
    return [(video.id, video.label) for video in videos]


def unknown(source, dataset="kinetics400", **kwargs):
    return read_annotations(dataset, source, **kwargs).unknown


def error(*args, **kwargs):
    with pytest.raises(AnnotationError) as caught:
        read_annotations(*args, **kwargs)
    return str(caught.value)
