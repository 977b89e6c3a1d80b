"""Flags and answers of a long stream of titles: each different title is answered once, on every processor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from jobmajor.model.rules import confidence
from jobmajor.monitor.profile import Marked
from jobmajor.tables.memo import Memo, picked

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from jobmajor.model.coder import Coder
    from jobmajor.monitor.flags import Flags
    from jobmajor.tables.memo import Match, Words
    from jobmajor.tables.packed import Packed

_RECORD: Final = np.dtype([("marks", np.uint64), ("score", np.float32), ("label", np.int16)], align=True)
_WORDS: Final = _RECORD.itemsize // 8
MEMO_BYTES: Final = 32 * 10**6  # 850,000 titles; where a file has more, some are answered more than once
_SLICE: Final = 1024  # titles that a thread answers at a time


class Marking:
    """Marks blocks of titles; use it from one thread."""

    def __init__(self, flags: Flags, coder: Coder, threads: Executor, *, memo_bytes: int = MEMO_BYTES) -> None:
        self._flags, self._coder, self._threads = flags, coder, threads
        self._memo = Memo(_WORDS, memo_bytes)

    def marked(self, titles: Packed) -> Marked:
        """Return titles with their flags and answers."""
        match = self._memo.match(titles)
        found = self._memo.settle(match, self._answered(titles, match)).view(_RECORD)[:, 0]
        sure = confidence.of(found["score"], "major")
        return Marked(titles, found["marks"], found["label"].astype(np.int64), sure)

    def _answered(self, titles: Packed, match: Match) -> Words:
        """Return the records of the unknown titles, as words."""
        fresh = np.zeros(len(match.firsts), _RECORD)

        def answer(first: int) -> None:
            part = picked(titles, match.firsts[first : first + _SLICE])
            codes, into = self._coder.code(part), fresh[first : first + _SLICE]
            into["marks"], into["score"] = self._flags.mark(part, codes), codes.scores[:, 0, 0]
            into["label"] = codes.labels[:, 0, 0]

        for _ in self._threads.map(answer, range(0, len(fresh), _SLICE)):
            pass  # an error of a thread is raised here
        return fresh.view(np.uint64).reshape(len(fresh), _WORDS)
