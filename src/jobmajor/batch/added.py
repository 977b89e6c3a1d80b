"""The columns that are added: their names, and how answers become their cells.

One answer is one record of fixed size, whatever the format: the memo holds it, the journal stores it, and only a
format's writer makes text of it, by tables of texts that were made once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from jobmajor import soc
from jobmajor.model.coder import REASONS, SOURCES
from jobmajor.tables.cells import safe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from jobmajor.model.coder import Coder, Codes

    Answers = NDArray[np.void]  # a structured array, its type `Added.record`

DIGITS: Final = 6  # of a score in text, as the service has it
MILLION: Final = 10**DIGITS
_WORD = 8  # bytes; records are copied by words
_RANKED, _ONCE = ("code", "name", "score"), ("abstain", "reason")


@dataclass(frozen=True)
class Added:
    """What is added to each row.

    Attributes:
        levels: Of the codes.
        k: Codes for each level, best first.
        classes: For each level, the codes that `labels` counts in.
        prefix: Of every added column's name.
    """

    levels: tuple[soc.Level, ...]
    k: int
    classes: tuple[tuple[str, ...], ...]
    prefix: str = ""

    @classmethod
    def of(cls, coder: Coder, prefix: str = "") -> Added:
        """What a coder gives."""
        return cls(coder.levels, coder.k, coder.classes, prefix)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns in order; a rank from the second on, and a level where there are several, stand in the name.

        >>> Added(("major",), 2, (("29-0000",),)).names
        ('code', 'name', 'score', 'level', 'abstain', 'reason', 'source', 'code_2', 'name_2', 'score_2')
        """
        lower = [f"{name}_{rank}" for rank in range(2, self.k + 1) for name in _RANKED]
        if len(self.levels) == 1:
            found = [*_RANKED, "level", *_ONCE, "source", *lower]
        else:
            each = [*_RANKED, *_ONCE, *lower]
            found = [*(f"{level}_{name}" for level in self.levels for name in each), "source"]
        return tuple(self.prefix + name for name in found)

    @cached_property
    def record(self) -> np.dtype[Any]:
        """One row's answers, `scores`, `labels`, `reasons` and `source`, in whole words of 8 bytes."""
        shape = (len(self.levels), self.k)
        fields: list[Any] = [("scores", "<f4", shape), ("labels", "<i2", shape), ("reasons", "u1", shape[:1])]
        plain = np.dtype([*fields, ("source", "u1")])
        names = plain.names or ()
        offsets = [plain.fields[name][1] for name in names] if plain.fields else []
        size = -(-plain.itemsize // _WORD) * _WORD
        return np.dtype(
            {"names": names, "formats": [plain[name] for name in names], "offsets": offsets, "itemsize": size}
        )

    @property
    def words(self) -> int:
        """Of 8 bytes, of a record."""
        return self.record.itemsize // _WORD

    def packed(self, codes: Codes, answers: Answers) -> None:
        """Put codes into records."""
        answers["scores"], answers["labels"] = codes.scores, codes.labels
        answers["reasons"], answers["source"] = codes.reasons, codes.sources

    def texts(self, level: int) -> tuple[list[str], list[str]]:
        """The codes of a level and their names; the last of each is empty, for label -1."""
        codes = self.classes[level]
        return [*map(safe, codes), ""], [*(safe(soc.name(code)) for code in codes), ""]

    def columns(self, answers: Answers) -> list[list[Any]]:
        """The added cells of some rows as plain values, column by column, in the order of `names`."""
        found: list[list[Any]] = []
        whose = [SOURCES[place] for place in answers["source"].tolist()]
        for place, level in enumerate(self.levels):
            reasons = [REASONS[each] for each in answers["reasons"][:, place].tolist()]
            once: list[list[Any]] = [[reason != "" for reason in reasons], reasons]
            if len(self.levels) == 1:
                once = [[level] * len(answers), *once, whose]
            ranked = [self._ranked(answers, place, rank) for rank in range(self.k)]
            found += [*ranked[0], *once, *(column for each in ranked[1:] for column in each)]
        return found if len(self.levels) == 1 else [*found, whose]

    def _ranked(self, answers: Answers, level: int, rank: int) -> list[list[Any]]:
        codes, names = self.texts(level)
        labels = answers["labels"][:, level, rank].tolist()
        scores = millionths(answers["scores"][:, level, rank]).tolist()
        given = [score / MILLION if label >= 0 else None for label, score in zip(labels, scores, strict=True)]
        return [[codes[label] for label in labels], [names[label] for label in labels], given]


def millionths(scores: NDArray[np.float32]) -> NDArray[np.int32]:
    """Scores as they are printed, in millionths: the same in every format."""
    return np.rint(scores.astype(np.float64) * MILLION).astype(np.int32)


@dataclass(frozen=True, slots=True)
class Pieces:
    """The added cells' texts as bytes: piece i is `data[starts[i]:starts[i + 1]]`.

    Where one begins: `of_label[level, label]` for code and name (label -1 is the last), `of_reason[level, reason,
    source]` for what stands behind the best score, `of_source[source]` for a row's end.
    """

    data: NDArray[np.uint8]
    starts: NDArray[np.int64]
    of_label: NDArray[np.int64]
    of_reason: NDArray[np.int64]
    of_source: NDArray[np.int64]
    longest: int  # bytes that one row gets at most


def pieces(added: Added, joined: Callable[[Sequence[str]], bytes]) -> Pieces:
    """The texts of all cells; `joined` makes one text of some cells, a separator before each."""
    texts: list[bytes] = []

    def put(cells: Sequence[str]) -> int:
        texts.append(joined(cells))
        return len(texts) - 1

    levels, is_single = len(added.levels), len(added.levels) == 1
    of_label = np.zeros((levels, max(map(len, added.classes)) + 1), np.int64)
    of_reason = np.zeros((levels, len(REASONS), len(SOURCES)), np.int64)
    for place, level in enumerate(added.levels):
        codes, names = added.texts(place)
        of_label[place, : len(codes) - 1] = [put(pair) for pair in zip(codes[:-1], names[:-1], strict=True)]
        of_label[place, -1] = put(("", ""))
        for reason, text in enumerate(REASONS):
            for source, whose in enumerate(SOURCES):
                cells = (str(text != "").lower(), text)
                of_reason[place, reason, source] = put((level, *cells, whose) if is_single else cells)
    of_source = np.array([put(() if is_single else (whose,)) for whose in SOURCES])
    starts = np.cumsum([0, *map(len, texts)])
    longest = (added.k * (_SCORE_BYTES + 1) + len(max(texts, key=len)) * (added.k + 1)) * levels + 16
    return Pieces(np.frombuffer(b"".join(texts), np.uint8), starts, of_label, of_reason, of_source, longest)


_SCORE_BYTES = 2 + DIGITS
