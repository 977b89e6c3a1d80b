"""Columns of titles in, and answers out as the same kind of column: lists, numpy, pandas, polars, Arrow.

A library is imported only when a caller brings one of its columns. Compiled code reads the text of an Arrow column in
Arrow's memory: an object for each title would cost more than its score.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from jobmajor.errors import InputError
from jobmajor.tables.packed import LONGEST, Packed

if TYPE_CHECKING:
    from numpy.typing import NDArray

_COLUMNS = {"pandas": ("Series",), "polars": ("Series",), "pyarrow": ("Array", "ChunkedArray")}
_TEXTS = {"string", "large_string", "string_view"}  # Arrow's types
_NO_TITLES: tuple[tuple[tuple[type, ...], tuple[str, str]], ...] = (
    ((str,), ("one text", "put it into a list")),
    ((Mapping,), ("a mapping", "give its values, as in list(titles.values())")),
    ((set, frozenset), ("a set, which has no order,", "give a list, as in sorted(titles)")),
    ((bytes, bytearray, memoryview), ("one text in bytes", "decode it and put it into a list")),
)
_CAPSULES = "__arrow_c_stream__", "__arrow_c_array__"


def library(titles: object) -> str:
    """Return "pandas", "polars" or "pyarrow" for a column of one of those, else an empty text."""
    for name, kinds in _COLUMNS.items():
        found: Any = sys.modules.get(name)
        if found is not None and isinstance(titles, tuple(getattr(found, kind, ()) for kind in kinds)):
            return name
    return ""


def held(titles: Iterable[str | None]) -> Any:
    """Return a column as it is, and all else as a list: something that has a length and can be read several times.

    Raises:
        InputError: The titles are no column of text.
    """
    return _opened(titles) if library(titles) or _has_capsule(titles) else as_list(titles)


def as_list(titles: Iterable[str | None]) -> list[str | None]:
    """Return the titles as text, None where there is none (None, NaN, NA, NaT).

    Raises:
        InputError: They are no column of text.
    """
    given = _opened(titles)
    match library(given):
        case "pyarrow":
            values = _decoded(given)
        case "polars":
            values = given.to_list()
        case _:
            values = given.tolist() if hasattr(given, "tolist") else list(given)  # numpy, pandas
    return values if {*map(type, values)} == {str} else [_title(value) for value in values]


def packed(titles: Iterable[str | None]) -> Packed:
    """Return the titles as compiled code reads them, without an object for each title.

    The text of an Arrow column is not copied, unless it is not in one piece: several chunks, a dictionary, string
    views (polars has those), or text behind a null.

    Raises:
        InputError: They are no column of text.
    """
    given = _opened(titles)
    name = library(given)
    if name == "pandas" and _is_arrow_backed(given.dtype):
        given, name = given.array.__arrow_array__(), "pyarrow"
    if name == "pyarrow" and _is_text(given.type):
        return _of_arrow(_one_piece(given))
    if name == "polars" and _polars_text(given):
        return _of_polars(given)
    return Packed.of([(title or "")[:LONGEST] for title in as_list(given)])


def like(titles: object, labels: NDArray[np.str_], indices: NDArray[np.intp]) -> Any:
    """Return `labels[indices]` as a column of the kind of `titles`.

    Returns:
        A pandas Series with the index of the titles, a polars Series (both are named "code"), or an Arrow array: of the
        text type of the titles, or a dictionary for an Arrow dictionary. For other titles, a numpy array of text.
    """
    given: Any = titles
    match library(given):
        case "pyarrow":
            return _like_arrow(given, labels, indices)
        case "polars":
            return type(given)("code", labels.tolist()).gather(indices)
        case "pandas":
            is_text = hasattr(given.dtype, "storage") and str(getattr(given.dtype, "pyarrow_dtype", "string")) in _TEXTS
            kind = {"dtype": given.dtype} if is_text else {}
            return type(given)(labels[indices], index=given.index, name="code", **kind)
        case _:
            return labels[indices]


def _opened(titles: Iterable[str | None]) -> Any:
    """Check that titles can be read; turn a column of an unknown library, by Arrow's protocol, into one of polars."""
    for kinds, fault in _NO_TITLES:
        if isinstance(titles, kinds):
            raise InputError(f"{fault[0]} was given where titles are expected: {fault[1]}")
    if hasattr(type(titles), "columns"):
        raise InputError("a table was given where titles are expected: give its column, as in table['title']")
    if not library(titles) and _has_capsule(titles):
        import polars as pl  # noqa: PLC0415 - only for such columns

        return pl.Series(titles)
    if not isinstance(titles, Iterable) or getattr(titles, "ndim", 1) == 0:
        raise InputError(f"one {type(titles).__name__} was given where titles are expected: give a list or a column")
    return titles


