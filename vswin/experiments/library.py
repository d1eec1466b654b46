"""The folder of experiments, protocols and recipes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

from vswin.errors import UsageError, unknown
from vswin.experiments.embedded import EmbeddedProtocol
from vswin.experiments.recipes import read_recipe_book
from vswin.experiments.tables import Experiment
from vswin.experiments.videos import VideoProtocol
from vswin.project import PREREGISTRATION
from vswin.reading import read_strictly, require_named

Protocol = EmbeddedProtocol | VideoProtocol
KINDS: Mapping[str, type[BaseModel]] = {"moving_digits": EmbeddedProtocol, "videos": VideoProtocol}
"""Kinds of protocols, by the kind of data that their runs are on."""


@dataclasses.dataclass(frozen=True)
class Library:
    """The experiments and protocols of a folder."""

    folder: Path

    def tables(self) -> list[str]:
        """Names of all experiments, those of tables first."""
        files = self.folder.glob("*.yaml")
        names = (path.stem for path in files if path.name != PREREGISTRATION)
        return sorted(names, key=lambda name: (not name.startswith("table"), name))

    def protocols(self) -> list[str]:
        """Names of all protocols."""
        return sorted(path.stem for path in (self.folder / "protocols").glob("*.yaml"))

    def variations(self, protocol: str) -> list[str]:
        """Names of the sensitivity studies of a protocol: those that extend and vary it."""
        found = ((name, self.protocol(name)) for name in self.protocols())
        return [
            name
            for name, other in found
            if isinstance(other, EmbeddedProtocol) and other.varies and other.extends == protocol
        ]

    def protocols_of(self, experiment: Experiment) -> list[str]:
        """Names of the protocols that an experiment can be run under."""
        return [name for name in self.protocols() if not self.protocol(name).why_not(experiment)]

    def why_not(self, experiment: Experiment, protocol: str) -> str:
        """Why an experiment cannot be run under a protocol, and under which it can; empty if so."""
        reason = self.protocol(protocol).why_not(experiment)
        if not reason:
            return ""
        others = ", ".join(self.protocols_of(experiment))
        costs = f"`vswin cost {experiment.table}` counts its costs"
        if experiment.awaits:
            return f"{reason}; {costs}"
        return f"{reason}; it can be run under: {others or f'none; {costs}'}"

    def require_possible(self, experiment: Experiment, protocol: str) -> None:
        """Refuses an experiment that cannot be run under a protocol.

        Raises:
            UsageError: if so; says why, and under which it can be.
        """
        if reason := self.why_not(experiment, protocol):
            raise UsageError(reason)

    def experiment(self, table: str) -> Experiment:
        """Reads an experiment.

        Raises:
            UsageError: if there is none of that name.
            ExperimentError: if its file is broken.
        """
        if table not in self.tables():
            raise unknown("table", table, self.tables())
        path = self.folder / f"{table}.yaml"
        found = read_strictly(path, Experiment, {"protocols": self.protocols()})
        return require_named(path, "table", found)

    def protocol(self, name: str) -> Protocol:
        """Reads a protocol.

        Raises:
            UsageError: if there is none of that name.
            ExperimentError: if its file is broken.
        """
        if name not in self.protocols():
            raise unknown("protocol", name, self.protocols())
        path = self.folder / "protocols" / f"{name}.yaml"
        protocol = require_named(path, "protocol", read_strictly(path, KINDS))
        if isinstance(protocol, VideoProtocol):
            return protocol.with_book(read_recipe_book(self.folder / "recipes", protocol.recipe))
        return protocol
