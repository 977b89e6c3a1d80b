"""The rows of a workbook's sheet, read after the whole file was checked against bounds.

A workbook of 1.4 KB with one cell at XFD1048576 makes a spreadsheet parser use up all memory, or panic. So a parser
that only counts reads every XML part first. The fast parser then reads a copy of exactly the parts that were counted,
so that a forged archive can't show different contents to the two.
"""

from __future__ import annotations

import io
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING
from xml.parsers import expat

from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from jobmajor.errors import DataError
from jobmajor.tables import archive, odd_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

# A release's largest workbook has 1.2 MB, 12.8 MB unpacked, 55,095 rows × 5 columns and 49,552 strings.
LIMITS = archive.Limits(file_bytes=16 * 2**20, entries=200, total_bytes=32 * 2**20)
MAX_ROWS = 150_000
MAX_COLUMNS = 64
MAX_AREA = 1_000_000  # rows × columns: the parser allocates memory for each cell, used or not
MAX_STRINGS = 200_000
MAX_TEXT_BYTES = 2**28  # of all cells of a sheet: a text that stands there once may be named by each of them
# What the counting parser itself keeps is bounded too; real parts nest 9 deep and have 60 names.
_MAX_DEPTH, _MAX_NAMES, _MAX_TOKEN_BYTES = 200, 2_000, 2**18

_EXPECTED = "an .xlsx workbook"
_AS_PUBLISHED = "give the workbook as O*NET publishes it"
_PARTS = (".xml", ".rels")
_DIGITS = "0123456789"
_BLANK = frozenset(("", None))


class _TooMuchError(Exception):
    """A part has something that no table of O*NET has; a parser's callback can't know the file's name."""


@cache
def _column(letters: str) -> int:
    """Return a column's number, from 1, by its letters."""
    if not 1 <= len(letters) <= 3 or not letters.isascii() or not letters.isalpha():
        raise _TooMuchError(f"a cell address that begins with {letters[:20]!r}")
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _position(reference: str) -> tuple[int, int]:
    """Return row and column of an address like C12, both from 1."""
    letters = reference.rstrip(_DIGITS)
    return int(reference[len(letters) :]), _column(letters)


class _Counter:
    """Counts what a reader of one XML part would keep in memory; raises as soon as that is too much.

    Cells may have no address. Then they are in the next column, or row, as in the fast parser.
    """

    def __init__(self) -> None:
        self.row = self.column = self.last_row = self.last_column = self.cells = self.strings = 0
        self._fed_bytes = self._depth = self._string_at = self.longest_bytes = 0
        self._parser = expat.ParserCreate("UTF-8")  # whatever the part declares: the fast parser knows no other
        self._parser.buffer_text = False
        self._parser.StartElementHandler = self._start
        self._ends: list[str] = []
        self._parser.EndElementHandler = self._ends.append  # a builtin: nothing cheaper can count the ends
        self._counted: Mapping[str, Callable[[Mapping[str, str]], None]] = {
            "c": self._cell,
            "row": self._row,
            "dimension": self._dimension,
            "si": self._string,
            "sst": self._strings,
        }
        self._parser.StartDoctypeDeclHandler = self._doctype

    def feed(self, chunk: bytes) -> None:
        self._parser.Parse(chunk)
        self._fed_bytes += len(chunk)
        self._depth -= len(self._ends)
        self._ends.clear()
        if self.cells > MAX_AREA:
            raise _TooMuchError(f"{self.cells} cells")
        if self._depth > _MAX_DEPTH:
            raise _TooMuchError(f"elements nested {self._depth} deep")
        if len(self._parser.intern) > _MAX_NAMES:
            raise _TooMuchError(f"over {_MAX_NAMES} names of elements and attributes")
        if self._fed_bytes - self._parser.CurrentByteIndex > _MAX_TOKEN_BYTES:
            raise _TooMuchError(f"an element of over {_MAX_TOKEN_BYTES} bytes")

    def close(self) -> None:
        self._parser.Parse(b"", True)  # noqa: FBT003 - expat takes it by position only
        if self.strings:
            self.longest_bytes = max(self.longest_bytes, self._fed_bytes - self._string_at)

    def _doctype(self, *_: object) -> None:
        raise _TooMuchError("a document type declaration")

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        # Called for each of half a million elements: a value inside a cell comes first and keeps nothing.
        self._depth += 1
        if name != "v":
            count = self._counted.get(name) or self._counted.get(name.rpartition(":")[2])
            if count is not None:
                count(attributes)

    def _cell(self, attributes: Mapping[str, str]) -> None:
        self.cells += 1
        row, column = self.row, self.column + 1
        if "r" in attributes:
            row, column = _position(attributes["r"])
        self.column = column
        if row > self.last_row or column > self.last_column or row < 1:
            self._reach(row, column)

    def _row(self, attributes: Mapping[str, str]) -> None:
        self.row, self.column = int(attributes.get("r", self.row + 1)), 0
        self._reach(self.row, 1)

    def _dimension(self, attributes: Mapping[str, str]) -> None:
        for corner in attributes.get("ref", "A1").split(":"):
            self._reach(*_position(corner))

    def _reach(self, row: int, column: int) -> None:
        self.last_row, self.last_column = max(self.last_row, row), max(self.last_column, column)
        if not 1 <= row <= MAX_ROWS or column > MAX_COLUMNS:
            raise _TooMuchError(f"a cell in row {row}, column {column}")
        if self.last_row * self.last_column > MAX_AREA:
            raise _TooMuchError(f"{self.last_row} rows × {self.last_column} columns")

    def _string(self, _: Mapping[str, str]) -> None:
        at = self._parser.CurrentByteIndex
        if self.strings:
            self.longest_bytes = max(self.longest_bytes, at - self._string_at)
        self.strings, self._string_at = self.strings + 1, at
        if self.strings > MAX_STRINGS:
            raise _TooMuchError(f"over {MAX_STRINGS} shared strings")

    def _strings(self, attributes: Mapping[str, str]) -> None:
        # `count` counts uses, and every use is a cell.
        for claim in ("count", "uniqueCount"):
            if int(attributes.get(claim, 0)) > MAX_AREA:
                raise _TooMuchError(f"{attributes[claim][:20]} shared strings")


