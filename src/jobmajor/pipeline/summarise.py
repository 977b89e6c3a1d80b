"""Count the titles of a file by occupation, corrected for mistakes: what `jobmajor summarise` does."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from jobmajor import arguments, soc
from jobmajor.data import labelled
from jobmajor.errors import DataError
from jobmajor.evaluation import counts
from jobmajor.evaluation.counts import Shares, Truth
from jobmajor.model.coder import REASONS
from jobmajor.model.rules import abstain, overrides
from jobmajor.registry import loading
from jobmajor.tables import formats
from jobmajor.tables.block import AS_IT_IS
from jobmajor.tables.packed import Packed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from jobmajor.data.labelled import Codes, Labelled, TitleFile
    from jobmajor.model.classifier import Classifier
    from jobmajor.model.coder import Codes as Answers
    from jobmajor.soc import Level
    from jobmajor.tables.block import Reading

_MOST_CODES: Final = 50  # of a title; at the detailed level, the others have some 6 % of its share together


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be counted.

    Attributes:
        title: The column of titles.
        weight: The column that says how often a row occurs; None counts every row once.
        level: The level of the codes.
        labelled: Titles with their true codes, best some that were drawn from the file: corrects the counts.
        exact: Whether a title that training lists gets the codes that it is listed under.
        seed: For the intervals.
        reading: How to read the file, where its own bytes don't decide; its column is that of `title`.
    """

    title: str = "title"
    weight: str | None = None
    level: Level = "major"
    labelled: TitleFile | None = None
    exact: bool = True
    seed: int = 0
    reading: Reading = AS_IT_IS

    def __post_init__(self) -> None:
        arguments.check(self)
        arguments.count("seed", self.seed, 0)
        soc.parse_level(self.level)


@dataclass(slots=True)
class _Titles:
    """Distinct titles as written, their weights and known codes; `sampled` are those that a labelled table has."""

    texts: list[str]
    weights: list[float]
    truths: list[dict[Codes, float]]
    sampled: set[int] = field(default_factory=set)


def summarise(
    path: str | Path,
    wish: Wish | None = None,
    *,
    model: Classifier | str | Path | None = None,
    home: str | Path | None = None,
) -> dict[str, Any]:
    """Return how many rows of a file belong to each occupation, as plain data that fits into JSON.

    `counts` has for each code the rows whose best answer it is (`answered`), the corrected count (`estimate`), and its
    95 % interval (`low`, `high`). Titles are answered again, also in a coded file, except those whose code came from
    the user's own list there. `evaluation.counts` says how counts are corrected.

    Args:
        path: A file of titles, coded or not, in any format that `code_file` reads.
        wish: What to count; its defaults when None.
        model: A classifier, a model's folder or `model.tar.gz`; None takes the champion.
        home: The champion's workspace.

    Raises:
        InputError: A file or a column can't be used, or there is no such model.
    """
    wanted, file = Wish() if wish is None else wish, arguments.path("path", path)
    arguments.instance("wish", wanted, Wish)
    classifier = loading.classifier_of(model, home)  # first, as it brings the classification of the codes
    given = _read(file, wanted)
    if wanted.labelled is not None:
        _add_labelled(given, labelled.read(wanted.labelled))
    classes = classifier.classes(wanted.level)
    answers = _answers(classifier, given.texts, wanted)
    kept, left_out = _kept(answers, given)
    weights = np.array(given.weights)[kept]
    if not weights.sum():
        raise DataError(file, "no title that can be read", "titles", "name their column with --column")
    shares = Shares.of(answers.labels[kept, 0], answers.scores[kept, 0], len(classes))
    truth = _truth(given, np.flatnonzero(kept).tolist(), classes, wanted.level)
    mix = classifier.training_mix(wanted.level)
    found = counts.estimate(shares, weights, mix, truth, seed=wanted.seed)
    return {
        "file": str(path),
        "level": wanted.level,
        "rows": float(weights.sum()),
        "titles": int((weights > 0).sum()),
        "left_out": left_out,
        "labelled": len(set(truth.titles[truth.is_sample].tolist())),
        "counts": _records(classes, found),
    }


