"""Figures for labelled titles of any origin: how often answers are right, how many are accepted, and by how much.

Two views differ. By rows, each row counts with its weight, and its own codes are right: what a user of the file gets.
By titles, each distinct title counts once, and any code that a row gives it is right: what a user of other titles gets.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from jobmajor import soc
from jobmajor.data import labelled
from jobmajor.evaluation import metrics
from jobmajor.evaluation.bootstrap import Interval, bootstrap, interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from jobmajor.data.labelled import Codes, Labelled
    from jobmajor.soc import Level

    Floats = NDArray[np.float64]

_COMMONEST: Final = 20
_EXAMPLES: Final = 3
_Z: Final = 1.959964  # standard deviations on each side of 95 %


@dataclass(frozen=True, slots=True)
class Answered:
    """The best answers to distinct titles at one level.

    Attributes:
        codes: Each title's code, empty where there is none.
        scores: The score of each, shape (titles,).
        accepted: Whether the answer is to be taken, shape (titles,).
        classes: The codes that can be answered.
    """

    codes: Sequence[str]
    scores: NDArray[np.float32]
    accepted: NDArray[np.bool_]
    classes: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Counted:
    """What is counted of each title, shape (titles,); 0 and false where its codes are coarser than the level.

    Attributes:
        weight: The weight of the title's rows.
        right: The weight of the rows whose codes hold the answer.
        most: The weight of the rows that the best single answer to the title would get right.
        codes: How many codes are right.
        hit: Whether any row's codes hold the answer.
        commonest: Whether the answer has as much weight as any code of the title.
        reached: Whether a right code is among the codes that can be answered.
    """

    weight: Floats
    right: Floats
    most: Floats
    codes: NDArray[np.int64]
    hit: NDArray[np.bool_]
    commonest: NDArray[np.bool_]
    reached: NDArray[np.bool_]

    @property
    def counted(self) -> NDArray[np.bool_]:
        """Whether the title counts at this level."""
        found: NDArray[np.bool_] = self.weight > 0
        return found


def figures(given: Labelled, answers: Mapping[Level, Answered], sources: Sequence[str], *, seed: int) -> dict[str, Any]:
    """Return the report on labelled titles as plain data.

    Args:
        given: The titles with their right codes.
        answers: The best answers at each level, in the order of the titles.
        sources: What decided each answer.
        seed: For the intervals by rows, which resample distinct titles.
    """
    counted = {level: _counted(given, answered, level) for level, answered in answers.items()}
    return {
        "rows": given.rows,
        "weight": given.weight,
        "titles": len(given.titles),
        "left_out": dict(given.left_out),
        "unknown_codes": list(given.unknown),
        "levels": {level: _level(given, answers[level], each, level, seed) for level, each in counted.items()},
        "sources": {name: _source(name, sources, answers, counted) for name in sorted(set(sources))},
        "mistakes": {level: _mistakes(given, answered, level) for level, answered in answers.items()},
    }


def wilson(right: float, total: float) -> Interval | None:
    """Return the 95 % interval of a share, None without a case.

    Source: Wilson, E. B. (1927), J. Am. Stat. Assoc. 22(158), 209-212.

    >>> found = wilson(8, 10)
    >>> round(found.low, 3), round(found.high, 3)
    (0.49, 0.943)
    """
    if not total:
        return None
    share, square = right / total, _Z**2
    middle = (share + square / (2 * total)) / (1 + square / total)
    spread = _Z * (share * (1 - share) / total + square / (4 * total**2)) ** 0.5 / (1 + square / total)
    return Interval(max(middle - spread, 0.0), min(middle + spread, 1.0))


@lru_cache(maxsize=2**16)
def _at_level(codes: Codes, level: Level) -> frozenset[str]:
    return labelled.at_level(codes, level)


def _truths(truth: Mapping[Codes, float], level: Level) -> list[tuple[frozenset[str], float]]:
    """Return the sets of right codes at a level with their weights, without those that are coarser."""
    found = ((_at_level(codes, level), weight) for codes, weight in truth.items())
    return [(codes, weight) for codes, weight in found if codes]


def _counted(given: Labelled, answered: Answered, level: Level) -> _Counted:
    classes = frozenset(answered.classes)
    rows = [
        _title(_truths(truth, level), code, classes) for truth, code in zip(given.truths, answered.codes, strict=True)
    ]
    weight, right, most, codes, hit, commonest, reached = map(np.array, zip(*rows, strict=True))
    return _Counted(weight, right, most, codes, hit, commonest, reached)


def _title(truths: list[tuple[frozenset[str], float]], code: str, classes: frozenset[str]) -> tuple[Any, ...]:
    """Return the values of `_Counted` for one title."""
    votes: dict[str, float] = defaultdict(float)
    for codes, weight in truths:
        for each in codes:
            votes[each] += weight
    right = votes.get(code, 0.0)
    most = max((weight for each, weight in votes.items() if each in classes), default=0.0)
    total = float(sum(weight for _, weight in truths))
    is_commonest = right > 0 and right == max(votes.values())
    return total, right, most, len(votes), right > 0, is_commonest, most > 0


def _level(given: Labelled, answered: Answered, counted: _Counted, level: Level, seed: int) -> dict[str, Any]:
    kept = counted.counted
    if not kept.any():
        return {"titles": 0}
    return {
        "titles": int(kept.sum()),
        "codes_per_title": float(counted.codes[kept].mean()),
        "by_row": _by_row(given, answered, counted, level, seed),
        "by_title": _by_title(given, answered, counted, level),
        "calibration": _calibration(answered.scores[kept], counted.hit[kept]),
    }


def _by_row(given: Labelled, answered: Answered, counted: _Counted, level: Level, seed: int) -> dict[str, Any]:
    taken = answered.accepted
    sums = np.column_stack([counted.weight, counted.right, counted.weight * taken, counted.right * taken])

    def shares(weights: Floats) -> Floats:
        all_rows, right, accepted, accepted_right = (weights @ sums).T
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.column_stack([right / all_rows, accepted / all_rows, accepted_right / accepted])

    point = shares(np.ones((1, len(sums))))[0]
    drawn = bootstrap(shares, np.arange(len(sums)), seed=seed)
    names = ("accuracy", "accepted", "precision")
    found: dict[str, Any] = {name: _number(value) for name, value in zip(names, point, strict=True)}
    found["intervals"] = {name: _resampled(drawn[:, column]) for column, name in enumerate(names)}
    found["ceiling"] = float(counted.most.sum() / counted.weight.sum())
    found["mean_over_groups"] = _over_groups(_row_cases(given, answered, level))
    return found


def _resampled(values: Floats) -> dict[str, Any] | None:
    """Return the interval of resampled shares, None where too few resamples have a case."""
    finite = values[np.isfinite(values)]
    return asdict(interval(finite)) if len(finite) > len(values) / 2 else None


def _by_title(given: Labelled, answered: Answered, counted: _Counted, level: Level) -> dict[str, Any]:
    kept, taken = counted.counted, answered.accepted & counted.counted
    parts = {
        "accuracy": (int(counted.hit.sum()), int(kept.sum())),
        "accepted": (int(taken.sum()), int(kept.sum())),
        "precision": (int(counted.hit[taken].sum()), int(taken.sum())),
    }
    found: dict[str, Any] = {name: _share(*part) for name, part in parts.items()}
    found["intervals"] = {name: _wilson(*part) for name, part in parts.items()}
    found["commonest"] = _share(int(counted.commonest.sum()), int(kept.sum()))
    found["ceiling"] = _share(int(counted.reached.sum()), int(kept.sum()))
    found["mean_over_groups"] = _over_groups(_title_cases(given, answered, level))
    return found


def _share(part: float, total: float) -> float | None:
    return part / total if total else None


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _wilson(right: int, total: int) -> dict[str, Any] | None:
    found = wilson(right, total)
    return asdict(found) if found else None


_Case = tuple[frozenset[str], float, bool]  # right codes of any level, weight, whether the answer is right


def _row_cases(given: Labelled, answered: Answered, level: Level) -> Iterator[_Case]:
    for truth, code in zip(given.truths, answered.codes, strict=True):
        for codes, weight in _truths(truth, level):
            yield codes, weight, code in codes


def _title_cases(given: Labelled, answered: Answered, level: Level) -> Iterator[_Case]:
    for truth, code in zip(given.truths, answered.codes, strict=True):
        codes = frozenset(each for found, _ in _truths(truth, level) for each in found)
        if codes:
            yield codes, 1.0, code in codes


def _over_groups(cases: Iterator[_Case]) -> float:
    """Return the mean accuracy of the true major groups; a case with codes in several is divided among them."""
    total, right = Counter[str](), Counter[str]()
    for codes, weight, is_right in cases:
        groups = {soc.ancestor(code, "major") for code in codes}
        for group in groups:
            total[group] += weight / len(groups)  # type: ignore[assignment]  # a Counter of floats
            right[group] += weight * is_right / len(groups)  # type: ignore[assignment]
    return sum(right[group] / total[group] for group in total) / len(total)


def _calibration(scores: NDArray[np.float32], hit: NDArray[np.bool_]) -> dict[str, float]:
    """Return how far stated and real accuracy of distinct titles are apart, and how much of that is no chance."""
    bins = metrics.reliability(scores, hit)
    error, chance = metrics.expected_calibration_error(bins), metrics.chance_calibration_error(bins)
    return {"ece": error, "ece_by_chance": chance, "ece_above_chance": error - chance}


def _source(
    name: str, sources: Sequence[str], answers: Mapping[Level, Answered], counted: Mapping[Level, _Counted]
) -> dict[str, Any]:
    """Return how many titles a source decided, and how right it is at each level."""
    of_it = np.array(sources) == name
    levels = {}
    for level, each in counted.items():
        kept = of_it & each.counted
        taken = kept & answers[level].accepted
        levels[level] = {
            "titles": int(kept.sum()),
            "accuracy": _share(int(each.hit[kept].sum()), int(kept.sum())),
            "interval": _wilson(int(each.hit[kept].sum()), int(kept.sum())),
            "accuracy_by_row": _share(float(each.right[kept].sum()), float(each.weight[kept].sum())),
            "accepted": _share(int(taken.sum()), int(kept.sum())),
            "precision": _share(int(each.hit[taken].sum()), int(taken.sum())),
        }
    return {"titles": int(of_it.sum()), "levels": levels}


def _mistakes(given: Labelled, answered: Answered, level: Level) -> list[dict[str, Any]]:
    """Return the commonest mistakes by the weight of their rows; of several right codes the first stands for all."""
    weights, titles = Counter[tuple[str, str]](), defaultdict[tuple[str, str], Counter[str]](Counter)
    total = 0.0
    for title, truth, code in zip(given.titles, given.truths, answered.codes, strict=True):
        for codes, weight in _truths(truth, level):
            total += weight
            if code not in codes:
                pair = (min(codes), code)
                weights[pair] += weight  # type: ignore[assignment]  # a Counter of floats
                titles[pair][title] += weight  # type: ignore[assignment]
    order = sorted(weights, key=lambda pair: (-weights[pair], pair))[:_COMMONEST]
    return [
        {
            "truth": true,
            "answer": code,
            "weight": weights[true, code],
            "share": weights[true, code] / total,
            "titles": [title for title, _ in titles[true, code].most_common(_EXAMPLES)],
        }
        for true, code in order
    ]
