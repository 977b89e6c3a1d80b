"""The official crosswalks: SOC 2010 to SOC 2018, and SOC 2010 to ISCO-08.

Many codes have several counterparts, in both directions, so each function returns all of them, in the order of the
codes. `soc_2010.tsv` lists each detailed code of SOC 2010 with its counterparts. Two of them have a minor group of
ISCO-08 as their counterpart (211 and 315), because no unit group fits.

Source: U.S. Bureau of Labor Statistics, crosswalks of the 2010 SOC to the 2018 SOC and to ISCO-08 (public domain).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from jobmajor.errors import InputError
from jobmajor.soc.chosen import LEVELS
from jobmajor.soc.structure import detailed_codes, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jobmajor.soc.chosen import Level

_MINORS = {"15-1000": "15-1100", "51-5000": "51-5100"}  # by the code that cutting digits would give


@dataclass(frozen=True, slots=True)
class Code2010:
    """A detailed code of SOC 2010, and its counterparts in SOC 2018 (detailed codes) and ISCO-08."""

    code: str
    title: str
    soc_2018: tuple[str, ...]
    isco_08: tuple[str, ...]


@cache
def table() -> Mapping[str, Code2010]:
    """Return the 840 detailed codes of SOC 2010, in the order of the classification."""
    text = resources.files(__package__).joinpath("soc_2010.tsv").read_text("utf-8")
    rows = csv.reader(text.splitlines()[1:], delimiter="\t", quoting=csv.QUOTE_NONE)
    return {code: Code2010(code, title, tuple(new.split()), tuple(isco.split())) for code, title, new, isco in rows}


def ancestor_2010(code: str, level: Level) -> str:
    """Return the code of SOC 2010 at `level` that contains a detailed code of SOC 2010.

    >>> ancestor_2010("15-1132", "minor"), ancestor_2010("15-1132", "broad")
    ('15-1100', '15-1130')
    """
    if level == "detailed":
        return code
    if level == "broad":
        return f"{code[:6]}0"
    return f"{code[:2]}-0000" if level == "major" else _MINORS.get(f"{code[:4]}000", f"{code[:4]}000")


def ancestor_isco_08(code: str, level: Level) -> str:
    """Return the group of ISCO-08 that contains a code: its first 1 to 4 digits for major, minor, broad and detailed.

    The two codes of three digits are their own finest level.

    >>> ancestor_isco_08("2221", "minor"), ancestor_isco_08("211", "detailed")
    ('22', '211')
    """
    return code[: LEVELS.index(level) + 1]


def from_2010(code: str) -> tuple[str, ...]:
    """Return the detailed codes of SOC 2018 that a code of SOC 2010 becomes.

    An answer with any of these codes agrees with a label in SOC 2010. To judge an answer at a broader level, compare it
    with the ancestors of all of them (`soc.ancestor`). A group of SOC 2010 becomes the codes of all its occupations.

    Raises:
        InputError: `code` is no code of SOC 2010, at any level.

    >>> from_2010("15-1141")
    ('15-1242', '15-1243')
    """
    members = _members().get(code)
    if members is None:
        raise InputError(f"{code!r} is no code of SOC 2010: expected one such as '15-1132' or '15-0000'")
    return _union(table()[member].soc_2018 for member in members)


def to_2010(code: str) -> tuple[str, ...]:
    """Return the detailed codes of SOC 2010 from which a detailed code of SOC 2018 comes: one or more.

    Raises:
        InputError: `code` is no detailed code of SOC 2018.

    >>> to_2010("15-1252")
    ('15-1132', '15-1133')
    """
    if code not in detailed_codes():
        found = parse(code)
        raise InputError(f"{code} is a {found.level} group of SOC 2018: a crosswalk needs a detailed code")
    return _sources()[code]


def to_isco_08(code: str) -> tuple[str, ...]:
    """Return the codes of ISCO-08 that a detailed code of SOC 2018 reaches through SOC 2010: one or more.

    Raises:
        InputError: `code` is no detailed code of SOC 2018.

    >>> to_isco_08("29-1141"), to_isco_08("11-1011")
    (('2221',), ('1112', '1113', '1120'))
    """
    return _union(table()[old].isco_08 for old in to_2010(code))


def shares_2010(code: str) -> dict[str, float]:
    """Return what `to_2010` returns, each with its share of the code: equal ones, whose sum is 1.

    >>> shares_2010("15-1252")
    {'15-1132': 0.5, '15-1133': 0.5}
    """
    return _equally(to_2010(code))


def shares_isco_08(code: str) -> dict[str, float]:
    """Return what `to_isco_08` returns, each with its share of the code; the sum is 1.

    Each code of SOC 2010 passes its share on in equal parts, so a code of ISCO-08 that several of them reach has more.

    >>> shares_isco_08("51-9124")
    {'7132': 0.75, '8122': 0.25}
    """
    found: dict[str, float] = {}
    for old, share in shares_2010(code).items():
        for isco, part in _equally(table()[old].isco_08).items():
            found[isco] = found.get(isco, 0.0) + share * part
    return dict(sorted(found.items()))


def _equally(codes: tuple[str, ...]) -> dict[str, float]:
    return dict.fromkeys(codes, 1 / len(codes))


def _union(parts: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted({code for part in parts for code in part}))


@cache
def _members() -> Mapping[str, tuple[str, ...]]:
    """Return the detailed codes of SOC 2010 below each of its codes; a detailed code has itself."""
    found: dict[str, list[str]] = {}
    for code in table():
        for level in LEVELS:
            found.setdefault(ancestor_2010(code, level), []).append(code)
    return {code: tuple(members) for code, members in found.items()}


@cache
def _sources() -> Mapping[str, tuple[str, ...]]:
    """Return the codes of SOC 2010 that each detailed code of SOC 2018 comes from."""
    found: dict[str, list[str]] = {}
    for code, entry in table().items():
        for new in entry.soc_2018:
            found.setdefault(new, []).append(code)
    return {code: tuple(old) for code, old in found.items()}