def _counted_copy(path: Path) -> io.BytesIO:
    """Return an uncompressed zip of the XML parts, each counted as it was copied."""
    copied = io.BytesIO()
    with (
        archive.opened(path, LIMITS, expected=_EXPECTED) as source,
        zipfile.ZipFile(copied, "w", zipfile.ZIP_STORED) as target,
    ):
        names = source.namelist()
        if "xl/workbook.xml" not in names:
            raise DataError(path, "a zip archive without xl/workbook.xml", _EXPECTED, _AS_PUBLISHED)
        if any(name.lower().startswith("xl/externallinks/") for name in names):
            raise DataError(path, "links to other workbooks", "a workbook without links", _AS_PUBLISHED)
        parts = {name: _copy_part(path, source, target, name) for name in names if name.lower().endswith(_PARTS)}
    longest = max(part.longest_bytes for part in parts.values())
    for name, part in parts.items():
        if longest * part.cells > MAX_TEXT_BYTES:
            _check_text(path, copied, name, [each for each, other in parts.items() if other.strings])
    copied.seek(0)
    return copied


def _check_text(path: Path, copied: io.BytesIO, sheet: str, strings: Sequence[str]) -> None:
    """Refuse a sheet whose cells would hold too much text, each shared one counted as often as it is named."""
    with zipfile.ZipFile(copied) as parts:
        sizes = [size for name in strings for size in _string_sizes(parts.read(name))]
        found = _named_bytes(parts.read(sheet), sizes)
    if found > MAX_TEXT_BYTES:
        shown, bound = f"{found} bytes of text in the cells of {sheet}", f"at most {MAX_TEXT_BYTES}"
        raise DataError(path, shown, bound, _AS_PUBLISHED)


def _string_sizes(part: bytes) -> list[int]:
    """Return how many bytes each shared text takes, in order."""
    starts: list[int] = []
    parser = expat.ParserCreate("UTF-8")

    def start(name: str, _: Mapping[str, str]) -> None:
        if name.rpartition(":")[2] == "si":
            starts.append(parser.CurrentByteIndex)

    parser.StartElementHandler = start
    parser.Parse(part, True)  # noqa: FBT003 - expat takes it by position only
    return [end - begin for begin, end in pairwise([*starts, len(part)])]


