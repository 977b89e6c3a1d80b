"""`TitleClassifier` is an estimator as scikit-learn wants one: by its own checks, and by the same ones about text."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks as checks
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

import jobmajor
from jobmajor import settings, soc
from jobmajor.data import examples
from jobmajor.errors import DataError, InputError, SettingError
from jobmajor.model import estimator
from jobmajor.model.estimator import TitleClassifier
from jobmajor.titles import family_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jobmajor.data.onet import Tables

SMALL = {"hidden": 8, "epochs": 1}
ONE_OF_EACH_GROUP = [min(code for code in soc.detailed_codes() if code[:2] == major[:2]) for major in soc.majors()]


class Spelled(TitleClassifier):
    """The same for scikit-learn's checks, which bring numbers: a row of them is read as a title, a label as a code."""

    def fit(self, X: Any, y: Any) -> Spelled:  # noqa: N803 - scikit-learn's names
        X, y = validate_data(self, X, y)  # noqa: N806
        check_classification_targets(y)
        labels, places = np.unique(y, return_inverse=True)
        super().fit(spelled(X), np.array(ONE_OF_EACH_GROUP)[places])
        self.classes_ = labels  # the codes are ascending, as the labels are
        return self

    def predict_proba(self, X: Any) -> Any:  # noqa: N803
        check_is_fitted(self)
        return super().predict_proba(spelled(validate_data(self, X, reset=False)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.one_d_array = True, False
        tags.input_tags.string = tags.input_tags.allow_nan = False
        return tags


def spelled(rows: Any) -> list[str]:
    return [" ".join(f"{chr(97 + place % 26) * 2}{2 * value:.0f}" for place, value in enumerate(row)) for row in rows]


EXPECTED = {
    "check_estimators_pickle": "a model is arrays and JSON, never a pickle: a fitted one says how to save it instead",
    "check_classifiers_one_label": "the recipe parts major groups, so it needs two of them, and says so",
    "check_fit2d_1sample": "one title is of one major group: refused by an InputError, where a ValueError is expected",
}


@pytest.mark.slow
@pytest.mark.long  # some fifty checks, most with several trainings
@checks.parametrize_with_checks(  # type: ignore[untyped-decorator]  # scikit-learn has no types
    [Spelled(**SMALL)], expected_failed_checks=lambda _: EXPECTED, xfail_strict=True
)
def test_scikit_learns_own_checks_pass_on_numbers_read_as_titles(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize(
    "check",
    [
        *(checks.check_estimator_cloneable, checks.check_estimator_tags_renamed, checks.check_valid_tag_types),
        *(checks.check_estimator_repr, checks.check_no_attributes_set_in_init, checks.check_mixin_order),
        *(checks.check_do_not_raise_errors_in_init_or_set_params, checks.check_get_params_invariance),
        *(checks.check_set_params, checks.check_parameters_default_constructible),
    ],
    ids=lambda check: check.__name__,
)
def test_checks_that_bring_no_data_pass_as_they_are(check: Callable[[str, Any], None]) -> None:
    check("TitleClassifier", TitleClassifier())


@pytest.fixture(scope="module")
def rows(tables: Tables) -> pl.DataFrame:
    """Some 400 starter titles."""
    return examples.build(tables).filter(pl.col("source") == examples.COUNTED)


@pytest.fixture(scope="module")
def titles(rows: pl.DataFrame) -> list[str]:
    return rows["title"].to_list()


@pytest.fixture(scope="module")
def codes(rows: pl.DataFrame) -> list[str]:
    return rows["code"].to_list()


@pytest.fixture(scope="module")
def majors(codes: list[str]) -> list[str]:
    return [soc.ancestor(code, "major") for code in codes]


@pytest.fixture(scope="module")
def fitted(titles: list[str], majors: list[str]) -> TitleClassifier:
    return TitleClassifier(**SMALL).fit(titles, majors)


# What the checks say, said of text


def test_fit_gives_itself_and_changes_neither_its_input_nor_its_parameters(
    titles: list[str], majors: list[str]
) -> None:
    one, given = TitleClassifier(**SMALL), (np.array(titles, object), pandas.Series(majors))
    before = one.get_params(), given[0].copy(), given[1].copy()

    found = one.fit(*given)

    assert found is one
    assert one.get_params() == before[0]
    assert np.array_equal(given[0], before[1])
    assert given[1].equals(before[2])
    assert {name for name in vars(one) if name.endswith("_")} == {"model_", "level_", "classes_"}


def test_fitting_again_gives_the_same_and_forgets_what_was(
    fitted: TitleClassifier, titles: list[str], majors: list[str]
) -> None:
    again = TitleClassifier(**SMALL).fit(titles[:200], majors[:200])
    assert not np.array_equal(again.predict_proba(titles[:9]), fitted.predict_proba(titles[:9]))

    again.fit(titles, majors)

    assert np.array_equal(again.predict_proba(titles), fitted.predict_proba(titles))


def test_order_of_rows_changes_no_model(fitted: TitleClassifier, titles: list[str], majors: list[str]) -> None:
    other = TitleClassifier(**SMALL).fit(titles[::-1], majors[::-1])

    assert np.array_equal(other.predict_proba(titles), fitted.predict_proba(titles))


def test_order_and_number_of_titles_change_no_answer(fitted: TitleClassifier, titles: list[str]) -> None:
    whole = fitted.predict_proba(titles)

    assert fitted.predict_proba(titles[::-1])[::-1] == pytest.approx(whole, abs=1e-6)
    assert np.concatenate([fitted.predict_proba([title]) for title in titles[:9]]) == pytest.approx(whole[:9], abs=1e-6)


def test_answers_are_the_classes_in_their_order(fitted: TitleClassifier, titles: list[str], majors: list[str]) -> None:
    shares = fitted.predict_proba(titles)

    assert fitted.classes_.tolist() == sorted(set(majors))
    assert shares.shape == (len(titles), len(fitted.classes_))
    assert shares.sum(axis=1) == pytest.approx(np.ones(len(titles)), abs=1e-5)
    assert np.array_equal(fitted.predict(titles), fitted.classes_[shares.argmax(axis=1)])
    assert fitted.score(titles, majors) == np.mean(fitted.predict(titles) == majors) > 0.8
    assert is_classifier(fitted)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "score"])
def test_what_has_not_learned_says_so(method: str) -> None:
    arguments = (["nurse"], ["29-0000"]) if method == "score" else (["nurse"],)

    with pytest.raises(NotFittedError, match="TitleClassifier instance is not fitted yet"):
        getattr(TitleClassifier(), method)(*arguments)


@pytest.mark.parametrize(
    "kind", [tuple, np.array, pandas.Series, pl.Series, pa.array], ids=lambda kind: kind.__module__
)
def test_titles_and_codes_may_stand_in_any_column(
    fitted: TitleClassifier, titles: list[str], majors: list[str], kind: Any
) -> None:
    one = TitleClassifier(**SMALL).fit(kind(titles), kind(majors))

    found = one.predict(kind(titles))

    assert isinstance(found, np.ndarray)
    assert found.tolist() == fitted.predict(titles).tolist()


# What it learns


@pytest.mark.parametrize("level", soc.LEVELS)
def test_level_of_the_codes_is_that_of_the_answers(titles: list[str], codes: list[str], level: soc.Level) -> None:
    wanted = [soc.ancestor(code, level) for code in codes]

    one = TitleClassifier(**SMALL).fit(titles, wanted)

    assert one.level_ == level
    assert one.classes_.tolist() == sorted(set(wanted))
    assert one.score(titles, wanted) > 0.6


def test_every_code_is_learned_though_it_has_one_title_and_much_is_held_back(
    titles: list[str], codes: list[str]
) -> None:
    rows = estimator._rows(titles, codes)

    training, validation = estimator._parts(rows, settings.Split(seed=3, validation=0.4))

    assert set(training["code"]) == set(codes)
    assert len(validation) > 5
    assert set(training["family"]).isdisjoint(validation["family"])
    assert set(training["text"]).isdisjoint(validation["text"])


def test_no_family_and_no_text_is_in_training_and_in_validation() -> None:
    rare = sorted(soc.detailed_codes())[:30]  # each has one title, whose family has a title of a common code, too
    pairs = [(f"Hand, Welder {place}", code) for place, code in enumerate(rare)]
    pairs += [(f"Welder Hand {place}", "51-4121") for place in range(30)]
    pairs += [(f"{rank} Buyer {place}", "13-1023") for place in range(30) for rank in ("Sr.", "Senior")]
    rows = estimator._rows([title for title, _ in pairs], [code for _, code in pairs])

    training, validation = estimator._parts(rows, settings.Split(seed=0, validation=0.4))

    assert set(training["code"]) == {code for _, code in pairs}
    assert set(training["family"]).isdisjoint(validation["family"])
    assert set(training["text"]).isdisjoint(validation["text"])
    assert len(validation) > 3


def test_titles_that_hold_no_word_teach_nothing(fitted: TitleClassifier, titles: list[str], majors: list[str]) -> None:
    one = TitleClassifier(**SMALL).fit([*titles, None, "", " — "], [*majors, "11-0000", "29-0000", "55-0000"])

    assert np.array_equal(one.predict_proba(titles), fitted.predict_proba(titles))


def test_few_titles_are_learned_too() -> None:
    one = TitleClassifier(**SMALL).fit(["Nurse", "Welder"], ["29-1141", "51-4121"])

    assert one.predict(["nurses", "welder ii"]).tolist() == ["29-1141", "51-4121"]
    assert one.model_.answer(["Nurse"])[0].reason == "unsure"  # nothing was held back that could say how sure it is


def test_model_of_an_estimator_is_kept_as_any_model(fitted: TitleClassifier, titles: list[str], tmp_path: Path) -> None:
    fitted.model_.save(tmp_path)

    found = jobmajor.load(tmp_path)

    assert np.array_equal(found.predict(titles, fitted.level_), fitted.predict(titles))
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}


