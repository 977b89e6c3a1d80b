"""Evaluate the filters of a transform: the part of JSONPath that the service's own examples use.

`$`, `$.a.b`, `$['id','SageMakerOutput']`, `$[0,5:]`. Source: AWS, SageMaker API Reference, DataProcessing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from sagelocal.errors import InputError, PipelineError

_QUOTED: Final = r"'[^']*'|\"[^\"]*\""
_NUMBER: Final = r"-?\d{0,6}:-?\d{0,6}|-?\d{1,6}"
_PART: Final = re.compile(
    rf"\.(?P<name>[\w-]+)|\[\s*(?P<names>(?:{_QUOTED})(?:\s*,\s*(?:{_QUOTED}))*)\s*\]"
    rf"|\[\s*(?P<indices>(?:{_NUMBER})(?:\s*,\s*(?:{_NUMBER}))*)\s*\]"
)
_Index = int | tuple[int | None, int | None]
_Part = tuple[tuple[str, ...], tuple[_Index, ...]]  # names of members, or else places in a list


@dataclass(frozen=True, slots=True)
class Filter:
    """A parsed filter; call it with a value to get the part that it names."""

    text: str
    parts: tuple[_Part, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Filter:
        """Parse a filter.

        Raises:
            InputError: It is not supported; wildcards, conditions and `..` are not.
        """
        parts: list[_Part] = []
        position = 1
        while text.startswith("$") and position < len(text):
            match = _PART.match(text, position)
            if match is None:
                break
            parts.append(_part(match))
            position = match.end()
        if not text.startswith("$") or position < len(text):
            expected = "expected $, members like $.a or $['a','b'], places like $[0,2:]"
            raise InputError(f"found the filter {text!r}, which is not known here: {expected}")
        return cls(text, tuple(parts))

    def __call__(self, value: Any) -> Any:
        """Return the named part of `value`: several members as an object, several places as a list.

        Raises:
            PipelineError: `value` has no such part.
        """
        for part in self.parts:
            try:
                value = _taken(value, part)
            except (LookupError, TypeError) as error:
                raise PipelineError(f"a record has nothing at {self.text} ({error}): correct the filter") from error
        return value


WHOLE: Final = Filter("$")


def _part(match: re.Match[str]) -> _Part:
    if match["name"]:
        return (match["name"],), ()
    if match["names"]:
        return tuple(word[1:-1] for word in re.findall(_QUOTED, match["names"])), ()
    return (), tuple(_index(word.strip()) for word in match["indices"].split(","))


def _index(word: str) -> _Index:
    if ":" not in word:
        return int(word)
    first, last = word.split(":")
    return int(first) if first else None, int(last) if last else None


def _taken(value: Any, part: _Part) -> Any:
    names, indices = part
    if names:
        return _members(value, names)
    if not isinstance(value, list):
        raise TypeError(f"found {type(value).__name__}, expected a list")
    if len(indices) == 1 and isinstance(indices[0], int):
        return value[indices[0]]
    return [item for index in indices for item in _items(value, index)]


def _members(value: Any, names: tuple[str, ...]) -> Any:
    if not isinstance(value, dict):
        raise TypeError(f"found {type(value).__name__}, expected an object")
    return value[names[0]] if len(names) == 1 else {name: value[name] for name in names}


def _items(value: list[Any], index: _Index) -> list[Any]:
    return value[slice(*index)] if isinstance(index, tuple) else [value[index]]
