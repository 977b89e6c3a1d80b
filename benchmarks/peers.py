"""The systems that ours is measured against, each as its users would set it up.

Those that learn do so from the counted rows of the training part, titles as written: the derived forms gained them
nothing (docs/experiments.md), and cleaning is each system's own business. Each is imported where it is used: they
are installed by `make bench` alone, and one's memory must not be another's.
"""

from __future__ import annotations

import hashlib
import random
import re
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.systems import NO_ANSWER, Coder, System
from jobmajor import soc

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from jobmajor.soc import Level

    Floats = NDArray[np.floating[Any]]

_FINER: tuple[Level, ...] = ("minor", "broad", "detailed")


def _source() -> str:
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


def _examples(training: pl.DataFrame, level: Level) -> tuple[list[str], list[str]]:
    """Titles as written, and their codes at a level."""
    from jobmajor.data.examples import COUNTED  # noqa: PLC0415 - see above

    counted = training.filter(training["source"] == COUNTED)
    return counted["title"].to_list(), [soc.ancestor(code, level) for code in counted["code"]]


class _Lifted:
    """A coder of one level that answers above it, too: a parent's score is the best, or the sum, of its children's."""

    def __init__(self, codes: Sequence[str], gather: np.ufunc) -> None:
        self._codes, self._gather = codes, gather

    def classes(self, level: Level) -> Sequence[str]:
        return sorted({_ancestor(code, level) for code in self._codes})

    def lift(self, scores: Floats, level: Level) -> Floats:
        parents = np.array([_ancestor(code, level) for code in self._codes])
        order = np.argsort(parents, kind="stable")
        _, starts = np.unique(parents[order], return_index=True)
        lifted: Floats = self._gather.reduceat(scores[:, order], starts, axis=1)
        return lifted


def _ancestor(code: str, level: Level) -> str:
    return soc.ancestor(code, level) if code in soc.table() else code


# --- TF-IDF + linear SVM -----------------------------------------------------------------------------------------


class _Svm(_Lifted):
    """One-vs-rest margins of one level's codes; for a level above, the best of the children's."""

    def __init__(self, model: Any) -> None:
        super().__init__(list(model.classes_), np.maximum)
        self._model = model

    def scores(self, titles: Sequence[str], level: Level) -> Floats:
        return self.lift(self._model.decision_function(titles), level)

    def answer(self, titles: Sequence[str], *, every_level: bool) -> object:
        if not every_level:
            return self._model.predict(titles)
        margins = self._model.decision_function(titles)
        return [self.lift(margins, level) for level in _FINER]

    def save(self, folder: Path) -> None:
        import joblib  # noqa: PLC0415 - see above

        joblib.dump(self._model, folder / "model.joblib")


_SVM_SETTINGS = {"C": 0.4, "words": "1-2", "char_wb": "2-5"}


def _fit_svm(training: pl.DataFrame, _: pl.DataFrame, *, level: Level) -> Coder:
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415 - see above
    from sklearn.pipeline import make_pipeline, make_union  # noqa: PLC0415
    from sklearn.svm import LinearSVC  # noqa: PLC0415

    words = TfidfVectorizer(ngram_range=(1, 2))
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5))
    model = make_pipeline(make_union(words, letters), LinearSVC(C=0.4, random_state=0))
    return _Svm(model.fit(*_examples(training, level)))


def _load_svm(folder: Path) -> Coder:
    import joblib  # noqa: PLC0415 - see above

    return _Svm(joblib.load(folder / "model.joblib"))


# --- fastText ----------------------------------------------------------------------------------------------------

_FASTTEXT_SETTINGS = {
    "dim": 100,
    "epoch": 25,
    "lr": 0.5,
    "wordNgrams": 2,
    "minn": 2,
    "maxn": 5,
    "bucket": 200_000,
    "thread": 1,  # with more it learns something else each time
}
_NOT_A_WORD = re.compile(r"[\W_]+")


class _FastText(_Lifted):
    """Shares of one level's codes, summed up for a level above."""

    def __init__(self, model: Any) -> None:
        codes = [label.removeprefix("__label__") for label in model.get_labels()]
        super().__init__(codes, np.add)
        self._model = model
        self._place = {f"__label__{code}": column for column, code in enumerate(codes)}

    def scores(self, titles: Sequence[str], level: Level) -> Floats:
        found = np.zeros((len(titles), len(self._codes)), np.float32)
        labels, shares = self._model.predict([_plain(title) for title in titles], k=-1)
        for row, (names, values) in enumerate(zip(labels, shares, strict=True)):
            found[row, [self._place[name] for name in names]] = values
        return self.lift(found, level)

    def answer(self, titles: Sequence[str], *, every_level: bool) -> object:
        if every_level:
            detailed = self.scores(titles, "detailed")
            return [self.lift(detailed, level) for level in _FINER]
        return self._model.predict([_plain(title) for title in titles])

    def save(self, folder: Path) -> None:
        self._model.save_model(str(folder / "model.bin"))


