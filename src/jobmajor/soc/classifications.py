"""Other classifications that answers can be given in: their levels, their titles, and how SOC 2018 reaches them.

Each has four levels, like SOC 2018, and a level of SOC 2018 also names the level of the same depth: "major" is the
coarsest. The levels of ISCO-08 are numbers of digits, 1 to 4, because its own words for them mean other depths in SOC
(a minor group of ISCO-08 is the third level). `soc_2010_groups.tsv` lists the groups above the detailed codes of SOC
2010, `isco_08.tsv` all codes of ISCO-08.

Source: U.S. Bureau of Labor Statistics, 2010 SOC structure (public domain); International Labour Organization,
structure of ISCO-08 (codes and titles of its groups).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from jobmajor.arguments import shown
from jobmajor.errors import InputError
from jobmajor.soc import crosswalks
from jobmajor.soc.chosen import LEVELS, check_soc
from jobmajor.soc.structure import ALL_LEVELS, BEST_LEVEL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jobmajor.soc.chosen import Level

SOC_2018, SOC_2010, ISCO_08 = "soc-2018", "soc-2010", "isco-08"
NAMES = (SOC_2018, SOC_2010, ISCO_08)


@dataclass(frozen=True, slots=True)
class Classification:
    """A classification that the official crosswalks reach from SOC 2018.

    Attributes:
        name: Its name in options, such as "isco-08".
        level_names: Its names for the four levels, from coarse to fine.
        prefixes: The prefix of each level in the names of columns.
        titles: The title of each code, at every level.
        counterparts: Returns the codes that a detailed code of SOC 2018 reaches, and their shares, whose sum is 1.
        ancestor: Returns the code at a level that contains one of those.
        is_kin: Whether its levels group occupations as those of SOC 2018 do.
    """

    name: str
    level_names: tuple[str, ...]
    prefixes: tuple[str, ...]
    titles: Mapping[str, str]
    counterparts: Callable[[str], Mapping[str, float]]
    ancestor: Callable[[str, Level], str]
    is_kin: bool

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def level_name(self, level: Level) -> str:
        """Return this classification's name for a level."""
        return self.level_names[LEVELS.index(level)]

    def prefix(self, level: Level) -> str:
        """Return the prefix of a level in the names of columns."""
        return self.prefixes[LEVELS.index(level)]

    def parse_levels(self, text: str, option: str = "level") -> tuple[Level, ...]:
        """Return the level that `text` names, or all four for "all" and "best"; errors name the `option`.

        Raises:
            InputError: There is none.

        >>> of("isco-08").parse_levels("2"), of("isco-08").parse_levels("minor")
        (('minor',), ('minor',))
        """
        known: dict[str, tuple[Level, ...]] = {
            name: (level,) for level, name in zip(LEVELS, self.level_names, strict=True)
        }
        known |= {level: (level,) for level in LEVELS}
        known |= dict.fromkeys((ALL_LEVELS, BEST_LEVEL), LEVELS)
        if not isinstance(text, str) or text not in known:
            raise InputError(f"{option} {shown(text)}: expected one of {', '.join(known)}")
        return known[text]

    def as_levels(self, levels: Iterable[str]) -> tuple[Level, ...]:
        """Return the levels that a caller names one by one; errors as for `soc.as_levels`."""
        if isinstance(levels, str) or not isinstance(levels, Iterable):
            raise InputError(f"levels is {shown(levels)}: expected a list of levels, such as ['{self.level_names[0]}']")
        found = tuple(map(self.parse_level, levels))
        if not found:
            raise InputError(f"levels is {shown(levels)}: expected one at least of {', '.join(self.level_names)}")
        return found

    def parse_level(self, text: str, option: str = "level") -> Level:
        """Return the one level that `text` names; arguments and errors as for `parse_levels`."""
        found = self.parse_levels(text, option)
        if len(found) > 1:
            raise InputError(f"{option} {shown(text)}: expected one of {', '.join(self.level_names)}")
        return found[0]


def of(name: str) -> Classification:
    """Return the classification of a name.

    Raises:
        InputError: There is none, it is SOC 2018, or the classification in use is another one.

    >>> of("isco-08").titles["2221"]
    'Nursing professionals'
    """
    if not isinstance(name, str) or name not in (SOC_2010, ISCO_08):
        raise InputError(f"classification {shown(name)}: expected one of {SOC_2010}, {ISCO_08}")
    check_soc(f"the crosswalk to {shown(name)}")
    return _of(name)


@cache
def _of(name: str) -> Classification:
    if name == SOC_2010:
        detailed = {code: entry.title for code, entry in crosswalks.table().items()}
        titles = {**_titles("soc_2010_groups.tsv"), **detailed}
        return Classification(
            name, LEVELS, LEVELS, titles, crosswalks.shares_2010, crosswalks.ancestor_2010, is_kin=True
        )
    digits = ("1", "2", "3", "4")
    prefixes = tuple(f"isco_{each}" for each in digits)
    titles = _titles("isco_08.tsv")
    return Classification(
        name, digits, prefixes, titles, crosswalks.shares_isco_08, crosswalks.ancestor_isco_08, is_kin=False
    )


def parse(name: str, option: str = "to") -> Classification | None:
    """Return the classification of a name, None for SOC 2018, which needs no crosswalk; errors name the `option`.

    Raises:
        InputError: There is none of that name.
    """
    if not isinstance(name, str) or name not in NAMES:
        raise InputError(f"{option} {shown(name)}: expected one of {', '.join(NAMES)}")
    return None if name == SOC_2018 else of(name)


def _titles(file: str) -> dict[str, str]:
    text = resources.files(__package__).joinpath(file).read_text("utf-8")
    rows = csv.reader(text.splitlines()[1:], delimiter="\t", quoting=csv.QUOTE_NONE)
    return {code: title for code, title in rows}  # noqa: C416 - rows have exactly two cells
