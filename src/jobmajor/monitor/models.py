"""Which answers to a file's titles change if another model takes over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from jobmajor.data.labelled import weight
from jobmajor.errors import DataError
from jobmajor.tables import formats

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobmajor.model.answers import Coded
    from jobmajor.model.classifier import Classifier
    from jobmajor.monitor.observe import File
    from jobmajor.soc import Level

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
    """

    titles: int
    rows: float
    sure: tuple[float, float]
    changed: Sequence[Changed]

    def rows_of(self, kind: Kind) -> float:
        """Return the rows of the titles that change in one way."""
        return sum(each.rows for each in self.changed if each.kind == kind)

    def to_json(self) -> dict[str, Any]:
        """Return the difference as plain data that fits into JSON."""
        changed = [{name: getattr(each, name) for name in Changed.__slots__} for each in self.changed]
        return {"titles": self.titles, "rows": self.rows, "sure": list(self.sure), "changed": changed}


def difference(file: File, before: Classifier, after: Classifier, level: Level = "major") -> Difference:
    """Answer a file's titles with two models, and return where the answers differ.

    A changed code counts where either model is sure of its own; two unsure answers are no change.

    Raises:
        InputError: The file can't be used.
    """
    rows = _rows(file)
    titles = list(rows)
    answers = [model.answer(titles, level) for model in (before, after)]
    total = sum(rows.values())
    if not total:
        raise DataError(file.path, "no row", "rows with titles", "name another file")
    sure = [
        sum(rows[title] for title, each in zip(titles, found, strict=True) if not each.abstain) / total
        for found in answers
    ]
    changed = [
        Changed(title, rows[title], kind, _code(old), _code(new), _confidence(old), _confidence(new))
        for title, old, new in zip(titles, *answers, strict=True)
        if (kind := _kind(old, new))
    ]
    changed.sort(key=lambda each: (-each.rows, -abs(each.confidence_after - each.confidence_before), each.title))
    return Difference(len(titles), total, (sure[0], sure[1]), changed)


def _rows(file: File) -> Mapping[str, float]:
    title = file.title or formats.title_column(file.path)
    found: dict[str, float] = {}
    for block in formats.rows(file.path, [title, *([file.weight] if file.weight else [])]):
        for text, *cells in block.cells:
            found[text] = found.get(text, 0.0) + (weight(cells[0]) if cells else 1.0)
    return found


def _kind(before: Coded, after: Coded) -> Kind | None:
    if before.abstain and after.abstain:
        return None
    if _code(before) != _code(after):
        return "another code"
    if before.abstain == after.abstain:
        return None
    return "now sure" if before.abstain else "no longer sure"


def _code(coded: Coded) -> str:
    return coded.answers[0].label if coded.answers else ""


def _confidence(coded: Coded) -> float:
    return round(float(coded.confidence), 4)
