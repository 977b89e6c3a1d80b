"""Codes that training never saw, answered by their names: the occupation is new, its name is known.

A tenth of the occupations is held out of training as the protocol `occupation` does it. Then the model is told the
official names of their codes, or names and descriptions, and answers their titles. What this costs shows on titles of
the other occupations, of which an eighth of the families is held out, too.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from sklearn.metrics import f1_score

from benchmarks.cells import commit
from benchmarks.document import machine
from benchmarks.protocols import draw
from benchmarks.tables import Table, markdown
from jobmajor import soc
from jobmajor.data.examples import COUNTED, DESCRIPTION
from jobmajor.model import thresholds
from jobmajor.model.rules.classes import Class, Classes
from jobmajor.settings import Linear

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jobmajor.data.onet import Tables
    from jobmajor.model.classifier import Classifier
    from jobmajor.soc import Level

PATH = Path(__file__).parents[1] / "docs" / "new-codes.md"
LEVELS: tuple[Level, ...] = ("major", "detailed")
PLAIN, NAMES, TEXTS = "nothing", "all names", "all names and descriptions"
FIVE = "names and descriptions, five codes at a time"
_EIGHTH = 8
_AT_A_TIME, _DRAWS = 5, 3
_KNOWN_TITLES = 2000  # at most


@dataclass(frozen=True, slots=True)
class _Titles:
    """Titles with the code of each."""

    titles: list[str]
    codes: list[str]

    @classmethod
    def of(cls, rows: pl.DataFrame) -> _Titles:
        return cls(rows["title"].to_list(), rows["code"].to_list())


def measure(tables: Tables, seeds: Sequence[int], report: Callable[[str], None], *, final: bool) -> dict[str, Any]:
    """The figures of each seed and of each way to be told of the codes; on the tests if `final`."""
    return {str(seed): _measured(tables, seed, report, final=final) for seed in seeds}


def _measured(tables: Tables, seed: int, report: Callable[[str], None], *, final: bool) -> dict[str, Any]:
    report(f"seed {seed}")
    parts = draw(tables, "occupation", seed, final=final)
    known, train = _held_out(parts.train, seed)
    model = thresholds.fit(train, parts.validation, Linear())
    strange = parts.counted.filter(~pl.col("code").is_in(list(model.codes)))
    new, old = _Titles.of(strange), _Titles.of(known.filter(pl.col("code").is_in(list(model.codes))))
    every = _classes(tables, sorted(set(new.codes)))
    bare = Classes(tuple(Class(each.code, each.name) for each in every.entries))
    return {
        "codes": len(every),
        "known codes": len(model.codes),
        "titles": len(new.titles),
        "known titles": len(old.titles),
        PLAIN: _figures(model, new, old),
        NAMES: _figures(model.with_classes(bare), new, old),
        TEXTS: _figures(model.with_classes(every), new, old),
        FIVE: _few(model, every, new, old),
    }


def _held_out(train: pl.DataFrame, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The counted rows of an eighth of training's families, and the rows that share nothing with them."""
    family = pl.col("family").cast(pl.String).map_elements(lambda name: _draw(seed, name), return_dtype=pl.Int64)
    drawn = train.filter((pl.col("source") != DESCRIPTION) & (family == 0))
    rest = train.join(drawn.select("text"), on="text", how="anti")
    described = pl.col("source") == DESCRIPTION
    rest = pl.concat(
        [rest.filter(described), rest.filter(~described).join(drawn.select("family"), on="family", how="anti")]
    )
    known = drawn.filter(pl.col("source") == COUNTED)
    return known.sample(min(_KNOWN_TITLES, len(known)), seed=seed), rest


def _draw(seed: int, family: str) -> int:
    return int(hashlib.sha256(f"{seed}:known:{family}".encode()).hexdigest()[:8], 16) % _EIGHTH


def _classes(tables: Tables, codes: Sequence[str]) -> Classes:
    """The codes with their official names, and the description of the first O*NET occupation of each."""
    rows = tables.occupations.sort("onet_code", descending=True).select("onet_code", "description").iter_rows()
    described = {onet_code[:7]: text or "" for onet_code, text in rows}
    return Classes(tuple(Class(code, soc.name(code), described.get(code, "")) for code in codes))


