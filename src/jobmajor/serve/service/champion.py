"""The model that answers requests, and its replacement while requests are in progress.

A request takes the served model once and keeps it, so no answer mixes two models; the old model stays in memory as long
as a request holds it. A new model that can't be loaded is logged, and the old one stays.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from jobmajor.errors import ArtifactError, Error
from jobmajor.registry import loading
from sagelocal.storage import manifest

if TYPE_CHECKING:
    from pathlib import Path

    from jobmajor.model.classifier import Classifier
    from jobmajor.model.rules.classes import Classes
    from jobmajor.model.rules.overrides import Overrides
    from jobmajor.model.rules.prior import Prior
    from jobmajor.serve.service.reviews import Reviews
    from sagelocal.storage.manifest import Manifest

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A loaded model.

    Attributes:
        classifier: The model.
        digest: The digest of its manifest.
        mark: What `ModelSource.mark` returned when the model was loaded.
        lineage: What the manifest says of its origin.
        is_quick: Whether it answers a title in less than a millisecond.
        prior: The digest of the mix of occupations that answers are moved toward; empty without one.
        overrides: The user's titles with their codes, None without any.
        classes: The digest of the codes that were added to the model; empty without any.
        made: The model's manifest; None for a model that was not read from files.
        home: The workspace whose registry may have the model.
    """

    classifier: Classifier
    digest: str
    mark: str
    lineage: dict[str, Any] = field(default_factory=dict)
    is_quick: bool = False
    prior: str = ""
    overrides: Overrides | None = None
    classes: str = ""
    made: Manifest | None = None
    home: Path | None = None

    def with_overrides(self, others: Overrides | None) -> LoadedModel:
        """Return this model with further titles of a user, which count where both lists have one."""
        if not others:
            return self
        return replace(self, overrides=self.overrides.merged(others) if self.overrides else others, is_quick=False)


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where the model comes from: the champion of the workspace `home`, or the folder or archive `model`.

    Answers are moved toward the mix of occupations `prior`, if there is one, and `overrides` are the user's own.
    `classes` are codes that are added to the model.
    """

    home: Path
    model: Path | None = None
    prior: Prior | None = None
    overrides: Overrides | None = None
    classes: Classes | None = None

    def path(self) -> Path:
        """Return the model's current folder or archive.

        Raises:
            InputError: There is none; NoChampion: the workspace has none yet.
        """
        return loading.find(self.model, self.home)

    def mark(self) -> str:
        """Return a text that changes when the model does; cheap enough to call every other second."""
        path = self.path()
        if self.model is None:
            return path.name
        if path.is_file():
            found = path.stat()
            return f"{found.st_ino} {found.st_size} {found.st_mtime_ns}"
        return manifest.read(path).digest

    def load(self) -> LoadedModel:
        """Verify the model's files and return it.

        Raises:
            InputError: There is none; ArtifactError when a file is not as recorded, or was changed meanwhile.
        """
        return self.read(self.path(), self.mark())

    def read(self, path: Path, mark: str, *, is_mapped: bool = False) -> LoadedModel:
        """Load the model at `path`, the source's own or a copy of it.

        Raises:
            ArtifactError: A file is not as recorded, or the source's mark is another one afterwards.
        """
        model, made = loading.read(path, is_champion=self.model is None, is_mapped=is_mapped)
        if not is_mapped and self.mark() != mark:
            raise ArtifactError(f"{path} was changed while it was read: it is read again")
        model = (model.adapted(self.prior) if self.prior else model).with_classes(self.classes)
        model.compile()
        lineage = {"source": dict(made.source), "settings": dict(made.settings), "code_version": made.code_version}
        prior = self.prior.digest if self.prior else ""
        is_quick = model.is_compiled and not self.overrides  # whose titles Python answers
        classes = self.classes.digest if self.classes else ""
        known = LoadedModel(model, made.digest, mark, lineage, is_quick, prior, self.overrides, classes)
        return replace(known, made=made, home=self.home)


class Source(Protocol):
    """Where models come from: a `ModelSource`, or the copies that workers share."""

    def mark(self) -> str:
        """As `ModelSource.mark`."""

    def load(self) -> LoadedModel:
        """As `ModelSource.load`."""


class Champion:
    """Holds the served model; `refresh` replaces it if the source has another, or if the kept choices have changed."""

    def __init__(self, source: Source, reviews: Reviews | None = None) -> None:
        """Load the first model; raise what `ModelSource.load` raises. `reviews` are choices that the service keeps."""
        self._source, self.reviews = source, reviews
        self._loading = threading.Lock()
        self._told = ""
        self.swaps, self.failures = 0, 0
        self._loaded = source.load()
        self.served = self._loaded.with_overrides(reviews.overrides if reviews else None)

    def keep(self, title: str, code: str | None) -> str | None:
        """Keep a choice for a title, or take it back if `code` is None; return the code that it had.

        Raises:
            InputError: The file of choices can't be used.
        """
        if self.reviews is None:
            raise ValueError("the service keeps no choices")
        before = self.reviews.change(title, code)
        with self._loading:
            self.served = self._loaded.with_overrides(self.reviews.overrides)
        return before

    @property
    def source(self) -> Source:
        """Where the next model comes from."""
        return self._source

    def follow(self, source: Source) -> None:
        """Take the next model from another source, whose mark for the served one is the same."""
        self._source = source

    def refresh(self) -> bool:
        """Load another model if the source has one, and return whether it did; log each fault of the source once."""
        with self._loading:
            if self.reviews and self.reviews.refresh():
                self.served = self._loaded.with_overrides(self.reviews.overrides)
            try:
                if self._source.mark() == self.served.mark:
                    return False
                served = self._source.load()
            except (Error, OSError) as error:
                self._tell(error)
                return False
            before, self._loaded = self.served.digest, served
            self.served = served.with_overrides(self.reviews.overrides if self.reviews else None)
            self._told = ""
            self.swaps += 1
            _log.info("swapped the model", extra={"event": {"model": served.digest, "before": before}})
            return True

    def _tell(self, error: Exception) -> None:
        self.failures += 1
        if str(error) != self._told:
            self._told = str(error)
            _log.error("the model was not swapped", extra={"event": {"why": str(error), "model": self.served.digest}})
