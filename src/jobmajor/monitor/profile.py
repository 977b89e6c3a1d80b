"""A profile: what monitoring keeps of the titles and answers of a period, small enough to be a file.

Rows that belong together, such as those of one client or one day, are a *unit*: they resemble each other, and a
comparison that takes them for independent rows cries wolf. A profile counts the flags of each unit. Units with the same
counts are one line, so a profile of rows without units has a few hundred lines, however many rows there are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from jobmajor import soc
from jobmajor.errors import DataError
from jobmajor.monitor import shape
from jobmajor.monitor.commonest import Commonest
from jobmajor.monitor.shape import Flag
from jobmajor.monitor.traffic.capture import HASHED, TITLES
from jobmajor.tables.packed import LONGEST, Packed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import polars as pl
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]

TRAINING, TRAFFIC = "training", "traffic"
VERSION: Final = 1
LEAST_CHANGE: Final = 0.01  # of a share; less is no alarm, however certain
_TITLES: Final = 2_000  # of the commonest titles that a profile keeps
SCORES: Final = 20  # bins of the confidence, from 0 to 1
LENGTHS: Final = 101  # characters of a title; longer ones count as 100


@dataclass(frozen=True, slots=True)
class Profile:
    """What the rows of a period are like.

    Attributes:
        names: The flags, in order.
        rows: int64, (lines,); the rows of a unit.
        counts: int64, (lines, flags); how many rows of a unit have each flag.
        units: int64, (lines,); how many units have exactly these rows and counts.
        confidence: int64, (SCORES,); rows by the confidence of their answer; those without a code are left out.
        lengths: int64, (LENGTHS,); rows by the length of their title, in characters.
        titles: The commonest titles as written, with their rows and the code of their answer, the commonest first.
        about: What the rows are: `kind` ("training" or "traffic"), `source`, `column` (of titles; None for captures),
            `unit` (the name of what is a unit; None where each row is one), `model`, and `titles`, which is "hashed"
            where answers were recorded without titles.
    """

    names: tuple[str, ...]
    rows: Counts
    counts: Counts
    units: Counts
    confidence: Counts
    lengths: Counts
    titles: Mapping[str, tuple[int, str]]
    about: Mapping[str, Any]

    @property
    def total(self) -> int:
        """The number of rows."""
        return int((self.rows * self.units).sum())

    def flagged(self) -> dict[str, int]:
        """Return how many rows have each flag."""
        return dict(zip(self.names, (self.counts * self.units[:, None]).sum(axis=0).tolist(), strict=True))

    def to_json(self) -> dict[str, Any]:
        """Return the profile as plain data that fits into JSON."""
        return {
            "version": VERSION,
            "about": dict(self.about),
            "flags": list(self.names),
            "rows": self.rows.tolist(),
            "counts": self.counts.tolist(),
            "units": self.units.tolist(),
            "confidence": self.confidence.tolist(),
            "lengths": self.lengths.tolist(),
            "titles": [[title, count, code] for title, (count, code) in self.titles.items()],
        }


def is_hashed(profile: Profile) -> bool:
    """Tell whether a profile was made of recorded answers, without titles."""
    return bool(profile.about.get(TITLES) == HASHED)


def from_json(body: Any, path: Path) -> Profile:
    """Return a profile from what `to_json` returned and a file kept.

    Raises:
        DataError: It is something else, or its parts don't fit each other.
    """
    try:
        found = _profile(body)
        problem = _problem(found) if body["version"] == VERSION else "it has another version"
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise no_reference(path, "a part is missing or of another kind") from error
    if problem:
        raise no_reference(path, problem)
    return found


def no_reference(path: Path, problem: str) -> DataError:
    """Return the error for a file that is no reference."""
    expected = "a reference that `jobmajor monitor baseline` wrote"
    return DataError(path, f"no reference ({problem})", expected, "name another file")


def _profile(body: Any) -> Profile:
    columns = (body[name] for name in ("rows", "units", "confidence", "lengths"))
    rows, units, confidence, lengths = (np.array(column, np.int64) for column in columns)
    counts = np.array(body["counts"], np.int64).reshape(len(rows), -1)
    titles = {str(title): (int(count), str(code)) for title, count, code in body["titles"]}
    names, about = tuple(map(str, body["flags"])), dict(body["about"])
    return Profile(names, rows, counts, units, confidence, lengths, titles, about)


def _problem(found: Profile) -> str:
    """Return what does not fit in a profile; empty if all does."""
    rows, counts = found.rows, found.counts
    if counts.shape != (len(rows), len(found.names)) or found.units.shape != rows.shape:
        return "its parts differ in length"
    if (counts < 0).any() or (counts > rows[:, None]).any() or (found.units < 1).any():
        return "a count is out of range"
    if (len(found.confidence), len(found.lengths)) != (SCORES, LENGTHS):
        return "its bins are others"
    return "" if found.about["kind"] in (TRAINING, TRAFFIC) else "it doesn't say what its rows are"


@dataclass(slots=True)
class Builder:
    """Counts rows, block by block; memory is bounded by the number of units.

    Attributes:
        flags: The statements that are counted.
    """

    flags: Sequence[Flag]
    _lines: dict[int, int] = field(default_factory=dict)
    _units: dict[str, Counts] = field(default_factory=dict)
    _titles: Commonest = field(default_factory=Commonest)
    _confidence: Counts = field(default_factory=lambda: np.zeros(SCORES, np.int64))
    _lengths: Counts = field(default_factory=lambda: np.zeros(LENGTHS, np.int64))

    def add(self, marked: Marked, weights: Counts, units: Sequence[str] | None = None) -> None:
        """Count titles.

        Args:
            marked: The titles.
            weights: int64, (titles,); the rows that each stands for, at least 1.
            units: The unit of each; None where each row is one.
        """
        if units is None:
            marks, line_of = np.unique(marked.marks, return_inverse=True)
            rows = np.bincount(line_of, weights, len(marks)).astype(np.int64)
            for mark, count in zip(marks.tolist(), rows.tolist(), strict=True):
                self._lines[mark] = self._lines.get(mark, 0) + count
        else:
            self._add_units(marked.marks, weights, units)
        has_code = marked.confidence > 0
        bins = np.minimum((marked.confidence * SCORES).astype(np.int64), SCORES - 1)
        self._confidence += np.bincount(bins[has_code], weights[has_code], SCORES).astype(np.int64)
        lengths = np.minimum(shape.characters(marked.titles), LENGTHS - 1)
        self._lengths += np.bincount(lengths, weights, LENGTHS).astype(np.int64)
        self._titles.add(marked.titles, weights, marked.labels)

    def _add_units(self, marks: NDArray[np.uint64], weights: Counts, units: Sequence[str]) -> None:
        count = len(self.flags)
        ids: dict[str, int] = {}
        unit_of = np.array([ids.setdefault(unit, len(ids)) for unit in units], np.int64)
        columns = shape.table(marks, count)
        sums = np.stack([np.bincount(unit_of, weights * column, len(ids)) for column in columns.T])
        rows = np.bincount(unit_of, weights, len(ids))
        for unit, line in zip(ids, np.vstack([rows, sums]).T.astype(np.int64), strict=True):
            self._units[unit] = self._units.get(unit, 0) + line

    def profile(self, about: Mapping[str, Any]) -> Profile:
        """Return the profile of all rows so far."""
        count = len(self.flags)
        if self._units:
            lines, units = np.unique(np.stack(list(self._units.values())), axis=0, return_counts=True)
            rows, counts = lines[:, 0], lines[:, 1:]
        else:
            marks = np.array(sorted(self._lines), np.uint64)
            units = np.array([self._lines[mark] for mark in marks.tolist()], np.int64)
            rows, counts = np.ones(len(marks), np.int64), shape.table(marks, count)
        names = shape.names(self.flags)
        common = {
            title: (weight, names[label] if label >= 0 else "") for title, weight, label in self._titles.most(_TITLES)
        }
        return Profile(
            names, rows, counts, units.astype(np.int64), self._confidence, self._lengths, common, dict(about)
        )


@dataclass(frozen=True, slots=True)
class Marked:
    """Some titles with their answers.

    Attributes:
        titles: As written; one may stand here several times.
        marks: uint64, (titles,); their flags.
        labels: int64, (titles,); the code of each answer, as an index of the flags; below 0 where there is none.
        confidence: float64, (titles,); of each answer, 0 where there is none.
    """

    titles: Packed
    marks: NDArray[np.uint64]
    labels: Counts
    confidence: NDArray[np.float64]


def data_baseline(examples: pl.DataFrame, source: str) -> Profile:
    """Return the profile of titles with their true codes, for later titles to be compared with.

    A word is new if no title of another family has it: so as many titles have a new word as titles that are like
    these, but are not among them. No model is needed, so nothing is said of answers.

    Args:
        examples: Columns `title`, `code` and `family`; a family below 0 stands for a title without one.
        source: The name of the data.
    """
    titles = [title[:LONGEST] for title in examples["title"].to_list()]
    classes = soc.majors()
    codes = [soc.ancestor(code, "major") for code in examples["code"].to_list()]
    labels = np.array([classes.index(code) for code in codes], np.int64)
    marks = np.uint64(1) << labels.astype(np.uint64)
    packed = Packed.of(titles)
    words = shape.words(packed)
    *text, is_empty = shape.columns(packed, words, _is_lonely(words, examples["family"].to_numpy()))
    marks = shape.with_bits(marks, [is_empty, *text], len(classes))
    marked = Marked(packed, marks, labels, np.zeros(len(titles)))
    groups = (Flag(code, "prediction", f"the code is {soc.name(code)}") for code in classes)
    builder = Builder((*groups, shape.NO_TITLE, *shape.TEXT))
    builder.add(marked, np.ones(len(titles), np.int64))
    return builder.profile({"kind": TRAINING, "source": source, "column": "title", "unit": None, "model": None})


def _is_lonely(words: shape.Words, families: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which words no title of another family has, shape (words,)."""
    _, family_of = np.unique(np.where(families < 0, -1 - np.arange(len(families)), families), return_inverse=True)
    _, word_of = np.unique(words.hashes, return_inverse=True)
    pairs = np.unique(word_of * len(families) + family_of[words.titles])
    found: NDArray[np.bool_] = np.bincount(pairs // max(len(families), 1), minlength=1)[word_of] == 1
    return found