def _figures(model: Classifier, new: _Titles, old: _Titles) -> dict[str, float]:
    found, kept = _best(model, new.titles), _best(model, old.titles)
    truth = [soc.ancestor(code, "major") for code in new.codes]
    f1 = f1_score(truth, found["major"], average="macro", labels=sorted(set(truth)), zero_division=0)
    of_new = {f"new {level}": _right(found[level], new.codes, level) for level in LEVELS}
    of_known = {f"known {level}": _right(kept[level], old.codes, level) for level in LEVELS}
    return {**of_new, "new f1": float(f1), **of_known}


def _few(model: Classifier, every: Classes, new: _Titles, old: _Titles) -> dict[str, float]:
    """The means over draws of a few codes, each with the titles of these codes only."""
    rng, found = np.random.default_rng(0), []
    for _ in range(_DRAWS):
        chosen = sorted(rng.permutation(len(every))[:_AT_A_TIME].tolist())
        few = Classes(tuple(every.entries[index] for index in chosen))
        rows = [row for row, code in enumerate(new.codes) if code in few.codes]
        of_few = _Titles([new.titles[row] for row in rows], [new.codes[row] for row in rows])
        before, after = (_figures(each, of_few, old) for each in (model, model.with_classes(few)))
        found.append({**after, "new major without": before["new major"]})
    return {key: float(np.mean([each[key] for each in found])) for key in found[0]}


def _best(model: Classifier, titles: Sequence[str]) -> dict[Level, list[str]]:
    answers = model.answer_at(LEVELS, titles)
    return {level: [each.answers[0].label for each in found] for level, found in zip(LEVELS, answers, strict=True)}


def _right(found: Sequence[str], codes: Sequence[str], level: Level) -> float:
    return float(np.mean([label == soc.ancestor(code, level) for label, code in zip(found, codes, strict=True)]))


_COLUMNS = ("the model is told", "major", "macro F1", "detailed", "major, known", "detailed, known")
_KEYS = ("new major", "new f1", "new detailed", "known major", "known detailed")


def tables(found: Mapping[str, Any]) -> list[Table]:
    """The means over the seeds as a table."""
    rows = []
    for told in (PLAIN, NAMES, TEXTS, FIVE):
        means = {key: float(np.mean([each[told][key] for each in found.values()])) for key in _KEYS}
        rows.append((told, *(f"{means[key]:.3f}" for key in _KEYS)))
    title = f"Titles of new codes, and of known ones: means over seeds {', '.join(found)}"
    return [Table(title, _COLUMNS, tuple(rows))]


_NOTES = """
The occupation is new, its name is known. A tenth of O*NET's occupations is held out of training with all forms of their
titles. The codes that no other occupation has are new to the model: {codes}, beside {known} known ones. It is told
their official names, or names and O*NET's descriptions (`--classes`), and answers their {titles} titles. *Known*
are {old} titles of the other occupations, whose families training did not see: what new codes take from them is
lost. A right answer is the code of the row.

With five new codes at a time, only titles of these five count as new. Told nothing, the model gets {five} of the same
titles right at the major level. The weights of names and descriptions were chosen on other draws of held-out
occupations ([experiments](experiments.md)), never on these.
"""


def text(found: Mapping[str, Any], shown: Sequence[Table]) -> str:
    """The page."""
    today, runs = datetime.now(UTC).date().isoformat(), list(found.values())
    span = {name: _span([each[key] for each in runs]) for name, key in _COUNTS.items()}
    five = float(np.mean([each[FIVE]["new major without"] for each in runs]))
    lines = [
        "# New codes",
        "",
        f"Written by `python -m benchmarks named` on {today}, at commit {commit()}. Don't edit it by hand.",
        "",
        f"- Machine: {machine()}.",
        _NOTES.format(**span, five=f"{five:.3f}"),
        markdown(shown),
    ]
    return "\n".join(lines).rstrip() + "\n"


_COUNTS = {"codes": "codes", "known": "known codes", "titles": "titles", "old": "known titles"}


def _span(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
