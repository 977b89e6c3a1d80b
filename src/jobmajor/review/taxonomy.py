"""Find a code of the classification by words of its name."""

from __future__ import annotations

from functools import cache

from jobmajor import soc
from jobmajor.titles import normalise

_MOST = 9


def search(text: str, most: int = _MOST) -> list[str]:
    """Return codes whose name has a word that begins with each given word, or that begin with the given digits.

    Detailed codes come first, of these the shortest names.

    >>> [soc.name(code) for code in search("regis nurse")]
    ['Registered Nurses', 'Registered Nurses']
    >>> search("29-114")
    ['29-1141', '29-1140']
    """
    given = text.strip()
    if given[:1].isdigit():
        found = [code for code in soc.table() if code.startswith(given)]
    else:
        wanted = normalise(given).split()
        found = [code for code, words in _words().items() if wanted and all(_has(words, word) for word in wanted)]
    depth = {level: place for place, level in enumerate(soc.LEVELS)}
    order = sorted(found, key=lambda code: (-depth[soc.parse(code).level], len(soc.name(code)), code))
    return order[:most]


def _has(words: tuple[str, ...], beginning: str) -> bool:
    return any(word.startswith(beginning) for word in words)


@cache
def _words() -> dict[str, tuple[str, ...]]:
    return {code: tuple(normalise(soc.name(code)).split()) for code in soc.table()}
