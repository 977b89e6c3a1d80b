"""The engine that answers blocks of titles: from the memo, from the journal, or scored on every processor."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from jobmajor.model.coder import REASONS, SOURCES
from jobmajor.native import library
from jobmajor.tables.memo import Memo, picked

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray

    from jobmajor.batch.added import Added, Answers
    from jobmajor.batch.journal import Journal
    from jobmajor.model.deepest import AnyCoder
    from jobmajor.tables.block import Block
    from jobmajor.tables.memo import Match, Words

MEMO_BYTES = 128 * 10**6
_SLICE = 512  # titles that a thread scores at a time
_BLOCK_ROWS, _FEWEST_ROWS, _BLOCK_BYTES = 2**15, 2**10, 2**23


@dataclass(slots=True)
class Tally:
    """Counts of what was done so far.

    Attributes:
        rows: Rows with answers.
        bad: Rows with a fault.
        left_out: Those of them that have no answer.
        scored: Different titles that were scored now.
        stored: Different titles whose answers the journal had from an interrupted run.
        reasons: int64, (levels, reasons): rows by `coder.REASONS`.
        sources: int64, (sources,): rows by `coder.SOURCES`.
    """

    rows: int = 0
    bad: int = 0
    left_out: int = 0
    scored: int = 0
    stored: int = 0
    reasons: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, len(REASONS)), np.int64))
    sources: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(SOURCES), np.int64))

    def add(self, answers: Answers, block: Block) -> None:
        """Count some rows."""
        self.rows += len(answers)
        self.bad += len(block.bad) + len(block.listed)
        self.left_out += len(block.bad)
        levels = answers["reasons"].shape[1]
        if not len(self.reasons):
            self.reasons = np.zeros((levels, len(REASONS)), np.int64)
        for level in range(levels):
            self.reasons[level] += np.bincount(answers["reasons"][:, level], minlength=len(REASONS))
        self.sources += np.bincount(answers["source"], minlength=len(SOURCES))


class Engine:
    """Answers blocks of titles; use it in a `with` statement, from one thread.

    Without a journal it stores no answers on disk.
    """

    def __init__(
        self,
        coder: AnyCoder,
        added: Added,
        journal: Journal | None,
        *,
        threads: int | None,
        memo_bytes: int,
    ) -> None:
        self._coder, self._added, self._journal = coder, added, journal
        self._memo = Memo(added.words, memo_bytes)
        self._pool = ThreadPoolExecutor(threads or library.cores(), "score")
        self.tally = Tally()

    def __enter__(self) -> Engine:
        self._limits = threadpool_limits(1)  # our threads use every processor; more threads would only slow them
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._limits.restore_original_limits()

    @property
    def block_rows(self) -> int:
        """Return how many rows a block should have at most; fewer if answers are large."""
        return min(_BLOCK_ROWS, max(_FEWEST_ROWS, _BLOCK_BYTES // self._added.record.itemsize))

    def answers(self, block: Block) -> Answers:
        """Return the answers of the block's rows."""
        match = self._memo.match(block.titles)
        fresh = self._unknown(block, match)
        found: Answers = self._memo.settle(match, fresh).view(self._added.record)[:, 0]
        self.tally.add(found, block)
        return found

    def _unknown(self, block: Block, match: Match) -> Words:
        count = len(match.firsts)
        if count == 0:
            return np.empty((0, self._added.words), np.uint64)
        stored = self._journal.find(match, self._added.words) if self._journal else None
        if stored is not None:
            self.tally.stored += count
            return stored
        fresh = self._scored(block, match)
        if self._journal:
            self._journal.keep(match, fresh)
        self.tally.scored += count
        return fresh

    def _scored(self, block: Block, match: Match) -> Words:
        fresh = np.zeros(len(match.firsts), self._added.record)

        def score(first: int) -> None:
            rows: NDArray[Any] = match.firsts[first : first + _SLICE]
            codes = self._coder.code(picked(block.titles, rows))
            self._added.store(codes, fresh[first : first + _SLICE])

        for _ in self._pool.map(score, range(0, len(fresh), _SLICE)):
            pass  # an error of a thread is raised here
        return fresh.view(np.uint64).reshape(len(fresh), -1)