# Among scikit-learn's own


def test_fitted_one_is_not_pickled_and_says_what_to_do(fitted: TitleClassifier) -> None:
    for keep in (pickle.dumps, copy.deepcopy):
        with pytest.raises(InputError, match=r"keep it with `model_.save\(folder\)` and read it with `jobmajor.load"):
            keep(fitted)

    assert pickle.loads(pickle.dumps(TitleClassifier(hidden=3))).hidden == 3  # noqa: S301 - parameters alone


def test_clone_of_a_fitted_one_has_its_parameters_and_has_learned_nothing(fitted: TitleClassifier) -> None:
    found = clone(fitted)

    assert found.get_params() == fitted.get_params()
    assert not hasattr(found, "model_")


def test_it_stands_at_the_end_of_a_pipeline(titles: list[str], majors: list[str], fitted: TitleClassifier) -> None:
    shouting = FunctionTransformer(lambda column: [title.upper() for title in column])

    pipeline: Pipeline = make_pipeline(shouting, TitleClassifier(**SMALL)).fit(titles, majors)

    assert pipeline.predict(titles).tolist() == fitted.predict(titles).tolist()
    assert pipeline.classes_.tolist() == fitted.classes_.tolist()


@pytest.mark.long
def test_grid_is_searched_and_the_best_is_fitted(titles: list[str], majors: list[str]) -> None:
    groups = [family_key(title) for title in titles]
    grid = {"penalty": np.array([1e-4, 1.0]), "widest": [np.int64(200)]}

    found = GridSearchCV(TitleClassifier(**SMALL), grid, cv=GroupKFold(2)).fit(titles, majors, groups=groups)

    assert found.best_params_ == {"penalty": 1.0, "widest": 200}
    assert found.best_estimator_.predict(["Cashier"]).tolist() == ["41-0000"]


