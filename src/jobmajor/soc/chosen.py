"""The classification in use: SOC 2018, or another one that a file gives (`jobmajor init` writes it).

A process works with one classification. The file travels with the data and inside each model, so that every step and
every user of a model finds it. It has one to four levels; where it has fewer than four, the missing ones mean the next
coarser one: in a flat list of labels, all four mean the label.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from jobmajor.arguments import shown
from jobmajor.errors import DataError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

Level = Literal["major", "minor", "broad", "detailed"]
LEVELS: tuple[Level, ...] = get_args(Level)  # from coarse to fine; of SOC 2018: 23, 98, 459 and 867 codes
FILE = "classification.json"
SOC_2018 = "SOC 2018"
OWN_TEXTS = "own texts"  # in place of a release of O*NET: the data of a project of `jobmajor init`
_FORMAT = 1
_MOST_CODES = 32_767  # of a model's columns, which are numbered in 16 bits
_LONGEST = 200  # characters of a code, and of a name
_JOINERS = str.maketrans("", "", "\u200c\u200d")  # shape letters of many scripts, and are no fault
# Which levels a table of so many levels has, and what each of the four means in it.
_HELD: Mapping[int, tuple[Level, ...]] = {
    1: ("major",),
    2: ("major", "detailed"),
    3: ("major", "minor", "detailed"),
    4: LEVELS,
}


class PartedGroups(DataError):
    """Sorting the codes would part a group."""


@dataclass(frozen=True, slots=True, order=True)
class SocCode:
    """One code of the classification, at any level.

    `parent` is the code one level up, and None for a code of the coarsest level.
    """

    code: str
    level: Level
    parent: str | None
    title: str

    def __str__(self) -> str:
        return self.code


@dataclass(frozen=True, slots=True)
class Chosen:
    """A classification: its codes, and how they lie in the four levels.

    Attributes:
        name: Its name, for messages.
        is_plain: Whether its texts are no job titles: no abbreviation is written out, and no language is refused.
        labels: A name for each of its levels, coarse to fine.
        table: All codes in the order of the file. Codes without members are "detailed", whatever their depth.
        places: For each code the codes that contain it, at the four levels; None where the level is finer.
    """

    name: str
    is_plain: bool
    labels: tuple[str, ...]
    table: Mapping[str, SocCode]
    places: Mapping[str, tuple[str | None, ...]]

    @property
    def is_soc(self) -> bool:
        """Tell whether it is SOC 2018, with all that is known of it: crosswalks, employment, added codes."""
        return self.name == SOC_2018

    @property
    def levels(self) -> tuple[Level, ...]:
        """Return the levels that differ, coarse to fine."""
        return _HELD[len(self.labels)]

    def codes(self, level: Level) -> tuple[str, ...]:
        """Return every code at a level, in the order of the file."""
        index = LEVELS.index(level)
        leaves = (self.places[code][index] for code, entry in self.table.items() if entry.level == LEVELS[-1])
        return tuple(dict.fromkeys(code for code in leaves if code))

    def outline(self) -> dict[str, Any]:
        """Return its name, what its texts are, and its levels that differ, each with its name; as plain data."""
        levels = [{"level": level, "name": name} for level, name in zip(self.levels, self.labels, strict=True)]
        return {"name": self.name, "texts": "plain" if self.is_plain else "job titles", "levels": levels}

    def to_json(self) -> bytes:
        """Return the file's content."""
        codes = [[entry.code, entry.parent or "", entry.title] for entry in self.table.values()]
        body = {
            "format": _FORMAT,
            "name": self.name,
            "texts": "plain" if self.is_plain else "job titles",
            "levels": self.labels,
            "codes": codes,
        }
        return (json.dumps(body, ensure_ascii=False, indent=0) + "\n").encode()


@cache
def soc_2018() -> Chosen:
    """Return SOC 2018."""
    text = resources.files(__package__).joinpath("soc_2018.tsv").read_text("utf-8")
    rows = csv.reader(text.splitlines()[1:], delimiter="\t", quoting=csv.QUOTE_NONE)
    table = {code: SocCode(code, cast("Level", level), parent or None, title) for code, level, parent, title in rows}
    labels = "major group", "minor group", "broad occupation", "detailed occupation"
    return Chosen(SOC_2018, is_plain=False, labels=labels, table=table, places=_places(table, LEVELS))


def build(
    name: str, codes: Iterable[Sequence[str]], *, labels: Sequence[str] = (), is_plain: bool = True, source: Any = None
) -> Chosen:
    """Return a classification of codes, each with its parent (empty at the top) and its name.

    Args:
        name: Its name, for messages.
        codes: Code, parent and name of each.
        labels: A name for each level; by default "level 1" and so on, and "label" in a flat one.
        is_plain: See `Chosen`.
        source: What errors name as the place of the fault.

    Raises:
        DataError: The name can't be used, a code is empty, too long or there twice, a parent is none of the codes, the
            levels are more than four, there are too many codes or fewer than two at the top, or sorting the codes
            would part a group.
    """
    check_name(name, source or "the classification")
    found = _checked([tuple(row) for row in codes], source or "the classification")
    depths = _depths(found, source or "the classification")
    held = _HELD[max(depths.values())]
    parents = {parent for _, parent, _ in found}
    table = {
        code: SocCode(code, held[depths[code] - 1] if code in parents else LEVELS[-1], parent or None, title or code)
        for code, parent, title in found
    }
    names = tuple(labels) or (("label",) if len(held) == 1 else tuple(f"level {n + 1}" for n in range(len(held))))
    if len(names) != len(held):
        raise DataError(
            source or "the classification",
            f"{len(names)} names of levels",
            f"{len(held)}",
            "name each level, coarse to fine",
        )
    chosen = Chosen(name, is_plain=is_plain, labels=names, table=table, places=_places(table, held))
    _check_order(chosen, source or "the classification")
    return chosen


