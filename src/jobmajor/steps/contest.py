"""Candidate and champion, asked the same titles of the test."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from jobmajor import soc
from jobmajor.data import examples
from jobmajor.evaluation import behaviour, evaluate
from jobmajor.evaluation.comparison import compare
from jobmajor.model import classifier
from jobmajor.registry import artifact

if TYPE_CHECKING:
    from jobmajor.evaluation.comparison.compare import Side
    from jobmajor.evaluation.judged import Answers
    from jobmajor.model.classifier import Classifier
    from sagelocal.storage import manifest


def model(archive: Path) -> tuple[Classifier, manifest.Manifest]:
    """Return the classifier in an archive, and its manifest."""
    with tempfile.TemporaryDirectory() as folder:
        made = artifact.unpack(archive, Path(folder))
        return classifier.load(Path(folder)), made


def counted(test: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of the test that the headline figures count."""
    return test.filter(pl.col("source") == examples.COUNTED)


def by_level(asked: Classifier, titles: pl.Series) -> dict[str, Answers]:
    """Return each level's shares and its codes."""
    detailed = asked.predict_proba(titles, "detailed")
    return {level: (asked.sum_up(detailed, level), asked.classes(level)) for level in soc.LEVELS}


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

    A champion that was trained on another release or split may know these rows, so its figure would be too high.
    Reviewed titles make no difference: none with the words of a title of the test is ever trained on.
    """
    if not (folder / artifact.MODEL).is_file():
        return None
    new, answers = candidate
    champion, made = model(folder / artifact.MODEL)
    if _origin(champion) != _origin(new):
        why = "it learned from another release or split, and may have seen titles of this test"
        return {"digest": made.digest, "comparable": False, "reason": why}
    return {"digest": made.digest, **compare.compare(test, answers, side(champion, test), seed=seed)}


def _origin(asked: Classifier) -> tuple[Any, Any]:
    source = {name: value for name, value in asked.about.get("source", {}).items() if name != "reviewed"}
    return source, asked.about.get("split")
