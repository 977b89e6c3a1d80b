"""The structure of SOC 2018: what a code is, its level, its name and its parents.

Parents come from the table, not from cutting digits: 15-1200, 31-1100 and 51-5100 are minor groups, although minor
groups usually end in 000. The codes, titles and parents are public facts; `soc_2018.tsv` lists them.
Source: U.S. Bureau of Labor Statistics, 2018 SOC structure (public domain).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Literal, cast, get_args

from jobmajor.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

Level = Literal["major", "minor", "broad", "detailed"]
ALL_LEVELS, BEST_LEVEL = "all", "best"  # all four, and of each title the deepest one that is sure
LEVELS: tuple[Level, ...] = get_args(Level)  # from coarse to fine: 23, 98, 459 and 867 codes


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
    except KeyError:
        raise InputError(f"{text!r} is no code of SOC 2018: expected one such as '29-1141' or '29-0000'") from None


def parse_level(text: str, option: str = "level", *, also: tuple[str, ...] = ()) -> Level:
    """Return the level of that name; errors name the `option`, and what it may be `also`.

    Raises:
        InputError: There is none.
    """
    for level in LEVELS:
        if level == text:
            return level
    raise InputError(f"{option} {text!r}: expected one of {', '.join((*LEVELS, *also))}")


def parse_levels(text: str) -> tuple[Level, ...]:
    """Return the level of that name, or all four levels for "all" and "best".

    Raises:
        InputError: There is none.

    >>> parse_levels("minor"), len(parse_levels("all"))
    (('minor',), 4)
    """
    if text in (ALL_LEVELS, BEST_LEVEL):
        return LEVELS
    if text in LEVELS:
        return (parse_level(text),)
    raise InputError(f"level {text!r}: expected one of {', '.join((*LEVELS, ALL_LEVELS, BEST_LEVEL))}")


@cache
def ancestor(code: str, level: Level) -> str:
    """Return the code at `level` that contains `code`, or `code` itself if that is its level.

    Raises:
        InputError: `level` is finer than the level of the code, or the code is unknown.

    >>> ancestor("15-1252", "minor")
    '15-1200'
    """
    found = parse(code)
    while found.level != level:
        if found.parent is None:
            raise InputError(f"{code} is above the level {level!r}: name a code of that level or below it")
        found = table()[found.parent]
    return found.code


def name(code: str) -> str:
    """Return the official title of a code at any level."""
    return parse(code).title


@cache
def codes(level: Level) -> tuple[str, ...]:
    """Return every code at one level, in the order of the classification."""
    return tuple(code for code, entry in table().items() if entry.level == level)


def majors() -> tuple[str, ...]:
    """Return the 23 major groups, '11-0000' to '55-0000'."""
    return codes("major")


@cache
def detailed_codes() -> frozenset[str]:
    """Return the 867 detailed codes."""
    return frozenset(codes("detailed"))
