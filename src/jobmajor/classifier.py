"""The classifier: titles in, SOC codes with scores out, at any level. A model is arrays plus JSON, never code.

Scores are coherent by construction: the major group's share is split among its own detailed codes, so a parent's
score is the sum of its children's.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from jobmajor import soc
from jobmajor.errors import ArtifactError, InputError
from jobmajor.features import bags
from jobmajor.scoring import Arrays, Blend, blended, evidence
from jobmajor.titles import normalise
from sagelocal import manifest, publish

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from jobmajor.soc import Level

_FORMAT = 1
_ARRAYS, _DESCRIPTION = "model.safetensors", "model.json"
_BATCH = 256  # titles scored at a time, each up to
_MAX_CHARACTERS = 1000  # of it: together they bound memory at about 100 MB whatever the input


@dataclass(frozen=True, slots=True)
class Answer:
    """One code for a title; `score` is a share, 0 to 1."""

    label: str
    name: str
    score: float


class Classifier:
    """Titles in, SOC codes out.

    Attributes:
        arrays: What was learned.
        codes: The detailed codes that it can answer, in the order of its columns.
        blend: How the parts of the model make one score, fitted on validation.
        about: Where it comes from: release, split, settings. Says nothing that changes an answer.
    """

    def __init__(self, arrays: Arrays, codes: Sequence[str], blend: Blend, about: Mapping[str, Any]) -> None:
        self.arrays, self.blend, self.about = arrays, blend, dict(about)
        self.codes = tuple(codes)

    @cached_property
    def _table(self) -> NDArray[np.int32]:
        return self.arrays.table()

    @cached_property
    def _parents(self) -> dict[Level, NDArray[np.int64]]:
        """For each level, the column of each detailed code's ancestor in `classes(level)`."""
        found: dict[Level, NDArray[np.int64]] = {}
        for level in soc.LEVELS:
            _, columns = np.unique([soc.ancestor(code, level) for code in self.codes], return_inverse=True)
            found[level] = columns
        return found

    def classes(self, level: Level = "major") -> tuple[str, ...]:
        """The codes that can be answered at a level, in the order of `predict_proba`'s columns."""
        return tuple(sorted({soc.ancestor(code, level) for code in self.codes}))

    @property
    def classes_(self) -> NDArray[np.str_]:
        """The major groups, as scikit-learn names them."""
        return np.array(self.classes())

    def predict_proba(self, titles: Iterable[str | None], level: Level = "major") -> NDArray[np.float32]:
        """The share of each code for each title.

        Args:
            titles: As people write them; None and NaN count as an empty title, of a longer one the first 1,000
                characters are read.
            level: Of the codes.

        Returns:
            Shape (titles, codes of the level); each row sums to 1.
        """
        texts = [_text(title) for title in _as_list(titles)]
        blocks = [self._scored(texts[start : start + _BATCH], level) for start in range(0, len(texts), _BATCH)]
        return np.concatenate([np.empty((0, len(self.classes(level))), np.float32), *blocks])

    def _scored(self, texts: Sequence[str], level: Level) -> NDArray[np.float32]:
        found = evidence(bags(texts), self.arrays, self._table)
        return self.sum_up(blended(found, self.blend, self._parents["major"]), level)

    def sum_up(self, detailed: NDArray[np.float32], level: Level) -> NDArray[np.float32]:
        """Shares of detailed codes, shape (titles, detailed), as shares of the codes at a level above them."""
        if level == "detailed":
            return detailed
        columns = self._parents[level]
        order = np.argsort(columns, kind="stable")
        starts = np.searchsorted(columns[order], np.arange(columns.max() + 1))
        return np.add.reduceat(detailed[:, order], starts, axis=1)

    def predict(self, titles: Iterable[str | None], level: Level = "major") -> Any:
        """The best code of each title.

        Returns:
            A pandas or polars Series for one of those, with its index; else a numpy array of text.
        """
        best = self.predict_proba(titles, level).argmax(axis=1)
        return _like(titles, np.array(self.classes(level))[best])

    def top_k(self, titles: Iterable[str | None], k: int = 5, level: Level = "major") -> list[list[Answer]]:
        """The k best codes of each title, best first; equal scores in the classification's order."""
        if k < 1:
            raise InputError(f"top {k} was asked for: expected at least 1")
        classes, shares = self.classes(level), self.predict_proba(titles, level)
        best = np.argsort(-shares, axis=1, kind="stable")[:, :k]
        return [
            [Answer(classes[column], soc.name(classes[column]), float(row[column])) for column in columns]
            for row, columns in zip(shares, best, strict=True)
        ]

    def save(self, folder: Path, **lineage: Any) -> manifest.Manifest:
        """Write the model into an empty folder, with its manifest; `lineage` as in `manifest.write`."""
        description = {
            "format": _FORMAT,
            "codes": self.codes,
            "blend": asdict(self.blend),
            "about": self.about,
        }
        text = json.dumps(description, indent=1, sort_keys=True) + "\n"
        publish.write_file(folder / _DESCRIPTION, text.encode())
        publish.write_file(folder / _ARRAYS, save_arrays(self.arrays.to_mapping()))
        return manifest.write(folder, **lineage)


