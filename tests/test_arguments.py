"""Whatever a caller passes wrongly in Python, the answer is one line of ours that names it."""

from __future__ import annotations

import inspect
import traceback
from collections import Counter, UserDict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import jobmajor
from jobmajor import arguments, errors, soc, titles
from jobmajor.batch import spark
from jobmajor.data.source import FetchOptions
from jobmajor.errors import InputError
from jobmajor.model import classifier as classifiers
from jobmajor.model.rules import overrides, prior
from jobmajor.pipeline import run as local
from sagelocal import errors as shared_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobmajor.model.classifier import Classifier

LEVELS: list[Any] = [
    "Major",
    "",
    " major",
    "MAJOR",
    None,
    1,
    2.0,
    "all",
    "best",
    b"major",
    ["major"],
    ("major",),
    {},
    {"major"},
]
COUNTS = [0, -1, 1.5, 2.0, "3", None, True, float("nan"), [1], np.float64(2), b"1"]
FEW, MANY = ["cook"], ["cook"] * 300  # by numpy, and by compiled code where there is some


def refusal(call: Callable[[], Any]) -> str:
    """Return the one line with which a call is refused."""
    with pytest.raises(InputError) as found:
        call()
    text = str(found.value)
    assert "\n" not in text
    return text


def test_level_that_is_none_is_refused_by_every_method(classifier: Classifier) -> None:
    other = classifier.to("isco-08")
    calls: dict[str, Callable[[Any], Any]] = {
        "classes": classifier.classes,
        "training_mix": classifier.training_mix,
        "sum_up": lambda level: classifier.sum_up(np.zeros((1, len(classifier.codes)), np.float32), level),
        "coder": lambda level: classifier.coder([level]),
        "explain": lambda level: classifier.explain("cook", level),
        "frame": lambda level: classifier.answer_frame(FEW, level),
        "answer_at": lambda level: classifier.answer_at([level], FEW),
        "to.answer": lambda level: other.answer(FEW, level),
        "to.answer_at": lambda level: other.answer_at([level], FEW),
        "to.answer_frame": lambda level: other.answer_frame(FEW, level),
        "to.coder": lambda level: other.coder([level]),
        "codes": soc.codes,
        "ancestor": lambda level: soc.ancestor("29-1141", level),
        "parse_level": soc.parse_level,
        "Wish": lambda level: jobmajor.Wish(level=level),
    }
    for method in ("predict", "predict_proba", "answer"):
        for given in (FEW, MANY):
            calls[f"{method} of {len(given)}"] = partial(getattr(classifier, method), given)
    calls["top_k"] = lambda level: classifier.top_k(FEW, 1, level)

    texts = [refusal(partial(call, level)) for call in calls.values() for level in LEVELS]

    assert all("expected" in text for text in texts)
    assert "level 'Major': expected one of major, minor, broad, detailed" in texts


@pytest.mark.parametrize("levels", ["major", "", None, 3, [], (), {}, ["major", "Minor"], [["major"]]])
def test_levels_that_are_no_list_of_levels_are_refused(classifier: Classifier, levels: Any) -> None:
    other = classifier.to("soc-2010")
    calls: list[Any] = [classifier.coder, other.coder, lambda each: classifier.answer_at(each, FEW)]
    for call in calls:
        assert "expected" in refusal(partial(call, levels))
    assert "expected" in refusal(lambda: other.answer_at(levels, FEW))


def test_number_of_codes_that_is_none_is_refused_by_every_method(classifier: Classifier) -> None:
    other, deepest = classifier.to("isco-08"), jobmajor.deepest(classifier)
    calls: list[Callable[[Any], Any]] = [
        lambda k: classifier.top_k(FEW, k),
        lambda k: classifier.answer(FEW, "major", k),
        lambda k: classifier.answer(MANY, "major", k),
        lambda k: classifier.answer_at(["major"], FEW, k),
        lambda k: classifier.answer_frame(FEW, k=k),
        lambda k: classifier.coder(k=k),
        lambda k: other.answer(FEW, k=k),
        lambda k: other.answer_frame(FEW, k=k),
        lambda k: other.coder(k=k),
        lambda k: deepest.answer(FEW, k),
        lambda k: deepest.answer_frame(FEW, k),
        deepest.coder,
        lambda k: jobmajor.FileOptions(top=k),
    ]

    texts = [refusal(partial(call, k)) for call in calls for k in COUNTS]

    assert "k is 0: expected at least 1" in texts
    assert "k is '3': expected a whole number, at least 1" in texts


