"""JSON lines: each line is kept unchanged, with the added keys before its last brace."""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from jobmajor.errors import DataError
from jobmajor.tables import cells
from jobmajor.tables.block import (
    BLOCK_BYTES,
    MAX_LINE_BYTES,
    SHOWN_BYTES,
    Bad,
    Block,
    Head,
    guessed_notes,
    named_column,
)
from jobmajor.tables.cells import jsonable
from jobmajor.tables.packed import Packed
from jobmajor.tables.text.guess import guess

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from jobmajor.tables.block import Column, Reading, Values
    from jobmajor.tables.cells import Kind
    from jobmajor.tables.compression import ByteSource

_SURROGATE = re.compile("[\ud800-\udfff]")
_BOM = b"\xef\xbb\xbf"
_MOST_KEYS = 2000  # of a file that becomes a table
_LONGEST_INTEGER = 1000  # digits
_BLANKS = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class JsonRows:
    """Lines, unchanged, and their values; `kinds` is the kind of each column of the table."""

    lines: Sequence[bytes]
    values: Sequence[Mapping[str, Any]]
    kinds: Mapping[str, Kind]

    def columns(self) -> list[list[Any]]:
        """Return the cells by key, None where a line lacks it."""
        return [[cells.of_kind(row.get(key), kind) for row in self.values] for key, kind in self.kinds.items()]


class _Fault(Exception):
    """Why a line can't be used."""


class _Line(NamedTuple):
    """A line that can be used."""

    raw: bytes
    value: dict[str, Any]
    title: str
    fault: Bad | None = None


class JsonReader:
    """Reads lines of JSON objects.

    If another format is written, its columns are all keys of the file, so the file is read twice.
    """

    def __init__(self, path: Path, sources: Sequence[ByteSource], reading: Reading, reserved: Sequence[str]) -> None:
        """Take the open `sources`: the file, and the file again if it has to be read twice."""
        self._path, self._sources, self._reading = path, list(sources), reading
        self._reserved = frozenset(reserved)
        self._key: str | None = None
        self._notes: tuple[str, ...] = ()
        self._head: Head | None = None
        self._first: list[tuple[int, _Line | Bad]] = []

    def head(self) -> Head:
        """Return the keys of the first line, or of all lines where another format is written."""
        if self._head is None:
            self._head = self._surveyed() if len(self._sources) > 1 else self._of_first()
        return self._head

    def _of_first(self) -> Head:
        kinds: dict[str, Kind] = {}
        for number, raw in _lines(self._sources[0]):
            self._first.append((number, self._read(number, raw, is_first=not kinds)))
            last = self._first[-1][1]
            if isinstance(last, _Line):
                kinds = dict.fromkeys(last.value, "text")
                break
        return self._named(kinds, tuple(kinds.values()))

    def _surveyed(self) -> Head:
        kinds: dict[str, Kind | None] = {}
        with_title = False
        for number, raw in _lines(self._sources[0]):
            line = self._read(number, raw, is_first=not with_title)
            if isinstance(line, _Line):
                with_title = True
                kinds |= {key: cells.widened(kinds.get(key), (value,)) for key, value in line.value.items()}
            if len(kinds) > _MOST_KEYS:
                do = "write JSON lines instead of a table"
                raise DataError(self._path, f"over {_MOST_KEYS} different keys", "so many at most", do)
        self._sources.pop(0).close()
        return self._named(kinds, tuple(kind or "text" for kind in kinds.values()))

    def _named(self, keys: Iterable[str], kinds: Sequence[Kind]) -> Head:
        names = tuple(keys)
        title = names.index(self._key) if self._key in names else 0
        return Head(names, kinds, None, title, self._notes)

    def blocks(self, most: int) -> Iterator[Block]:
        """Yield all lines but empty ones."""
        kinds = dict(zip(self.head().names, self.head().kinds, strict=True))
        found: list[_Line | Bad] = []
        size = 0
        for line in self._all():
            found.append(line)
            size += len(line.row if isinstance(line, Bad) else line.raw)
            if len(found) == most or size >= BLOCK_BYTES:
                yield self._block(found, kinds)
                found, size = [], 0
        if found:
            yield self._block(found, kinds)

    def close(self) -> None:
        """Close the file."""
        for source in self._sources:
            source.close()

    def _all(self) -> Iterator[_Line | Bad]:
        yield from (line for _, line in self._first)
        begin = self._first[-1][0] if self._first else 0
        yield from (self._read(number, raw) for number, raw in _lines(self._sources[0], begin))

    def _block(self, found: Sequence[_Line | Bad], kinds: Mapping[str, Kind]) -> Block:
        fine = [line for line in found if isinstance(line, _Line)]
        bad = [line for line in found if isinstance(line, Bad)]
        titles = Packed.of([line.title for line in fine])
        rows = JsonRows([line.raw for line in fine], [line.value for line in fine], kinds)
        return Block(titles, rows, bad, self._sources[0].share, [line.fault for line in fine if line.fault])

    def _read(self, number: int, raw: bytes, *, is_first: bool = False) -> _Line | Bad:
        try:
            value = _parsed(raw)
            if is_first:
                self._choose(f"{self._path}, line {number}", value)
            self._check_keys(value)
            title = value.get(self._key or "")
            fault = "" if isinstance(title, str | None) else "a title that is no text"
            if not _is_utf8(raw):
                fault, line = "bytes that are no UTF-8", raw.decode("utf-8", "replace").encode()
            else:
                line = raw
            listed = Bad(number, fault, raw.rstrip(b"\r\n")) if fault else None
            return _Line(line, value, cells.text(title), listed)
        except _Fault as fault:
            return Bad(number, str(fault), raw[:SHOWN_BYTES] if len(raw) > MAX_LINE_BYTES else raw.rstrip(b"\r\n"))

    def _check_keys(self, value: Mapping[str, Any]) -> None:
        if taken := self._reserved.intersection(value):
            raise _Fault(f"a key {min(taken)!r}, where an answer would go")

    def _choose(self, where: str, value: Mapping[str, Any]) -> None:
        """Choose the key of the titles by the first object."""
        keys = list(value)
        guessed = guess([keys, [value[key] if isinstance(value[key], str) else "" for key in keys]])
        index, _ = named_column(where, keys, self._reading, guessed.column, has_header=True)
        self._key = keys[index] if keys else None
        self._notes = guessed_notes(self._reading, self._key or "", has_header=True)


