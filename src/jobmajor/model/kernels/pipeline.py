"""Titles to answers as arrays by compiled code: the order in which the kernels work on a block of titles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from jobmajor import soc
from jobmajor.model.kernels import judge, text
from jobmajor.model.kernels.buffers import BLOCK_TITLES
from jobmajor.model.kernels.clean import clean
from jobmajor.model.kernels.rank import Levels, Listed, Listings, Ranked, rank
from jobmajor.model.rules import abstain
from jobmajor.model.rules.listed import CONTRADICTED, OFFICIAL
from jobmajor.tables.packed import Packed
from jobmajor.titles import is_plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from jobmajor.model.kernels.buffers import Words
    from jobmajor.model.kernels.judge import Signs
    from jobmajor.model.kernels.shares import Kernel, Scoring
    from jobmajor.model.kernels.text import Batch
    from jobmajor.model.rules.knowledge import Knowledge
    from jobmajor.soc import Level

    Hashes = NDArray[np.uint64]
    Indices = NDArray[np.int64]
    Bits = NDArray[np.uint8]
    Floats = NDArray[np.float32]
    Arrays = tuple[NDArray[np.int16], NDArray[np.float32], Bits, Bits]

_EXACT, _MODEL, _NAMED = 1, 2, 3  # indices in `coder.SOURCES`
_UNSURE, _CONTRADICTED = 1, 4  # indices in `coder.REASONS`


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked about each title, as the kernels read it; `Compiled.plan` makes it.

    Attributes:
        ends: The codes to compute shares for, as `Kernel.ends` returns them.
        titles: Hashes of the titles that are answered by what training lists, ascending.
        listings: What training lists for them.
        sources: The source of each of them, and at last that of other titles: indices in `coder.SOURCES`.
        contradicted: Whether the model disagrees with a single listing of each, and at last False.
        levels: The levels asked for.
        excluded: Hashes of the clean titles that are left to the caller, ascending.
    """

    ends: Indices
    titles: Hashes
    listings: Listings
    sources: Bits
    contradicted: NDArray[np.bool_]
    levels: Levels
    excluded: Hashes


@dataclass(frozen=True, slots=True)
class _Answering:
    """The buffers for one block of titles that `Scoring` does not have.

    `shares` has shape (titles × codes,); `signs` tells what the texts contain.
    """

    shares: NDArray[np.float32]
    signs: Signs

    @classmethod
    def make(cls, codes: int) -> _Answering:
        """Return new buffers of less than 1 MB."""
        return cls(np.empty(BLOCK_TITLES * codes, np.float32), judge.signs(BLOCK_TITLES))


