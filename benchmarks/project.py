"""`python -m benchmarks.project FOLDER`: a project of `jobmajor init` beside a plain TF-IDF SVM, on one split.

The SVM is the one of the other benchmarks: words, word pairs and runs of letters, LinearSVC. It is fitted once for the
coarsest level and once for the finest. Ours is the model that the gate judged, before it was trained again on all rows.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import LinearSVC

from jobmajor import settings
from jobmajor.data import examples, onet, prepare
from jobmajor.errors import Error, InputError
from jobmajor.model import classifier
from jobmajor.registry.loading import open_registry
from sagelocal.show.terminal import table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jobmajor.model.classifier import Classifier
    from jobmajor.soc import Level


def figures(parts: dict[str, pl.DataFrame], model: Classifier) -> Iterator[tuple[str, ...]]:
    """Yield for each level and system the accuracy and the weighted F1 on the counted rows of the test."""
    train, test = prepare.titles(parts["train"]), parts["test"].filter(pl.col("source") == examples.COUNTED)
    truths: dict[Level, pl.Expr] = {"major": examples.major_group(pl.col("code")), "detailed": pl.col("code")}
    for level, truth in truths.items():
        learned, asked = (part.select(truth).to_series().to_list() for part in (train, test))
        answers = {
            "ours": model.predict(test["title"].to_list(), level).tolist(),
            "SVM": _svm(train["title"].to_list(), learned).predict(test["title"].to_list()).tolist(),
        }
        for system, given in answers.items():
            right = sum(map(str.__eq__, given, asked)) / len(asked)
            yield level, system, f"{right:.4f}", f"{f1_score(asked, given, average='weighted', zero_division=0):.4f}"


def _svm(texts: Sequence[str], labels: Sequence[str]) -> LinearSVC:
    words = TfidfVectorizer(ngram_range=(1, 2))
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5))
    return make_pipeline(make_union(words, letters), LinearSVC(C=0.4, random_state=0)).fit(texts, labels)


def _model() -> tuple[dict[str, pl.DataFrame], Classifier]:
    """Return the splits of the project in the working folder, and the model that its gate judged."""
    chosen, registry = settings.read(), open_registry(settings.home())
    champion = registry.champion()
    if champion is None or chosen.data.path is None:
        raise InputError("the folder has no champion: run jobmajor run there first")
    return prepare.prepare(onet.read(chosen.data.path), chosen.split), classifier.load(registry.judged(champion.number))


def main() -> int:
    """Print the table and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the project's folder, with a champion in it")
    try:
        os.chdir(parser.parse_args().folder)
        table(("level", "system", "accuracy", "weighted F1"), list(figures(*_model())))
    except (Error, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
