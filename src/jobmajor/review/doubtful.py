"""The titles of a file that a person should look at: those without a sure answer, the most frequent first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobmajor.data.labelled import weight
from jobmajor.review import value
from jobmajor.tables import formats
from jobmajor.tables.block import AS_IT_IS
from jobmajor.titles import normalise

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from jobmajor.model.answers import Answer, Coded
    from jobmajor.model.classifier import Classifier
    from jobmajor.model.rules.overrides import Overrides
    from jobmajor.soc import Level
    from jobmajor.tables.block import Reading

CANDIDATES = 5
_BATCH = 4096


@dataclass(frozen=True, slots=True)
class DoubtfulTitle:
    """A title without a sure answer.

    Attributes:
        title: As it is first written in the file.
        rows: How many rows have it, however they write it; their weight, if the file has one.
        reason: Why the model abstains.
        candidates: Its best detailed codes, best first; none for what is no title.
        uncertainty: The chance that the best answer is wrong, 0 to 1.
        novelty: How new its words are to the model, 0.5 to 1; or how new the title is to the traffic.
    """

    title: str
    rows: float
    reason: str
    candidates: tuple[Answer, ...]
    uncertainty: float = 1.0
    novelty: float = 1.0

    @property
    def value(self) -> float:
        """The expected value of a label."""
        return self.rows * self.uncertainty * self.novelty


@dataclass(frozen=True, slots=True)
class Source:
    """A file of titles, in any format that `code_file` reads.

    Attributes:
        path: The file.
        title: The column of titles.
        weight: The column that says how often a row occurs; None counts every row once.
        reading: How to read the file, where its own bytes don't decide; its column is that of `title`.
    """

    path: Path
    title: str = "title"
    weight: str | None = None
    reading: Reading = AS_IT_IS


def find(
    source: Source, classifier: Classifier, *, level: Level = "major", overrides: Overrides | None = None
) -> list[DoubtfulTitle]:
    """Return the distinct titles of a file that have no sure answer at a level, those with the most rows first.

    Args:
        source: The file.
        classifier: What answers.
        level: The level at which an answer has to be sure.
        overrides: Titles that have a code already; they are left out.

    Raises:
        InputError: The file can't be used.
    """
    written, rows = _distinct(source)
    titles = {text: title for text, title in written.items() if overrides is None or overrides.find(text) is None}
    found = answered({title: rows[text] for text, title in titles.items()}, classifier, level=level)
    return sorted(found, key=lambda each: -each.rows)


def answered(
    rows: Mapping[str, float], classifier: Classifier, *, level: Level = "major", with_sure: bool = False
) -> Iterator[DoubtfulTitle]:
    """Yield the titles without a sure answer, in their order.

    Args:
        rows: The rows of each title.
        classifier: What answers.
        level: The level at which an answer has to be sure.
        with_sure: Also yield titles with a sure answer; their reason is empty.
    """
    titles = list(rows)
    for first in range(0, len(titles), _BATCH):
        batch = titles[first : first + _BATCH]
        coded = dict(zip(batch, classifier.answer(batch, level), strict=True))
        wanted = [title for title in batch if with_sure or coded[title].reason]
        worth = value.uncertainty([coded[title] for title in wanted], level), value.novelty(wanted, classifier)
        best = classifier.answer(wanted, "detailed", CANDIDATES)
        for title, each, *figures in zip(wanted, best, *(each.tolist() for each in worth), strict=True):
            yield DoubtfulTitle(title, rows[title], coded[title].reason, _candidates(each), *figures)


def _distinct(source: Source) -> tuple[dict[str, str], dict[str, float]]:
    """Return how each normalised title is first written, and how many rows have it; titles without a word are left."""
    written: dict[str, str] = {}
    rows: dict[str, float] = {}
    columns = [source.title, *([source.weight] if source.weight else [])]
    for block in formats.rows(source.path, columns, source.reading):
        for title, *cells in block.cells:
            if text := normalise(title):
                written.setdefault(text, title)
                rows[text] = rows.get(text, 0) + (weight(cells[0]) if cells else 1)
    return written, rows


def _candidates(coded: Coded) -> tuple[Answer, ...]:
    return tuple(answer for answer in coded.answers[:CANDIDATES] if answer.label)