class Compiled:
    """A linear model and what its package knows of its training, compiled; several threads may use it at once."""

    def __init__(self, codes: Sequence[str], knowledge: Knowledge, kernel: Kernel) -> None:
        """Take the detailed `codes` that the kernel scores, in the order of its columns."""
        self._codes, self._knowledge, self._kernel = codes, knowledge, kernel
        self._index = judge.make_index(knowledge.listed)
        self._plans: dict[tuple[tuple[Level, ...], bool], Plan] = {}
        self._idle: list[_Answering] = []

    def plan(self, levels: tuple[Level, ...], excluded: Iterable[str] = (), *, exact: bool = True) -> Plan:
        """Return a plan for `fill`.

        Args:
            levels: The levels asked for.
            excluded: Clean titles that `fill` leaves to its caller.
            exact: As for `Classifier.answer`.
        """
        if (levels, exact) not in self._plans:
            self._plans[levels, exact] = self._planned(levels, exact=exact)
        found, leave = self._plans[levels, exact], list(excluded)
        return replace(found, excluded=np.sort(Packed.of(leave).hashes())) if leave else found

    def _planned(self, levels: tuple[Level, ...], *, exact: bool) -> Plan:
        """Return a plan without excluded titles; if only major groups are asked for, the kernel does not split them."""
        base: Level = "major" if set(levels) == {"major"} else "detailed"
        columns, firsts, column_of = np.unique(
            [soc.ancestor(code, base) for code in self._codes], return_index=True, return_inverse=True
        )
        listed, mix = self._knowledge.listed, self._knowledge.prior
        codes, is_named = columns.tolist(), (listed.kinds & OFFICIAL) > 0
        weights = mix.weights(codes) if mix else np.zeros(0, np.float32)
        listed_columns = column_of[listed.codes].astype(np.int16)
        return Plan(
            self._kernel.ends(firsts),
            listed.titles if exact else listed.titles[:0],
            Listings(listed.starts, listed_columns, listed.shares, listed.kept, is_named, weights),
            np.append(np.where(is_named, _NAMED, _EXACT), _MODEL).astype(np.uint8),
            np.append((listed.kinds & CONTRADICTED) > 0, False),
            _levels(codes, levels, self._knowledge.thresholds),
            np.zeros(0, np.uint64),
        )

    def fill(self, titles: Packed, plan: Plan, into: Arrays, spread: Floats | None = None) -> NDArray[np.intp]:
        """Fill `into`, a `coder.Codes`, with the answers; return the indices of the plan's excluded titles.

        If `spread` is given, its rows are filled with the shares of the codes that the plan computes.
        """
        batch, first = text.batch(titles), 0
        labels, scores, reasons, sources = into
        left, columns = np.zeros(len(sources), np.bool_), len(plan.ends) - 1
        answering = self._idle.pop() if self._idle else _Answering.make(len(self._codes))
        signs = answering.signs
        with self._kernel.buffers() as scoring:
            while first < len(left):
                count = clean(batch, first, scoring.words)
                block = slice(first, first + count)
                self._judge((batch, titles, first, count), scoring, signs)
                shares = answering.shares[: count * columns].reshape(count, columns)
                self._kernel.score(count, scoring, plan.ends, shares)
                listed = _find(signs.hashes[:count], plan.titles)
                kept = shares[:0] if spread is None else spread[block]
                ranked = Ranked(labels[block], scores[block], reasons[block], kept, labels.shape[2])
                rank(shares, Listed(listed, signs.marks), plan.listings, plan.levels, ranked)
                sources[block] = plan.sources[listed]  # -1, of a title that is not listed, is the last
                doubted = plan.contradicted[listed][:, None] & (reasons[block] == _UNSURE)
                reasons[block][doubted] = _CONTRADICTED
                if len(plan.excluded):
                    left[block] = _find(signs.hashes[:count], plan.excluded) >= 0
                first += count
        self._idle.append(answering)
        return np.flatnonzero(left)

    def _judge(self, block: tuple[Batch, Packed, int, int], scoring: Scoring, signs: Signs) -> None:
        """Mend the words of a block of titles, and mark the titles that can't be answered."""
        (batch, titles, first, count), words = block, scoring.words
        judge.look(count, (batch, first), words, self._index, signs)
        self._kernel.mend(count, scoring)
        if is_plain():
            signs.marks[:count] = judge.unless_empty(count, signs)
            return
        judge.judge(count, words, self._index, signs)
        for row in np.flatnonzero(signs.asks[:count]).tolist():
            _answer(titles, first + row, row, (words, signs))


def _answer(titles: Packed, title: int, row: int, block: tuple[Words, Signs]) -> None:
    """Mark a title by what the kernels can't tell."""
    words, signs = block
    asks = signs.asks[row]
    if asks & judge.IS_ADDRESS and abstain.ADDRESS.fullmatch(titles.title(title)):
        signs.marks[row] = judge.NO_TITLE
    if asks & judge.IS_FOREIGN:
        begin, end = signs.bounds[row].tolist()
        if abstain.is_foreign(words.text[begin:end].tobytes().decode()):
            signs.marks[row] = judge.FOREIGN


def _find(values: Hashes, ascending: Hashes) -> NDArray[np.int64]:
    """Return the index of each value in `ascending`, or -1."""
    if not len(ascending):
        return np.full(len(values), -1, np.int64)
    indices = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    return np.where(ascending[indices] == values, indices, -1)


def _levels(columns: Sequence[str], asked: Sequence[Level], thresholds: Mapping[Level, float]) -> Levels:
    order = sorted(range(len(asked)), key=lambda index: -soc.LEVELS.index(asked[index]))
    starts: list[NDArray[np.intp]] = []
    sizes: list[int] = []
    for index in order:
        sizes.append(len(columns))
        codes, firsts = np.unique([soc.ancestor(code, asked[index]) for code in columns], return_index=True)
        starts.append(firsts)
        columns = codes.tolist()
    return Levels(
        np.cumsum([0, *map(len, starts)]),
        np.concatenate(starts),
        np.array(sizes),
        np.array(order),
        np.array([thresholds[asked[index]] for index in order], np.float32),
    )
