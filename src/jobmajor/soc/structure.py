"""The structure of SOC 2018: what a code is, its level, its name and its parents.

Parents come from the table, not from cutting digits: 15-1200, 31-1100 and 51-5100 are minor groups, although minor
groups usually end in 000. The codes, titles and parents are public facts; `soc_2018.tsv` lists them.
Source: U.S. Bureau of Labor Statistics, 2018 SOC structure (public domain).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Literal, cast, get_args

from jobmajor.arguments import shown
from jobmajor.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

Level = Literal["major", "minor", "broad", "detailed"]
ALL_LEVELS, BEST_LEVEL = "all", "best"  # all four, and of each title the deepest one that is sure
LEVELS: tuple[Level, ...] = get_args(Level)  # from coarse to fine: 23, 98, 459 and 867 codes
_DETAILED = re.compile(r"[0-9]{2}-[1-9](?!00)[0-9]{2}[1-9]")


@dataclass(frozen=True, slots=True, order=True)
class SocCode:
    """One code of the classification, at any level.

    `parent` is the code one level up, and None for a major group.
    """

    code: str
    level: Level
    parent: str | None
    title: str

    def __str__(self) -> str:
        return self.code


@cache
def table() -> Mapping[str, SocCode]:
    """Return all 1,447 codes by their text, in the order of the classification."""
    text = resources.files(__package__).joinpath("soc_2018.tsv").read_text("utf-8")
    rows = csv.reader(text.splitlines()[1:], delimiter="\t", quoting=csv.QUOTE_NONE)
    return {code: SocCode(code, cast("Level", level), parent or None, title) for code, level, parent, title in rows}


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
        raise InputError(f"{shown(text)} is no code of SOC 2018: expected one such as '29-1141' or '29-0000'") from None


def parse_level(text: str, option: str = "level", *, also: tuple[str, ...] = ()) -> Level:
    """Return the level of that name; errors name the `option`, and what it may be `also`.

    Raises:
        InputError: There is none.
    """
    for level in LEVELS:
        if isinstance(text, str) and level == text:
            return level
    raise InputError(f"{option} {shown(text)}: expected one of {', '.join((*LEVELS, *also))}")


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
        raise InputError(f"levels is {shown(levels)}: expected one at least of {', '.join(LEVELS)}")
    return found


def parse_levels(text: str) -> tuple[Level, ...]:
    """Return the level of that name, or all four levels for "all" and "best".

    Raises:
        InputError: There is none.

    >>> parse_levels("minor"), len(parse_levels("all"))
    (('minor',), 4)
    """
    if isinstance(text, str) and text in (ALL_LEVELS, BEST_LEVEL):
        return LEVELS
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
    found = parse(code)
    parse_level(level)
    while found.level != level:
        if found.parent is None:
            raise InputError(f"{code} is above the level {level!r}: name a code of that level or below it")
        found = table()[found.parent]
    return found.code


def is_new(code: str) -> bool:
    """Return whether a text is a detailed code of a major group, but none that SOC 2018 has.

    >>> is_new("15-1299"), is_new("15-9901"), is_new("15-9900"), is_new("16-1011"), is_new("15-1201")
    (False, True, False, False, False)
    """
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
    return tuple(code for code, entry in table().items() if entry.level == level)


def majors() -> tuple[str, ...]:
    """Return the 23 major groups, '11-0000' to '55-0000'."""
    return codes("major")


@cache
def detailed_codes() -> frozenset[str]:
    """Return the 867 detailed codes."""
    return frozenset(codes("detailed"))
