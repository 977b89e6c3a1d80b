"""Cells as plain values, and how each is written in another format.

A value is text, a whole number, a number, a truth value, a date or time, None where there is nothing, or what JSON
and parquet nest: lists and objects.
"""

from __future__ import annotations

import base64
import datetime
import json
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Kind = Literal["text", "integer", "long", "number", "truth"]  # a long integer is no float

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_MOST_INTEGER = 2**63
_MOST_EXACT = 2**53  # a float has all integers up to it


class Written(float):
    """A number that knows how it was written, so that 1.10, 1E5 and many digits stay as they are in a text.

    >>> Written("1.10") + 1, text(Written("1.10")), text(Written("1E5")), text(float("nan"))
    (2.1, '1.10', '1E5', 'NaN')
    """

    __slots__ = ("written",)
    written: str

    def __new__(cls, written: str) -> Written:
        """Read a number."""
        found = super().__new__(cls, written)
        found.written = written
        return found

    @property
    def is_exact(self) -> bool:
        """Whether a float holds all of its digits."""
        return math.isfinite(self) and Decimal(self.written) == Decimal(repr(float(self)))


def safe(text: str) -> str:
    """Return the text, with an apostrophe before it where a spreadsheet would take it for a formula.

    Source: OWASP, CSV Injection (ASVS 5.0, 1.2.10).

    >>> safe("=1+1"), safe("29-0000")
    ("'=1+1", '29-0000')
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


def text(value: Any) -> str:
    """Return a value as text; None becomes an empty text.

    >>> text(7.0), text(True), text(["a", 1]), text(None)
    ('7.0', 'true', '["a", 1]', '')
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    plain = value if isinstance(value, float | list | tuple | dict) else jsonable(value)
    return plain if isinstance(plain, str) else _nested(plain)


def _nested(value: Any) -> str:
    """Return what JSON or parquet nests as JSON, with each number as it was written, however deep it is nested.

    >>> _nested({"pay": [Written("1.10"), 2**53 + 1, float("nan")], "none": []})
    '{"pay": [1.10, 9007199254740993, NaN], "none": []}'
    """
    pieces, waiting = list[str](), [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, _Sign):
            pieces.append(each)
        elif isinstance(each, dict):
            waiting += _around("{}", [[_Sign(f"{_quoted(str(key))}: "), inner] for key, inner in each.items()])
        elif isinstance(each, list | tuple):
            waiting += _around("[]", [[inner] for inner in each])
        elif isinstance(each, Written):
            pieces.append(each.written)
        else:
            pieces.append(_quoted(each if isinstance(each, float) else jsonable(each)))
    return "".join(pieces)


class _Sign(str):
    """A piece of JSON that is no value."""

    __slots__ = ()


def _around(signs: str, items: list[list[Any]]) -> list[Any]:
    """Return brackets with items and commas between them, last first."""
    found: list[Any] = [_Sign(signs[0])]
    for number, item in enumerate(items):
        found += [_Sign(", "), *item] if number else item
    return [*found, _Sign(signs[1])][::-1]


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def jsonable(value: Any) -> Any:
    """Return a value for JSON: a date in ISO 8601, bytes in base64, null for a number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, list | tuple):
        return [jsonable(each) for each in value]
    if isinstance(value, dict):
        return {str(key): jsonable(each) for key, each in value.items()}
    return _plain(value)


def _span(value: datetime.timedelta) -> str:
    """Return a duration as spreadsheets show it.

    >>> _span(datetime.timedelta(hours=30, seconds=1)), _span(datetime.timedelta(minutes=-90))
    ('30:00:01', '-1:30:00')
    """
    seconds, rest = divmod(abs(value), datetime.timedelta(seconds=1))
    part = f".{rest.microseconds:06d}".rstrip("0") if rest else ""
    sign = "-" if value < datetime.timedelta() else ""
    return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{part}"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime.timedelta):
        return _span(value)
    return value if value is None or isinstance(value, str | int) else str(value)


def all_text(count: int) -> list[Kind]:
    """Return the kinds of so many columns of text."""
    return ["text" for _ in range(count)]


def widened(kind: Kind | None, values: Iterable[Any]) -> Kind | None:
    """Return the kind of a column of `kind` that these values fit into as well; None while there is no value.

    >>> widened(None, [1, None]), widened("integer", [0.5]), widened("integer", ["x"])
    ('integer', 'number', 'text')
    """
    for value in values:
        if value is not None:
            other = _kind(value)
            kind = other if kind is None or kind == other else _JOINED.get(frozenset((kind, other)), "text")
    return kind


_JOINED: Final[dict[frozenset[Kind], Kind]] = {
    frozenset({"integer", "number"}): "number",
    frozenset({"integer", "long"}): "long",
}


def _kind(value: Any) -> Kind:
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, int):
        fitting: Kind = "long" if -_MOST_INTEGER <= value < _MOST_INTEGER else "text"
        return "integer" if abs(value) <= _MOST_EXACT else fitting
    if isinstance(value, Written) and math.isfinite(value) and not value.is_exact:
        return "text"
    return "number" if isinstance(value, float) else "text"


def of_kind(value: Any, kind: Kind | None) -> Any:
    """Return a value of a column of that kind: as it is, or as text."""
    if value is None:
        return None
    return text(value) if kind in ("text", None) else value
