"""Read untrusted JSON member by member, and collect every problem instead of raising the first one.

A caller gets all problems of a definition at once, and never a traceback, whatever the bytes are.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sagelocal.definition import paths
from sagelocal.definition.expressions import short

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

T = TypeVar("T")
MAX_BYTES: Final = 16 * 2**20  # a bound on what is read; the service's quota is in `run.quotas`
MAX_DEPTH: Final = 100  # deeper than any definition; far from where recursion ends
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_WORDS: Final = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}


def decode(data: bytes) -> Any:
    """Return the JSON in `data`.

    Raises:
        ValueError: It is not JSON that every parser reads alike: it has a duplicate name, NaN, a number too large for
            a float or a lone surrogate, or it is too long or too deeply nested. The message says which.
    """
    if len(data) > MAX_BYTES:
        raise ValueError(f"has over {MAX_BYTES:,} bytes, the most that is read here")
    try:
        value = json.loads(data.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError(f"nests deeper than {MAX_DEPTH} levels") from error
    _check_values(value)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"names {twice!r} twice in one object")
    return found


def _no_constant(text: str) -> Any:
    raise ValueError(f"holds {text}, which JSON has not")


def _check_values(value: Any) -> None:
    todo = [(value, 1)]
    while todo:
        item, depth = todo.pop()
        if depth > MAX_DEPTH:
            raise ValueError(f"nests deeper than {MAX_DEPTH} levels")
        if isinstance(item, dict):
            todo.extend((part, depth + 1) for pair in item.items() for part in pair)
        elif isinstance(item, list):
            todo.extend((part, depth + 1) for part in item)
        elif isinstance(item, float) and not math.isfinite(item):
            raise ValueError("holds a number too large for a float")
        elif isinstance(item, str) and _SURROGATE.search(item):
            raise ValueError(f"holds half a character in {ascii(item)[:40]}")


class Fields:
    """One JSON object and its location in the definition; problems are added to the shared list `faults`."""

    def __init__(self, value: Any, location: str, faults: list[str]) -> None:
        self.location, self.faults = location, faults
        self.values: dict[str, Any] = value if isinstance(value, dict) else {}
        if not isinstance(value, dict):
            faults.append(f"{location}: found {short(value)}, expected an object")

    def at(self, name: str) -> str:
        """Return the location of a member."""
        return paths.join(self.location, name)

    def refuse(self, name: str, fault: str) -> None:
        """Record a problem of one member."""
        self.faults.append(f"{self.at(name)}: {fault}")

    def take(self, name: str, kind: type[T], default: T, *, required: bool = False) -> T:
        """Return the member; if it is absent or of another type, record that and return `default`."""
        if name not in self.values:
            if required:
                self.refuse(name, f"is missing, expected {_WORDS[kind]}")
            return default
        value = self.values[name]
        if isinstance(value, kind):
            return value
        self.refuse(name, f"found {short(value)}, expected {_WORDS[kind]}")
        return default

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the strings of a list member; empty if it is absent."""
        values = self.take(name, list, [])
        for index, value in enumerate(values):
            if not isinstance(value, str):
                self.refuse(name, f"item {index} is {short(value)}, expected a string")
        return tuple(value for value in values if isinstance(value, str))

    def only(self, known: Collection[str]) -> None:
        """Record every member that is not among `known`."""
        for name in self.values:
            if name not in known:
                self.refuse(name, f"is no member here{likely(name, known)}")


def likely(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message: `, did you mean 'x'?`, or the valid names if none is similar."""
    names = sorted(known)
    lower = {candidate.lower(): candidate for candidate in names}
    near = difflib.get_close_matches(name.lower(), lower, n=1)
    if near:
        return f", did you mean {lower[near[0]]!r}?"
    return f", expected one of {', '.join(names[:16])}" if names else ", there are none"
