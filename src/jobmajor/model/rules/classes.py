"""Codes that training never saw, such as those of a new SOC or classes of your own: what `--classes FILE` adds.

Each has a name and may have a description. `linear.described` says how much a title speaks for them; here is how their
shares come beside those of the model's codes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from jobmajor import soc
from jobmajor.errors import DataError, InputError
from jobmajor.model.rules import user_csv
from jobmajor.model.rules.user_csv import Form
from jobmajor.soc import chosen
from jobmajor.titles import normalise

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

CLASS = "class"  # the source of an answer that is one of these codes
MAX_BYTES, MAX_CLASSES = 2**20, 1000
_ADDED = "a file of codes that the model never saw (--classes)"
_EXPECTED = "comma- or tab-separated text in UTF-8 with the columns 'code' and 'name', and maybe 'description'"


@dataclass(frozen=True, slots=True)
class Class:
    """A detailed code with its name, and what people in it do; `description` may be empty."""

    code: str
    name: str
    description: str = ""

    @property
    def titles(self) -> tuple[str, ...]:
        """Return the forms of the name that people type, normalised; the name itself is the first.

        >>> Class("15-9901", "Data Annotators and Labelers").titles
        ('data annotators and labelers', 'data annotators', 'data labelers', 'data annotator', 'data labeler')
        """
        from jobmajor.data.examples import occupation_forms  # noqa: PLC0415 - it takes long, and only here

        forms = (self.name, *(form for form, _ in occupation_forms(self.name)))
        return tuple(dict.fromkeys(normalise(form) for form in forms))


@dataclass(frozen=True)
class Classes:
    """The classes of a file, each code once, ascending."""

    entries: tuple[Class, ...]

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def digest(self) -> str:
        """Return the sha256 of the contents, 64 hex digits."""
        return hashlib.sha256(json.dumps([asdict(each) for each in self.entries]).encode()).hexdigest()

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """Return the codes, ascending."""
        return tuple(each.code for each in self.entries)

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Return the names of the codes, and of the groups that SOC 2018 lacks: those of their classes together."""
        found: dict[str, list[str]] = {}
        for each in self.entries:
            for code in dict.fromkeys(soc.place(each.code, level) for level in soc.LEVELS):
                found.setdefault(code, []).append(each.name)
        for code in self.codes:
            found[code] = found[code][:1]
        return {
            code: "; ".join(names) for code, names in found.items() if code in self.codes or code not in soc.table()
        }

    @cached_property
    def columns_of(self) -> Mapping[str, tuple[int, ...]]:
        """Return for each form of a name the indices of the classes that have it."""
        found: dict[str, list[int]] = {}
        for index, each in enumerate(self.entries):
            for title in each.titles:
                found.setdefault(title, []).append(index)
        return {title: tuple(indices) for title, indices in found.items()}

    def check(self, known: Collection[str]) -> Classes:
        """Return these classes if the model, which knows those codes, answers none of them.

        Raises:
            InputError: It does, or its codes are not those of SOC 2018.
        """
        chosen.check_soc(_ADDED)
        if answered := sorted(set(self.codes) & set(known)):
            raise InputError(
                f"the classes have {answered[0]}, which the model answers already: expected codes that it never saw, "
                "so remove that row"
            )
        return self


class Odds(Protocol):
    """What says how much titles speak for classes."""

    def of(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the odds of each class against all that the model knows, for normalised titles; (titles, classes)."""
        ...


@dataclass(frozen=True, slots=True)
class Known:
    """Classes with what says how much titles speak for them."""

    classes: Classes
    odds: Odds

    def columns(self, codes: Sequence[str]) -> tuple[str, ...]:
        """Return a model's codes and those of the classes, ascending."""
        return tuple(sorted({*codes, *self.classes.codes}))

    def widened(
        self, texts: Sequence[str], codes: Sequence[str], shares: NDArray[np.float32], keeps: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the shares of `columns`, each row's sum 1, and which titles are names of classes.

        Args:
            texts: Normalised titles.
            codes: The model's codes.
            shares: Their shares, shape (titles, codes).
            keeps: Whether a title keeps the shares that it has, unless it is a name of a class; shape (titles,).
        """
        columns = np.array(self.columns(codes))
        odds, is_named = self.odds.of(texts), np.zeros(len(texts), np.bool_)
        odds[keeps] = 0
        found = np.zeros((len(texts), len(columns)), np.float32)
        found[:, np.searchsorted(columns, codes)] = shares
        for row, text in enumerate(texts):
            if named := self.classes.columns_of.get(text):
                odds[row], found[row], is_named[row] = 0, 0, True
                odds[row, list(named)] = 1
        found[:, np.searchsorted(columns, self.classes.codes)] = odds
        moved = ~keeps | is_named
        found[moved] /= found[moved].sum(axis=1, keepdims=True)
        return found, is_named


def read(path: Path) -> Classes:
    """Read a file of classes; its header has `code`, `name` and maybe `description`, in any order, beside others.

    Raises:
        InputError: The classification in use is not SOC 2018.
        DataError: The file is missing, empty, too large, no such table, or a row can't be used; names file and line.
    """
    chosen.check_soc(_ADDED)
    form = Form(("code", "name"), ("description",), ("class", "classes"), _EXPECTED, MAX_BYTES, MAX_CLASSES)
    found: dict[str, tuple[int, Class]] = {}
    for line, each in _classes(path, form):
        if each.code in found:
            where, what = f"{path}, line {line}", f"the code {each.code} again, as in line {found[each.code][0]}"
            raise DataError(where, what, "each code once", "remove one of the lines")
        found[each.code] = line, each
    return Classes(tuple(each for _, (_, each) in sorted(found.items())))


def _classes(path: Path, form: Form) -> Iterator[tuple[int, Class]]:
    for line, cells in user_csv.rows(path, form):
        where, code = f"{path}, line {line}", cells["code"].strip()
        if not (soc.is_new(code) or code in soc.detailed_codes()):
            expected = "a detailed code such as '15-9901', whose first two digits are those of a major group"
            raise DataError(where, f"the code {code[:40]!r}", expected, "take a free number of the group it belongs to")
        name = " ".join(cells["name"].split())
        if not normalise(name):
            raise DataError(where, f"the name {name[:40]!r}", "one with a letter or digit", "correct the line")
        yield line, Class(code, name, " ".join(cells.get("description", "").split()))
