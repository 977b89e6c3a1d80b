"""Check one value against the service model: type, enumeration, pattern, length and range.

botocore itself checks only the type and the least length. The service refuses the rest minutes later.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from sagelocal.definition.expressions import short
from sagelocal.definition.service_model import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.model import Shape

TYPES: Final[dict[str, tuple[tuple[type, ...], str]]] = {
    "structure": ((dict,), "an object"),
    "map": ((dict,), "an object"),
    "list": ((list,), "a list"),
    "string": ((str,), "a string"),
    "boolean": ((bool,), "true or false"),
    "integer": ((int,), "an integer"),
    "long": ((int,), "an integer"),
    "float": ((int, float), "a number"),
    "double": ((int, float), "a number"),
    "timestamp": ((str, int, float), "a point in time"),
}
# Java writes all planes beyond the first as pairs of surrogates; Python has them as characters.
_PLANES: Final = r"\uD800\uDC00-\uDBFF\uDFFF"
# CustomerMetadataKey and …Value end in `*)${1,128}`: a count that slipped out of its group.
_SLIPPED: Final = "]*)${"
_CATEGORY: Final = re.compile(r"\\p\{([LMNPSZ])\}")
# Letters, marks, … beyond ASCII stand as one private character each, on both sides of a match.
_STANDS_FOR: Final = dict(zip("LMNPSZ", "\ue000\ue001\ue002\ue003\ue004\ue005", strict=True))


def fits(value: Any, shape: Shape) -> bool:
    """Return whether `value` has the shape's type; true and false don't count as numbers."""
    types, _ = TYPES[shape.type_name]
    return isinstance(value, types) and (bool in types or not isinstance(value, bool))


def faults(value: Any, shape: Shape) -> Iterator[str]:
    """Yield every limit of the shape that `value` violates; members and items are not checked."""
    if not fits(value, shape):
        yield f"found {_shown(value, shape)}, expected {TYPES[shape.type_name][1]}"
        return
    size = value if isinstance(value, int | float) else len(value)
    words = {"string": " characters", "list": " items", "map": " members"}.get(shape.type_name, "")
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and size < least:
        yield f"found {size}{words}, expected at least {least}"
    elif most is not None and size > most:
        yield f"found {size}{words}, expected at most {most}"
    elif isinstance(value, str):
        yield from _text_faults(value, shape)


def _text_faults(value: str, shape: Shape) -> Iterator[str]:
    enum, pattern = shape.enum, shape.metadata.get("pattern")
    if enum and value not in enum:
        near = difflib.get_close_matches(value, enum, n=3) or list(enum[:5])
        more = f", … ({len(enum)} in botocore {VERSION})" if len(enum) > len(near) else ""
        yield f"found {_shown(value, shape)}, expected one of {', '.join(near)}{more}"
    if pattern and not matches(value, pattern):
        yield f"found {_shown(value, shape)}, expected text that matches {pattern}"


def _shown(value: Any, shape: Shape) -> str:
    return "a value that is not shown" if shape.metadata.get("sensitive") else short(value)


def matches(value: str, pattern: str) -> bool:
    """Return whether the whole of `value` fits a pattern as the service model writes it, in Java's dialect.

    >>> matches("s3://bucket/key", "(https|s3)://([^/]+)/?(.*)")
    True
    """
    compiled, by_category = _compiled(pattern)
    return compiled.fullmatch(_folded(value) if by_category else value) is not None


@cache
def _compiled(pattern: str) -> tuple[re.Pattern[str], bool]:
    text = pattern.replace(_PLANES, "\U00010000-\U0010ffff").replace(_SLIPPED, "]){")
    text = text.replace(r"\p{Alnum}", "a-zA-Z0-9")
    text, categories = _CATEGORY.subn(lambda match: _members(match[1]), text)
    return re.compile(text, re.ASCII), categories > 0


def _members(category: str) -> str:
    ascii_ones = (chr(code) for code in range(128) if unicodedata.category(chr(code))[0] == category)
    return "".join(re.escape(character) for character in ascii_ones) + _STANDS_FOR[category]


def _folded(value: str) -> str:
    return "".join(
        character if character.isascii() else _STANDS_FOR.get(unicodedata.category(character)[0], character)
        for character in value
    )
