"""Read a file of titles, or captured traffic, into a profile."""

from __future__ import annotations

import re
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
from threadpoolctl import threadpool_limits

from jobmajor.data.labelled import weight
from jobmajor.errors import DataError, NoChampion
from jobmajor.home import Workspace
from jobmajor.monitor import reference
from jobmajor.monitor.flags import Flags
from jobmajor.monitor.marking import Marking
from jobmajor.monitor.profile import TRAFFIC, Builder, Profile
from jobmajor.monitor.traffic import capture, recorded_answers
from jobmajor.monitor.traffic.capture import HASHED, TITLES
from jobmajor.native import library
from jobmajor.registry import loading
from jobmajor.tables import formats
from jobmajor.tables.memo import picked
from jobmajor.tables.packed import LONGEST, Packed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from jobmajor.model.classifier import Classifier
    from jobmajor.model.coder import Coder
    from jobmajor.monitor.profile import Marked
    from jobmajor.monitor.traffic.capture import Period

_ROWS: Final = 2**15  # rows at a time
_NO_ROWS: Final = re.compile(r"[\s0.,]*")  # a weight of 0, or an empty cell
_NO_UNIT: Final = "request"
NO_ROW: Final = "no row"  # what an error found where a file or a period is empty


@dataclass(frozen=True, slots=True)
class File:
    """A table of titles, in any format that `code_file` reads.

    Attributes:
        path: The file.
        title: The column of titles; None guesses it.
        weight: The column that says how often a row occurs; None counts every row once.
        unit: The column of what rows belong together by, such as a client or a day; None takes rows as independent.
    """

    path: Path
    title: str | None = None
    weight: str | None = None
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Capture:
    """A folder of captured traffic.

    Attributes:
        folder: The folder.
        titles: Returns the titles of a request's body of a content type; raises ValueError where it can't be read.
        period: The days that count; None takes all.
    """

    folder: Path
    titles: Callable[[bytes, str], Sequence[str]]
    period: Period | None = None


@dataclass(frozen=True)
class Observer:
    """Answers titles, and counts what is true of titles and answers.

    Attributes:
        classifier: What answers.
        model: The digest of its manifest.
    """

    classifier: Classifier
    model: str

    @classmethod
    def load(cls, model: str | Path | None = None, home: str | Path | None = None) -> Observer:
        """Return an observer with a model; arguments and errors are those of `registry.loading.load_with_digest`."""
        return cls(*loading.load_with_digest(model, home=home))

    @cached_property
    def flags(self) -> Flags:
        """Return the statements that are counted."""
        return Flags.of(self.classifier)

    def mark(self, titles: Sequence[str]) -> Marked:
        """Return titles with their flags and answers."""
        return self.flags.answered(self._coder, titles)

    @cached_property
    def _coder(self) -> Coder:
        return self.classifier.coder(("major",))

    def observe(
        self, source: File | Capture, kind: str = TRAFFIC, *, tell: Callable[[int], None] | None = None
    ) -> Profile:
        """Return the profile of all rows of a file or of captured traffic.

        Args:
            source: The rows.
            kind: What they are: "traffic", or "training".
            tell: Called with the rows so far, from time to time.

        Of a capture with hashes instead of titles, the recorded answers are counted, and nothing of the texts.

        Raises:
            InputError: They can't be read, or hold no row.
        """
        if isinstance(source, Capture) and capture.is_hashed(source.folder, source.period):
            return self._recorded(source, kind)
        builder, total = Builder(self.flags.all), 0
        # More threads within the matrix product would cost more than they save.
        with threadpool_limits(1), ThreadPoolExecutor(library.cores(), "mark") as threads:
            marking, counting = Marking(self.flags, self._coder, threads), list[Future[None]]()
            for batch in _of_file(source) if isinstance(source, File) else _of_capture(source):
                marked = marking.marked(batch.titles.cut())
                for each in counting:
                    each.result()
                counting = [threads.submit(builder.add, marked, batch.weights, batch.units)]  # while more are marked
                total += int(batch.weights.sum())
                if tell:
                    tell(total)
            for each in counting:
                each.result()
        if not total:
            raise _no_row(source)
        unit, column = (source.unit, _title(source)) if isinstance(source, File) else (_NO_UNIT, None)
        about = {"kind": kind, "source": _name(source), "column": column, "unit": unit, "model": self.model}
        return builder.profile(about)

    def _recorded(self, source: Capture, kind: str) -> Profile:
        builder, total, models = Builder(self.flags.all), 0, set()
        for record in capture.read(source.folder, source.period):
            if not record.is_hashed:
                raise _mixed(source.folder)
            titles = source.titles(record.body, record.kind)
            marked, model = recorded_answers.marked(record, titles, self.flags, source.folder)
            rows = len(marked.titles)
            if rows:
                builder.add(marked, np.ones(rows, np.int64), [record.event] * rows)
                models.add(model)
                total += rows
        if not total:
            raise _no_row(source)
        if len(models) > 1:
            found, do = f"answers of {len(models)} models", "choose days with one of them"
            raise DataError(source.folder, found, "those of one", do)
        about = {"kind": kind, "source": _name(source), "column": None, "unit": _NO_UNIT, "model": models.pop()}
        profile = builder.profile({**about, TITLES: HASHED})
        return replace(profile, titles={}, lengths=np.zeros_like(profile.lengths))


