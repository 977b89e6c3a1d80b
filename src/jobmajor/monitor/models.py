"""Which answers change if another model takes over: to a file's titles, or to those of a service that it shadowed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from jobmajor import soc
from jobmajor.data.labelled import weight
from jobmajor.errors import DataError
from jobmajor.monitor.traffic import capture
from jobmajor.tables import formats

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from jobmajor.model.answers import Coded
    from jobmajor.model.classifier import Classifier
    from jobmajor.monitor.observe import File
    from jobmajor.monitor.traffic.capture import Record
    from jobmajor.soc import Level

_Best = tuple[str, float, bool]  # the best code, its confidence, and whether a person should look at it
_SIDES = ("before", "after")
Kind = Literal["another code", "now sure", "no longer sure"]


@dataclass(frozen=True, slots=True)
class Changed:
    """A title whose answer changes: its rows, what changes, and code and confidence with each model."""

    title: str
    rows: float
    kind: Kind
    before: str
    after: str
    confidence_before: float
    confidence_after: float


@dataclass(frozen=True, slots=True)
class Difference:
    """How the answers of two models to the same titles differ.

    Attributes:
        titles: The distinct titles.
        rows: Their rows.
        sure: The shares of rows with a sure answer, by each model.
        changed: The titles whose answer changes, those with the most rows first.
        groups: For each major group that the first model answers, its rows, and those of them that change.
    """

    titles: int
    rows: float
    sure: tuple[float, float]
    changed: Sequence[Changed]
    groups: Mapping[str, tuple[float, float]]

    def rows_of(self, kind: Kind) -> float:
        """Return the rows of the titles that change in one way."""
        return sum(each.rows for each in self.changed if each.kind == kind)

    def to_json(self) -> dict[str, Any]:
        """Return the difference as plain data that fits into JSON."""
        changed = [{name: getattr(each, name) for name in Changed.__slots__} for each in self.changed]
        groups = [{"code": code, "rows": rows, "changed": part} for code, (rows, part) in self.groups.items()]
        body = {"titles": self.titles, "rows": self.rows, "sure": list(self.sure)}
        return {**body, "groups": groups, "changed": changed}


def difference(file: File, before: Classifier, after: Classifier, level: Level = "major") -> Difference:
    """Answer a file's titles with two models, and return where the answers differ.

    A changed code counts where either model is sure of its own; two unsure answers are no change.

    Raises:
        InputError: The file can't be used.
    """
    rows = _rows(file)
    answers = ([_best(coded) for coded in model.answer(list(rows), level)] for model in (before, after))
    if not sum(rows.values()):
        raise DataError(file.path, "no row", "rows with titles", "name another file")
    return _difference({title: (rows[title], old, new) for title, old, new in zip(rows, *answers, strict=True)})


@dataclass(frozen=True, slots=True)
class Shadowed:
    """What a candidate answered in the shadow of a service: requests, its version, and how its answers differ."""

    requests: int
    version: int
    difference: Difference


def shadowed(folder: Path, period: capture.Period | None = None) -> Shadowed:
    """Return how a candidate's answers in the shadow differ from those of the models that answered.

    A title that was answered in several ways counts as its latest request was.

    Raises:
        DataError: The folder holds something else, or the answers of several candidates.
    """
    titles: dict[str, tuple[float, _Best, _Best]] = {}
    versions, requests = set[int](), 0
    for record in capture.read(folder, period):
        version, answers = _shadow(record, folder)
        versions.add(version)
        requests += 1
        for title, old, new in answers:
            titles[title] = (titles[title][0] + 1 if title in titles else 1.0, old, new)
    if len(versions) != 1 or not titles:
        numbers = ", ".join(map(str, sorted(versions)))
        found = f"the versions {numbers}" if len(versions) > 1 else "no titles of the period"
        raise DataError(folder, found, "answers of one version", "name the folder of one version, or another period")
    return Shadowed(requests, versions.pop(), _difference(titles))


def _shadow(record: Record, folder: Path) -> tuple[int, list[tuple[str, _Best, _Best]]]:
    try:
        named, found = json.loads(record.body)["instances"], json.loads(record.answer)
        sides = [[(str(code), float(sure), abstain is True) for code, sure, abstain in found[key]] for key in _SIDES]
        return int(found["version"]), list(zip(map(str, named), *sides, strict=True))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        where, expected = f"request {record.event[:40]} of {folder}", "what jobmajor serve --shadow wrote"
        raise DataError(where, "no answers of two models", expected, "name another folder") from error


def _difference(titles: Mapping[str, tuple[float, _Best, _Best]]) -> Difference:
    total = sum(rows for rows, _, _ in titles.values())
    sure = [sum(rows for rows, *sides in titles.values() if not sides[side][2]) / total for side in (0, 1)]
    changed = [
        Changed(title, rows, kind, old[0], new[0], old[1], new[1])
        for title, (rows, old, new) in titles.items()
        if (kind := _kind(old, new))
    ]
    changed.sort(key=lambda each: (-each.rows, -abs(each.confidence_after - each.confidence_before), each.title))
    names = {each.title for each in changed}
    groups: dict[str, tuple[float, float]] = {}
    for title, (rows, old, _) in titles.items():
        group = soc.ancestor(old[0], "major") if old[0] in soc.table() else ""
        before = groups.get(group, (0.0, 0.0))
        groups[group] = (before[0] + rows, before[1] + rows * (title in names))
    return Difference(len(titles), total, (sure[0], sure[1]), changed, dict(sorted(groups.items())))


def _rows(file: File) -> Mapping[str, float]:
    title = file.title or formats.title_column(file.path)
    found: dict[str, float] = {}
    for block in formats.rows(file.path, [title, *([file.weight] if file.weight else [])]):
        for text, *cells in block.cells:
            found[text] = found.get(text, 0.0) + (weight(cells[0]) if cells else 1.0)
    return found


def _kind(before: _Best, after: _Best) -> Kind | None:
    if before[2] and after[2]:
        return None
    if before[0] != after[0]:
        return "another code"
    if before[2] == after[2]:
        return None
    return "now sure" if before[2] else "no longer sure"


def _best(coded: Coded) -> _Best:
    return coded.answers[0].label if coded.answers else "", round(float(coded.confidence), 4), coded.abstain
