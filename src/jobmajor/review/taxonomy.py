"""Find a code of the classification by words of its name."""

from __future__ import annotations

from functools import cache

from jobmajor import soc
from jobmajor.soc import chosen
from jobmajor.titles import normalise

_MOST = 9


def search(text: str, most: int = _MOST) -> list[str]:
    """Return codes whose name has a word that begins with each given word, or that begin with the given digits.

    In another classification than SOC 2018, a code may begin with any text.

    Detailed codes come first, of these the shortest names.

    >>> [soc.name(code) for code in search("regis nurse")]
    ['Registered Nurses', 'Registered Nurses']
    >>> search("29-114")
    ['29-1141', '29-1140']
    """
    given = text.strip()
    if given[:1].isdigit() and chosen.now().is_soc:
        found = [code for code in soc.table() if code.startswith(given)]
    else:
        found = _with_words(normalise(given).split())
    if not chosen.now().is_soc:
        found = list(dict.fromkeys([*found, *_beginning(given.casefold())]))
    depth = {level: place for place, level in enumerate(soc.LEVELS)}
    order = sorted(found, key=lambda code: (-depth[soc.parse(code).level], len(soc.name(code)), code))
    return order[:most]


def _with_words(wanted: list[str]) -> list[str]:
    words = _words_of_soc() if chosen.now().is_soc else _words()
    return [code for code, own in words.items() if wanted and all(_has(own, word) for word in wanted)]


def _beginning(text: str) -> list[str]:
    return [code for code in soc.table() if text and code.casefold().startswith(text)]


def _has(words: tuple[str, ...], beginning: str) -> bool:
    return any(word.startswith(beginning) for word in words)


def _words() -> dict[str, tuple[str, ...]]:
    return {code: tuple(normalise(soc.name(code)).split()) for code in soc.table()}


@cache
def _words_of_soc() -> dict[str, tuple[str, ...]]:
    return _words()
