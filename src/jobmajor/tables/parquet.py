"""Parquet by pyarrow (extra `formats`): columns, types and the schema's metadata are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jobmajor.errors import DataError
from jobmajor.tables import cells
from jobmajor.tables.block import BLOCK_BYTES, Bad, Block, Column, Head, guessed_notes, named_column
from jobmajor.tables.compression import required
from jobmajor.tables.packed import Packed
from jobmajor.tables.text.guess import guess

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from jobmajor.tables.block import Reading, Values

_BUFFER_BYTES = 2**20  # of a column that is read at a time, however large its part of the file
_GROUP_ROWS, _GROUP_BYTES = 2**17, 2**23  # from which on a row group is written
_TYPES = {"text": "string", "integer": "int64", "long": "int64", "number": "float64", "truth": "bool"}


@dataclass(frozen=True, slots=True)
class ArrowRows:
    """A record batch."""

    batch: Any

    def columns(self) -> list[list[Any]]:
        """Return all cells."""
        return [_plain(column) for column in self.batch.columns]


def _plain(column: Any) -> list[Any]:
    """Return a column's cells; bytes of a text that are no UTF-8 become U+FFFD, times with nanoseconds text."""
    if str(column.type) in ("float", "halffloat"):  # as a float of 64 bits it would have more digits
        return [
            cells.Written(str(np.float32(value))) if value is not None and np.isfinite(value) else value
            for value in column.to_pylist()
        ]
    try:
        found: list[Any] = column.to_pylist()
    except ValueError as error:
        if not isinstance(error, UnicodeDecodeError):  # nanoseconds, which no Python value has
            return list(column.cast("string").to_pylist())
        raw = column.cast("large_binary").to_pylist()
        found = [value if value is None else value.decode("utf-8", "replace") for value in raw]
    return found


