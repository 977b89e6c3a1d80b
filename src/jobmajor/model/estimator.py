"""The linear recipe as an estimator of scikit-learn, for pipelines, grid search and cross-validation on your titles.

Each call of `fit` holds back some families of titles, as the pipeline's `prepare` does, because scores that were
calibrated on training titles would not come true. The result is a `Classifier`, the attribute `model_`.
"""

from __future__ import annotations

import logging
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import polars as pl
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from jobmajor import settings, soc
from jobmajor.data import examples, prepare
from jobmajor.errors import DataError, InputError
from jobmajor.model import columns, thresholds
from jobmajor.titles import normalise

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from jobmajor.soc import Level

_DEFAULT = settings.Linear()
_log = logging.getLogger(__name__)


class TitleClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Titles in, SOC codes out, learned from titles with codes; X is one column of text, of any kind.

    All codes of y are of one level, which is also the level of `predict`, `predict_proba` and `score`. Give detailed
    codes if you have them: the model learns most from them, and `model_` answers at every level above.

    Attributes:
        validation: The share of the titles that only calibrate the scores, 0.01 to 0.4, in whole families; every code
            stays in training. The other parameters are those of `settings.Linear`; `seed` draws the families, too.
        model_: A `Classifier`.
        level_: The level of the codes.
        classes_: The codes, ascending: the order of `predict_proba`'s columns.
    """

    def __init__(  # noqa: PLR0913 - scikit-learn reads an estimator's parameters from here
        self,
        *,
        validation: float = 0.1,
        penalty: float = _DEFAULT.penalty,
        word_gain: float = _DEFAULT.word_gain,
        smoothing: float = _DEFAULT.smoothing,
        widest: int = _DEFAULT.widest,
        hidden: int = _DEFAULT.hidden,
        epochs: int = _DEFAULT.epochs,
        rate: float = _DEFAULT.rate,
        dropout: float = _DEFAULT.dropout,
        codes_loss: float = _DEFAULT.codes_loss,
        seed: int = _DEFAULT.seed,
    ) -> None:
        self.validation = validation
        self.penalty = penalty
        self.word_gain = word_gain
        self.smoothing = smoothing
        self.widest = widest
        self.hidden = hidden
        self.epochs = epochs
        self.rate = rate
        self.dropout = dropout
        self.codes_loss = codes_loss
        self.seed = seed

    def fit(self, X: Iterable[str | None], y: Iterable[str | None]) -> Self:  # noqa: N803 - scikit-learn's names
        """Train the model; titles without a word are left out.

        Raises:
            InputError: Not as many codes as titles, a code that is none of SOC 2018's, codes of several levels, or a
                parameter out of range; DataError: fewer than two major groups.
        """
        linear_settings, split = self._settings()
        titles, codes = columns.as_list(X), _codes(y)
        if len(titles) != len(codes):
            raise InputError(f"{len(titles)} titles and {len(codes)} codes were given: expected a code for each title")
        level = _level(codes)
        rows = _rows(titles, [_representative(code) for code in codes])
        _log.info("%d of %d titles hold a word", len(rows), len(titles))
        self.model_ = thresholds.fit(*_parts(rows, split), linear_settings, {"split": {"seed": split.seed}})
        self.level_ = level
        self.classes_ = np.array(self.model_.classes(level))
        return self

    def predict_proba(self, X: Iterable[str | None]) -> NDArray[np.float32]:  # noqa: N803 - scikit-learn's name
        """Return the share of each code for each title, shape (titles, codes); each row sums to 1."""
        check_is_fitted(self)
        return self.model_.predict_proba(X, self.level_)

    def predict(self, X: Iterable[str | None]) -> NDArray[np.str_]:  # noqa: N803 - scikit-learn's name
        """Return the best code of each title, as an array whatever the type of X."""
        indices = self.predict_proba(X).argmax(axis=1)
        best: NDArray[np.str_] = self.classes_[indices]
        return best

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array, tags.input_tags.two_d_array = True, False
        tags.input_tags.string = tags.input_tags.allow_nan = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        if hasattr(self, "model_"):
            raise InputError(
                "a fitted TitleClassifier can't be pickled or copied, since a pickle runs code: keep it with "
                "`model_.save(folder)` and read it with `jobmajor.load(folder)`"
            )
        return dict(super().__getstate__())

    def _settings(self) -> tuple[settings.Linear, settings.Split]:
        given = {item.name: getattr(self, item.name) for item in fields(settings.Linear) if hasattr(self, item.name)}
        split = settings.build(settings.Split, {"seed": self.seed, "validation": self.validation}, "split.")
        return settings.build(settings.Linear, given, "linear."), split


def _codes(y: Iterable[str | None]) -> list[str]:
    if y is None:
        raise InputError("no codes were given: a TitleClassifier needs y, the code of each title")
    codes = columns.as_list(y)
    if None in codes:
        raise InputError(f"title {codes.index(None)} has no code: expected one of SOC 2018 for each")
    return [soc.parse(code or "").code for code in codes]


def _level(codes: Sequence[str]) -> Level:
    found = {soc.parse(code).level: code for code in codes}
    if len(found) > 1:
        examples_of = " and ".join(f"{code} ({level})" for level, code in sorted(found.items()))
        raise InputError(f"the codes are of several levels, {examples_of}: expected one, soc.ancestor raises them")
    if not found:
        raise InputError("no titles were given: expected some of two major groups at least")
    return next(iter(found))


@cache
def _representative(code: str) -> str:
    """Return the first detailed code that a code contains; it represents the code in training."""
    level = soc.parse(code).level
    return next(each for each in soc.codes("detailed") if soc.ancestor(each, level) == code)


def _rows(titles: Sequence[str | None], codes: Sequence[str]) -> pl.DataFrame:
    """Return examples in the form of `examples.build`; each title is a separate row that counts."""
    texts = [normalise(title or "") for title in titles]
    written = {"title": [title or "" for title in titles], "text": texts, "code": codes}
    frame = pl.DataFrame(written, schema=dict.fromkeys(written, pl.String)).with_row_index("row")
    onet_code, source = (pl.col("code") + ".00").alias("onet_code"), pl.lit(examples.COUNTED).alias("source")
    found = frame.with_columns(onet_code, source).filter(pl.col("text") != "")
    if found.is_empty():
        raise DataError("the training titles", "none that holds a word", "titles of two major groups", "check them")
    return found


def _parts(rows: pl.DataFrame, split: settings.Split) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split the rows by family into training and validation; validation loses titles that training has in other words.

    A family with all titles of a code stays in training, so that every code can be answered.
    """
    settled = prepare.settle(examples.with_codes(prepare.families(rows)))
    drawn = prepare.assign(settled, settings.Split(split.seed, split.validation, 0.0))
    held_back = pl.col("split") == "validation"
    is_kept = pl.col("code").is_in(drawn.filter(~held_back)["code"].unique().implode())
    validates = drawn.select((held_back & is_kept.all().over("family")).alias("validates"))["validates"]
    training, validation = drawn.filter(~validates), drawn.filter(validates)
    return training, validation.join(training, on="text", how="anti", maintain_order="left")