def _parsed(raw: bytes) -> dict[str, Any]:
    if len(raw) > MAX_LINE_BYTES:
        raise _Fault(f"over {MAX_LINE_BYTES} bytes")
    text = raw.decode("utf-8", "replace")
    try:
        value = json.loads(text, parse_float=cells.Written, parse_int=_integer, parse_constant=cells.Written)
    except json.JSONDecodeError as error:
        raise _Fault(f"no JSON ({error.msg.lower()} at character {error.pos})") from None
    except (ValueError, RecursionError):
        raise _Fault("a number or a nesting that can't be read") from None
    if not isinstance(value, dict):
        raise _Fault("no object")
    if "\\u" in text and _SURROGATE.search(json.dumps(value, ensure_ascii=False)):
        raise _Fault("half of a surrogate pair")
    return value


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _integer(written: str) -> float:
    """Return an integer, or a number that knows its text where Python would refuse to read it, or lose its sign."""
    return cells.Written(written) if len(written) > _LONGEST_INTEGER or written == "-0" else int(written)


def keys_like(source: ByteSource, endings: Sequence[str]) -> set[str]:
    """Return the keys of all lines that end with one of some words."""
    text = "|".join(map(re.escape, endings))
    pattern = re.compile(f'(?:{text})"\\s*:'.encode())
    found = set[str]()
    for _, raw in _lines(source):
        if pattern.search(raw):
            with suppress(_Fault):
                found |= {key for key in _parsed(raw) if key.endswith(tuple(endings))}
    return found


def _lines(source: ByteSource, before: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield number, from 1, and bytes of every line that isn't blank; of a line that is too long the beginning."""
    number = before
    while line := source.line(MAX_LINE_BYTES + 1):
        number += 1
        kept = line
        while len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
            line = source.line(MAX_LINE_BYTES + 1)  # its rest is dropped
        if number == 1:
            kept = kept.removeprefix(_BOM)
        if kept.strip(_BLANKS):
            yield number, kept


class JsonWriter:
    """Writes JSON lines as they are, and each row of any other table as an object."""

    def __init__(self, file: IO[bytes], head: Head, added: Sequence[Column]) -> None:
        self._file, self._names, self._added = file, head.names, added
        self.lost = 0  # numbers that are not finite, which JSON does not have

    def write(self, block: Block, values: Values) -> None:
        """Write the lines."""
        cells_of = (column.cells(each) for column, each in zip(self._added, values, strict=True))
        names = [column.name for column in self._added]
        objects = [_dumped(dict(zip(names, row, strict=True))) for row in zip(*cells_of, strict=True)]
        rows = block.rows
        if isinstance(rows, JsonRows):
            pairs = zip(rows.lines, objects, strict=True)
            self._file.write(b"".join(_joined(line, more) for line, more in pairs))
            return
        columns = rows.columns()
        self.lost += sum(isinstance(cell, float) and not math.isfinite(cell) for column in columns for cell in column)
        given = zip(*columns, strict=True)
        pairs = zip(
            (_dumped(dict(zip(self._names, map(jsonable, row), strict=True))) for row in given), objects, strict=True
        )
        self._file.write(b"".join(_joined(line, more) + b"\n" for line, more in pairs))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _joined(line: bytes, more: bytes) -> bytes:
    body = line.rstrip(_BLANKS)
    return b"%b,%b%b" % (body[:-1], more[1:], line[len(body) :])


def _dumped(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
