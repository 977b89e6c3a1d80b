"""The structure of SOC 2018: what a code is, its level, its name and its parents.

Parents come from the table, not from cutting digits: 15-1200, 31-1100 and 51-5100 are minor groups, although minor
groups usually end in 000. The codes, titles and parents are public facts; `soc_2018.tsv` lists them.
Source: U.S. Bureau of Labor Statistics, 2018 SOC structure (public domain).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from jobmajor.arguments import shown
from jobmajor.errors import InputError
from jobmajor.soc import chosen
from jobmajor.soc.chosen import LEVELS, Level, SocCode
from jobmajor.titles import use_plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobmajor.soc.chosen import Chosen

ALL_LEVELS, BEST_LEVEL = "all", "best"  # all that differ, and of each title the deepest one that is sure
_DETAILED = re.compile(r"[0-9]{2}-[1-9](?!00)[0-9]{2}[1-9]")
_SHORT_CODE = re.compile(r"([0-9]{2})-0000")


def use(classification: Chosen | None) -> None:
    """Use another classification from here on in the whole process; None is SOC 2018."""
    chosen.choose(classification)
    use_plain(is_plain=classification is not None and classification.is_plain)
    for each in (_ancestor, place, _codes, detailed_codes):
        each.cache_clear()


def table() -> Mapping[str, SocCode]:
    """Return all codes by their text, 1,447 of SOC 2018, in the order of the classification."""
    return chosen.now().table


def parse(text: str) -> SocCode:
    """Return the code that `text` names.

    Raises:
        InputError: `text` is no code of SOC 2018, e.g. one of the 2010 classification or with O*NET's ".00".

    >>> parse("29-1141").title
    'Registered Nurses'
    """
    try:
        return table()[text]
    except (KeyError, TypeError):
        raise InputError(f"{shown(text)} is no code of {chosen.now().name}: expected one such as {example()}") from None


def current() -> str:
    """Return the name of the classification in use."""
    return chosen.now().name


def example() -> str:
    """Return codes for an error that says what is expected."""
    if chosen.now().is_soc:
        return "'29-1141' or '29-0000'"
    return repr(codes("detailed")[0])


def parse_level(text: str, option: str = "level", *, also: tuple[str, ...] = ()) -> Level:
    """Return the level of that name; errors name the `option`, and what it may be `also`.

    Raises:
        InputError: There is none.
    """
    for level in LEVELS:
        if isinstance(text, str) and level == text:
            return level
    raise InputError(f"{option} {shown(text)}: expected one of {level_words(*also)}")


def level_words(*also: str) -> str:
    """Return the levels that differ for an error that says what is expected, and what else may stand for them.

    Levels of another classification than SOC 2018 have their names beside them.

    >>> level_words("best")
    'major, minor, broad, detailed, best'
    """
    used = chosen.now()
    if used.is_soc:
        return ", ".join((*LEVELS, *also))
    named = (f"{level} ({name})" for level, name in zip(used.levels, used.labels, strict=True))
    return ", ".join((*named, *also))


def as_levels(levels: Iterable[str]) -> tuple[Level, ...]:
    """Return levels that a caller gives one by one.

    Raises:
        InputError: One is no level, there is none, or a single text was given.

    >>> as_levels(["major", "minor"])
    ('major', 'minor')
    """
    if isinstance(levels, str) or not isinstance(levels, Iterable):
        raise InputError(f"levels is {shown(levels)}: expected a list of levels, such as ['major']")
    found = tuple(map(parse_level, levels))
    if not found:
        raise InputError(f"levels is {shown(levels)}: expected one at least of {level_words()}")
    return found


def parse_levels(text: str) -> tuple[Level, ...]:
    """Return the level of that name, or all levels that differ (four in SOC 2018) for "all" and "best".

    Raises:
        InputError: There is none.

    >>> parse_levels("minor"), len(parse_levels("all"))
    (('minor',), 4)
    """
    if isinstance(text, str) and text in (ALL_LEVELS, BEST_LEVEL):
        return chosen.now().levels
    return (parse_level(text, also=(ALL_LEVELS, BEST_LEVEL)),)


def ancestor(code: str, level: Level) -> str:
    """Return the code at `level` that contains `code`, or `code` itself if that is its level.

    Raises:
        InputError: `level` is finer than the level of the code, or the code or the level is unknown.

    >>> ancestor("15-1252", "minor")
    '15-1200'
    """
    try:
        return _ancestor(code, level)
    except TypeError:  # no key of a dictionary
        return _ancestor(parse(code).code, parse_level(level))


@cache
def _ancestor(code: str, level: Level) -> str:
    parse(code)
    found = chosen.now().places[code][LEVELS.index(parse_level(level))]
    if found is None:
        raise InputError(f"{code} is above the level {level!r}: name a code of that level or below it")
    return found


def is_new(code: str) -> bool:
    """Return whether a text is a detailed code of a major group, but none that SOC 2018 has.

    >>> is_new("15-1299"), is_new("15-9901"), is_new("15-9900"), is_new("16-1011"), is_new("15-1201")
    (False, True, False, False, False)
    """
    if not chosen.now().is_soc:
        return False
    has_form = _DETAILED.fullmatch(code) is not None and f"{code[:2]}-0000" in table()
    broad = table().get(f"{code[:6]}0")  # 15-1200 is a minor group, so 15-1201 would be of two groups of one code
    return has_form and code not in table() and (broad is None or broad.level == "broad")


@cache
def place(code: str, level: Level) -> str:
    """Return what `ancestor` does; for a detailed code that SOC 2018 lacks, the group where its digits put it.

    The minor group is the one with its first three digits, the broad one has its first five. Either may be new as well.

    Raises:
        InputError: As `ancestor` does.

    >>> [place("15-1261", level) for level in LEVELS], place("15-9901", "minor")
    (['15-0000', '15-1200', '15-1260', '15-1261'], '15-9000')
    """
    if not is_new(code):
        return ancestor(code, level)
    if level == "minor":
        return next((each for each in codes("minor") if each[:4] == code[:4]), f"{code[:4]}000")
    return {"major": f"{code[:2]}-0000", "broad": f"{code[:6]}0", "detailed": code}[level]


def name(code: str) -> str:
    """Return the official title of a code at any level."""
    return parse(code).title


def codes(level: Level) -> tuple[str, ...]:
    """Return every code at one level, in the order of the classification.

    Raises:
        InputError: There is no such level.
    """
    return _codes(parse_level(level))


@cache
def _codes(level: Level) -> tuple[str, ...]:
    return chosen.now().codes(level)


def majors() -> tuple[str, ...]:
    """Return the codes of the coarsest level: of SOC 2018 the 23 major groups, '11-0000' to '55-0000'."""
    return codes("major")


@cache
def detailed_codes() -> frozenset[str]:
    """Return the codes of the finest level: of SOC 2018 the 867 detailed codes."""
    return frozenset(codes("detailed"))


def short(code: str) -> str:
    """Return what stands for a code where there is little room: two digits for a major group of SOC 2018.

    >>> short("29-0000"), short("29-1141")
    ('29', '29-1141')
    """
    found = _SHORT_CODE.fullmatch(code) if chosen.now().is_soc else None
    return found[1] if found else code