def test_more_codes_than_there_are_take_no_more_memory_than_all(classifier: Classifier) -> None:
    assert classifier.coder(k=10**9).k <= 868
    assert len(classifier.answer(FEW, "detailed", 10**9)[0].answers) <= 867
    many: Any = np.int64(10**9)
    assert len(classifier.to("isco-08").answer(MANY, "4", many)) == len(MANY)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"a": "cook"}, "a mapping"),
        ({}, "a mapping"),
        (Counter(["cook"]), "a mapping"),
        (UserDict(a="cook"), "a mapping"),
        ({"cook"}, "a set"),
        (set(), "a set"),
        (frozenset(["cook"]), "a set"),
        (b"cook", "one text in bytes"),
        (bytearray(b"cook"), "one text in bytes"),
        (memoryview(b"cook"), "one text in bytes"),
        ("cook", "one text"),
        (None, "NoneType"),
        (3, "int"),
    ],
)
def test_what_has_no_order_of_titles_is_refused(classifier: Classifier, given: Any, named: str) -> None:
    for model in (classifier, jobmajor.deepest(classifier), classifier.to("soc-2010")):
        assert named in refusal(partial(model.answer, given))
        assert named in refusal(partial(model.answer_frame, given))
    for method in (classifier.predict, classifier.predict_proba, classifier.top_k):
        assert named in refusal(partial(method, given))


EMPTY = [
    *(pd.Series([], dtype=kind) for kind in ("object", "str", "string", "int64", "float64", "bool", "category")),
    pd.Series([], dtype="datetime64[ns]"),
    pd.Series([], dtype=pd.ArrowDtype(pa.string())),
    *(pl.Series([], dtype=kind) for kind in (pl.String, pl.Int64, pl.Float64, pl.Null, pl.Categorical, pl.Date)),
    pl.Series([], dtype=pl.List(pl.String)),
    *(pa.array([], kind) for kind in (pa.string(), pa.large_string(), pa.string_view(), pa.int64(), pa.null())),
    pa.array([], pa.string()).dictionary_encode(),
    pa.chunked_array([], pa.string()),
    *(np.array([], kind) for kind in ("U5", "O", "int64", "float64")),
]


@pytest.mark.parametrize("column", EMPTY, ids=lambda each: f"{type(each).__module__} {getattr(each, 'dtype', '')}")
def test_table_of_no_titles_has_the_types_of_a_table_of_some(classifier: Classifier, column: Any) -> None:
    def types(table: Any) -> list[str]:
        kinds = table.schema.types if hasattr(table, "schema") and hasattr(table.schema, "types") else table.dtypes
        return [str(kind) for kind in kinds]

    kind = type(column) if isinstance(column, pd.Series | pl.Series) else None
    some = kind(["cook"]) if kind else pa.array(["cook"]) if isinstance(column, pa.Array | pa.ChunkedArray) else FEW
    for model in (classifier, classifier.to("isco-08"), jobmajor.deepest(classifier)):
        for k in (1, 2):
            assert types(model.answer_frame(column, k=k)) == types(model.answer_frame(some, k=k))
    assert len(classifier.predict(column)) == 0
    assert classifier.predict_proba(column).shape == (0, len(classifier.classes()))


ODD = [3, 1.5, True, b"x", ["x"], {}, float("nan"), "a\0b", object()]


@pytest.mark.parametrize(
    "kind",
    [jobmajor.FileOptions, jobmajor.Wish, jobmajor.Judging, jobmajor.TitleFile, jobmajor.Options, jobmajor.Prior],
)
def test_options_of_a_wrong_type_are_refused_by_name(kind: Any) -> None:
    needed: dict[str, Any] = {name: Path("x") for name in ("path",) if name in kind.__dataclass_fields__}
    needed |= {"mix": {}, "source": {}, "titles": 1, "labelled": 0} if kind is jobmajor.Prior else {}
    texts = []
    for name in kind.__dataclass_fields__:
        for value in ODD:
            try:
                kind(**{**needed, name: value})
            except InputError as error:
                texts.append((name, str(error)))

    assert len(texts) > 4 * len(kind.__dataclass_fields__)
    assert all((name in text or "level" in text) and "\n" not in text for name, text in texts)


def test_path_that_is_none_is_refused_wherever_one_is_taken(classifier: Classifier, tmp_path: Path) -> None:
    file = tmp_path / "titles.csv"
    file.write_text("title\ncook\n")
    calls: dict[str, Callable[[Any], Any]] = {
        "load": jobmajor.load,
        "home": lambda path: jobmajor.load(home=path),
        "source": lambda path: jobmajor.code_file(path, tmp_path / "out.csv", model=classifier),
        "output": lambda path: jobmajor.code_file(file, path, model=classifier),
        "model": lambda path: jobmajor.code_file(file, tmp_path / "out.csv", model=path),
        "adapt": lambda path: jobmajor.adapt(path, model=classifier),
        "evaluate": lambda path: jobmajor.evaluate(path, model=classifier),
        "summarise": lambda path: jobmajor.summarise(path, model=classifier),
        "run": lambda path: jobmajor.run(path, jobmajor.Options(data=tmp_path)),
        "save": classifier.save,
        "classifier.load": classifiers.load,
        "overrides.read": overrides.read,
        "prior.read": prior.read,
        "spark": lambda path: spark.score(None, "title", path),
    }
    wrong = [3, 1.5, True, b"x", ["x"], {}, "", "a\0b", object()]

    for call in calls.values():
        for value in wrong:
            assert "expected" in refusal(partial(call, value))

    assert sorted(path.name for path in tmp_path.iterdir()) == ["titles.csv"]


