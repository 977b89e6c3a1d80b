"""How a new model reaches all workers, with its arrays in memory once.

The parent process copies each new model into a folder of its own, loads it from there, and points a link at the copy.
Workers look at the link, and map the copy's arrays instead of reading them, so that all processes share their pages.
The copy is nobody else's: a model's folder that is overwritten in place can't change what is mapped. It is removed as
soon as every worker has mapped it. A worker that is forked later inherits the model from its parent.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jobmajor.registry import artifact

if TYPE_CHECKING:
    from jobmajor.serve.service.champion import LoadedModel, ModelSource

_LINK, _COPY = "current", "copy "


class Snapshots:
    """The parent's source of models: each is loaded from a copy; `number` counts the copies."""

    def __init__(self, source: ModelSource) -> None:
        self.source, self.number = source, 0
        self._folder = Path(tempfile.mkdtemp(prefix="jobmajor-workers-"))

    def mark(self) -> str:
        """Return the mark of the copied source."""
        return self.source.mark()

    def load(self) -> LoadedModel:
        """Copy the source's model, load it from the copy, and show the copy to the workers.

        Raises:
            InputError, ArtifactError: As `ModelSource.load`.
        """
        mark, path = self.source.mark(), self.source.path()
        copied = self._folder / str(self.number + 1) / path.name
        try:
            copied.parent.mkdir()
            if path.is_file():
                copied.mkdir()
                artifact.unpack(path, copied)
            else:
                shutil.copytree(path, copied)
            served = self.source.read(copied, mark, is_mapped=True)
        except BaseException:
            shutil.rmtree(copied.parent, ignore_errors=True)
            raise
        self.number += 1
        step = self._folder / "next"
        step.symlink_to(copied)
        step.replace(self._folder / _LINK)
        return served

    def followed(self, mark: str) -> Follower:
        """Return the source of a worker that is forked now, whose model has this mark."""
        return Follower(self.source, self._folder / _LINK, mark, self.number)

    def drop(self) -> None:
        """Remove the copies; what is mapped stays."""
        for each in self._folder.iterdir():
            if each.name != _LINK:
                shutil.rmtree(each, ignore_errors=True)

    def close(self) -> None:
        """Remove the folder of copies."""
        shutil.rmtree(self._folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Follower:
    """A worker's source of models: the parent's copies.

    Attributes:
        source: How a model is read.
        link: The link to the newest copy; there is none at first.
        first_mark: The mark of the model that the worker began with.
        first_number: The number of its copy.
    """

    source: ModelSource
    link: Path
    first_mark: str
    first_number: int

    def number(self) -> int:
        """Return the number of the newest copy."""
        with suppress(OSError):
            return int(self.link.readlink().parent.name)
        return self.first_number

    def mark(self) -> str:
        """Return a text that changes with the newest copy."""
        number = self.number()
        return self.first_mark if number == self.first_number else f"{_COPY}{number}"

    def taken(self, mark: str) -> int:
        """Return the number of the copy that has this mark."""
        return self.first_number if mark == self.first_mark else int(mark.removeprefix(_COPY))

    def load(self) -> LoadedModel:
        """Load the newest copy.

        Raises:
            ArtifactError: It is damaged, or has been removed.
        """
        mark = self.mark()
        return self.source.read(self.link.readlink(), mark, is_mapped=True)
