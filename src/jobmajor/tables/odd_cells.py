"""Cells of a sheet whose value alone is not what a person sees: 01234, an error, a formula that was never computed."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.parsers import expat

from jobmajor.tables.cells import Written

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Callable, Mapping

    Start = Callable[[str, Mapping[str, str]], None]

_ZEROS = re.compile(r"0[0-]*0")  # a number format that shows a fixed number of digits
_ADDRESS = re.compile("([A-Z]{1,3})([0-9]{1,7})")
_FEWEST_DIGITS = 16  # from which on a float may not hold them


@dataclass(slots=True)
class OddCells:
    """The values of some cells of a sheet, by row and column from 1, and how many formulas have none."""

    values: dict[tuple[int, int], Any] = field(default_factory=dict)
    empty_formulas: int = 0


def mend(book: zipfile.ZipFile, sheet: str, rows: list[list[object]]) -> tuple[str, ...]:
    """Put odd cells in place of what another parser gave for them; return what has to be said of the sheet."""
    odd = find(book, sheet)
    for (row, column), value in odd.values.items():
        if row <= len(rows) and column <= len(rows[row - 1]):
            rows[row - 1][column - 1] = value
    if not odd.empty_formulas:
        return ()
    return (f"{odd.empty_formulas:,} formulas without a stored value are empty: save the workbook in a spreadsheet",)


def find(book: zipfile.ZipFile, sheet: str) -> OddCells:
    """Return the odd cells of the sheet of that name; the parts of the book were checked before."""
    part = _part(book, sheet)
    found = _Cells(_formats(book))
    if part in book.namelist():
        _parse(book.read(part), found.start, found.end, found.text)
    return found.found


def _part(book: zipfile.ZipFile, sheet: str) -> str:
    """Return the part of the book that holds a sheet."""
    ids, targets = dict[str, str](), dict[str, str]()

    def start(name: str, attributes: Mapping[str, str]) -> None:
        local = name.rpartition(":")[2]
        if local == "sheet":
            ids[attributes.get("name", "")] = next((attributes[key] for key in attributes if key.endswith(":id")), "")
        elif local == "Relationship":
            targets[attributes.get("Id", "")] = attributes.get("Target", "")

    for part in ("xl/workbook.xml", "xl/_rels/workbook.xml.rels"):
        if part in book.namelist():
            _parse(book.read(part), start)
    return posixpath.normpath(posixpath.join("/xl", targets.get(ids.get(sheet, ""), ""))).lstrip("/")


def _formats(book: zipfile.ZipFile) -> list[str]:
    """Return the number format of each cell style that shows a fixed number of digits, else an empty text."""
    codes, styles, is_within = dict[str, str](), list[str](), [False]

    def start(name: str, attributes: Mapping[str, str]) -> None:
        local = name.rpartition(":")[2]
        if local == "numFmt":
            codes[attributes.get("numFmtId", "")] = re.sub(r'[\\"]', "", attributes.get("formatCode", ""))
        elif local in ("cellXfs", "cellStyleXfs", "cellStyles", "dxfs"):
            is_within[0] = local == "cellXfs"
        elif local == "xf" and is_within[0]:
            code = codes.get(attributes.get("numFmtId", ""), "")
            styles.append(code if _ZEROS.fullmatch(code) else "")

    if "xl/styles.xml" in book.namelist():
        _parse(book.read("xl/styles.xml"), start)
    return styles


def _parse(part: bytes, start: Start, end: Callable[[str], None] | None = None, text: Any = None) -> None:
    parser = expat.ParserCreate("UTF-8")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.Parse(part, True)  # noqa: FBT003 - expat takes it by position only


class _Cells:
    """Collects odd cells while a sheet is parsed."""

    def __init__(self, formats: list[str]) -> None:
        self.found = OddCells()
        self._formats = formats
        self._row = self._column = 0
        self._kind, self._format, self._value = "", "", ""
        self._is_formula = self._is_value = False

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Begin an element."""
        local = name.rpartition(":")[2]
        if local == "row":
            self._row, self._column = int(attributes.get("r", self._row + 1)), 0
        elif local == "c":
            self._begin(attributes)
        elif local == "f":
            self._is_formula = True
        elif local == "v":
            self._is_value = True

    def _begin(self, attributes: Mapping[str, str]) -> None:
        self._column += 1
        if address := _ADDRESS.fullmatch(attributes.get("r", "")):
            self._row, self._column = int(address[2]), _number(address[1])
        style = attributes.get("s", "")
        is_known = style.isdecimal() and int(style) < len(self._formats)
        self._format = self._formats[int(style)] if is_known else ""
        self._kind, self._value, self._is_formula = attributes.get("t", "n"), "", False

    def text(self, text: str) -> None:
        """Take text within an element."""
        if self._is_value:
            self._value += text

    def end(self, name: str) -> None:
        """End an element."""
        local = name.rpartition(":")[2]
        if local == "v":
            self._is_value = False
        elif local == "c":
            self._take()

    def _take(self) -> None:
        value = self._value.strip()
        if self._is_formula and not value and self._kind != "str":
            self.found.empty_formulas += 1
        elif self._kind == "e" and value:
            self.found.values[self._row, self._column] = value
        elif self._kind == "n" and self._format and value.isdecimal():
            self.found.values[self._row, self._column] = _shown(value, self._format)
        elif self._kind == "n" and sum(map(str.isdecimal, value)) >= _FEWEST_DIGITS:
            self._take_long(value)

    def _take_long(self, value: str) -> None:
        try:
            number = Written(value)
        except ValueError:
            return
        if "e" not in value.lower() and not number.is_exact:
            self.found.values[self._row, self._column] = value


def _number(letters: str) -> int:
    """Return a column's number, from 1."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _shown(digits: str, code: str) -> str:
    """Return a number as a format of zeros and hyphens shows it.

    >>> _shown("1234", "00000"), _shown("123456789", "000-00-0000"), _shown("123456", "00000")
    ('01234', '123-45-6789', '123456')
    """
    places = code.count("0")
    left = list(digits.zfill(places))
    more, left = left[: len(left) - places], left[len(left) - places :]
    return "".join(more) + "".join(left.pop(0) if sign == "0" else sign for sign in code)
