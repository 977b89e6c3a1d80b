"""The reader and the writer that belong to a file's name, and chosen columns of any file as text."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from jobmajor.errors import DataError, InputError, MissingExtra
from jobmajor.tables import cells, jsonlines
from jobmajor.tables.block import AS_IT_IS, find_column
from jobmajor.tables.compression import ENDINGS, EXTRA, ByteSource, Packing, sink
from jobmajor.tables.jsonlines import JsonReader, JsonWriter
from jobmajor.tables.parquet import ParquetReader, ParquetWriter
from jobmajor.tables.text import encoding
from jobmajor.tables.text.delimited import DelimitedReader
from jobmajor.tables.text.delimited_writer import DelimitedWriter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from jobmajor.tables.block import Block, Column, Head, Reader, Reading, Writer
    from jobmajor.tables.packed import Packed

Kind = Literal["csv", "tsv", "jsonl", "parquet", "xlsx"]
_KINDS: Final[dict[str, Kind]] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "csv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
}
_PACKABLE: Final = ("csv", "tsv", "jsonl")
_BLOCK_ROWS: Final = 4096
EXPECTED: Final = f"{', '.join(_KINDS)}, the text ones also with {' or '.join(ENDINGS)}"


@dataclass(frozen=True, slots=True)
class Format:
    """The format of a file and its compression."""

    kind: Kind
    packing: Packing = ""


def format_of(path: Path) -> Format:
    """Return the format that a file's name says.

    Raises:
        InputError: Its ending is unknown.
    """
    endings = [ending.lower() for ending in path.suffixes]
    packing = ENDINGS.get(endings[-1], "") if endings else ""
    kind = _KINDS.get(endings[-2 if packing else -1]) if len(endings) > bool(packing) else None
    if kind is None or (packing and kind not in _PACKABLE):
        raise InputError(f"{path}: found the ending {''.join(endings[-2:]) or 'of none'!r}, expected {EXPECTED}")
    return Format(kind, packing)


def reader(path: Path, reading: Reading, target: Format, reserved: Sequence[str] = ()) -> Reader:
    """Return the reader of a file.

    Args:
        path: The file; its name tells the format.
        reading: How to read it.
        target: The format that will be written.
        reserved: Names of added columns, which a line of JSON can't have.

    Raises:
        InputError: It is missing, damaged, empty, or of another format than its name tells.
        MissingExtra: Its format needs a package that is not installed.
    """
    found = format_of(path)
    if reading.sheet is not None and found.kind != "xlsx":
        raise DataError(
            path, f"the sheet {reading.sheet!r} asked for in {found.kind}", "a workbook", "leave --sheet out"
        )
    if found.kind == "parquet":
        return ParquetReader(path, reading)
    if found.kind == "xlsx":
        with _in_extra("a .xlsx file"):
            from jobmajor.tables.xlsx import WorkbookReader  # noqa: PLC0415 - needs an extra
        return WorkbookReader(path, reading)
    with closing(ByteSource(path, found.packing)) as source:
        known = encoding.named(reading.encoding) if reading.encoding else encoding.recognise(source)
    is_changed = not known.is_kept or (found.kind == "jsonl" and not known.is_utf8)
    again = partial(ByteSource, path, found.packing, known.codec if is_changed else "")
    if found.kind == "jsonl":
        times = 1 if target.kind == "jsonl" else 2
        return JsonReader(path, [again() for _ in range(times)], reading, reserved)
    return DelimitedReader(path, again, known, reading, found.kind)


def keys_like(path: Path, endings: Sequence[str]) -> set[str]:
    """Return the keys of a file of JSON lines, of any of its lines, that end with one of some words; else nothing."""
    made = format_of(path)
    if made.kind != "jsonl":
        return set()
    with closing(ByteSource(path, made.packing)) as source:
        return jsonlines.keys_like(source, endings)


def writer(path: Path, made: Format, head: Head, added: Sequence[Column], *, safe_cells: bool) -> Writer:
    """Return the writer of a new file.

    Raises:
        MissingExtra: Its format needs a package that is not installed.
    """
    if made.kind == "parquet":
        return ParquetWriter(path, head, added)
    if made.kind == "xlsx":
        with _in_extra("a .xlsx file"):
            from jobmajor.tables.xlsx import WorkbookWriter  # noqa: PLC0415 - needs an extra
        return WorkbookWriter(path, head, added, safe_cells=safe_cells)
    file = sink(path, made.packing)
    if made.kind == "jsonl":
        return JsonWriter(file, head, added)
    return DelimitedWriter(file, head, added, made.kind, safe_cells=safe_cells)


@contextmanager
def _in_extra(what: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtra(what, EXTRA) from error


# For JSON lines: the columns are then the keys of all lines, not of the first.
_AS_TABLE: Final = Format("csv")


@dataclass(frozen=True, slots=True)
class TextRows:
    """Some rows of a table.

    Attributes:
        cells: One tuple for each row, in the order of the columns asked for; an empty text where there is nothing.
        bad: How many rows beside these can't be read.
    """

    cells: Sequence[tuple[str, ...]]
    bad: int


def names(path: Path, column: str, reading: Reading = AS_IT_IS) -> tuple[str, ...]:
    """Return the names of a table's columns.

    Raises:
        InputError: As `rows`.
    """
    _expect_file(path)
    with closing(reader(path, replace(reading, column=column), _AS_TABLE)) as opened:
        return opened.head().names


def title_column(path: Path, reading: Reading = AS_IT_IS) -> str:
    """Return the column of titles, as `guessed` does."""
    return guessed(path, reading)[0]


def guessed(path: Path, reading: Reading) -> tuple[str, tuple[str, ...]]:
    """Return the column of titles and what was guessed about the file, a few words each.

    Without a column in `reading`, it is guessed: its name, or its number from 1 where no line names the columns.

    Raises:
        InputError: As `rows`.
    """
    _expect_file(path)
    with closing(reader(path, reading, _AS_TABLE)) as opened:
        head = _head(path, opened)
    number = str(head.title + 1)
    return number if head.names[head.title] == f"column {number}" else head.names[head.title], head.notes


def rows(path: Path, wanted: Sequence[str], reading: Reading = AS_IT_IS) -> Iterator[TextRows]:
    """Yield the cells of the wanted columns, block by block; the first column has to be one of text.

    Args:
        path: The file.
        wanted: The names of the columns; the first may be a number, too, and stands for that of `reading`.
        reading: How to read the file.

    Raises:
        InputError: The file is missing, of no format that is read, damaged, or lacks one of the columns.
    """
    for block, head, others in _blocks(path, wanted, reading, _BLOCK_ROWS):
        columns = block.rows.columns()
        texts = [[cells.text(value) for value in columns[index]] for index in (head.title, *others)]
        yield TextRows(list(zip(*texts, strict=True)), len(block.bad))


def titles(
    path: Path, wanted: Sequence[str], most: int, reading: Reading = AS_IT_IS
) -> Iterator[tuple[Packed, list[list[str]]]]:
    """Yield the same rows as `rows`, at most so many at a time: their titles, packed, and the cells of other columns.

    A file of which only the titles are wanted is read many times faster so.

    Raises:
        InputError: As `rows`.
    """
    for block, _, others in _blocks(path, wanted, reading, most):
        columns = block.rows.columns() if others else []
        yield block.titles, [[cells.text(value) for value in columns[index]] for index in others]


def _blocks(
    path: Path, wanted: Sequence[str], reading: Reading, most: int
) -> Iterator[tuple[Block, Head, Sequence[int]]]:
    """Yield the blocks of a table, its head, and the indices of the wanted columns beside the titles."""
    _expect_file(path)
    with closing(reader(path, replace(reading, column=wanted[0]), _AS_TABLE)) as opened:
        head = _head(path, opened)
        others = [find_column(path, head.names, name) for name in wanted[1:]]
        for block in opened.blocks(most):
            yield block, head, others


def _head(path: Path, opened: Reader) -> Head:
    """Return what a table begins with; of a file of JSON lines without any row that can be read, there is nothing."""
    head = opened.head()
    if not head.names:
        raise DataError(path, "no row that can be read", "rows of titles", "correct its lines, or name another file")
    return head


def _expect_file(path: Path) -> None:
    if not path.is_file():
        found = "is no file" if path.exists() else "is not there"
        raise InputError(f"{path} {found}: expected a file ({EXPECTED})")