def training_baseline(home: Path) -> Profile:
    """Return the prediction baseline that the pipeline made for the champion of a workspace.

    It holds the answers to titles of the test, by the model that was judged by them. The champion is that model, or the
    same one refitted on all rows, which would answer its own titles too surely.

    Raises:
        NoChampion: There is none. ArtifactError: It was registered without a baseline, or that was changed.
    """
    registry = loading.open_registry(home) if Workspace(home).database.is_file() else None
    champion = registry.champion() if registry else None
    if registry is None or champion is None:
        raise NoChampion(home)
    found = reference.load(registry.baseline(champion.number) / reference.REFERENCE)
    return replace(found, about={**found.about, "model": champion.digest, "judged": champion.judged})


@dataclass(frozen=True, slots=True)
class _Batch:
    titles: Packed
    weights: NDArray[np.int64]
    units: Sequence[str] | None


def _name(source: File | Capture) -> str:
    return source.path.name if isinstance(source, File) else source.folder.name


def _no_row(source: File | Capture) -> DataError:
    return DataError(_name(source), NO_ROW, "rows with titles", "name another file or period")


def _mixed(folder: Path) -> DataError:
    return DataError(folder, "both titles and hashes of titles", "one of them", "choose days with one of them")


def _title(source: File) -> str:
    return source.title or formats.title_column(source.path)


def _of_file(source: File) -> Iterator[_Batch]:
    title = _title(source)
    others = [name for name in (source.weight, source.unit) if name]
    for titles, columns in formats.titles(source.path, [title, *others], _ROWS):
        units = columns.pop() if source.unit else None
        if not source.weight:
            yield _Batch(titles, np.ones(len(titles), np.int64), units)
            continue
        weights = _weights(source, columns[0])
        used = np.flatnonzero(weights)
        units = [units[index] for index in used.tolist()] if units else units
        yield _Batch(picked(titles, used), weights[used], units)


def _weights(source: File, cells: Sequence[str]) -> NDArray[np.int64]:
    known = {cell: weight(cell) for cell in dict.fromkeys(cells)}
    for cell, value in known.items():
        if value != int(value) or not (value or _NO_ROWS.fullmatch(cell)):
            where, expected = f"{source.path}, column {source.weight!r}", "whole numbers from 0 on"
            raise DataError(where, repr(cell[:40]), expected, "name another column by --weight")
    return np.array([known[cell] for cell in cells], np.int64)


def _of_capture(source: Capture) -> Iterator[_Batch]:
    titles: list[str] = []
    units: list[str] = []
    for record in capture.read(source.folder, source.period):
        if record.is_hashed:
            raise _mixed(source.folder)
        try:
            found = source.titles(record.body, record.kind)
        except ValueError:
            continue  # a request that was refused
        titles += found
        units += [record.event] * len(found)
        if len(titles) >= _ROWS:
            yield _batch(titles, units)
            titles, units = [], []
    yield _batch(titles, units)


def _batch(titles: Sequence[str], units: Sequence[str]) -> _Batch:
    return _Batch(Packed.of([title[:LONGEST] for title in titles]), np.ones(len(titles), np.int64), units)
