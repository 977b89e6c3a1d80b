"""Small files of the user as comma- or tab-separated text, read within bounds; faults name file, line and remedy."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobmajor.errors import DataError
from jobmajor.tables import archive

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Form:
    """What a file has to look like.

    Attributes:
        required: The columns that it must have, in any order; the first is what each row is about.
        optional: The columns that it may have. All others are left alone.
        about: What each row is about, in the singular and the plural, for messages.
        expected: The file in words, for messages.
        max_bytes: The largest size.
        max_rows: The most rows.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...]
    about: tuple[str, str]
    expected: str
    max_bytes: int
    max_rows: int


def rows(path: Path, form: Form) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield the line, from 1, in which each row begins, and its cells by the names of their columns, in lower case.

    Raises:
        DataError: The file is missing, empty, too large or no such table.
    """
    lines = _fields(path, form)
    number, header = next(lines, (1, []))
    names = [name.strip().casefold() for name in header]
    where = f"{path}, line {number}"
    for name in (*form.required, *form.optional):
        if names.count(name) > 1:
            raise DataError(where, f"the column {name!r} twice", "it once", "remove one of them")
        if name not in names and name in form.required:
            shown = ", ".join(repr(name[:40]) for name in names[:10])
            raise DataError(where, f"the columns {shown}", f"a column {name!r}", "name the columns in the first line")
    one, count = form.about[0], 0
    for number, fields in lines:
        count += 1
        if count > form.max_rows:
            raise DataError(path, f"more than {form.max_rows:,} rows", "at most so many", "leave some out")
        if len(fields) != len(names):
            found, expected = f"{len(fields)} fields", f"{len(names)} as in the header"
            raise DataError(f"{path}, line {number}", found, expected, f"put a {one} that has commas between quotes")
        yield number, dict(zip(names, fields, strict=True))
    if count == 0:
        expected = f"a row for every {one}"
        raise DataError(path, "no rows below the header", expected, "add one, or leave the file out")


def _fields(path: Path, form: Form) -> Iterator[tuple[int, list[str]]]:
    """Yield the line, from 1, in which each row begins, and its fields; rows without any text are left out."""
    text = _decoded(path, form)
    first = next((line for line in text.splitlines() if line.strip()), "")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if "\t" in first else ",", strict=True)
    begins = 1
    try:
        for fields in reader:
            if any(field.strip() for field in fields):
                yield begins, fields
            begins = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}, line {begins}", str(error), form.expected, "correct the quotes") from error


def _decoded(path: Path, form: Form) -> str:
    many = form.about[1]
    try:
        with path.open("rb") as file:
            data = file.read(form.max_bytes + 1)
    except OSError as error:
        reason = error.strerror or "no file"
        raise DataError(path, f"what can't be read ({reason})", form.expected, f"name a file of {many}") from error
    if len(data) > form.max_bytes:
        raise DataError(path, f"more than {form.max_bytes:,} bytes", "at most so many", f"leave some {many} out")
    if (kind := archive.kind(data[: archive.HEAD_BYTES])) != archive.TEXT:
        raise DataError(path, kind, form.expected, "save it as CSV in UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{data[error.start]:02x}, no UTF-8"
        raise DataError(f"{path}, line {line}", found, form.expected, "save the file as UTF-8") from error
