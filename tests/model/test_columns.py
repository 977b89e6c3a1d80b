"""Whatever column titles stand in, they get what a plain list of them gets, in that column's own kind."""

from __future__ import annotations

import tracemalloc
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobmajor.errors import InputError
from jobmajor.model import columns
from jobmajor.model.classifier import Classifier
from jobmajor.model.kernels import text
from jobmajor.model.rules import listed
from jobmajor.model.rules.knowledge import Knowledge
from jobmajor.tables.packed import Packed

if TYPE_CHECKING:
    from collections.abc import Callable

TITLES = ["Registered Nurse", None, "Cashier", "", "Señor Développeur", "看護師", "Truck Driver " * 90, "Cashier"]
TITLE = st.one_of(
    st.none(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.sampled_from(["Registered Nurse", "Cashier", "", "Señor Développeur", "nurse\0"]),
)
ANY = st.lists(TITLE, max_size=9)


class Foreign:
    """A column of some other library: all that is known of it is Arrow's protocol."""

    def __init__(self, column: Any, name: str) -> None:
        self._column, self._name = column, name

    def __getattr__(self, name: str) -> Any:
        if name == self._name:
            return getattr(self._column, name)
        raise AttributeError(name)


def chunked(titles: list[str | None]) -> Any:
    middle = len(titles) // 2
    return pa.chunked_array([pa.array(part, pa.string()) for part in (titles[:middle], [], titles[middle:])])


def sliced(titles: list[str | None], kind: Any) -> Any:
    """In the middle of a longer array."""
    return pa.array(["é first", None, *titles, None, "last"], kind)[2:-2]


def hiding(titles: list[str | None]) -> Any:
    """Nulls whose slots hold text, which Arrow allows: it was there before a filter made them null."""
    texts = pa.array([title if title is not None else "Registered Nurse" for title in titles], pa.string())
    valid = np.packbits([title is not None for title in titles] or [True], bitorder="little").tobytes()
    return pa.Array.from_buffers(pa.string(), len(titles), [pa.py_buffer(valid), *texts.buffers()[1:]])


def of_views(titles: list[str | None]) -> Any:
    dictionary = pa.array(titles, pa.string()).dictionary_encode()
    return pa.DictionaryArray.from_arrays(dictionary.indices, dictionary.dictionary.cast(pa.string_view()))


KINDS: dict[str, Callable[[list[str | None]], Any]] = {
    "tuple": tuple,
    "iterator": iter,
    "numpy objects": lambda titles: np.array(titles, object),
    "numpy text": lambda titles: np.array([title or "" for title in titles], "U1200"),
    "numpy StringDType": lambda titles: np.array(titles, np.dtypes.StringDType(na_object=None)),
    "numpy masked": lambda titles: np.ma.MaskedArray(
        ["x" if title is None else title for title in titles], [title is None for title in titles], object
    ),
    "pandas": pandas.Series,
    "pandas objects": lambda titles: pandas.Series(titles, dtype=object),
    "pandas string": lambda titles: pandas.Series(titles, dtype="string"),
    "pandas string in Python": lambda titles: pandas.Series(titles, dtype="string[python]"),
    "pandas Arrow": lambda titles: pandas.Series(titles, dtype=pandas.ArrowDtype(pa.large_string())),
    "pandas Categorical": lambda titles: pandas.Series(titles, dtype="category"),
    "pandas Arrow dictionary": lambda titles: pandas.Series(
        pandas.array(
            pa.array(titles, pa.string()).dictionary_encode(),
            pandas.ArrowDtype(pa.dictionary(pa.int32(), pa.string())),
        )
    ),
    "polars": lambda titles: pl.Series(titles, dtype=pl.String),
    "polars Categorical": lambda titles: pl.Series(titles, dtype=pl.Categorical),
    "polars Enum": lambda titles: pl.Series(
        titles, dtype=pl.Enum(sorted({title for title in titles if title is not None}))
    ),
    "polars of several chunks": lambda titles: pl.concat(
        [pl.Series(part, dtype=pl.String) for part in (titles[:2], titles[2:])], rechunk=False
    ),
    "polars slice": lambda titles: pl.Series(["x", *titles, "y"], dtype=pl.String).slice(1, len(titles)),
    "Arrow string": lambda titles: pa.array(titles, pa.string()),
    "Arrow large_string": lambda titles: pa.array(titles, pa.large_string()),
    "Arrow string_view": lambda titles: pa.array(titles, pa.string()).cast(pa.string_view()),
    "Arrow dictionary": lambda titles: pa.array(titles, pa.string()).dictionary_encode(),
    "Arrow dictionary of views": of_views,
    "Arrow slice": lambda titles: sliced(titles, pa.string()),
    "Arrow large slice": lambda titles: sliced(titles, pa.large_string()),
    "Arrow view slice": lambda titles: sliced(titles, pa.string()).cast(pa.string_view()),
    "Arrow nulls that hide text": hiding,
    "Arrow chunks": chunked,
    "Arrow dictionary chunks": lambda titles: chunked(titles).dictionary_encode(),
    "an array of another library": lambda titles: Foreign(sliced(titles, pa.string()), "__arrow_c_array__"),
    "a stream of another library": lambda titles: Foreign(chunked(titles), "__arrow_c_stream__"),
}
kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def both(classifier: Classifier) -> tuple[Classifier, Classifier]:
    """The same model, asked by numpy and by compiled code."""
    plain, fast = (Classifier(classifier.scorer, classifier.about, classifier.knowledge) for _ in range(2))
    return plain, fast.compile()


@kinds
@pytest.mark.parametrize("titles", [TITLES, TITLES[:1], [None, None], []], ids=["many", "one", "nulls", "none"])
def test_every_column_gets_what_a_list_gets(
    both: tuple[Classifier, Classifier], kind: str, titles: list[str | None]
) -> None:
    for model in both:
        expected = model.predict_proba(titles, "detailed")

        assert np.array_equal(model.predict_proba(KINDS[kind](titles), "detailed"), expected)
        found = model.predict(KINDS[kind](titles))
        assert list(found.to_pylist() if hasattr(found, "to_pylist") else found) == model.predict(titles).tolist()
        assert model.answer(KINDS[kind](titles)) == model.answer(titles)
        assert model.top_k(KINDS[kind](titles), 2) == model.top_k(titles, 2)


@settings(max_examples=60)
@given(st.data())
def test_packed_titles_are_the_titles(data: st.DataObject) -> None:
    titles = data.draw(ANY)
    name = data.draw(st.sampled_from(sorted(KINDS)))
    if name in {"numpy text", "numpy StringDType"}:  # numpy takes zeros off the end
        titles = [title and title.rstrip("\0") for title in titles]

    found = columns.packed(KINDS[name](titles))

    assert len(found) == len(titles)
    assert found.starts.dtype == np.int64
    pieces = [found.data[start:end].tobytes() for start, end in zip(found.starts[:-1], found.starts[1:], strict=True)]
    assert pieces == [(title or "").encode() for title in titles]


@given(st.lists(st.text(st.characters(), max_size=20) | st.sampled_from(["nu\ud800rse", "é\udfff"]), max_size=6))
def test_packed_titles_are_cleaned_as_those_of_a_list(titles: list[str]) -> None:
    found, plain = text.batch(columns.packed(titles)), text.batch(Packed.of(titles))

    for field in fields(text.Batch):
        assert np.array_equal(getattr(found, field.name), getattr(plain, field.name)), field.name


@pytest.mark.parametrize("column", [KINDS["Arrow string"], KINDS["Arrow large_string"], KINDS["Arrow slice"]])
def test_text_of_an_arrow_array_is_not_copied(column: Callable[[list[str | None]], Any]) -> None:
    array = column(TITLES)

    found = columns.packed(array)

    assert found.data.__array_interface__["data"][0] == array.buffers()[2].address
    assert not found.data.flags.writeable


def test_text_of_pandas_in_arrows_memory_is_not_copied() -> None:
    array = pa.chunked_array([pa.array(TITLES, pa.string())])
    series = pandas.Series(pandas.array(array, pandas.ArrowDtype(pa.string())))

    found = columns.packed(series)

    assert found.data.__array_interface__["data"][0] == array.chunk(0).buffers()[2].address


@pytest.mark.parametrize(
    "name", ["Arrow string", "Arrow large slice", "Arrow chunks", "Arrow dictionary", "pandas Arrow", "polars"]
)
def test_packing_makes_no_object_for_each_title(name: str) -> None:
    count = 100_000
    column = KINDS[name](["Registered Nurse", None, "Licensed Practical Nurse", "Développeur"] * (count // 4))
    columns.packed(column)

    tracemalloc.start(1)
    try:
        found = columns.packed(column)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    own_bytes = found.starts.nbytes + (0 if found.data.base is None else len(found.data))
    assert peak_bytes < 3 * own_bytes  # a list of so many texts takes 57 bytes and more for each, beside their letters
    assert peak_bytes < 50 * count


def test_compiled_scores_are_read_out_of_arrow_with_no_list_between(
    both: tuple[Classifier, Classifier], monkeypatch: pytest.MonkeyPatch
) -> None:
    column = pa.array(TITLES, pa.string())
    expected = both[1].predict_proba(column)

    def refuse(titles: Any) -> list[str | None]:
        raise AssertionError(titles)

    monkeypatch.setattr(columns, "as_list", refuse)

    assert np.array_equal(both[1].predict_proba(column), expected)
    with pytest.raises(AssertionError):
        both[0].predict_proba(column)


# Out again


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_arrow_array_is_answered_with_one_of_its_type(classifier: Classifier, kind: Any) -> None:
    found = classifier.predict(pa.array(["Registered Nurse", None], kind))

    assert isinstance(found, pa.Array)
    assert found.type == kind
    assert found[0].as_py() == "29-0000"


def test_arrow_dictionary_is_answered_with_a_dictionary_and_chunks_with_chunks(classifier: Classifier) -> None:
    column = pa.chunked_array([pa.array(["Registered Nurse", "Cashier"]).dictionary_encode()])

    found = classifier.predict(column)

    assert isinstance(found, pa.ChunkedArray)
    assert pa.types.is_dictionary(found.type)
    assert found.to_pylist() == ["29-0000", "41-0000"]


@pytest.mark.parametrize(
    "kind",
    ["string", "string[python]", "str", pandas.ArrowDtype(pa.string())],
    ids=["string", "python", "str", "arrow"],
)
def test_pandas_series_is_answered_with_one_of_its_type_and_index(classifier: Classifier, kind: Any) -> None:
    titles = pandas.Series(["Registered Nurse", None, "Cashier"], index=[7, 7, 3], name="job", dtype=kind)

    found = classifier.predict(titles)

    assert found.dtype == titles.dtype
    assert found.index.equals(titles.index)
    assert found.name == "code"
    assert found.tolist() == ["29-0000", classifier.predict([""])[0], "41-0000"]


def test_pandas_categories_are_answered_with_text(classifier: Classifier) -> None:
    found = classifier.predict(pandas.Series(["Cashier", None], dtype="category", index=list("ba")))

    assert found.to_dict() == {"b": "41-0000", "a": classifier.predict([""])[0]}
    assert not isinstance(found.dtype, pandas.CategoricalDtype)


def test_a_series_of_someones_own_class_is_still_one(classifier: Classifier) -> None:
    class Own(pandas.Series):  # type: ignore[misc]  # pandas has no types here
        pass

    assert isinstance(classifier.predict(Own(["Cashier"], index=[5])), Own)


# What is no column of text


@pytest.mark.parametrize(
    "table",
    [
        pandas.DataFrame({"title": ["nurse"]}),
        pl.DataFrame({"title": ["nurse"]}),
        pl.LazyFrame({"title": ["nurse"]}),
        pa.table({"title": ["nurse"]}),
        pa.record_batch({"title": ["nurse"]}),
    ],
    ids=lambda table: f"{type(table).__module__.partition('.')[0]} {type(table).__name__}",
)
def test_table_in_place_of_a_column_is_refused(both: tuple[Classifier, Classifier], table: Any) -> None:
    for model in both:  # a table iterates over its columns' names, which would be answered like titles
        for ask in (model.predict, model.predict_proba, model.answer, model.top_k):
            with pytest.raises(InputError, match=r"give its column, as in table\['title'\]"):
                ask(table)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, 2]),
        pa.array([b"nurse"]),
        pa.array([{"title": "nurse"}]),
        pa.array([["nurse"]]),
        pl.Series([1, 2]),
        pandas.Series([1, 2]),
        pandas.Series([1, 2], dtype=pandas.ArrowDtype(pa.int64())),
        np.array([1, 2]),
        np.array([["nurse"]]),
        Foreign(pa.array([1, 2]), "__arrow_c_array__"),
        Foreign(pa.record_batch({"title": ["nurse"]}), "__arrow_c_array__"),
    ],
    ids=lambda column: type(column).__name__,
)
def test_column_of_anything_but_text_is_refused(both: tuple[Classifier, Classifier], column: Any) -> None:
    for model in both:
        with pytest.raises(InputError, match=r"a title is .*: expected text or None") as caught:
            model.predict(column)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("thing", [5, None, np.array("nurse"), pl.col("title")], ids=["5", "None", "0-d", "expression"])