def test_path_may_be_text_wherever_one_is_taken(classifier: Classifier, tmp_path: Path) -> None:
    classifier.save(str(tmp_path / "model"))
    loaded = classifiers.load(str(tmp_path / "model"))
    given = jobmajor.Prior({"11-0000": 1.0}, {"11-0000": 1.0}, 1, 0)
    given.write(str(tmp_path / "prior.json"))
    (tmp_path / "own.csv").write_text("title,code\ncook,35-2014\n")

    assert loaded.codes == classifier.codes
    assert prior.read(str(tmp_path / "prior.json")) == given
    assert len(overrides.read(str(tmp_path / "own.csv"))) == 1


def test_objects_of_another_kind_are_refused(classifier: Classifier, tmp_path: Path) -> None:
    file = tmp_path / "titles.csv"
    file.write_text("title,code\ncook,35-2014\n")
    calls: list[Any] = [
        classifier.adapted,
        lambda v: classifier.answer(FEW, overrides=v),
        lambda v: classifier.coder(overrides=v),
        lambda v: classifier.to("isco-08").answer(FEW, overrides=v),
        jobmajor.deepest,
        classifier.to,
        lambda v: jobmajor.code_file(file, tmp_path / "out.csv", v, model=classifier),
        lambda v: jobmajor.evaluate(jobmajor.TitleFile(file), v, model=classifier),
        lambda v: jobmajor.summarise(file, v, model=classifier),
        lambda v: jobmajor.run(tmp_path, v),
    ]
    for wrong in (3, "x", ["x"], {"a": 1}, object()):
        for call in calls:
            assert "expected" in refusal(partial(call, wrong))
    functions: list[Any] = [jobmajor.normalise, titles.family_key, soc.parse, soc.name]
    for wrong in (None, 3, b"cook", ["cook"], float("nan")):
        for function in functions:
            assert "expected" in refusal(partial(function, wrong))


def test_title_that_is_none_is_explained_by_nothing_and_another_kind_is_refused(classifier: Classifier) -> None:
    assert classifier.explain(None).label == ""
    assert classifier.explain(float("nan")).label == ""  # type: ignore[arg-type]
    assert "expected text or None" in refusal(lambda: classifier.explain(3))  # type: ignore[arg-type]


def test_column_of_a_file_may_be_a_number(classifier: Classifier, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,job\n1,cook\n")
    jobmajor.code_file(tmp_path / "in.csv", tmp_path / "out.csv", jobmajor.FileOptions(column=2), model=classifier)

    assert (tmp_path / "out.csv").read_text().splitlines()[1].startswith("1,cook,")


def test_representations_are_short(classifier: Classifier) -> None:
    shown = repr(classifier)

    assert shown.startswith("<jobmajor.Classifier: linear recipe, ")
    assert f"{len(classifier.codes)} detailed codes" in shown
    assert shown in repr(jobmajor.deepest(classifier))
    assert repr(classifier.to("isco-08")) == f"Translator(model={shown}, target=<isco-08>)"
    assert repr(overrides.Overrides({"cook": {"35-2014": 1.0}})) == "<jobmajor.Overrides: 1 titles>"


def test_every_error_is_shown_as_one_of_jobmajor() -> None:
    classes = [each for _, each in inspect.getmembers(shared_errors, inspect.isclass) if issubclass(each, Exception)]
    classes += [getattr(errors, name) for name in errors.__all__]

    assert {each.__module__ for each in classes} == {"jobmajor.errors"}
    assert all(getattr(errors, each.__name__) is each for each in classes)
    with pytest.raises(InputError) as found:
        soc.parse_level("Major")
    assert traceback.format_exception_only(found.value)[0].startswith("jobmajor.errors.InputError: level 'Major'")


def test_public_names_are_shown_with_the_package_that_they_come_from() -> None:
    public = [getattr(jobmajor, name) for name in jobmajor.__all__]

    assert all(each.__module__.split(".")[0] == "jobmajor" for each in public)


def test_long_value_is_cut_to_one_line() -> None:
    assert arguments.shown("a\nb") == "'a\\nb'"
    assert len(arguments.shown(["x" * 1000])) == 60
    assert "\n" not in arguments.shown(pd.DataFrame({"a": [1, 2]}))


def test_run_takes_options_of_a_class_of_another_module() -> None:
    assert local.Options(fetch=FetchOptions()).fetch == FetchOptions()
