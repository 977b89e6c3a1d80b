"""Content-Type and Accept are read as RFC 9110 has them."""

from __future__ import annotations

import pytest

from jobmajor.serve.messages.media import CSV, JSON, LINES, Media, of_answer, of_request
from jobmajor.serve.messages.refusal import Refusal


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("application/json", Media(JSON)),
        ("Application/JSON; charset=UTF-8", Media(JSON)),
        ("application/x-ndjson", Media(LINES)),
        ("text/csv", Media(CSV)),
        ('text/csv; header="absent"', Media(CSV, has_header=False)),
    ],
)
def test_content_type_names_a_format(given: str, expected: Media) -> None:
    assert of_request({"content-type": given}) == expected


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "application/json", "content-encoding": "gzip"},
        {"content-type": "ü" * 300},
    ],
)
def test_what_is_not_read_is_415_and_names_the_header(headers: dict[str, str]) -> None:
    with pytest.raises(Refusal) as refused:
        of_request(headers)

    assert refused.value.status == 415
    assert refused.value.field in refused.value.sentence
    assert refused.value.sentence.isascii() or "…" in refused.value.sentence


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, CSV),
        ("*/*", CSV),
        ("application/json", JSON),
        ("application/*", JSON),
        ("text/html, application/x-ndjson;q=0.5", LINES),
        ("application/json;q=0.1, text/csv;q=0.2", CSV),
        ("*/*, text/csv;q=0", JSON),
        ("application/json;q=x, application/jsonlines", LINES),
    ],
)
def test_answer_has_the_format_that_is_liked_best_and_else_the_body_s_own(accept: str | None, expected: str) -> None:
    assert of_answer(accept, CSV) == expected


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "image/*"])
def test_client_that_accepts_none_of_ours_is_told_406(accept: str) -> None:
    with pytest.raises(Refusal) as refused:
        of_answer(accept, JSON)

    assert (refused.value.status, refused.value.field) == (406, "Accept")


def test_column_of_a_headless_csv_is_a_number() -> None:
    assert of_request({"content-type": "text/csv; header=absent; column=2"}) == Media(CSV, False, 2)
    for text in ("0", "-1", "x", "", "12345", "٢"):
        with pytest.raises(Refusal, match="column"):
            of_request({"content-type": f"text/csv; header=absent; column={text}"})