def test_what_is_no_column_at_all_is_refused(classifier: Classifier, thing: Any) -> None:
    with pytest.raises(InputError, match="was given where titles are expected"):
        classifier.predict(thing)


def test_arrow_column_of_bytes_that_are_no_text_is_read_alike(both: tuple[Classifier, Classifier]) -> None:
    column = pa.array([b"nurse", None, b"caf\xe9 owner"]).view(pa.string())

    for model in both:
        expected = model.predict_proba(["nurse", None, "caf\ufffd owner"])
        assert np.array_equal(model.predict_proba(column), expected)


def test_iterator_is_read_only_once(both: tuple[Classifier, Classifier]) -> None:
    for model in both:
        titles = iter(["Cashier", "Registered Nurse"])

        assert model.predict(titles).tolist() == ["41-0000", "29-0000"]
        assert model.predict(titles).tolist() == []


# Answers as a table

COLUMNS = ["code", "name", "score", "confidence", "level", "abstain", "reason", "source"]


def test_pandas_answers_can_be_joined_to_the_frame_that_the_titles_stand_in(classifier: Classifier) -> None:
    jobs = pandas.DataFrame({"id": ["007", "8"], "title": ["Registered Nurse", None]}, index=["a", "b"])

    found = jobs.join(classifier.answer_frame(jobs["title"], "detailed"))

    assert list(found) == ["id", "title", *COLUMNS]
    (nurse, nothing) = classifier.answer(jobs["title"], "detailed")
    assert found.loc["a", COLUMNS].tolist() == [
        *(nurse.answers[0].label, nurse.answers[0].name, pytest.approx(nurse.answers[0].score)),
        *(pytest.approx(nurse.confidence), "detailed", nurse.abstain, nurse.reason, nurse.source),
    ]
    assert found.loc["b", "reason"] == nothing.reason == "not a title"
    assert found["score"].dtype == np.float32
    assert found["abstain"].dtype == np.bool_