def _named_bytes(part: bytes, sizes: Sequence[int]) -> int:
    """Return how many bytes the shared texts take that the cells of a sheet name."""
    total, named = 0, list[str]()
    parser = expat.ParserCreate("UTF-8")

    def start(name: str, attributes: Mapping[str, str]) -> None:
        local = name.rpartition(":")[2]
        if local == "c":
            parser.CharacterDataHandler = named.append if attributes.get("t") == "s" else None
            named.clear()

    def end(name: str) -> None:
        nonlocal total
        if name.rpartition(":")[2] == "c":
            index = "".join(named).strip()
            total += sizes[int(index)] if index.isdecimal() and int(index) < len(sizes) else 0
            named.clear()

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.Parse(part, True)  # noqa: FBT003 - as above
    return total


def _copy_part(path: Path, source: zipfile.ZipFile, target: zipfile.ZipFile, name: str) -> _Counter:
    """Copy one part, and return what was counted of it."""
    counter = _Counter()
    try:
        with target.open(name, "w") as part:
            for chunk in archive.chunks(path, source, name):
                counter.feed(chunk)
                part.write(chunk)
        counter.close()
    except _TooMuchError as error:
        bounds = f"at most {MAX_ROWS} rows, {MAX_COLUMNS} columns and {MAX_STRINGS} strings, no DTD"
        raise DataError(path, f"{error} in {name}", bounds, _AS_PUBLISHED) from error
    except (expat.ExpatError, ValueError) as error:
        raise DataError(path, f"damaged XML in {name} ({error})", _EXPECTED, "fetch it again") from error
    return counter


@contextmanager
def parser_faults(path: Path) -> Iterator[None]:
    """Turn the errors of the fast parser about a damaged workbook, panics included, into a DataError."""
    try:
        yield
    except CalamineError as error:
        raise DataError(path, f"a damaged workbook ({error})", _EXPECTED, "fetch it again") from error
    except BaseException as error:
        # A Rust panic comes as pyo3_runtime.PanicException, which can't be imported and is no Exception.
        if type(error).__name__ != "PanicException":
            raise
        raise DataError(path, "a workbook that its parser failed on", _EXPECTED, _AS_PUBLISHED) from error


@dataclass(frozen=True, slots=True)
class Sheet:
    """The rows of a sheet from row 1 on, blank ones included, the names of all sheets with rows, and notes on it."""

    name: str
    names: tuple[str, ...]
    rows: Sequence[Sequence[object]]
    notes: tuple[str, ...] = ()


def sheet(path: Path, name: str | None = None) -> Sheet:
    """Return the sheet of that name, or the first one; its rows are equally long, their cells as in `rows`.

    Raises:
        DataError: As `rows` does.
    """
    copied = _counted_copy(path)
    with parser_faults(path):
        book = CalamineWorkbook.from_filelike(copied)
        names = tuple(each.name for each in book.sheets_metadata if each.typ == SheetTypeEnum.WorkSheet)
        chosen = names[0] if name is None and names else name
        if chosen in names:
            visible = {each.name: each.visible == SheetVisibleEnum.Visible for each in book.sheets_metadata}
            read: list[list[object]] = [list(row) for row in book.get_sheet_by_name(chosen).iter_rows()]
            notes = () if visible[chosen] or name else (f"read the sheet {chosen!r}, which is hidden",)
            copied.seek(0)
            with zipfile.ZipFile(copied) as parts:
                return Sheet(chosen, names, read, (*notes, *odd_cells.mend(parts, chosen, read)))
    found = f"the sheets {', '.join(repr(each[:40]) for each in names[:5])}"
    raise DataError(path, found, f"a sheet {name!r}" if name else "one that holds rows", _AS_PUBLISHED)


def rows(path: Path, name: str | None) -> Iterator[tuple[int, Sequence[object]]]:
    """Yield row number, from 1 as the spreadsheet shows it, and cells of every row that isn't blank.

    A cell is a str ("" where empty), float, int, bool, or a date or time. Without a name it is the first sheet.

    Raises:
        DataError: The file is empty, of another kind, encrypted, damaged or beyond bounds, or has
            no such sheet.
    """
    for number, cells in enumerate(sheet(path, name).rows, start=1):
        if not _BLANK.issuperset(cells):
            yield number, cells
