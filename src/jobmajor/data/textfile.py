"""Read the rows of a table of O*NET's text edition: tab-separated UTF-8, a header line, no quoting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobmajor.errors import DataError
from jobmajor.tables import archive
from jobmajor.tables.archive import first_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_MAX_BYTES = 16 * 2**20  # the largest of the releases' files has 2.3 MB
_EXPECTED = "tab-separated text in UTF-8"


def _decoded(path: Path) -> str:
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{data[error.start]:02x}, no UTF-8, in line {line}"
        raise DataError(path, found, _EXPECTED, "save the file as UTF-8") from error


def rows(path: Path) -> Iterator[tuple[int, Sequence[object]]]:
    """Yield line number, from 1, and fields of every line that isn't blank, the header first.

    Raises:
        DataError: The file is empty, too large, of another kind, no UTF-8, or a line has more or
            fewer fields than the header.
    """
    found = archive.kind(first_bytes(path, expected=_EXPECTED))
    size = path.stat().st_size
    if found != archive.TEXT:
        raise DataError(path, found, _EXPECTED, "fetch the file again, or save it in that format")
    if size > _MAX_BYTES:
        raise DataError(path, f"{size} bytes", f"at most {_MAX_BYTES}", "give the file as O*NET has it")
    width = 0
    for number, line in enumerate(_decoded(path).split("\n"), start=1):
        fields = line.removesuffix("\r").split("\t")
        if not line.strip():
            continue
        width = width or len(fields)
        if len(fields) != width:
            raise DataError(
                path,
                f"{len(fields)} fields in line {number}",
                f"{width} as in the header, separated by tabs",
                "correct the line",
            )
        yield number, fields