def load(folder: Path) -> Classifier:
    """The classifier in a model folder, after its manifest was verified.

    Raises:
        ArtifactError: A file is missing, foreign, damaged or of another format.
    """
    manifest.verify(folder)
    try:
        description = json.loads((folder / _DESCRIPTION).read_bytes())
        if description["format"] != _FORMAT:
            raise ArtifactError(
                f"{folder} is a model of format {description['format']!r}, expected {_FORMAT}: train it again"
            )
        arrays = load_arrays((folder / _ARRAYS).read_bytes())
        codes, blend, about = _codes(description["codes"]), _blend(description["blend"]), dict(description["about"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, SafetensorError) as error:
        raise ArtifactError(f"{folder} is no model ({error}): train it again") from error
    majors = {soc.ancestor(code, "major") for code in codes}
    return Classifier(Arrays.from_mapping(arrays, len(codes), len(majors)), codes, blend, about)


def _codes(names: Sequence[str]) -> tuple[str, ...]:
    """The codes, found to be detailed ones, each once and in their order: else labels would stand at other scores."""
    if not names or list(names) != sorted(soc.detailed_codes() & set(names)):
        raise ValueError("its codes are not detailed ones in ascending order")
    return tuple(names)


def _blend(values: Mapping[str, float]) -> Blend:
    blend = Blend(**{name: float(value) for name, value in values.items()})
    if asdict(blend).keys() != values.keys() or not all(map(math.isfinite, asdict(blend).values())):
        raise ValueError("its blend lacks a part or holds what is no number")
    return blend


def _text(title: str | None) -> str:
    """Cut before and after, since some signs become many letters and a hostile one must not cost more than its size."""
    return normalise((title or "")[:_MAX_CHARACTERS])[:_MAX_CHARACTERS]


def _as_list(titles: Iterable[str | None]) -> list[str | None]:
    if isinstance(titles, str):
        raise InputError("one text was given where titles are expected: put it into a list")
    return [_title(value) for value in titles]


def _title(value: Any) -> str | None:
    """Text as it is; None for what tables put where no title is (None, and NaN, which does not equal itself)."""
    if isinstance(value, str):
        return value
    try:
        is_missing = value is None or bool(value != value)  # noqa: PLR0124 - see above
    except (TypeError, ValueError):  # of pandas' NA, and of a whole column, this can't be said
        is_missing = not hasattr(value, "__len__")
    if is_missing:
        return None
    shown = repr(value).partition("\n")[0][:60]
    raise InputError(f"a title is {type(value).__name__} {shown}: expected text or None")


def _like(titles: object, answers: NDArray[np.str_]) -> Any:
    """The answers in the caller's own kind of column."""
    library = type(titles).__module__.partition(".")[0]
    if library == "polars" and hasattr(titles, "alias"):
        return type(titles)("code", answers.tolist())  # type: ignore[call-arg]  # a polars Series
    if library == "pandas" and hasattr(titles, "index"):
        return type(titles)(answers, index=titles.index, name="code")  # type: ignore[call-arg]  # a pandas Series
    return answers
