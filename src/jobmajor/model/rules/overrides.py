"""Titles of the user with their codes, which replace the answers of the model.

A code may be of any level; `not a job` says that a title has none. A code above the detailed level leaves open which
detailed code is meant, so there is no answer below its level. The shares that the model gives to its detailed codes are
kept and scaled up to the whole: of them, answers in other classifications are made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from jobmajor import arguments, soc
from jobmajor.errors import DataError, InputError
from jobmajor.model.rules import user_csv
from jobmajor.model.rules.user_csv import Form
from jobmajor.tables.packed import LONGEST
from jobmajor.titles import normalise

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from jobmajor.soc import Level

TITLE, CODE, SHARE = "title", "code", "share"  # the columns; the last may be missing, and others are left alone
NOT_A_JOB = "not a job"  # in place of a code
OVERRIDE, MODEL = "override", "model"  # where an answer comes from
MOST = 0.5  # share: where a part of a title has no code, one with more than this is taken
MAX_BYTES = 64 * 2**20
MAX_ROWS = 1_000_000
_EXPECTED = "comma- or tab-separated text in UTF-8 with the columns 'title' and 'code'"


@dataclass(frozen=True, slots=True)
class Overrides:
    """Titles of the user with their codes.

    Attributes:
        codes: By normalised title, its codes of any level, each with its share; a title's shares sum to 1. A title that
            is no job has no code.
        is_spread: Whether answers have shares below the level of a code, too, as other classifications need them.
    """

    codes: Mapping[str, Mapping[str, float]]
    is_spread: bool = False

    def __len__(self) -> int:
        return len(self.codes)

    def merged(self, other: Overrides) -> Overrides:
        """Return these with another's titles, which count where both have one."""
        return Overrides({**self.codes, **other.codes}, self.is_spread)

    def __repr__(self) -> str:
        return f"<jobmajor.Overrides: {len(self)} titles>"

    def find(self, text: str) -> Mapping[str, float] | None:
        """Return the codes of a normalised title with their shares; None where the model has to answer."""
        return self.codes.get(text)

    def at_level(self, text: str, level: Level) -> dict[str, float] | None:
        """Return what a normalised title's codes say at a level: its codes, with shares of the whole.

        None where the model has to answer, and where every code of the title is of that level or below it. Else a code
        above the level says nothing, so the shares sum to less than 1.
        """
        wanted = self.codes.get(text, {})
        fine = {code: share for code, share in wanted.items() if _depth(code) >= soc.LEVELS.index(level)}
        if len(fine) == len(wanted):
            return None
        found: dict[str, float] = {}
        for code, share in fine.items():
            ancestor = soc.ancestor(code, level)
            found[ancestor] = found.get(ancestor, 0.0) + share
        return found

    def columns(self, answered: Sequence[str]) -> tuple[str, ...]:
        """Return the detailed codes of answers: those of the model, and those that only an override names.

        Args:
            answered: The model's detailed codes.

        Returns:
            In ascending order. A code above the detailed level adds its detailed codes only if the model answers none
            of them.
        """
        answered_codes = set(answered)
        named = {code for shares in self.codes.values() for code in shares}
        below = [detailed_codes(code) for code in named]
        return tuple(sorted(answered_codes.union(*(codes for codes in below if answered_codes.isdisjoint(codes)))))


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of the file; `code` may be `NOT_A_JOB`, and `share` is None where the file says none."""

    line: int
    text: str
    code: str
    share: float | None


def _depth(code: str) -> int:
    return soc.LEVELS.index(soc.parse(code).level)


@cache
def detailed_codes(code: str) -> frozenset[str]:
    """Return the detailed codes that a code of any level contains; a detailed one contains itself.

    >>> sorted(detailed_codes("29-1020"))
    ['29-1021', '29-1022', '29-1023', '29-1024', '29-1029']
    """
    level = soc.parse(code).level
    return frozenset(detailed for detailed in soc.detailed_codes() if soc.ancestor(detailed, level) == code)


def check(given: Overrides | None) -> None:
    """Check what a caller passes as titles of the user.

    Raises:
        InputError: It is something else.
    """
    if given is not None:
        arguments.instance("overrides", given, Overrides, "such as jobmajor.model.rules.overrides.read returns")


def read(path: str | Path) -> Overrides:
    """Read a file of overrides; its header has `title`, `code` and optionally `share`, in any order, beside others.

    A title with several rows has several codes. Their shares are scaled to sum to 1, and equal without `share`.
    Titles are one if the normaliser makes them one.

    Raises:
        DataError: The file is missing, empty, too large, no such table, or a row can't be used; names file and line,
            what was found, what was expected and what to do.
    """
    entries: dict[str, list[_Row]] = {}
    path = arguments.path("path", path)
    for row in _rows(path):
        rows = entries.setdefault(row.text, [])
        for earlier in rows:
            _check_pair(path, earlier, row)
        rows.append(row)
    return Overrides({text: _shares(rows) for text, rows in entries.items()})


def _check_pair(path: Path, earlier: _Row, row: _Row) -> None:
    where = f"{path}, line {row.line}"
    if earlier.code == row.code:
        found = f"{row.text!r} with {row.code} again, as in line {earlier.line}"
        raise DataError(where, found, "each code of a title once", "remove one of the lines")
    if NOT_A_JOB in (earlier.code, row.code):
        found = f"{row.text!r} with a code and as {NOT_A_JOB!r}, in lines {earlier.line} and {row.line}"
        raise DataError(path, found, "either", "remove one of the lines")
    if (earlier.share is None) != (row.share is None):
        expected = "a share in all lines of a title or in none"
        raise DataError(where, f"{row.text!r} with and, in line {earlier.line}, without a share", expected, "add it")


def _shares(rows: Sequence[_Row]) -> Mapping[str, float]:
    if rows[0].code == NOT_A_JOB:
        return {}
    shares = [1.0 if row.share is None else row.share for row in rows]
    largest = max(shares)  # first, so that not even the largest numbers overflow their sum
    total = sum(share / largest for share in shares)
    return {row.code: share / largest / total for row, share in zip(rows, shares, strict=True)}


def _rows(path: Path) -> Iterator[_Row]:
    form = Form((TITLE, CODE), (SHARE,), ("title", "titles"), _EXPECTED, MAX_BYTES, MAX_ROWS)
    for number, cells in user_csv.rows(path, form):
        yield _row(path, number, cells)


def _row(path: Path, number: int, cells: Mapping[str, str]) -> _Row:
    where, title = f"{path}, line {number}", cells[TITLE]
    if len(title) > LONGEST:
        found, expected = f"a title of {len(title):,} characters", f"at most {LONGEST:,}"
        raise DataError(where, found, expected, "shorten it")
    text = normalise(title)
    if not text:
        raise DataError(where, f"the title {title[:40]!r}", "one with a letter or digit", "correct the line")
    code = cells[CODE].strip()
    code = NOT_A_JOB if code.casefold() == NOT_A_JOB else code
    if code not in soc.table() and code != NOT_A_JOB:
        expected = f"a code of {soc.current()} such as {soc.example()}, or {NOT_A_JOB!r}"
        raise DataError(where, f"the code {code[:40]!r}", expected, "correct the line (without O*NET's '.00')")
    return _Row(number, text, code, _share(where, cells.get(SHARE, "").strip()))


def _share(where: str, cell: str) -> float | None:
    if not cell:
        return None
    try:
        share = float(cell)
    except ValueError:
        share = math.nan
    if not 0 < share < math.inf:
        raise DataError(where, f"the share {cell[:40]!r}", "a number above 0 such as 0.5", "correct the line")
    return share


def apply(
    overrides: Overrides, texts: Sequence[str], codes: Sequence[str], shares: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Return the shares of detailed codes with the overrides in them, and the source of the shares of each title.

    Args:
        overrides: The user's titles.
        texts: Normalised titles.
        codes: The columns' detailed codes: at least `overrides.columns(...)` of the model's codes.
        shares: The model's, shape (titles, detailed); not changed.

    Returns:
        Shares of the same shape, and for each title `OVERRIDE` or `MODEL`. Within an override's code, the model's
        shares keep their proportions, which are equal where the model gives them no share at all.

    Raises:
        InputError: An override's code has no column.
    """
    found = [(row, overrides.codes[text]) for row, text in enumerate(texts) if text in overrides.codes]
    source = np.full(len(texts), MODEL, dtype=f"<U{max(len(MODEL), len(OVERRIDE))}")
    if not found:
        return shares, source
    rows_of: dict[str, tuple[list[int], list[float]]] = {}
    for row, wanted in found:
        for code, share in wanted.items():
            rows, parts = rows_of.setdefault(code, ([], []))
            rows.append(row)
            parts.append(share)
    overridden = [row for row, _ in found]
    source[overridden] = OVERRIDE
    changed = shares.copy()
    changed[overridden] = 0
    for code, (rows, parts) in rows_of.items():
        columns = _columns_of(code, codes)
        cells = np.array(rows)[:, None], columns  # (titles, columns)
        changed[cells] += _in_proportion(shares[cells]) * np.array(parts, np.float32)[:, None]
    return changed, source


def _columns_of(code: str, codes: Sequence[str]) -> NDArray[np.intp]:
    below = detailed_codes(code)
    columns = np.flatnonzero([column in below for column in codes])
    if len(columns) == 0:
        raise InputError(f"an override names {code}, which has no column: widen the shares to `Overrides.columns`")
    return columns


def _in_proportion(inside: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale each row to sum to 1; a row of zeros gets equal shares."""
    totals = inside.sum(axis=1, keepdims=True)
    parts = np.full_like(inside, 1 / inside.shape[1])
    np.divide(inside, totals, out=parts, where=totals > 0)
    return parts