def _plain(title: str) -> str:
    return _NOT_A_WORD.sub(" ", title.lower()).strip()


def _fit_fasttext(training: pl.DataFrame, _: pl.DataFrame, *, level: Level) -> Coder:
    import fasttext  # noqa: PLC0415 - see above

    titles, codes = _examples(training, level)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.txt"
        lines = [f"__label__{code} {_plain(title)}\n" for title, code in zip(titles, codes, strict=True)]
        random.Random(0).shuffle(lines)  # noqa: S311 - it learns in the file's order, and ours is by code
        path.write_text("".join(lines), "utf-8")
        return _FastText(fasttext.train_supervised(str(path), verbose=0, **_FASTTEXT_SETTINGS))


def _load_fasttext(folder: Path) -> Coder:
    import fasttext  # noqa: PLC0415 - see above

    return _FastText(fasttext.load_model(str(folder / "model.bin")))


# --- sockit ------------------------------------------------------------------------------------------------------


class _Sockit(_Lifted):
    """Its own counts as shares; a title that it finds nothing for is NO_ANSWER, surely.

    A code that is none of SOC 2018's detailed ones counts towards what it has in common with them: nothing.
    """

    def __init__(self) -> None:
        super().__init__([NO_ANSWER, *sorted(soc.detailed_codes())], np.add)
        self._place = {code.replace("-", ""): column for column, code in enumerate(self._codes)}

    def scores(self, titles: Sequence[str], level: Level) -> Floats:
        from sockit.title import clean, search  # noqa: PLC0415 - see above

        found = np.zeros((len(titles), len(self._codes)), np.float32)
        for row, title in enumerate(titles):
            counts = search(clean(title))
            total = sum(counts.values())
            for code, count in counts.items():
                found[row, self._place.get(code, 0)] += count / total
            if not counts:
                found[row, 0] = 1.0
        return self.lift(found, level)

    def answer(self, titles: Sequence[str], *, every_level: bool) -> object:  # noqa: ARG002 - see below
        """Shares of detailed codes as its documentation has it, whichever level is asked for: it knows no other."""
        from sockit.title import clean, search, sort  # noqa: PLC0415 - see above

        return [sort(search(clean(title))) for title in titles]

    def save(self, folder: Path) -> None:
        """A copy of its package's data, for its size; it is loaded from the package."""
        import sockit.data  # noqa: PLC0415 - see above

        shutil.copytree(Path(sockit.data.__file__).parent, folder / "data")


# -----------------------------------------------------------------------------------------------------------------


def _two_levels(  # noqa: PLR0913 - each says something else of the pair
    name: str,
    what: str,
    fit: Callable[..., Coder],
    load: Callable[[Path], Coder],
    *,
    states_shares: bool,
    packages: dict[str, str],
    settings: dict[str, Any],
) -> tuple[System, System]:
    """The same peer trained for major groups, and trained for detailed codes, which answers for what is between."""

    def made(suffix: str, trained_for: Level, levels: tuple[Level, ...]) -> System:
        return System(
            name=name + suffix,
            what=f"{what}, trained for {trained_for} codes",
            fit=partial(fit, level=trained_for),
            load=load,
            version=_source,
            levels=levels,
            states_shares=states_shares,
            packages=packages,
            settings=settings,
        )

    return made("", "major", ("major",)), made("-detailed", "detailed", _FINER)


PEERS: tuple[System, ...] = (
    *_two_levels(
        "svm",
        "TF-IDF of words, word pairs and letter runs, LinearSVC; a score is a margin",
        _fit_svm,
        _load_svm,
        states_shares=False,
        packages={"sklearn": "scikit-learn"},
        settings=_SVM_SETTINGS,
    ),
    *_two_levels(
        "fasttext",
        "fastText supervised, words and letter runs",
        _fit_fasttext,
        _load_fasttext,
        states_shares=True,
        packages={"fasttext": "fasttext-numpy2-wheel"},
        settings=_FASTTEXT_SETTINGS,
    ),
    System(
        name="sockit",
        what="as it comes: it holds O*NET 27.0's titles, so figures on O*NET flatter it",
        fit=lambda _training, _validation: _Sockit(),
        load=lambda _folder: _Sockit(),
        version=_source,
        packages={"sockit": "sockit"},
    ),
)