@pytest.mark.slow
def test_folds_are_scored_and_predicted(titles: list[str], majors: list[str]) -> None:
    scores = cross_val_score(TitleClassifier(**SMALL), pandas.Series(titles), majors, cv=2, scoring="neg_log_loss")
    found = cross_val_predict(TitleClassifier(**SMALL), np.array(titles), majors, cv=2)

    assert (np.exp(scores) > 1 / 23).all()  # better than to give each major group the same share
    assert 0.15 < np.mean(found == majors) < 1


def test_frozen_one_answers_and_learns_no_more(fitted: TitleClassifier, titles: list[str]) -> None:
    frozen = FrozenEstimator(fitted)

    frozen.fit(["Welder"], ["11-0000"])

    assert np.array_equal(clone(frozen).predict_proba(titles), fitted.predict_proba(titles))


# What can't be learned


@pytest.mark.parametrize(
    ("titles", "codes", "message"),
    [
        (["nurse", "cook"], ["29-1141"], "2 titles and 1 codes were given: expected a code for each title"),
        (["nurse", "cook"], ["29-1141", "35"], "'35' is no code of SOC 2018"),
        (["nurse", "cook"], ["29-1141", "35-0000"], "29-1141 (detailed) and 35-0000 (major): expected one"),
        (["nurse", "cook"], ["29-1141", None], "title 1 has no code"),
        (["nurse", "cook"], [29, 35], "a title is int 29: expected text"),
        (["nurse", "cook"], None, "no codes were given"),
        ("nurse", ["29-1141"], "put it into a list"),
        (["nurse", 5], ["29-1141", "35-1011"], "a title is int 5: expected text"),
        ([["nurse"], ["cook"]], ["29-1141", "35-1011"], "a title is list ['nurse']: expected text"),
        (pandas.DataFrame({"title": ["nurse"]}), ["29-1141"], "give its column"),
        ([], [], "no titles were given"),
    ],
    ids=str,
)
def test_what_can_not_be_learned_is_refused_in_one_line(titles: Any, codes: Any, message: str) -> None:
    one = TitleClassifier()

    with pytest.raises(InputError) as caught:
        one.fit(titles, codes)

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not hasattr(one, "model_")


@pytest.mark.parametrize("titles", [["nurse", "midwife"], [" ", None]], ids=["one group", "no word"])
def test_titles_of_one_major_group_or_without_a_word_are_refused(titles: list[Any]) -> None:
    with pytest.raises(DataError, match="the training titles: found"):
        TitleClassifier().fit(titles, ["29-1141", "29-9099"])


@pytest.mark.parametrize(("name", "value"), [("penalty", -1), ("hidden", 2.5), ("validation", 0.9), ("seed", "x")])
def test_parameter_out_of_range_is_refused_by_name_when_it_is_used(name: str, value: Any) -> None:
    one = TitleClassifier(**{name: value})

    with pytest.raises(SettingError, match=name):
        one.fit(["nurse", "cook"], ["29-1141", "35-1011"])


def test_parameters_are_those_of_the_recipe_with_its_defaults() -> None:
    found, recipe = TitleClassifier().get_params(), settings.Linear()

    assert found.pop("validation") == settings.Split().validation
    assert found == {name: getattr(recipe, name) for name in found}
