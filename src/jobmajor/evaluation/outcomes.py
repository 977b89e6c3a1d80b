"""Figures for labelled titles of any origin: how often answers are right, how many are accepted, and by how much.

Two views differ. By rows, each row counts with its weight, and its own codes are right: what a user of the file gets.
By titles, each distinct title counts once, and any code that a row gives it is right: what a user of other titles gets.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from jobmajor import soc
from jobmajor.evaluation import metrics
from jobmajor.evaluation.bootstrap import Interval, bootstrap, interval
from jobmajor.evaluation.hits import Answered, Counted, count, truths

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from jobmajor.data.labelled import Labelled
    from jobmajor.soc import Level

    Floats = NDArray[np.float64]

_COMMONEST: Final = 20
_EXAMPLES: Final = 3
_MOST_RESAMPLED: Final = 20_000
_ROW_SHARES: Final = ("accuracy", "accepted", "precision")
_Z: Final = 1.959964  # standard deviations on each side of 95 %


def figures(given: Labelled, answers: Mapping[Level, Answered], sources: Sequence[str], *, seed: int) -> dict[str, Any]:
    """Return the report on labelled titles as plain data.

    Args:
        given: The titles with their right codes.
        answers: The best answers at each level, in the order of the titles.
        sources: What decided each answer.
        seed: For the intervals by rows, which resample distinct titles.
    """
    counted = {level: count(given, answered, level) for level, answered in answers.items()}
    levels = {level: _level(given, answers[level], each, level) for level, each in counted.items()}
    for level, intervals in _row_intervals(answers, counted, seed).items():
        levels[level].get("by_row", {})["intervals"] = intervals
    return {
        "rows": given.rows,
        "weight": given.weight,
        "titles": len(given.titles),
        "left_out": dict(given.left_out),
        "unknown_codes": list(given.unknown),
        "levels": levels,
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


def _level(given: Labelled, answered: Answered, counted: Counted, level: Level) -> dict[str, Any]:
    kept = counted.counted
    if not kept.any():
        return {"titles": 0}
    return {
        "titles": int(kept.sum()),
        "codes_per_title": float(counted.codes[kept].mean()),
        "by_row": _by_row(given, answered, counted, level),
        "by_title": _by_title(given, answered, counted, level),
        "calibration": _calibration(answered.scores[kept], counted.hit[kept]),
    }


def _sums(answered: Answered, counted: Counted) -> Floats:
    """Return the weight of each title's rows: all, right, accepted, and both, shape (titles, 4)."""
    taken = answered.accepted
    return np.column_stack([counted.weight, counted.right, counted.weight * taken, counted.right * taken])


def _row_shares(sums: Floats) -> Floats:
    """Return the shares named in `_ROW_SHARES` from sums of `_sums`, shape (..., 4); NaN where there is no case."""
    rows, right, accepted, accepted_right = np.moveaxis(sums, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack([right / rows, accepted / rows, accepted_right / accepted], axis=-1)


def _by_row(given: Labelled, answered: Answered, counted: Counted, level: Level) -> dict[str, Any]:
    point = _row_shares(_sums(answered, counted).sum(axis=0))
    found: dict[str, Any] = {name: _number(value) for name, value in zip(_ROW_SHARES, point, strict=True)}
    found["ceiling"] = float(counted.most.sum() / counted.weight.sum())
    found["mean_over_groups"] = _over_groups(_row_cases(given, answered, level))
    return found


def _row_intervals(
    answers: Mapping[Level, Answered], counted: Mapping[Level, Counted], seed: int
) -> dict[Level, dict[str, Any]]:
    """Return the intervals by row at each level, from resampled titles, or resampled groups of them if there are many.

    Titles are put into groups by chance, so that groups vary as much as their titles do.
    """
    sums = np.concatenate([_sums(answers[level], each) for level, each in counted.items()], axis=1)
    if len(sums) > _MOST_RESAMPLED:
        order = np.random.default_rng(seed).permutation(len(sums))
        sums = np.add.reduceat(sums[order], np.linspace(0, len(sums), _MOST_RESAMPLED, endpoint=False).astype(int))

    def shares(weights: Floats) -> Floats:
        return _row_shares((weights @ sums).reshape(len(weights), -1, 4)).reshape(len(weights), -1)

    drawn = bootstrap(shares, np.arange(len(sums)), seed=seed).reshape(-1, len(counted), len(_ROW_SHARES))
    return {
        level: {name: _resampled(drawn[:, row, column]) for column, name in enumerate(_ROW_SHARES)}
        for row, level in enumerate(counted)
    }


def _resampled(values: Floats) -> dict[str, Any] | None:
    """Return the interval of resampled shares, None where too few resamples have a case."""
    finite = values[np.isfinite(values)]
    return asdict(interval(finite)) if len(finite) > len(values) / 2 else None


def _by_title(given: Labelled, answered: Answered, counted: Counted, level: Level) -> dict[str, Any]:
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
        for codes, weight in truths(truth, level):
            yield codes, weight, code in codes


def _title_cases(given: Labelled, answered: Answered, level: Level) -> Iterator[_Case]:
    for truth, code in zip(given.truths, answered.codes, strict=True):
        codes = frozenset(each for found, _ in truths(truth, level) for each in found)
        if codes:
            yield codes, 1.0, code in codes


def _over_groups(cases: Iterator[_Case]) -> float:
    """Return the mean accuracy of the true major groups; a case with codes in several is divided among them."""
    total, right = defaultdict[str, float](float), defaultdict[str, float](float)
    for codes, weight, is_right in cases:
        groups = {soc.ancestor(code, "major") for code in codes}
        for group in groups:
            total[group] += weight / len(groups)
            right[group] += weight * is_right / len(groups)
    return sum(right[group] / total[group] for group in total) / len(total)


def _calibration(scores: NDArray[np.float32], hit: NDArray[np.bool_]) -> dict[str, float]:
    """Return how far stated and real accuracy of distinct titles are apart, and how much of that is no chance."""
    bins = metrics.reliability(scores, hit)
    error, chance = metrics.expected_calibration_error(bins), metrics.chance_calibration_error(bins)
    return {"ece": error, "ece_by_chance": chance, "ece_above_chance": error - chance}


def _source(
    name: str, sources: Sequence[str], answers: Mapping[Level, Answered], counted: Mapping[Level, Counted]
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
    weights = defaultdict[tuple[str, str], float](float)
    titles = defaultdict[tuple[str, str], dict[str, float]](dict)
    total = 0.0
    for title, truth, code in zip(given.titles, given.truths, answered.codes, strict=True):
        for codes, weight in truths(truth, level):
            total += weight
            if code not in codes:
                pair = (min(codes), code)
                weights[pair] += weight
                titles[pair][title] = titles[pair].get(title, 0.0) + weight
    order = sorted(weights, key=lambda pair: (-weights[pair], pair))[:_COMMONEST]
    return [
        {
            "truth": true,
            "answer": code,
            "weight": weights[true, code],
            "share": weights[true, code] / total,
            "titles": sorted(titles[true, code], key=titles[true, code].__getitem__, reverse=True)[:_EXAMPLES],
        }
        for true, code in order
    ]
