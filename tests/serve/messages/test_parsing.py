"""Every title of a body comes out once and in its place, and a body that can't be understood says where."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmajor.serve.messages.media import CSV, JSON, KINDS, LINES, Media
from jobmajor.serve.messages.parsing import instances
from jobmajor.serve.messages.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

TITLES = st.lists(st.text(st.characters(codec="utf-8"), max_size=20), max_size=8)


def titles(body: bytes, media: Media) -> tuple[list[str], Mapping[str, Any]]:
    found = instances(body, media)
    return found.titles, found.parameters


def refused(body: bytes, kind: str) -> Refusal:
    with pytest.raises(Refusal) as found:
        titles(body, Media(kind))
    return found.value


@given(TITLES)
def test_titles_survive_json_and_json_lines(given_titles: list[str]) -> None:
    lines = "".join(json.dumps({"title": title}) + "\n" for title in given_titles)

    assert titles(json.dumps({"instances": given_titles}).encode(), Media(JSON)) == (given_titles, {})
    assert titles(lines.encode(), Media(LINES)) == (given_titles, {})


@given(TITLES)
def test_titles_survive_csv_among_other_columns(given_titles: list[str]) -> None:
    sent = [title.replace("\0", "") for title in given_titles]
    target = io.StringIO()
    csv.writer(target).writerows([["id", "title"], *([str(place), title] for place, title in enumerate(sent))])

    assert titles(target.getvalue().encode(), Media(CSV)) == (sent, {})


@given(st.binary(max_size=60), st.sampled_from(KINDS), st.booleans())
def test_any_bytes_are_read_or_refused(body: bytes, kind: str, has_header: bool) -> None:
    found: list[str] = []
    refusal = None

    try:
        found, _ = titles(body, Media(kind, has_header))
    except Refusal as error:
        refusal = error

    assert all(isinstance(title, str) for title in found)
    assert refusal is None or (refusal.status == 422 and json.loads(refusal.to_bytes())["field"])


def test_empty_titles_keep_their_places() -> None:
    assert titles(b"title\nnurse\n\nwelder\n", Media(CSV))[0] == ["nurse", "", "welder"]
    assert titles(b'{"instances": ["nurse", null, ""]}', Media(JSON))[0] == ["nurse", "", ""]
    assert titles(b'{"title": null}\n"welder"', Media(LINES))[0] == ["", "welder"]


def test_byte_order_mark_is_no_part_of_the_header() -> None:
    assert titles("\ufefftitle\r\nnurse\r\n".encode(), Media(CSV))[0] == ["nurse"]


def test_csv_without_a_header_has_one_field_or_says_which_one_is_the_title() -> None:
    assert titles(b'"nurse, rn"\n\nwelder\n', Media(CSV, has_header=False))[0] == ["nurse, rn", "", "welder"]
    assert titles(b'"nurse, rn",7\nwelder,8\n', Media(CSV, False, 1))[0] == ["nurse, rn", "welder"]
    assert titles(b'7,"nurse, rn"\n8,welder\n', Media(CSV, False, 2))[0] == ["nurse, rn", "welder"]


@pytest.mark.parametrize(
    ("body", "column", "line"),
    [
        (b"Cook, Line\n", None, "line 1"),
        (b"nurse\nCook, Line\n", None, "line 2"),
        (b"nurse,7\n8\n", 1, "line 2"),
        (b"7,nurse\n8,Cook, Line\n", 2, "line 2"),
        (b"nurse\n", 2, "line 1"),
    ],
)
def test_csv_without_a_header_never_takes_a_part_of_a_title(body: bytes, column: int | None, line: str) -> None:
    with pytest.raises(Refusal, match="fields") as found:
        titles(body, Media(CSV, False, column))

    assert found.value.field == line
    assert "Line" not in found.value.sentence


@pytest.mark.parametrize(
    "body",
    [
        {"instances": ["nurse", {"title": "welder"}, None]},
        {"inputs": ["nurse", "welder", ""]},
        {"dataframe_split": {"columns": ["title"], "data": [["nurse"], ["welder"], [None]]}},
        {"dataframe_split": {"index": [0, 1, 2], "columns": ["job"], "data": [["nurse"], ["welder"], [""]]}},
        {"dataframe_split": {"columns": ["id", "title"], "data": [[1, "nurse"], [2, "welder"], [3, None]]}},
        {"dataframe_records": [{"title": "nurse", "id": 1}, {"title": "welder", "id": 2}, {"title": None, "id": 3}]},
        {"dataframe_records": [{"job": "nurse"}, {"job": "welder"}, {"job": None}]},
        ["nurse", {"title": "welder"}, None],
    ],
)
def test_bodies_of_other_model_servers_hold_the_same_titles(body: Any) -> None:
    assert titles(json.dumps(body).encode(), Media(JSON)) == (["nurse", "welder", ""], {})
    if isinstance(body, dict):
        sent = {**body, "parameters": {"top_k": 1}}
        assert titles(json.dumps(sent).encode(), Media(JSON)) == (["nurse", "welder", ""], {"top_k": 1})


@pytest.mark.parametrize(
    "body", [{"title": "nurse", "id": 7}, {"inputs": "nurse"}, {"inputs": {"title": "nurse"}}, ["nurse"]]
)
def test_one_title_is_a_list_of_one(body: Any) -> None:
    assert titles(json.dumps(body).encode(), Media(JSON)) == (["nurse"], {})


def test_data_frames_have_contexts() -> None:
    split = {"columns": ["context", "title"], "data": [["food", "inspector"], [None, "nurse"]]}
    records = [{"title": "inspector", "context": "food"}, {"title": "nurse", "context": None}]

    assert instances(json.dumps({"dataframe_split": split}).encode(), Media(JSON)).contexts == ["food", ""]
    assert instances(json.dumps({"dataframe_records": records}).encode(), Media(JSON)).contexts == ["food", ""]


def test_parameters_of_a_json_body_are_handed_on() -> None:
    assert titles(b'{"instances": [], "parameters": {"level": "minor"}}', Media(JSON)) == ([], {"level": "minor"})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"[", "body"),
        (b"[" * 100_000, "body"),
        (b'{"instances": [NaN]}', "body"),
        (b'{"instances": [' + b"1" * 5000 + b"]}", "body"),
        (b"\xff", "body"),
        (b'"nurse"', "instances"),
        (b"[7]", "body[0]"),
        (b'[["nurse"]]', "body[0]"),
        (b'{"inputs": 7}', "inputs"),
        (b'{"inputs": [7]}', "inputs[0]"),
        (b'{"inputs": [], "instances": []}', "body"),
        (b'{"title": "nurse", "instances": []}', "body"),
        (b'{"title": 7}', "the body.title"),
        (b'{"dataframe_split": []}', "dataframe_split"),
        (b'{"dataframe_split": {"columns": ["title"]}}', "dataframe_split"),
        (b'{"dataframe_split": {"columns": ["id", "job"], "data": []}}', "dataframe_split.columns"),
        (b'{"dataframe_split": {"columns": ["title"], "data": ["nurse"]}}', "dataframe_split.data[0]"),
        (b'{"dataframe_split": {"columns": ["title"], "data": [["a", "b"]]}}', "dataframe_split.data[0]"),
        (b'{"dataframe_split": {"columns": ["title"], "data": [[7]]}}', "dataframe_split.data[0].title"),
        (b'{"dataframe_records": ["nurse"]}', "dataframe_records[0]"),
        (b'{"dataframe_records": [{"title": "a"}, {"job": "b"}]}', "dataframe_records[1]"),
        (b"{}", "instances"),
        (b'{"instances": "nurse"}', "instances"),
        (b'{"instances": ["nurse", 7]}', "instances[1]"),
        (b'{"instances": [["nurse"]]}', "instances[0]"),
        (b'{"instances": [{"job": "nurse"}]}', "instances[0]"),
        (b'{"instances": [{"title": true}]}', "instances[0].title"),
        (rb'{"instances": ["nurse", "\ud800"]}', "instances[1]"),
        (b'{"instances": [], "parameters": []}', "parameters"),
        (b'{"instances": [], "more": 1}', "body"),
    ],
)
def test_json_that_is_not_as_described_is_named_by_its_place(body: bytes, field: str) -> None:
    found = refused(body, JSON)

    assert (found.status, found.field) == (422, field)
    assert field.partition("[")[0] in found.sentence


@pytest.mark.parametrize(
    ("body", "kind", "field"),
    [
        (b'{"title": "nurse"}\n\n{"title": "welder"}\n', LINES, "line 2"),
        (b'{"title": "nurse"}\n{"title": 3}\n', LINES, "line 2.title"),
        (b"nurse\n", LINES, "line 1"),
        (b"", CSV, "title"),
        (b"nurse\nwelder\n", CSV, "title"),
        (b"id,job\n1,nurse\n", CSV, "title"),
        (b"id,title\n1,nurse\n\n2,welder\n", CSV, "line 3"),
        (b"id,title\n1,nurse,rn\n", CSV, "line 2"),
        (b'title\n"nurse\n', CSV, "line 2"),
        (b'title\n"nu"rse\n', CSV, "line 2"),
        (b"title\nnur\0se\n", CSV, "body"),
        (b"\0\0\0", CSV, "body"),
        (b"title\n" + b"x" * 200_000, CSV, "line 2"),
    ],
)
def test_line_that_can_not_be_read_is_named(body: bytes, kind: str, field: str) -> None:
    found = refused(body, kind)

    assert (found.status, found.field) == (422, field)


def test_refusal_of_a_headless_file_does_not_repeat_its_first_title() -> None:
    assert "secret" not in refused(b"secret nurse,7\nwelder,8\n", CSV).sentence


def test_context_beside_a_title_is_read_in_every_format() -> None:
    items = [{"title": "inspector", "context": "food"}, "nurse", {"title": "cook", "context": None, "id": 7}]
    lines = "".join(json.dumps(item) + "\n" for item in items)

    assert instances(json.dumps({"instances": items}).encode(), Media(JSON)).contexts == ["food", "", ""]
    assert instances(lines.encode(), Media(LINES)).contexts == ["food", "", ""]
    assert instances(b"context,title\nfood,inspector\n,nurse\n", Media(CSV)).contexts == ["food", ""]


def test_body_without_any_context_has_none() -> None:
    assert instances(b'{"instances": ["nurse", {"title": "cook", "context": ""}]}', Media(JSON)).contexts is None
    assert instances(b'{"title": "nurse"}\n', Media(LINES)).contexts is None
    assert instances(b"title,context\nnurse,\n", Media(CSV)).contexts is None
    assert instances(b"nurse,context\n", Media(CSV, False, 1)).contexts is None


@pytest.mark.parametrize("value", ["7", "[]", '"\\ud800"'])
def test_context_that_is_no_text_is_refused_by_its_place(value: str) -> None:
    body = f'{{"instances": ["nurse", {{"title": "cook", "context": {value}}}]}}'

    refusal = refused(body.encode(), JSON)

    assert json.loads(refusal.to_bytes())["field"] == "instances[1].context"


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b'{"inputs": ["a"], "instances": ["b"]}', ("instances", "inputs")),
        (b'{"instances": ["a"], "title": "b"}', ("instances", "title")),
        (
            b'{"dataframe_split": {}, "dataframe_records": [], "parameters": {}}',
            ("dataframe_split", "dataframe_records"),
        ),
    ],
)
def test_titles_under_two_names_are_refused_with_both(body: bytes, names: tuple[str, str]) -> None:
    assert refused(body, JSON).sentence == (
        f"the body has both {names[0]!r} and {names[1]!r}: send the titles under one of the two"
    )
