"""Ours as a system of the benchmark: the only file here that knows how the classifier is trained, saved and asked.

What every system must offer is written down here too, so that a peer is nothing but a few lines in `peers.py`.
A system's own modules are imported when it is trained or loaded, so that memory and start are its own.
"""

from __future__ import annotations

import importlib.util
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any, Protocol

from jobmajor import soc
from jobmajor.settings import Linear

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from jobmajor.model.classifier import Classifier
    from jobmajor.soc import Level

NO_ANSWER = ""  # the class of a title that a system leaves unanswered; no title truly has it


class Coder(Protocol):
    """A trained system."""

    def classes(self, level: Level) -> Sequence[str]:
        """The codes that it can answer at a level, in the order of `scores`' columns; NO_ANSWER may be among them."""

    def scores(self, titles: Sequence[str], level: Level) -> NDArray[np.floating[Any]]:
        """Shape (titles, classes): the higher, the likelier."""

    def answer(self, titles: Sequence[str], *, every_level: bool) -> object:
        """The codes, by the shortest way that the system itself offers; what the speed is measured of.

        Of major groups, or of all the levels that the coder was trained for.
        """

    def save(self, folder: Path) -> None:
        """Write what it learned into an empty folder."""


@dataclass(frozen=True, slots=True)
class System:
    """One that is measured.

    Attributes:
        name: As the command line and the tables call it.
        what: What it is, in a few words.
        fit: From training and validation rows to a coder; what a peer learns from is said in `what`.
        load: What `save` wrote, ready to answer.
        levels: Those that it is scored at.
        states_shares: Whether its scores are meant as probabilities, so that calibration can be asked for.
        reads_descriptions: Whether it learns from phrases of descriptions, too, and not from titles alone.
        packages: What it needs besides jobmajor: how each is imported, and the distribution that has it.
        settings: Whatever else decides its figures; results are kept under it.
        version: Of its code; results are kept under it.
    """

    name: str
    what: str
    fit: Callable[[pl.DataFrame, pl.DataFrame], Coder]
    load: Callable[[Path], Coder]
    version: Callable[[], str]
    levels: tuple[Level, ...] = soc.LEVELS
    states_shares: bool = True
    reads_descriptions: bool = False
    packages: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def missing(self) -> str | None:
        """Which packages it lacks here, as a sentence; None where it can run."""
        lacks = [package for module, package in self.packages.items() if importlib.util.find_spec(module) is None]
        return f"{self.name} is left out: {', '.join(lacks)} not installed (`make bench` does)" if lacks else None

    def identity(self) -> dict[str, Any]:
        """What decides its figures besides the titles: settings, code, and the versions of its packages."""
        versions = {package: metadata.version(package) for package in self.packages.values()}
        return {"name": self.name, "settings": dict(self.settings), "code": self.version(), "packages": versions}


class _Ours:
    def __init__(self, model: Classifier) -> None:
        self._model = model
        self._is_compiled = False

    def classes(self, level: Level) -> Sequence[str]:
        return self._model.classes(level)

    def scores(self, titles: Sequence[str], level: Level) -> NDArray[np.floating[Any]]:
        return self._model.predict_proba(titles, level)

    def answer(self, titles: Sequence[str], *, every_level: bool) -> object:
        if len(titles) > 1 and not self._is_compiled:  # as the how-to says: for many requests of many titles
            self._model.compile()
            self._is_compiled = True
        if not every_level:
            return self._model.predict_proba(titles, "major")
        detailed = self._model.predict_proba(titles, "detailed")
        return [self._model.sum_up(detailed, level) for level in soc.LEVELS]

    def save(self, folder: Path) -> None:
        self._model.save(folder, code_version=_version(), source={"release": "benchmark"})


def _fit(training: pl.DataFrame, validation: pl.DataFrame) -> Coder:
    from jobmajor.model import thresholds  # noqa: PLC0415 - see above

    return _Ours(thresholds.fit(training, validation, Linear(), {"recipe": "linear"}))


def _load(folder: Path) -> Coder:
    from jobmajor.registry import loading  # noqa: PLC0415 - see above

    return _Ours(loading.load(folder))


def _version() -> str:
    from jobmajor import lineage  # noqa: PLC0415 - see above

    return lineage.code_version(lineage.TRAIN)


OURS = System(
    name="ours",
    what="jobmajor's linear recipe; learns from all forms, calibrates on validation",
    reads_descriptions=True,
    fit=_fit,
    load=_load,
    version=_version,
    settings=asdict(Linear()),
)