def _has_capsule(titles: object) -> bool:
    """Tell whether a column has the Arrow PyCapsule interface."""
    return any(hasattr(titles, name) for name in _CAPSULES)


def _title(value: Any) -> str | None:
    """Return text as it is, and None for a missing value (None, and NaN, which does not equal itself)."""
    if isinstance(value, str):
        return value
    try:
        is_missing = value is None or bool(value != value)  # noqa: PLR0124 - see above
    except (TypeError, ValueError):  # of pandas' NA, and of a whole column, this can't be said
        is_missing = not hasattr(value, "__len__")
    if is_missing:
        return None
    shown = repr(value).partition("\n")[0][:60]
    raise InputError(f"a title is {type(value).__name__} {shown}: expected text or None")


def _decoded(column: Any) -> list[Any]:
    """Return the values; bytes that are not UTF-8, which Arrow does not check, are read as `Packed.title` does."""
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        found = _one_piece(column).cast("large_binary").to_pylist()
        return [value if value is None else value.decode("utf-8", "replace") for value in found]
    return values


def _is_arrow_backed(kind: Any) -> bool:
    """Tell whether a pandas type keeps its values in Arrow's memory."""
    return hasattr(kind, "pyarrow_dtype") or getattr(kind, "storage", "") == "pyarrow"


def _is_text(kind: Any) -> bool:
    import pyarrow as pa  # noqa: PLC0415 - the caller has it

    return str(kind.value_type if pa.types.is_dictionary(kind) else kind) in {*_TEXTS, "null"}


def _one_piece(column: Any) -> Any:
    """Return one array of string or large_string; the text of a column that is one already isn't copied."""
    import pyarrow as pa  # noqa: PLC0415 - the caller has it

    texts = [_plain(chunk) for chunk in (column.chunks if isinstance(column, pa.ChunkedArray) else [column])]
    if len(texts) == 1:
        return texts[0]
    wide = pa.large_string()  # all chunks together may be longer than 32 bits can say
    return pa.concat_arrays([pa.array([], wide), *(text.cast(wide) for text in texts)])


def _plain(array: Any) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - the caller has it

    if pa.types.is_dictionary(array.type):
        return array.dictionary.cast(pa.large_string()).take(array.indices)
    return array if str(array.type) in {"string", "large_string"} else array.cast(pa.large_string())


def _of_arrow(array: Any) -> Packed:
    found = _buffers(array)
    if array.null_count and np.diff(found.starts)[np.asarray(array.is_null())].any():
        return _buffers(array.fill_null(""))
    return found


def _buffers(array: Any) -> Packed:
    """Return the text of a string or large_string array without a copy, and its starts as a copy of 64 bits each."""
    if len(array) == 0:
        return Packed.of(())
    kind = np.dtype(np.int64 if str(array.type) == "large_string" else np.int32)
    _, starts, text = array.buffers()
    data = np.frombuffer(text or b"", np.uint8)
    data.flags.writeable = False
    return Packed(data, np.frombuffer(starts, kind, len(array) + 1, array.offset * kind.itemsize).astype(np.int64))


def _polars_text(column: Any) -> bool:
    import polars as pl  # noqa: PLC0415 - the caller has it

    return column.dtype.base_type() in (pl.String, pl.Categorical, pl.Enum, pl.Null)


def _of_polars(column: Any) -> Packed:
    import polars as pl  # noqa: PLC0415 - the caller has it

    text = column.cast(pl.String).fill_null("")
    starts = np.zeros(len(text) + 1, np.int64)
    starts[1:] = text.str.len_bytes().cast(pl.Int64).cum_sum()
    return Packed(np.frombuffer(text.str.join("").cast(pl.Binary).item(), np.uint8), starts)


def _like_arrow(titles: Any, labels: NDArray[np.str_], indices: NDArray[np.intp]) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - the caller has it

    codes, taken = pa.array(labels.tolist(), pa.string()), pa.array(indices.astype(np.int32))
    if pa.types.is_dictionary(titles.type):
        found = pa.DictionaryArray.from_arrays(taken, codes)
    else:
        found = codes.take(taken).cast(titles.type if str(titles.type) in _TEXTS else pa.string())
    return pa.chunked_array([found]) if isinstance(titles, pa.ChunkedArray) else found
