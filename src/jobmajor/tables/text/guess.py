"""Which column holds the titles, and whether a table's first row names the columns; the page's `csv.js` does the same.

`tests/tables/text/readings.json` has cases that both must pass.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

SAMPLE_ROWS: Final = 200
_SURE: Final = ("job title", "title", "occupation", "position", "job", "role")  # the first of them counts
_LIKELY: Final = re.compile("title|occupation|position|job|role")
_OTHER: Final = re.compile(
    r"\b(id|code|no|nr|num|number|date|key|level|grade|count|type|status|group|family|class|category|salary|pay)s?\b"
)
_NAME_LENGTH = 30
_TITLE_LENGTH = 80
_DATUM: Final = re.compile(r"[-+$€£]?\d[\d.,:/% -]*")


class Guess(NamedTuple):
    """The index of the column of titles, and whether the first row names the columns."""

    column: int
    has_header: bool


def guess(rows: Sequence[Sequence[str]]) -> Guess:
    """Tell by the first row's names, and by the cells of some rows below it.

    >>> guess([["id", "JobTitle"], ["1", "nurse"]]), guess([["1", "nurse"], ["2", "cook"]])
    (Guess(column=1, has_header=True), Guess(column=1, has_header=False))
    """
    head, body = (rows[0], rows[1:]) if rows else ((), ())
    names = [_plain(name) for name in head]
    worth = [_wordiness([row[index] if index < len(row) else "" for row in body]) for index in range(len(head))]
    sure = [index for each in _SURE for index, name in enumerate(names) if name in (each, f"{each}s")]
    if not sure and _is_data(head, body):
        worth = [_wordiness([row[index] if index < len(row) else "" for row in rows]) for index in range(len(head))]
        return Guess(_most(worth), has_header=False)
    if candidates := [*sure, *_likely(names)]:
        return Guess(next((index for index in candidates if worth[index]), candidates[0]), has_header=True)
    return Guess(_most(worth), has_header=len(head) > 1)


def _plain(name: str) -> str:
    """Return a name as words: "JOB_TITLE" and "JobTitle" are "job title"."""
    words = re.sub("([a-z])([A-Z])", r"\1 \2", name.strip())
    return re.sub(r"^jobtitle", "job title", re.sub(r"[\s_.-]+", " ", words).lower())


def _likely(names: Sequence[str]) -> list[int]:
    """Return the columns that may be meant, those called a title first."""
    found = [
        index
        for index, name in enumerate(names)
        if len(names) > 1 and len(name) < _NAME_LENGTH and _LIKELY.search(name) and not _OTHER.search(name)
    ]
    return sorted(found, key=lambda index: "title" not in names[index])


def _most(worth: Sequence[float]) -> int:
    return max(range(len(worth)), key=worth.__getitem__, default=0)


def _is_data(head: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """Return whether the first row holds what the rows below hold: a number among numbers, or a text once more."""
    for index, cell in enumerate(head):
        cells = [row[index] for row in body if index < len(row) and row[index]]
        if cell and cells and (cell in cells or (_is_datum(cell) and 2 * sum(map(_is_datum, cells)) > len(cells))):
            return True
    return False


def _is_datum(cell: str) -> bool:
    return "@" in cell or bool(_DATUM.fullmatch(cell.strip()))


def _wordiness(cells: Sequence[str]) -> float:
    """Return how much a column looks like titles: distinct cells of some words, hardly a digit, no whole sentences."""
    words = [
        cell
        for cell in cells
        if re.search(r"[^\W\d_]{2}", cell) and not re.search(r"\d{3}|@", cell) and len(cell) < _TITLE_LENGTH
    ]
    return len(words) * (0.2 + len(set(words)) / max(len(cells), 1))
