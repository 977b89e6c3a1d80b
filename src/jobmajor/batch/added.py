"""The columns that are added to a table: their names, and how answers become their values.

One answer is one record of fixed size, whatever the format: the memo holds it and the journal stores it. Only a
format's writer turns it into cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from jobmajor import soc
from jobmajor.model.coder import REASONS, SOURCES, Coder
from jobmajor.model.deepest import DeepestCoder
from jobmajor.model.rules import confidence
from jobmajor.model.rules.overrides import OVERRIDE
from jobmajor.model.translate import Translated
from jobmajor.tables.block import Column
from jobmajor.tables.cells import safe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from jobmajor.model.coder import Codes
    from jobmajor.model.deepest import AnyCoder
    from jobmajor.soc.classifications import Classification
    from jobmajor.tables.block import Values

    Answers = NDArray[np.void]  # a structured array of the type `Added.record`
    Part = tuple[Column, Callable[[Answers], NDArray[Any]]]

_WORD = 8  # bytes; records are copied by words
_OVERRIDE = SOURCES.index(OVERRIDE)


@dataclass(frozen=True)
class Added:
    """The columns that are added to each row.

    Attributes:
        levels: The levels of the codes.
        k: How many codes each level gets, best first.
        classes: For each level, the codes that a label is an index of.
        prefix: Stands before the name of every added column.
        target: The classification of the codes, None for SOC 2018.
        name: What gives the name of a code.
        sizes: With the level "best", how many codes of each of the four levels its codes have.
        only: The columns to add, by their names; all of them when None.
        is_encoded: Whether texts are dictionary-encoded in parquet (see `Column`).
    """

    levels: tuple[str, ...]
    k: int
    classes: tuple[tuple[str, ...], ...]
    prefix: str = ""
    target: Classification | None = None
    name: Callable[[str], str] = soc.name
    sizes: tuple[int, ...] = ()
    only: tuple[str, ...] | None = None
    is_encoded: bool = True

    @classmethod
    def of(cls, coder: AnyCoder, prefix: str = "") -> Added:
        """Return all columns for a coder's answers."""
        target = None if isinstance(coder, Coder) else coder.target
        sizes = coder.sizes if isinstance(coder, DeepestCoder) else ()
        return cls(coder.levels, coder.k, coder.classes, prefix, target, coder.name, sizes)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in order; from the second rank on, and with several levels, a name says which.

        >>> Added(("major",), 2, (("29-0000",),)).names
        ('code', 'name', 'score', 'confidence', 'level', 'abstain', 'reason', 'source', 'code_2', 'name_2', 'score_2')
        """
        return tuple(column.name for column in self.columns)

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The columns as a writer needs them."""
        return tuple(column for column, _ in self._parts)

    def values(self, answers: Answers) -> Values:
        """Return the values of each column, in the order of `columns`."""
        return [read(answers) for _, read in self._parts]

    @cached_property
    def _parts(self) -> tuple[Part, ...]:
        """Each column with the function that reads its values."""
        found = [part for level in range(len(self.levels)) for part in self._of_level(level)]
        if not self._is_single:
            found.append(self._source)
        return tuple(part for part in found if self.only is None or part[0].name in self.only)

    @property
    def _is_single(self) -> bool:
        return len(self.levels) == 1

    def _of_level(self, level: int) -> Iterator[Part]:
        codes = self.classes[level]
        texts, names = tuple(map(safe, codes)), tuple(safe(self.name(code)) for code in codes)
        before = "" if self._is_single else f"{self._prefix(self.levels[level])}_"
        for rank in range(self.k):
            after = f"_{rank + 1}" if rank else ""
            labels = partial(_labels, level=level, rank=rank)
            yield self._text(f"{before}code{after}", texts), labels
            yield self._text(f"{before}name{after}", names), labels
            yield self._column(f"{before}score{after}", "number"), partial(_scores, level=level, rank=rank)
            if rank == 0:
                yield self._column(f"{before}confidence", "number"), partial(_confidences, level=level, added=self)
                yield from self._judged(level, before)

    def _judged(self, level: int, before: str) -> Iterator[Part]:
        """Yield the columns that a level has once, and with a single level those that a row has once."""
        if self._is_single:
            yield self._level
        yield self._column(f"{before}abstain", "truth"), partial(_abstains, level=level)
        yield self._text(f"{before}reason", REASONS), partial(_reasons, level=level)
        if self.target:
            yield self._column(f"{before}ambiguous", "truth"), partial(_ambiguous, level=level)
        if self._is_single:
            yield self._source

    def _prefix(self, level: str) -> str:
        return self.target.prefixes[soc.LEVELS.index(level)] if self.target else level

    @property
    def _level(self) -> Part:
        names: tuple[str, ...] = self.target.level_names if self.target else soc.LEVELS
        if self.sizes:
            return self._text("level", names), partial(_level_of, ends=np.cumsum(self.sizes)[:-1])
        return self._text("level", (names[soc.LEVELS.index(self.levels[0])],)), _zeros

    @property
    def _source(self) -> Part:
        return self._text("source", SOURCES), _sources

    def _column(self, name: str, kind: Any, texts: tuple[str, ...] = ()) -> Column:
        return Column(self.prefix + name, kind, texts, self.is_encoded)

    def _text(self, name: str, texts: tuple[str, ...]) -> Column:
        return self._column(name, "text", texts)

    @cached_property
    def record(self) -> np.dtype[Any]:
        """The type of one row's answers: `scores`, `labels`, `reasons` …, in whole words of 8 bytes."""
        shape = (len(self.levels), self.k)
        fields: list[Any] = [("scores", "<f4", shape), ("labels", "<i2", shape), ("reasons", "u1", shape[:1])]
        if self.target:
            fields.append(("ambiguous", "?", shape[:1]))
        plain = np.dtype([*fields, ("source", "u1")])
        names = plain.names or ()
        offsets = [plain.fields[name][1] for name in names] if plain.fields else []
        size = -(-plain.itemsize // _WORD) * _WORD
        return np.dtype(
            {"names": names, "formats": [plain[name] for name in names], "offsets": offsets, "itemsize": size}
        )

    @property
    def words(self) -> int:
        """How many words of 8 bytes a record has."""
        return self.record.itemsize // _WORD

    def store(self, codes: Codes | Translated, answers: Answers) -> None:
        """Write codes into records."""
        if isinstance(codes, Translated):
            answers["ambiguous"] = codes.ambiguous
        answers["scores"], answers["labels"] = codes.scores, codes.labels
        answers["reasons"], answers["source"] = codes.reasons, codes.sources


def _labels(answers: Answers, level: int, rank: int) -> NDArray[np.int16]:
    return answers["labels"][:, level, rank]


def _scores(answers: Answers, level: int, rank: int) -> NDArray[np.float32]:
    scores = answers["scores"][:, level, rank]
    return np.where(_labels(answers, level, rank) < 0, np.float32(np.nan), scores)


def _confidences(answers: Answers, level: int, added: Added) -> NDArray[np.float32]:
    """Return the confidence of each best answer, 1 where the user gave it, NaN where there is no code."""
    scores = answers["scores"][:, level, 0]
    if added.sizes:
        depths = _level_of(answers, np.cumsum(added.sizes)[:-1])
        chosen = [depths == depth for depth in range(len(soc.LEVELS))]
        found = np.select(chosen, [confidence.of(scores, each) for each in soc.LEVELS], np.nan)
    else:
        found = confidence.of(scores, soc.parse_level(added.levels[level]))
    found = np.where(answers["source"] == _OVERRIDE, 1.0, found)
    return np.where(_labels(answers, level, 0) < 0, np.nan, found).astype(np.float32)


def _abstains(answers: Answers, level: int) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = _reasons(answers, level) != 0
    return found


def _reasons(answers: Answers, level: int) -> NDArray[np.uint8]:
    return answers["reasons"][:, level]


def _ambiguous(answers: Answers, level: int) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = answers["ambiguous"][:, level]
    return found


def _sources(answers: Answers) -> NDArray[np.uint8]:
    return answers["source"]


def _level_of(answers: Answers, ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the level of each best code, -1 where there is none."""
    labels = _labels(answers, level=0, rank=0)
    return np.where(labels < 0, -1, np.searchsorted(ends, labels, side="right"))


def _zeros(answers: Answers) -> NDArray[np.int16]:
    return np.zeros(len(answers), np.int16)