def _read(path: Path, wish: Wish) -> _Titles:
    columns = [wish.title, *([wish.weight] if wish.weight else [])]
    names = formats.names(path, wish.title, wish.reading)
    coded = next((name for name in (f"{wish.level}_code", "code") if name in names and "source" in names), None)
    if coded:
        columns += [coded, "source"]
    found, index = _Titles([], [], []), dict[str, int]()
    for block in formats.rows(path, columns, wish.reading):
        for title, *cells in block.cells:
            weight = labelled.weight(cells.pop(0)) if wish.weight else 1.0
            number = _number(found, index, title)
            found.weights[number] += weight
            if coded and cells[1] == overrides.OVERRIDE and labelled.parse(cells[0]):
                _name(found.truths[number], labelled.parse(cells[0]), weight)
    return found


def _number(found: _Titles, index: dict[str, int], title: str) -> int:
    """Return the number of a title, a new one where it was not there."""
    number = index.setdefault(labelled.key(title), len(found.texts))
    if number == len(found.texts):
        found.texts.append(title)
        found.weights.append(0.0)
        found.truths.append({})
    return number


def _name(truth: dict[Codes, float], codes: Codes, weight: float) -> None:
    truth[codes] = truth.get(codes, 0.0) + weight


def _add_labelled(found: _Titles, given: Labelled) -> None:
    """Add true codes to the titles of the file, and titles that are not in the file with a weight of 0."""
    index = {labelled.key(title): number for number, title in enumerate(found.texts)}
    for title, truth in zip(given.titles, given.truths, strict=True):
        number = _number(found, index, title)
        found.sampled.add(number)
        found.truths[number].clear()
        for codes, weight in truth.items():
            _name(found.truths[number], codes, weight)


def _answers(classifier: Classifier, titles: Sequence[str], wish: Wish) -> Answers:
    most = min(_MOST_CODES, len(classifier.classes(wish.level)))
    return classifier.coder((wish.level,), most, exact=wish.exact).code(Packed.of(titles))


def _kept(answers: Answers, given: _Titles) -> tuple[np.ndarray[Any, Any], dict[str, float]]:
    """Return which titles are counted, those with a known code among them, and the rows of others by reason."""
    reasons = np.array(REASONS)[answers.reasons[:, 0]]
    kept = (answers.labels[:, 0, 0] >= 0) & ~np.isin(reasons, abstain.NO_TITLES)
    kept |= np.array([bool(truth) for truth in given.truths])
    left_out: dict[str, float] = defaultdict(float)
    for row in np.flatnonzero(~kept).tolist():
        left_out[str(reasons[row])] += given.weights[row]
    return kept, {reason: weight for reason, weight in left_out.items() if weight}


def _truth(given: _Titles, kept: Sequence[int], classes: Sequence[str], level: Level) -> Truth:
    """Return the true codes of the titles that have some at the level; a set of codes is divided among them."""
    index = {code: number for number, code in enumerate(classes)}
    facts: list[tuple[int, int, float, bool]] = []
    for title, number in enumerate(kept):
        parts: dict[int, float] = defaultdict(float)
        for codes, weight in given.truths[number].items():
            known = [index[code] for code in labelled.at_level(codes, level) if code in index]
            for label in known:
                parts[label] += weight / len(known)
        total = sum(parts.values())
        facts += [(title, label, part / total, number in given.sampled) for label, part in parts.items()]
    table = np.array(facts, np.float64).reshape(-1, 4)
    titles, labels = table[:, :2].astype(np.int64).T
    return Truth(titles, labels, table[:, 2], table[:, 3] > 0)


def _records(classes: Sequence[str], found: counts.Counts) -> list[dict[str, Any]]:
    """Return the counts, largest first."""
    order = np.argsort(-found.estimate, kind="stable").tolist()
    return [
        {
            "code": classes[row],
            "name": soc.name(classes[row]),
            "answered": float(found.answered[row]),
            "estimate": float(found.estimate[row]),
            "low": float(found.low[row]),
            "high": float(found.high[row]),
        }
        for row in order
    ]