def check_name(name: str, source: Any) -> None:
    """Check the name of a classification; errors name the `source`.

    Raises:
        DataError: It is that of SOC 2018, empty, too long, or can't be printed in one line.
    """
    if name == SOC_2018:
        raise DataError(source, f"the name {SOC_2018!r}", "a name of its own", "give it another name")
    if not name.strip() or len(name) > _LONGEST or not _is_printable(name):
        expected = f"one line of 1 to {_LONGEST} characters"
        raise DataError(source, f"the classification's name {shown(name)}", expected, "give it another name")


def _is_printable(text: str) -> bool:
    """Tell whether a text has no line end and no other character that a terminal or a file can't show."""
    return text.translate(_JOINERS).isprintable()


def _checked(rows: list[tuple[str, ...]], source: Any) -> list[tuple[str, str, str]]:
    seen: set[str] = set()
    for row in rows:
        code = row[0] if row and isinstance(row[0], str) else ""
        if len(row) != 3 or not all(isinstance(cell, str) for cell in row) or not code.strip() or code != code.strip():
            raise DataError(source, f"a code {shown(code)}", "text without blanks at its ends", "correct it")
        if code in seen or len(code) > _LONGEST or not _is_printable(code):
            fault = "twice" if code in seen else f"of {len(code)} characters or with one that can't be printed"
            raise DataError(source, f"the code {shown(code)} {fault}", "each once, short and printable", "correct it")
        if not _is_printable(row[2]):
            raise DataError(source, f"the name {shown(row[2])} of {shown(code)}", "one line of text", "correct it")
        seen.add(code)
    if len(rows) > _MOST_CODES:
        raise DataError(source, f"{len(rows):,} codes", f"{_MOST_CODES:,} at most", "leave rare ones out")
    for code, parent, _ in rows:
        if parent and parent not in seen:
            raise DataError(source, f"{shown(parent)} as the parent of {shown(code)}", "one of the codes", "add it")
    return [(row[0], row[1], row[2]) for row in rows]


def _depths(rows: Sequence[tuple[str, str, str]], source: Any) -> dict[str, int]:
    """Return how deep each code lies, 1 at the top."""
    parent_of = {code: parent for code, parent, _ in rows}
    depths: dict[str, int] = {}
    for code, parent in parent_of.items():
        chain, at = [code], parent
        while at and len(chain) < len(LEVELS):
            chain.append(at)
            at = parent_of[at]
        if at:
            raise DataError(
                source,
                f"{shown(code)} below {len(LEVELS)} levels or below itself",
                f"{len(LEVELS)} levels at most",
                "leave a level out",
            )
        depths[code] = len(chain)
    if sum(depth == 1 for depth in depths.values()) < 2:
        if len(depths) > 1:
            found = f"{len(depths)} codes, all below one"
            raise DataError(source, found, "two at least at the top", "leave out what holds all")
        found = f"one label, {shown(next(iter(depths)))}" if depths else "no label"
        raise DataError(source, found, "two at least", "name the right file and column, or add what is missing")
    return depths


def _places(table: Mapping[str, SocCode], held: Sequence[Level]) -> dict[str, tuple[str | None, ...]]:
    """Return for each code the one at each of the four levels that contains it."""
    depth_at = [sum(LEVELS.index(each) <= index for each in held) for index in range(len(LEVELS))]
    found = {}
    for code, entry in table.items():
        chain, above = [code], entry.parent
        while above:
            chain.insert(0, above)
            above = table[above].parent
        is_leaf = entry.level == LEVELS[-1]
        found[code] = tuple(
            chain[min(depth, len(chain)) - 1] if is_leaf or depth <= len(chain) else None for depth in depth_at
        )
    return found


def _check_order(chosen: Chosen, source: Any) -> None:
    """Raise DataError where a group's codes don't follow each other when sorted, as a model's columns have to."""
    leaves = sorted(code for code, entry in chosen.table.items() if entry.level == LEVELS[-1])
    for index in range(len(LEVELS)):
        groups = [chosen.places[code][index] or "" for code in leaves]
        for before, after, code in zip(groups, groups[1:], leaves[1:], strict=False):
            if after < before:
                raise PartedGroups(
                    source,
                    f"{shown(code)} of {shown(after)}, which sorts behind the codes of {shown(before)}",
                    "codes that sort by their groups",
                    "let each code begin with that of its group",
                )


def read(path: Path) -> Chosen:
    """Return the classification in a file.

    Raises:
        DataError: The file can't be read or can't be used.
    """
    try:
        body = json.loads(path.read_text("utf-8"))
        is_plain = {"plain": True, "job titles": False}[body["texts"]] if body["format"] == _FORMAT else body[_FORMAT]
        name, codes, labels = str(body["name"]), list(body["codes"]), [str(each) for each in body["levels"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        fault = f"a file that can't be used ({shown(str(error))})"
        raise DataError(path, fault, "a classification as jobmajor init writes it", "write it again") from error
    return build(name, codes, labels=labels, is_plain=is_plain, source=path)


_now: list[Chosen | None] = [None]


def now() -> Chosen:
    """Return the classification in use."""
    return _now[0] or soc_2018()


def choose(chosen: Chosen | None) -> None:
    """Use another classification from here on; None is SOC 2018. `soc.use` also forgets what followed from the last."""
    _now[0] = chosen


def check_soc(what: str) -> None:
    """Check that the classification in use is SOC 2018.

    Raises:
        InputError: It is another one; `what` needs SOC 2018.
    """
    if not now().is_soc:
        raise InputError(f"{what} belongs to {SOC_2018}, and the codes here are those of {now().name}: leave it out")
