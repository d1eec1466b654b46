"""Files on the Hugging Face hub, through its own client, which knows its tokens and mirrors."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vswin.extras import require_extra
from vswin.files import naming
from vswin.weights.http import DownloadError
from vswin.weights.published import PublishedFile

FILE = "model.safetensors"
"""What timm calls the weights in each of its repositories."""
ARRIVED = (".incomplete", ".safetensors")
"""Of what the client writes, what a further attempt can go on with."""
ENDPOINT = "HF_ENDPOINT"
"""The environment variable by which the client is told of a mirror of the hub."""


def fetch_from_hub(found: PublishedFile, part: Path, otherwise: str) -> None:
    """Brings a file of the hub into `part`. The client shows its progress itself, and resumes.

    Args:
        found: which.
        part: where to.
        otherwise: the end of an error: what a person can do.

    Raises:
        MissingExtraError: if the client is not installed.
        DownloadError: if the file cannot be fetched, or written.
    """
    require_extra("hub", f"{found.file}, on the Hugging Face hub,", otherwise)
    from huggingface_hub import hf_hub_download

    assert found.repository is not None  # or nobody would have come here
    folder = part.with_name(f"{part.name}.hub")
    try:
        with _quietly():
            fetched = hf_hub_download(
                found.repository, FILE, local_dir=folder, endpoint=os.environ.get(ENDPOINT)
            )
    except Exception as error:  # the client's own, the system's, and those of what it is made of
        if not any(path.suffix in ARRIVED for path in folder.rglob("*")):
            shutil.rmtree(folder, ignore_errors=True)
        why = " ".join(str(error).split()) or type(error).__name__
        raise DownloadError(
            f"{found.file} could not be fetched from {found.repository} on the hub: {why}"
            f"{otherwise}"
        ) from error
    with naming(part):
        Path(fetched).replace(part)
        shutil.rmtree(folder)


@contextmanager
def _quietly() -> Iterator[None]:
    """Without a line for each of the client's attempts; what ends them all is said once."""
    known = logging.getLogger("huggingface_hub")
    before = known.level
    known.setLevel(logging.ERROR)
    try:
        yield
    finally:
        known.setLevel(before)
