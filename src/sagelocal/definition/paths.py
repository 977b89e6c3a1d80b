"""Parse, write and follow paths inside JSON, such as `a.b[0]['x.y']`.

References to step properties, paths into property files and the locations in error messages all use this syntax.
Separate parsers would disagree on the first key with a dot.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sagelocal.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection

Parts = tuple[str | int, ...]

_PART = re.compile(r"""\.(?P<name>[^.\[\]'"]+)|\[(?P<index>\d{1,9})\]|\['(?P<one>[^']+)'\]|\["(?P<two>[^"]+)"\]""")
_PLAIN = re.compile(r"[\w:-]+")


def parse(text: str) -> Parts:
    """Return the keys (str) and indices (int) of a path, outermost first, without the leading `$` of JSONPath.

    Raises:
        InputError: It is not a path to one value; wildcards and filters are not allowed.

    >>> parse("a['x.y'][0]")
    ('a', 'x.y', 0)
    """
    bare = text[1:] if text.startswith(("$.", "$[")) else text
    rest = bare if bare.startswith("[") or text.startswith("$.") else f".{bare}"
    parts: list[str | int] = []
    position = 0
    while position < len(rest):
        match = _PART.match(rest, position)
        if match is None:
            raise InputError(f"{text[:60]!r} is no path: write it like a.b[0]['x.y']")
        index = match["index"]
        parts.append(match["name"] or match["one"] or match["two"] if index is None else int(index))
        position = match.end()
    return tuple(parts)


def join(location: str, part: str | int) -> str:
    """Return the path of a member (str) or an item (int) of the value at `location`.

    >>> join("steps[train].Arguments", "RoleArn"), join("a", "x.y")
    ('steps[train].Arguments.RoleArn', "a['x.y']")
    """
    if isinstance(part, int):
        return f"{location}[{part}]"
    if _PLAIN.fullmatch(part):
        return f"{location}.{part}" if location else part
    return f"{location}[{part!r}]"


def follow(value: Any, path: Parts, keys: Collection[str] = ()) -> Any:
    """Return the value at `path` inside `value`.

    Args:
        value: Parsed JSON.
        path: As `parse` gives it; empty means `value` itself.
        keys: Members that identify an item of a list: with `OutputName` among them, `Outputs['train']`
            is the item whose OutputName is `train`. Without any, items are found by index only.

    Raises:
        LookupError: There is no such value; the message says where the path ends and what is there.
    """
    location = ""
    for part in path:
        found = _member(value, part, keys)
        if not found:
            here = f"at {location!r}" if location else "at the top"
            raise LookupError(f"no {part!r} {here}, which has {_content(value)}")
        value, location = found[0], join(location, part)
    return value


def _member(value: Any, part: str | int, keys: Collection[str]) -> list[Any]:
    if isinstance(value, dict):
        return [value[part]] if isinstance(part, str) and part in value else []
    if not isinstance(value, list):
        return []
    if isinstance(part, int):
        return value[part : part + 1]
    items = (item for item in value if isinstance(item, dict))
    return [item for item in items if part in (item.get(key) for key in keys)][:1]


def _content(value: Any) -> str:
    if isinstance(value, dict):
        names = sorted(value)
        more = f" and {len(names) - 12} more" if len(names) > 12 else ""
        return ", ".join(map(repr, names[:12])) + more if names else "no members"
    if isinstance(value, list):
        return f"{len(value)} item{'' if len(value) == 1 else 's'}"
    text = repr(value)
    return f"the value {text if len(text) <= 60 else text[:59] + '…'}"
