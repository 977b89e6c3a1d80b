"""What labels teach: 200 titles of a register, chosen by value or at random, trained on; judged on the rest.

Half of the register's title families is where labels are chosen from, drawn anew for each seed; the other half is the
rest, the same for all choices of a seed. A label is the code that officials gave the title most often. The model is
trained with the labels as reviewed titles, and answers by itself: there are no overrides.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from benchmarks.outside import FILES
from benchmarks.tables import Table
from jobmajor.data import labelled, prepare, reviewed
from jobmajor.data.labelled import Labelled
from jobmajor.evaluation.hits import count
from jobmajor.model import thresholds
from jobmajor.pipeline import outside
from jobmajor.review import value
from jobmajor.settings import Linear, Split
from jobmajor.titles import family_key, normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from jobmajor.data.labelled import Codes
    from jobmajor.data.onet import Tables
    from jobmajor.model.classifier import Classifier

    Floats = NDArray[np.float64]

FILE = "H-2B register"
NONE, VALUE, RANDOM, ANY, ROWS = "no labels", "by value", "random doubtful", "random of all", "most rows"
ARMS = (VALUE, RANDOM, ANY, ROWS)
LABELS = 200
_DRAWS = 4000
_INTERVAL = (2.5, 97.5)


@dataclass(slots=True)
class _Seed:
    """Of one seed: by arm, the share of each title of the rest that is right, by row and as a title."""

    weights: Floats
    families: NDArray[np.int64]
    right: dict[str, Floats] = field(default_factory=dict)
    hit: dict[str, Floats] = field(default_factory=dict)
    sure: dict[str, float] = field(default_factory=dict)


def measure(tables: Tables, external: Path, seeds: Sequence[int], report: Callable[[str], None]) -> dict[str, Any]:
    """Return the figures of each choice of labels, and what choices gain over others."""
    parts = prepare.prepare(tables, Split())
    file = FILES[FILE]
    given = labelled.read(labelled.TitleFile(external / file.path, file.title, file.code, file.weight, file.revision))
    report("training without labels")
    plain = thresholds.fit(parts["train"], parts["validation"], Linear())
    found = [_measured(parts, plain, given, seed, report) for seed in seeds]
    return {
        "release": tables.release,
        "titles": len(given.titles),
        "labels": LABELS,
        "seeds": list(seeds),
        "arms": {arm: _figures(found, arm) for arm in (NONE, *ARMS)},
        "gains": {
            f"{arm} - {other}": {kind: _gain(found, kind, arm, other) for kind in ("rows", "titles")}
            for arm, other in ((VALUE, RANDOM), (VALUE, ANY), (VALUE, ROWS), (RANDOM, NONE), (VALUE, NONE))
        },
    }


def _measured(
    parts: Mapping[str, pl.DataFrame], plain: Classifier, given: Labelled, seed: int, report: Callable[[str], None]
) -> _Seed:
    families = [family_key(title) for title in given.titles]
    is_rest = np.array([_draw(seed, family) % 2 == 1 for family in families])
    rest = _some(given, np.flatnonzero(is_rest))
    ids = np.unique([families[row] for row in np.flatnonzero(is_rest)], return_inverse=True)[1]
    found = _Seed(np.array([sum(truth.values()) for truth in rest.truths]), ids)
    _judge(found, NONE, plain, rest)
    for arm, rows in _chosen(plain, given, np.flatnonzero(~is_rest), seed).items():
        report(f"seed {seed}: {arm}")
        added, used = reviewed.add(parts, _labels(given, rows))
        _judge(found, arm, thresholds.fit(added["train"], parts["validation"], Linear()), rest)
        report(f"seed {seed}: {arm}: {used.trained} of {len(rows)} trained on")
    return found


def _draw(seed: int, text: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}:{text}".encode("utf-8", "surrogatepass")).digest()[:8])


def _some(given: Labelled, rows: NDArray[np.intp]) -> Labelled:
    return Labelled([given.titles[row] for row in rows], [given.truths[row] for row in rows], len(rows))


def _chosen(plain: Classifier, given: Labelled, pool: NDArray[np.intp], seed: int) -> Mapping[str, Sequence[int]]:
    """Return the rows that each arm labels; of each family, the title with the most rows."""
    rows = {int(row): sum(given.truths[row].values()) for row in pool if normalise(given.titles[row])}
    first: dict[str, int] = {}
    for row in sorted(rows, key=lambda row: -rows[row]):
        first.setdefault(family_key(given.titles[row]), row)
    every = list(first.values())
    titles = [given.titles[row] for row in every]
    answers = plain.answer(titles, "major")
    worth = value.uncertainty(answers, "major") * value.novelty(titles, plain)
    values = {row: rows[row] * each for row, each in zip(every, worth.tolist(), strict=True)}
    doubtful = [row for row, each in zip(every, answers, strict=True) if each.reason]
    orders = {
        VALUE: sorted(doubtful, key=lambda row: -values[row]),
        RANDOM: sorted(doubtful, key=lambda row: _draw(seed, f"doubtful {given.titles[row]}")),
        ANY: sorted(every, key=lambda row: _draw(seed, f"any {given.titles[row]}")),
        ROWS: sorted(doubtful, key=lambda row: -rows[row]),
    }
    return {arm: order[:LABELS] for arm, order in orders.items()}


def _labels(given: Labelled, rows: Sequence[int]) -> pl.DataFrame:
    found = [(normalise(given.titles[row]), code) for row in rows for code in _most_frequent(given.truths[row])]
    return pl.DataFrame(found, schema=["title", "code"], orient="row")


def _most_frequent(truths: Mapping[Codes, float]) -> Codes:
    return max(truths, key=lambda codes: truths[codes])


def _judge(found: _Seed, arm: str, model: Classifier, rest: Labelled) -> None:
    answered = outside.answered(model, rest.titles, exact=True)[0]["major"]
    counted = count(rest, answered, "major")
    found.right[arm] = counted.right
    found.hit[arm] = counted.hit.astype(np.float64)
    found.sure[arm] = float(counted.weight[answered.accepted].sum() / counted.weight.sum())


def _figures(found: Sequence[_Seed], arm: str) -> dict[str, float]:
    return {
        "rows_right": float(np.mean([each.right[arm].sum() / each.weights.sum() for each in found])),
        "titles_right": float(np.mean([each.hit[arm].mean() for each in found])),
        "rows_sure": float(np.mean([each.sure[arm] for each in found])),
    }


def _gain(found: Sequence[_Seed], kind: str, arm: str, other: str) -> dict[str, float]:
    """Return the mean gain, and its 95 % interval: seeds are drawn again, and in each the families of its rest."""
    rng = np.random.default_rng(2140)
    sums = [_sums(each, kind, arm, other) for each in found]
    drawn = np.zeros(_DRAWS)
    for place in range(_DRAWS):
        for seed in rng.integers(len(sums), size=len(sums)):
            gain, weight = sums[seed]
            times = rng.poisson(1.0, len(gain))
            drawn[place] += times @ gain / max(times @ weight, 1e-9) / len(sums)
    low, high = np.percentile(drawn, _INTERVAL)
    mean = float(np.mean([gain.sum() / weight.sum() for gain, weight in sums]))
    return {"mean": mean, "low": float(low), "high": float(high)}


def _sums(each: _Seed, kind: str, arm: str, other: str) -> tuple[Floats, Floats]:
    """Return for each family of the rest what is right more often, and its weight."""
    kept, weights = (each.right, each.weights) if kind == "rows" else (each.hit, np.ones(len(each.weights)))
    gains = kept[arm] - kept[other]
    sums = (np.bincount(each.families, column).astype(np.float64) for column in (gains, weights))
    return next(sums), next(sums)


def tables(found: Mapping[str, Any]) -> list[Table]:
    """Return the figures as tables."""
    shares = ("rows_right", "titles_right", "rows_sure")
    arms = tuple((arm, *(f"{each[name]:.3f}" for name in shares)) for arm, each in found["arms"].items())
    gains = tuple((name, *(_shown(each[kind]) for kind in ("rows", "titles"))) for name, each in found["gains"].items())
    about = f"{found['labels']} labels, {len(found['seeds'])} seeds, trained on {found['release']}"
    return [
        Table(f"the rest, major groups: {about}", ("labels", "rows right", "titles right", "rows sure"), arms),
        Table("points gained on the rest, with 95 % intervals", ("choice", "by row", "by title"), gains),
    ]


def _shown(gain: Mapping[str, float]) -> str:
    return f"{100 * gain['mean']:+.2f} ({100 * gain['low']:+.2f} to {100 * gain['high']:+.2f})"
