"""The published checkpoints that are known, from published.yaml: facts, no files and no torch."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from pydantic import Field

from vswin.errors import UsageError, unknown
from vswin.reading import Strict, read_strictly

LIST = Path(__file__).with_name("published.yaml")
NEAR = 4
"""Names that an error proposes."""


class Publisher(Strict):
    """What the files of a publisher have in common."""

    title: str
    licence: str
    """Of the repository that links to the files."""
    url: str
    """Where a file is: {file} is its name, {stem} that without the suffix, {folder} that without
    the date and digest, too."""
    source: str
    """Where these facts were read."""
    hub: str | None = None
    """The user of the Hugging Face hub whose repositories are called like the stems."""


class Entry(Strict):
    """A file, as published.yaml has it."""

    file: str
    """Its name on this machine; as published, unless `about` says otherwise."""
    publisher: str
    trained_on: str
    preset: str | None = None
    """What it builds, with `model`; None where the publisher does not say it for certain."""
    model: dict[str, Any] = Field(default_factory=dict)
    """Keywords of `vswin.build_model`."""
    tag: str | None = None
    about: str = ""
    mib: float | None = None
    """Its size in MiB, where the publisher gives it."""
    digest: str | None = None
    """How its SHA-256 begins, likewise; eight hexadecimal digits or more."""
    url: str | None = None
    """Where it is, if not where its publisher's files are."""
    page: str | None = None
    """A page where a person can fetch it, and a program cannot."""


class _List(Strict):
    publishers: dict[str, Publisher]
    files: tuple[Entry, ...]


class PublishedFile(Strict):
    """A published checkpoint."""

    entry: Entry
    publisher: Publisher

    @property
    def name(self) -> str:
        """What it is called here: PRESET:TAG; without a preset the file's own name."""
        return f"{self.entry.preset}:{self.entry.tag}" if self.entry.preset else self.entry.file

    @property
    def file(self) -> str:
        """Its name on this machine."""
        return self.entry.file

    @property
    def stem(self) -> str:
        """The file's name without the suffix."""
        return self.file.rpartition(".")[0]

    @property
    def repository(self) -> str | None:
        """Its repository on the Hugging Face hub, if it is there."""
        return f"{self.publisher.hub}/{self.stem}" if self.publisher.hub else None

    @property
    def url(self) -> str:
        """Where it is, or the page that leads there."""
        folder = self.stem.rpartition("_")[0]
        usual = self.publisher.url.format(file=self.file, stem=self.stem, folder=folder)
        return self.entry.page or self.entry.url or usual

    @property
    def names(self) -> tuple[str, ...]:
        """All names that stand for this file alone."""
        found = (self.name, self.file, self.stem, self.repository)
        return tuple(dict.fromkeys(name for name in found if name))

    def facts(self) -> dict[str, Any]:
        """All that is known, by name; None is what the publisher does not say."""
        entry = self.entry
        build = f"vswin.build_model({entry.preset!r}, weights={entry.tag!r})"
        return {
            "name": self.name,
            "file": self.file,
            "preset": entry.preset,
            "model": entry.model,
            "build": build if entry.preset else None,
            "trained_on": entry.trained_on,
            "about": entry.about,
            "publisher": self.publisher.title,
            "licence": self.publisher.licence,
            "mib": entry.mib,
            "sha256": entry.digest,
            "url": self.url,
            "by_hand": entry.page is not None,
            "source": self.publisher.source,
        }


def published() -> tuple[PublishedFile, ...]:
    """All published files that are known, in the order of the list."""
    return _read(LIST)


@functools.cache
def _read(path: Path) -> tuple[PublishedFile, ...]:
    found: _List = read_strictly(path, _List)
    return tuple(
        PublishedFile(entry=entry, publisher=found.publishers[entry.publisher])
        for entry in found.files
    )


def find(name: str) -> PublishedFile | None:
    """The file that a name stands for: PRESET:TAG, the file's own name, or that on the hub."""
    return next((each for each in published() if name in each.names), None)


def require(name: str) -> PublishedFile:
    """As `find`.

    Raises:
        UsageError: if there is none; proposes what has the name in its own.
    """
    if (found := find(name)) is not None:
        return found
    names = [each.name for each in published()]
    if near := [each for each in names if name and name in each][:NEAR]:
        raise UsageError(
            f"no published weights are called {name!r}; maybe {', '.join(near)}? "
            "`vswin weights list` has all"
        )
    raise UsageError(f"no published weights are called {name!r}; `vswin weights list` has all")


def of_preset(preset: str, words: str) -> PublishedFile:
    """The file of a preset that `words` mean: a tag, a full name, or what only one is trained on.

    Raises:
        UsageError: if there is none, there are several, or it is of another preset.
    """
    if (named := find(words)) is not None:
        if named.entry.preset not in (None, preset):
            raise UsageError(f"{words} is of {named.entry.preset}, not of {preset}")
        return named
    files = {e.entry.tag: e for e in published() if e.entry.preset == preset and e.entry.tag}
    if words in files:
        return files[words]
    trained = {tag: each for tag, each in files.items() if each.entry.trained_on == words}
    if len(trained) == 1:
        return next(iter(trained.values()))
    if trained:
        raise UsageError(
            f"several published weights of {preset} are trained on {words}; wanted one of "
            f"{', '.join(map(str, trained))}"
        )
    if not files:
        raise UsageError(f"no published weights of {preset} are known; wanted the path of a file")
    raise unknown("weights", words, map(str, files), f" of {preset}")
