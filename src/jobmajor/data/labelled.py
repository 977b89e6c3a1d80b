"""Titles that come with their right codes, from a table of anyone: what a model is judged by outside of O*NET.

A title may have several right codes: in one cell, or in several rows. Titles that differ only in case or in blanks are
one distinct title. This does not use the normaliser, so that a change of the cleaning changes no benchmark.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final

from jobmajor import arguments, soc
from jobmajor.errors import DataError, InputError
from jobmajor.soc import chosen, crosswalks
from jobmajor.tables import formats
from jobmajor.tables.block import AS_IT_IS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jobmajor.tables.block import Reading

SOC_2018, SOC_2010 = "2018", "2010"
REVISIONS: Final = (SOC_2018, SOC_2010)
NO_TITLE, NO_CODE, UNKNOWN_CODE, BAD_WEIGHT, BAD_ROW = (
    "without a title",
    "without a code",
    "with an unknown code",
    "with a bad weight",
    "that can't be read",
)
_SEPARATORS: Final = re.compile(r"[;|,\s]+")
_BETWEEN: Final = re.compile(r"[;|]")
_CODE: Final = re.compile(r"(\d\d)-?(\d{4})(?:\.\d\d)?")  # also without a hyphen, and O*NET's ".00"
_SHOWN: Final = 5

Codes = tuple[str, ...]  # sorted; any of them is right


@dataclass(frozen=True, slots=True)
class TitleFile:
    """A table of titles with codes.

    Attributes:
        path: The file, in any format that `jobmajor classify --input` reads.
        title: The column of titles.
        code: The column of codes. A cell may name several, with blanks, commas, semicolons or bars between them.
        weight: The column that says how often a row occurs; None counts every row once.
        revision: The revision of the codes: "2018", or "2010" to translate them by the official crosswalk.
        reading: How to read the file, where its own bytes don't decide; its column is that of `title`.
    """

    path: str | Path
    title: str = "title"
    code: str = "code"
    weight: str | None = None
    revision: str = SOC_2018
    reading: Reading = AS_IT_IS

    def __post_init__(self) -> None:
        arguments.check(self)


@dataclass(slots=True)
class Labelled:
    """Distinct titles with their right codes.

    Attributes:
        titles: As they were first written, in the order of the file.
        truths: For each title its sets of right codes, with the weight of the rows that name exactly this set.
        rows: How many rows were read and used.
        left_out: How many rows were not used, by reason.
        unknown: Some of the codes that are none.
    """

    titles: list[str] = field(default_factory=list)
    truths: list[dict[Codes, float]] = field(default_factory=list)
    rows: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    unknown: dict[str, None] = field(default_factory=dict)

    @property
    def weight(self) -> float:
        """The weight of all rows that are used."""
        return sum(sum(truth.values()) for truth in self.truths)


def key(title: str) -> str:
    """Return what two titles have in common that count as one: their text without regard to case and blanks.

    >>> key("  Line  COOK") == key("line cook")
    True
    """
    return " ".join(title.casefold().split())


def read(file: TitleFile) -> Labelled:
    """Read a table of labelled titles. Rows that can't be used are counted.

    Raises:
        InputError: The table or a column is missing or damaged, the revision is unknown, or no row can be used.
    """
    arguments.instance("file", file, TitleFile, "as in jobmajor.TitleFile(path, title='job', code='soc')")
    path, parse = arguments.path("path", file.path), _parser(file.revision)
    columns = [file.title, file.code, *([file.weight] if file.weight else [])]
    found, index = Labelled(), dict[str, int]()
    for block in formats.rows(path, columns, file.reading):
        found.left_out[BAD_ROW] += block.bad
        for title, codes, *cells in block.cells:
            _add(found, index, (title, weight(cells[0]) if cells else 1.0), _codes(codes, parse, found))
    found.left_out = +found.left_out  # without zeros
    if not found.rows:
        reasons = ", ".join(f"{count} {reason}" for reason, count in found.left_out.items()) or "none at all"
        expected = f"titles with codes of {soc.current()}"
        raise DataError(path, f"no row to judge by ({reasons})", expected, "name the right columns")
    return found


def _add(found: Labelled, index: dict[str, int], row: tuple[str, float], codes: Codes | str) -> None:
    title, times = row
    text = key(title)
    if not text or isinstance(codes, str) or not times:
        reason = NO_TITLE if not text else codes if isinstance(codes, str) else BAD_WEIGHT
        found.left_out[reason] += 1
        return
    number = index.setdefault(text, len(found.titles))
    if number == len(found.titles):
        found.titles.append(title)
        found.truths.append({})
    truth = found.truths[number]
    truth[codes] = truth.get(codes, 0.0) + times
    found.rows += 1


def weight(cell: str) -> float:
    """Return a row's weight, and 0 for what is no positive number.

    >>> weight("1,200"), weight("many"), weight("-1")
    (1200.0, 0.0, 0.0)
    """
    try:
        found = float(cell.replace(",", ""))
    except ValueError:
        return 0.0
    return found if math.isfinite(found) and found > 0 else 0.0


def _codes(cell: str, parse: Callable[[str], Codes], found: Labelled) -> Codes | str:
    """Return the codes that a cell names, or the reason why there are none; unknown ones are noted."""
    words = _words(cell)
    codes = {code for word in words for code in parse(word)}
    if codes:
        return tuple(sorted(codes))
    if not words:
        return NO_CODE
    if len(found.unknown) < _SHOWN:
        found.unknown[cell.strip()[:40]] = None
    return UNKNOWN_CODE


def _words(cell: str) -> list[str]:
    """Return the codes that a cell names as words; a code of another classification than SOC 2018 may hold blanks."""
    if not chosen.now().is_soc:
        whole = cell.strip()
        return [whole] if whole in soc.table() else [word.strip() for word in _BETWEEN.split(whole) if word.strip()]
    return [word for word in _SEPARATORS.split(cell) if word]


def parse(word: str) -> Codes:
    """Return the code of the classification in use that a word of a table means, nothing where it is none.

    >>> parse("29-1141.00"), parse("291141"), parse("29-9999.99"), parse("nurse")
    (('29-1141',), ('29-1141',), (), ())
    """
    code = _written(word) if chosen.now().is_soc else word
    return (code,) if code in soc.table() else ()


def _written(word: str) -> str:
    match = _CODE.fullmatch(word)
    return f"{match[1]}-{match[2]}" if match else ""


@cache
def parse_2010(word: str) -> Codes:
    """Return the codes of SOC 2018 that a code of SOC 2010 becomes, of its level; nothing where it is none.

    >>> parse_2010("15-1141"), parse_2010("151130"), parse_2010("nurse")
    (('15-1242', '15-1243'), ('15-1250',), ())
    """
    code = _written(word)
    try:
        found = crosswalks.from_2010(code)
    except InputError:
        return ()
    return tuple(sorted({soc.ancestor(each, _level_2010(code)) for each in found}))


def _level_2010(code: str) -> soc.Level:
    members = crosswalks.table()
    if code in members:
        return "detailed"
    return next(level for level in soc.LEVELS if any(crosswalks.ancestor_2010(each, level) == code for each in members))


def _parser(revision: str) -> Callable[[str], Codes]:
    if revision not in REVISIONS:
        raise InputError(f"SOC {revision!r}: expected one of {', '.join(REVISIONS)}")
    if revision == SOC_2010:
        chosen.check_soc("SOC 2010")
        return parse_2010
    return parse


def at_level(codes: Codes, level: soc.Level) -> frozenset[str]:
    """Return the codes at a level that contain these; nothing where they are all coarser than the level.

    >>> sorted(at_level(("29-1141", "29-1171", "31-0000"), "minor"))
    ['29-1000']
    """
    fine = [code for code in codes if soc.LEVELS.index(soc.parse(code).level) >= soc.LEVELS.index(level)]
    return frozenset(soc.ancestor(code, level) for code in fine)
