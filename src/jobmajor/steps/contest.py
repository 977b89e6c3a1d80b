"""Candidate and champion, asked the same titles of the test, and of the reviewed titles' own test."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from jobmajor.data import examples, labelled
from jobmajor.evaluation import behaviour, evaluate
from jobmajor.evaluation.comparison import compare, paired
from jobmajor.model import classifier
from jobmajor.registry import artifact
from jobmajor.soc import chosen
from jobmajor.titles import family_key, normalise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobmajor.evaluation.comparison.compare import Side
    from jobmajor.evaluation.judged import Answers
    from jobmajor.model.classifier import Classifier
    from jobmajor.soc import Level
    from sagelocal.storage import manifest

_FEW = 20  # titles; below, no interval says anything


def model(archive: Path) -> tuple[Classifier, manifest.Manifest]:
    """Return the classifier in an archive, and its manifest."""
    with tempfile.TemporaryDirectory() as folder:
        made = artifact.unpack(archive, Path(folder))
        return classifier.load(Path(folder)), made


def counted(test: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of the test that the headline figures count."""
    return test.filter(pl.col("source") == examples.COUNTED)


def questions(test: pl.DataFrame) -> tuple[list[str], NDArray[np.str_]]:
    """Return the titles that the headline figures count, and the major group of each, shape (titles,)."""
    rows = counted(test)
    return rows["title"].to_list(), rows.select(examples.major_group(pl.col("code"))).to_series().to_numpy()


def by_level(asked: Classifier, titles: pl.Series) -> dict[str, Answers]:
    """Return each level's shares and its codes."""
    detailed = asked.predict_proba(titles, "detailed")
    return {level: (asked.sum_up(detailed, level), asked.classes(level)) for level in chosen.now().levels}


def side(asked: Classifier, test: pl.DataFrame) -> Side:
    """Return a model's answers to the test."""
    rows = counted(test)
    return compare.Side(
        (asked.predict_proba(test["title"]), asked.classes()),
        evaluate.right_by_level(rows, by_level(asked, rows["title"])),
        behaviour.kept(asked.predict_proba, rows["title"].to_list()),
    )


def compared(folder: Path, test: pl.DataFrame, candidate: tuple[Classifier, Side], seed: int) -> dict[str, Any] | None:
    """Compare the candidate with the champion on the same rows; return None if there is no champion yet.

    A champion that was trained on another release or split may know these rows, so its figure would be too high. Then
    only the titles that it did not learn from are compared. Reviewed titles make no difference: none with the words of
    a title of the test is ever trained on.
    """
    if not (folder / artifact.MODEL).is_file():
        return None
    new, answers = candidate
    champion, made = model(folder / artifact.MODEL)
    if _origin(champion) != _origin(new):
        why = f"it learned from {_other(champion, new)}, and may have seen titles of this test"
        found = unseen(test, (new, champion), seed)
        return {"digest": made.digest, "comparable": False, "reason": why, "unseen": found}
    return {"digest": made.digest, **compare.compare(test, answers, side(champion, test), seed=seed)}


def unseen(test: pl.DataFrame, models: tuple[Classifier, Classifier], seed: int) -> dict[str, Any]:
    """Compare candidate and champion on the titles of the candidate's test that the champion did not learn from.

    The words of such a title in another order may be among those that it did learn from, which can only help it.

    Args:
        test: The candidate's test.
        models: The candidate and the champion.
        seed: For the resamples.

    Returns:
        `titles`, their number, and `levels`: at each level what `paired.Paired.to_json` returns of the share of right
        titles; a title is right if any of its codes is the answer. Fewer than 20 titles have no levels.
    """
    table = counted(test).group_by("title").agg(pl.col("code").unique()).sort("title")
    listed = models[1].knowledge.listed
    if not len(listed.titles):  # what it learned from is unknown
        return {"titles": 0, "levels": {}}
    learned, _ = listed.find([normalise(title) for title in table["title"]])
    new = table.with_row_index().filter(~pl.col("index").is_in(learned.tolist()))
    if len(new) < _FEW:
        return {"titles": len(new), "levels": {}}
    titles, levels = new["title"].to_list(), chosen.now().levels
    truths = [[labelled.at_level(tuple(codes), level) for codes in new["code"].to_list()] for level in levels]
    candidate, champion = (
        [_right(each, titles, truth, level) for level, truth in zip(levels, truths, strict=True)] for each in models
    )
    pairs = paired.shares(candidate, champion, np.array(list(map(family_key, titles))), seed=seed)
    return {"titles": len(new), "levels": {level: pair.to_json() for level, pair in zip(levels, pairs, strict=True)}}


def _right(asked: Classifier, titles: list[str], truths: list[frozenset[str]], level: Level) -> NDArray[np.bool_]:
    """Return for each title whether the answer is one of its codes at the level."""
    return np.array([code in truth for code, truth in zip(asked.predict(titles, level), truths, strict=True)])


def reviewed(path: Path, new: Classifier, champion: Path, seed: int) -> dict[str, Any] | None:
    """Return how right a model is on the reviewed titles' own test, beside the champion; None where there is no test.

    Every champion can be compared: no model is trained on these titles, whatever its release.

    Args:
        path: The titles, as `data.reviewed.hold_out` returns them.
        new: The candidate.
        champion: The folder of the champion's archive.
        seed: For the resamples.

    Returns:
        `titles`, and `levels`: at each level that codes reach, `titles` and `accuracy`, a title being right if any of
        its codes is the answer; where there is a champion and enough titles, what `paired.Paired.to_json` returns, too.
    """
    if not path.is_file():
        return None
    table = pl.read_parquet(path).group_by("title").agg(pl.col("code").sort()).sort("title")
    titles, codes = table["title"], [tuple(each) for each in table["code"].to_list()]
    old = model(champion / artifact.MODEL)[0] if (champion / artifact.MODEL).is_file() else None
    levels: dict[str, Any] = {}
    for level in chosen.now().levels:
        truths = [labelled.at_level(each, level) for each in codes]
        kept = np.array([bool(truth) for truth in truths])
        if kept.any():
            known = titles.filter(pl.Series(kept)), [truth for truth in truths if truth]
            levels[level] = _own(*known, level, (new, old), seed)
    return {"titles": len(titles), "levels": levels}


def _own(
    titles: pl.Series,
    truths: list[frozenset[str]],
    level: Level,
    models: tuple[Classifier, Classifier | None],
    seed: int,
) -> dict[str, Any]:
    right = [_right(each, titles.to_list(), truths, level) for each in models if each is not None]
    found = {"titles": len(titles), "accuracy": float(right[0].mean())}
    if len(right) == 1 or len(titles) < _FEW:
        return found
    families = np.array(list(map(family_key, titles)))
    (pair,) = paired.shares([right[0]], [right[1]], families, seed=seed)
    return {**found, **pair.to_json()}


def _other(champion: Classifier, new: Classifier) -> str:
    """Return what the champion learned from, where that is not what the candidate did."""
    old, found = (each.about.get("source", {}).get("release", "unknown") for each in (champion, new))
    if old != found:
        return f"release {old}, the candidate from {found}"
    is_split = champion.about.get("split") != new.about.get("split")
    return "another split" if is_split else f"other files of release {old}"


def _origin(asked: Classifier) -> tuple[Any, Any]:
    source = {name: value for name, value in asked.about.get("source", {}).items() if name != "reviewed"}
    return source, asked.about.get("split")