@kinds
def test_table_of_answers_is_of_the_titles_kind_and_has_their_rows(classifier: Classifier, kind: str) -> None:
    library = {"pandas": pandas.DataFrame, "Arrow": pa.Table}.get(kind.partition(" ")[0], pl.DataFrame)

    found = classifier.answer_frame(KINDS[kind](TITLES))

    assert isinstance(found, library)
    table = pl.from_pandas(found) if isinstance(found, pandas.DataFrame) else pl.DataFrame(found)
    assert table.columns == COLUMNS
    assert table["code"].to_list() == [each.answers[0].label for each in classifier.answer(TITLES)]
    types = [pl.String, pl.String, pl.Float32, pl.Float32, pl.String, pl.Boolean, pl.String, pl.String]
    assert table.dtypes == types
    empty = classifier.answer_frame(KINDS[kind]([]))
    table = pl.from_pandas(empty) if isinstance(empty, pandas.DataFrame) else pl.DataFrame(empty)
    assert table.shape == (0, len(COLUMNS))


@pytest.mark.parametrize("kind", ["tuple", "pandas", "polars", "Arrow string"])
def test_several_answers_have_the_row_of_their_title_and_a_rank(classifier: Classifier, kind: str) -> None:
    titles = ["Registered Nurse", None, "Cashier"]

    found = classifier.answer_frame(KINDS[kind](titles), k=3)

    table = pl.from_pandas(found) if isinstance(found, pandas.DataFrame) else pl.DataFrame(found)
    assert table.columns == ["row", "rank", *COLUMNS]
    expected = [
        (row, rank, answer.label)
        for row, each in enumerate(classifier.answer(titles, k=3))
        for rank, answer in enumerate(each.answers, 1)
    ]
    assert table.select("row", "rank", "code").rows() == expected
    if isinstance(found, pandas.DataFrame):
        assert found.index.tolist() == [row for row, _, _ in expected]


def test_title_that_training_lists_under_several_codes_has_one_row(classifier: Classifier) -> None:
    model = Classifier(classifier.scorer, {}, Knowledge(listed=listed.learn(["cashier", "cashier"], np.array([3, 9]))))
    (both_codes,) = model.answer(["Cashier"], "detailed")
    assert len(both_codes.answers) == 2

    found = model.answer_frame(["Cashier", "Cashier"], "detailed")

    assert found["code"].to_list() == [both_codes.answers[0].label] * 2
