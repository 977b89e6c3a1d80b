"""Checks of what a caller passes in Python: a wrong value is one line that names the argument.

Without them, a wrong value fails somewhere inside, as a KeyError or a TypeError that says nothing of the call.
"""

from __future__ import annotations

import re
from collections import abc
from dataclasses import fields
from numbers import Integral, Real
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from jobmajor.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

# The types that an annotation's word accepts, and what an error calls them.
_KINDS: Final[Mapping[str, tuple[Any, str]]] = {
    "None": ((type(None),), "None"),
    "bool": ((bool, np.bool_), "True or False"),
    "int": ((Integral,), "a whole number"),
    "float": ((Real,), "a number"),
    "str": ((str,), "text"),
    "Level": ((str,), "text"),
    "Path": ((str, PathLike), "a path"),
    "Mapping": ((abc.Mapping,), "a mapping"),
    "Sequence": ((list, tuple), "a list"),
    "Callable": (abc.Callable, "a function"),
}
_BRACKETS: Final = re.compile(r"\[.*\]")
_LONGEST_SHOWN: Final = 60


def count(name: str, value: object, least: int = 1) -> int:
    """Return a whole number that is at least so much.

    Raises:
        InputError: It is none, or less.

    >>> count("k", 3)
    3
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InputError(f"{name} is {shown(value)}: expected a whole number, at least {least}")
    if value < least:
        raise InputError(f"{name} is {value}: expected at least {least}")
    return int(value)


def text(name: str, value: object) -> str:
    """Return a text.

    Raises:
        InputError: It is none.
    """
    if not isinstance(value, str):
        raise InputError(f"{name} is {shown(value)}: expected text")
    return value


def path(name: str, value: object) -> Path:
    """Return a path, also one that is given as text.

    Raises:
        InputError: It is none.
    """
    found = fspath(value) if isinstance(value, str | PathLike) else None
    if not isinstance(found, str) or not found or "\0" in found:
        raise InputError(f"{name} is {shown(value)}: expected a path")
    return Path(found)


def instance(name: str, value: object, kind: type, do: str = "") -> None:
    """Check that a value is of one of our classes; an error says what to `do`.

    Raises:
        InputError: It is not.
    """
    if not isinstance(value, kind):
        raise InputError(f"{name} is {shown(value)}: expected a {kind.__name__}{do and f', {do}'}")


def check(options: Any) -> None:
    """Check the fields of a dataclass by their annotations, which must be text.

    Raises:
        InputError: A field has a value of another type.
    """
    for item in fields(options):
        value = getattr(options, item.name)
        words = [word.rpartition(".")[2] for word in _BRACKETS.sub("", str(item.type)).split(" | ")]
        if not any(_is_a(value, word) for word in words):
            expected = " or ".join(dict.fromkeys(_KINDS[word][1] if word in _KINDS else f"a {word}" for word in words))
            raise InputError(f"{type(options).__name__}.{item.name} is {shown(value)}: expected {expected}")


def _is_a(value: object, word: str) -> bool:
    if isinstance(value, bool) and word in {"int", "float"}:
        return False
    if word in _KINDS:
        return isinstance(value, _KINDS[word][0])
    return any(base.__name__ == word for base in type(value).__mro__)


def shown(value: object) -> str:
    """Return a value as an error shows it: in one line, cut where it is long.

    >>> shown(" Major")
    "' Major'"
    """
    text = " ".join(repr(value).split()) if not isinstance(value, str) else repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"