class ParquetReader:
    """Reads a file of any size; holds one buffer for each column."""

    def __init__(self, path: Path, reading: Reading) -> None:
        """Open the file.

        Raises:
            DataError: It is missing, damaged, or no parquet.
        """
        arrow = required("a .parquet file")
        from pyarrow import parquet  # noqa: PLC0415 - an extra

        self._path, self._reading, self._arrow = path, reading, arrow
        self._faults = arrow.ArrowException, OSError
        try:
            self._file = parquet.ParquetFile(path, buffer_size=_BUFFER_BYTES, pre_buffer=False)
        except self._faults as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> DataError:
        message = str(error).partition("\n")[0][:200]
        return DataError(self._path, f"what can't be read ({message})", "a parquet file", "fetch or make it again")

    def head(self) -> Head:
        """Return the columns; `details` is Arrow's schema."""
        schema = self._file.schema_arrow
        index = self._index()
        if not self._is_text(schema.types[index]):
            found = f"a column {schema.names[index]!r} of {schema.types[index]}"
            raise DataError(self._path, found, "one of text", "name another column")
        notes = guessed_notes(self._reading, schema.names[index], has_header=True)
        return Head(tuple(schema.names), cells.all_text(len(schema.names)), schema, index, notes)

    def _index(self) -> int:
        """Return the index of the column of titles; a guess takes one of text."""
        schema = self._file.schema_arrow
        texts = [name for name, kind in zip(schema.names, schema.types, strict=True) if self._is_text(kind)]
        if self._reading.column is None and texts:
            return int(schema.names.index(texts[guess([texts]).column]))
        return named_column(self._path, schema.names, self._reading, 0, has_header=True)[0]

    def _is_text(self, kind: Any) -> bool:
        types = self._arrow.types
        plain = kind.value_type if types.is_dictionary(kind) else kind
        return bool(types.is_string(plain) or types.is_large_string(plain) or types.is_null(plain)) or (
            str(plain) == "string_view"
        )

    def blocks(self, most: int) -> Iterator[Block]:
        """Yield all rows; a title that is not UTF-8 makes its row a bad one."""
        index = self._index()
        rows, done = max(self._file.metadata.num_rows, 1), 0
        size = sum(self._file.metadata.row_group(group).total_byte_size for group in range(self._file.num_row_groups))
        most = max(1, min(most, BLOCK_BYTES * rows // max(size, 1)))
        try:
            for batch in self._file.iter_batches(most, use_threads=False):
                titles, listed = self._read(batch, index, done)
                done += batch.num_rows
                yield Block(titles, ArrowRows(batch), (), done / rows, listed)
        except self._faults as error:
            raise self._damaged(error) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self, batch: Any, index: int, before: int) -> tuple[Packed, list[Bad]]:
        """Return the titles, and the rows whose title is not UTF-8: U+FFFD stands there for its bytes."""
        text = self._arrow.array(batch.column(index)) if batch.num_rows == 0 else batch.column(index)
        try:
            text.validate(full=True)
        except self._arrow.ArrowInvalid:
            raw = [value or b"" for value in text.cast(self._arrow.large_binary()).to_pylist()]
        else:
            return self._titles(text), []
        listed = [
            Bad(before + row + 1, "bytes that are no UTF-8", value)
            for row, value in enumerate(raw)
            if not _is_utf8(value)
        ]
        return Packed.of([value.decode("utf-8", "replace") for value in raw]), listed

    def _titles(self, column: Any) -> Packed:
        arrow = self._arrow
        text = column.cast(arrow.large_string())
        if text.null_count:
            text = text.fill_null("")
        _, offsets, data = text.buffers()
        if not len(text):
            return Packed.of(())
        starts = np.frombuffer(offsets, np.int64)[text.offset : text.offset + len(text) + 1]
        return Packed(np.frombuffer(data or b"", np.uint8), starts)


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


class ParquetWriter:
    """Writes row groups of at most 131,072 rows, or fewer where the rows are long."""

    def __init__(self, path: Path, head: Head, added: Sequence[Column]) -> None:
        arrow = required("a .parquet file")
        from pyarrow import parquet  # noqa: PLC0415 - an extra

        self._arrow, self._head, self._added = arrow, head, added
        self._schema = _schema(arrow, head)
        for column in added:
            self._schema = self._schema.append(arrow.field(column.name, self._type(column)))
        # A dictionary helps only columns of few texts; trying one for ids or titles takes a third of the time.
        few = [field.name for field in self._schema if arrow.types.is_dictionary(field.type)]
        few += [column.name for column in added if column.texts and not column.is_encoded]
        self._file = parquet.ParquetWriter(path, self._schema, compression="zstd", use_dictionary=few)
        self._waiting: list[Any] = []

    def _type(self, column: Column) -> Any:
        if column.kind == "number":
            return self._arrow.float32()
        if column.kind == "truth":
            return self._arrow.bool_()
        text = self._arrow.string()
        return self._arrow.dictionary(self._arrow.int16(), text) if column.is_encoded else text

    def write(self, block: Block, values: Values) -> None:
        """Take the rows, and write a row group once there are enough."""
        rows = block.rows
        given = rows.batch.columns if isinstance(rows, ArrowRows) else self._given(rows.columns())
        more = [self._array(column, each) for column, each in zip(self._added, values, strict=True)]
        self._waiting.append(self._arrow.RecordBatch.from_arrays([*given, *more], schema=self._schema))
        if sum(map(len, self._waiting)) >= _GROUP_ROWS or sum(each.nbytes for each in self._waiting) >= _GROUP_BYTES:
            self._write_group()

    def _given(self, columns: list[list[Any]]) -> list[Any]:
        kinds = zip(columns, self._head.kinds, self._schema.types, strict=False)
        return [
            self._arrow.array([cells.of_kind(value, kind) for value in column], made) for column, kind, made in kinds
        ]

    def _array(self, column: Column, values: NDArray[Any]) -> Any:
        arrow = self._arrow
        if column.kind == "number":
            return arrow.array(values, mask=np.isnan(values))
        if column.kind == "truth":
            return arrow.array(values)
        indices = arrow.array(values.astype(np.int16), mask=values < 0)
        texts = arrow.array(list(column.texts), arrow.string())
        return arrow.DictionaryArray.from_arrays(indices, texts) if column.is_encoded else texts.take(indices)

    def _write_group(self) -> None:
        if self._waiting:
            self._file.write_table(self._arrow.Table.from_batches(self._waiting, self._schema))
            self._waiting = []

    def close(self) -> None:
        """Write the waiting rows and the end of the file."""
        self._write_group()
        self._file.close()


def _schema(arrow: Any, head: Head) -> Any:
    if isinstance(head.details, arrow.Schema):
        return head.details
    fields = zip(head.names, head.kinds, strict=True)
    return arrow.schema([(name, arrow.type_for_alias(_TYPES[kind])) for name, kind in fields])
