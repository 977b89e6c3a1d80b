"""Write comma- and tab-separated text: rows of such text are copied unchanged, and the added cells follow them."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from jobmajor.tables import cells
from jobmajor.tables.block import DIGITS, Block, Column, Head, millionths
from jobmajor.tables.text.append import NUMBER_BYTES, Cells, append
from jobmajor.tables.text.delimited import DelimitedRows, Kind
from jobmajor.tables.text.encoding import Encoding
from jobmajor.tables.text.head import FirstLine
from jobmajor.tables.text.scan import BEGIN, FIELDS, NEXT
from jobmajor.tables.text.split import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from jobmajor.tables.block import Values

_SEPARATORS = {"csv": ",", "tsv": "\t"}
_OUT_BYTES = 4 * 2**20  # of added cells that are written at a time


@dataclass(frozen=True, slots=True)
class _Texts:
    """The texts of all added columns as bytes, as `append` takes them."""

    data: NDArray[np.uint8]
    starts: NDArray[np.int64]
    firsts: NDArray[np.int64]
    longest: int  # bytes that the added cells of a row take at most

    @classmethod
    def of(cls, columns: Sequence[Column], joined: Callable[[Sequence[str]], bytes]) -> _Texts:
        """Put the texts together; `joined` makes one text of some cells, a separator before each."""
        texts: list[bytes] = []
        firsts, longest = [], 0
        for column in columns:
            found = [joined([""]), *(joined([text]) for text in _shown_texts(column))]
            firsts.append(-1 if column.kind == "number" else len(texts) + 1)
            texts += found
            longest += NUMBER_BYTES if column.kind == "number" else max(map(len, found))
        starts = np.cumsum([0, *map(len, texts)])
        return cls(np.frombuffer(b"".join(texts), np.uint8), starts, np.array(firsts, np.int64), longest)


def _shown_texts(column: Column) -> Sequence[str]:
    return ("false", "true") if column.kind == "truth" else column.texts


class DelimitedWriter:
    """Writes rows of a delimited table as they are, and the cells of any other table as text."""

    def __init__(self, file: IO[bytes], head: Head, added: Sequence[Column], kind: Kind, *, safe_cells: bool) -> None:
        self._file, self._added, self._is_safe, self._kind = file, added, safe_cells, kind
        first = head.details if isinstance(head.details, FirstLine) and head.details.kind == kind else None
        self._separator = first.separator if first else _SEPARATORS[kind]
        self._encoding = first.encoding if first else Encoding()
        self._texts = _Texts.of(added, self._joined)
        self._rows = max(1, _OUT_BYTES // max(1, self._texts.longest))
        names, more = [self._safe(name) for name in head.names], [column.name for column in added]
        if first is None:
            self._write_cells([[name] for name in (*names, *more)])
        else:
            file.write(first.line(names, more, is_changed=names != list(head.names)))

    def _safe(self, text: str) -> str:
        return cells.safe(text) if self._is_safe else text

    def _joined(self, texts: Sequence[str]) -> bytes:
        """Return the cells with a separator before each."""
        joined = "".join(self._separator + quoted(text, self._separator) for text in texts)
        return joined.encode(self._encoding.codec, "replace")

    def write(self, block: Block, values: Values) -> None:
        """Copy the rows, or write their cells."""
        rows = block.rows
        if isinstance(rows, DelimitedRows) and rows.first.kind == self._kind:
            self._write_raw(rows, _as_integers(self._added, values, len(block)))
            return
        given = [[self._safe(cells.text(value)) for value in column] for column in rows.columns()]
        more = [map(_text, column.cells(each)) for column, each in zip(self._added, values, strict=True)]
        self._write_cells([*given, *more])

    def _write_cells(self, columns: Sequence[Iterable[str]]) -> None:
        target = io.StringIO()
        csv.writer(target, delimiter=self._separator, lineterminator="\n").writerows(zip(*columns, strict=True))
        self._file.write(target.getvalue().encode())

    def _write_raw(self, rows: DelimitedRows, added: NDArray[np.int32]) -> None:
        texts = self._texts
        for first in range(0, len(rows.spans), self._rows):
            spans = rows.spans[first : first + self._rows]
            size = int((spans[:, NEXT] - spans[:, BEGIN]).sum()) * (1 + self._is_safe)
            size += int(np.maximum(rows.width - spans[:, FIELDS], 0).sum())
            out = np.empty(size + len(spans) * texts.longest, np.uint8)
            part = np.ascontiguousarray(added[:, first : first + self._rows])
            given = Cells(rows.text, spans, part, texts.firsts, texts.data, texts.starts, spans.shape[1], rows.width)
            count = append(given, ord(self._separator), out, is_safe=self._is_safe)
            self._file.write(out.data[:count])

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _text(value: Any) -> str:
    return f"{value:.{DIGITS}f}" if isinstance(value, float) else cells.text(value)


def _as_integers(added: Sequence[Column], values: Values, rows: int) -> NDArray[np.int32]:
    """Return the values, shape (columns, rows), as `append` takes them."""
    found = np.empty((len(added), rows), np.int32)
    for index, (column, each) in enumerate(zip(added, values, strict=True)):
        found[index] = millionths(each) if column.kind == "number" else each
    return found
