"""Titles over real HTTP: the three formats in and out, and what is said where a request can't be answered."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

import jobmajor
from jobmajor import soc
from jobmajor.model.deepest import deepest

from ..conftest import LIMIT_S

if TYPE_CHECKING:
    from jobmajor.serve.service.champion import Champion

    from ..conftest import Running

TITLES = ["licensed practical nurse", "zzqx", "", "wéldér"]
AS_JSON = {"content-type": "application/json"}
AS_LINES = {"content-type": "application/jsonlines"}
AS_CSV = {"content-type": "text/csv"}


def csv_of(rows: list[list[str]]) -> str:
    target = io.StringIO()
    csv.writer(target).writerows(rows)
    return target.getvalue()


def expected(champion: Champion, level: soc.Level = "major", k: int = 5) -> list[list[dict[str, Any]]]:
    return [
        [
            {
                "label": item.label,
                "code": item.label,
                "name": item.name,
                "score": round(item.score, 6),
                "confidence": round(each.confidence, 6),
                "level": level,
                "abstain": each.abstain,
                "reason": each.reason,
                "source": each.source,
            }
            for item in each.answers
        ]
        for each in champion.served.classifier.answer(TITLES, level, k)
    ]


def test_json_gets_the_classifier_s_own_answers_and_the_model_that_gave_them(
    service: Running, champion: Champion
) -> None:
    answer = service.post(json={"instances": TITLES})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-jobmajor-model"] == champion.served.digest
    assert answer.headers["x-jobmajor-schema"] == "1"
    assert answer.json() == {"predictions": expected(champion), "model": champion.served.digest, "schema": 1}


def test_json_lines_get_one_line_each(service: Running, champion: Champion) -> None:
    lines = "".join(json.dumps({"title": title, "id": "007"}) + "\n" for title in TITLES)

    answer = service.post(content=lines, headers=AS_LINES, params={"top_k": "2"})

    assert answer.headers["content-type"] == "application/jsonlines"
    found = [json.loads(line) for line in answer.text.splitlines()]
    assert [each["predictions"] for each in found] == expected(champion, k=2)
    assert {each["model"] for each in found} == {champion.served.digest}


def test_csv_gets_one_row_each_with_the_best_code_and_its_rivals(service: Running, champion: Champion) -> None:
    sent = csv_of([["id", "title"], *[["007", title] for title in TITLES]])

    answer = service.post(content=sent, headers=AS_CSV, params={"top_k": "2", "level": "minor"})

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    for row, items in zip(rows, expected(champion, "minor", 2), strict=True):
        assert (row["code"], row["name"], row["level"]) == (items[0]["label"], items[0]["name"], "minor")
        assert float(row["score"]) == items[0]["score"]
        assert (row["abstain"], row["reason"]) == (str(items[0]["abstain"]).lower(), items[0]["reason"])
        assert row["code_2"] == (items[1]["label"] if len(items) > 1 else "")


def test_csv_without_a_header_gets_none_either(service: Running) -> None:
    headers = {"content-type": "text/csv; header=absent"}

    answer = service.post(content="nurse\nwelder\n", headers=headers, params={"top_k": "1"})

    assert len(answer.text.splitlines()) == 2
    assert not answer.text.startswith("code")


def test_all_levels_stand_in_one_answer_from_coarse_to_fine(service: Running, champion: Champion) -> None:
    answer = service.post(json={"instances": TITLES, "parameters": {"level": "all", "top_k": 2}})

    by_level = [expected(champion, level, 2) for level in soc.LEVELS]
    assert answer.json()["predictions"] == [
        [item for part in parts for item in part] for parts in zip(*by_level, strict=True)
    ]


def test_all_levels_have_columns_of_their_own_in_csv(service: Running) -> None:
    answer = service.post(content="title\nnurse\n", headers=AS_CSV, params={"level": "all", "top_k": "1"})

    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert [row[f"{level}_level"] for level in soc.LEVELS] == list(soc.LEVELS)
    assert row["detailed_code"]


@pytest.mark.parametrize("level", ["4", "1", "detailed"])
def test_codes_of_isco_come_by_the_crosswalk(level: str, service: Running, champion: Champion) -> None:
    answer = service.post(json={"instances": TITLES, "parameters": {"to": "isco-08", "level": level, "top_k": 2}})

    coded = champion.served.classifier.to("isco-08").answer(TITLES, level, 2)
    digits = "4" if level == "detailed" else level
    for items, each in zip(answer.json()["predictions"], coded, strict=True):
        assert [item["label"] for item in items] == [best.label for best in each.answers]
        assert {item["level"] for item in items} == {digits}
        assert {(item["abstain"], item["reason"]) for item in items} == {(each.abstain, each.reason)}
        assert {item["ambiguous"] for item in items} == {each.ambiguous}


def test_codes_of_soc_2010_have_columns_of_their_own_in_csv(service: Running) -> None:
    asked = {"level": "all", "top_k": "1", "to": "soc-2010"}

    answer = service.post(content="title\nnurse\n", headers=AS_CSV, params=asked)

    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert [row[f"{level}_level"] for level in soc.LEVELS] == list(soc.LEVELS)
    assert row["detailed_ambiguous"] in {"true", "false"}
    assert row["detailed_code"]


@pytest.mark.parametrize("to", ["soc-2018", "isco-08"])
def test_best_level_is_the_deepest_that_is_sure(to: str, service: Running, champion: Champion) -> None:
    parameters = {"level": "best", "top_k": 2, "to": to}

    answer = service.post(json={"instances": TITLES, "parameters": parameters})

    classifier = champion.served.classifier
    coded = deepest(classifier if to == "soc-2018" else classifier.to(to)).answer(TITLES, 2)
    for items, each in zip(answer.json()["predictions"], coded, strict=True):
        assert [item["label"] for item in items] == [best.label for best in each.answers]
        assert {(item["level"], item["abstain"], item["reason"]) for item in items} == {
            (each.level, each.abstain, each.reason)
        }


def test_best_level_has_one_set_of_columns_in_csv(service: Running) -> None:
    answer = service.post(content="title\nasdfgh\n", headers=AS_CSV, params={"level": "best", "top_k": "1"})

    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert list(row) == ["code", "name", "score", "confidence", "level", "abstain", "reason", "source"]
    assert (row["code"], row["level"], row["abstain"], row["reason"]) == ("", "", "true", "not a title")


def test_accept_says_the_format_of_the_answer(service: Running) -> None:
    answer = service.post(content="title\nnurse\n", headers={**AS_CSV, "accept": "application/json"})

    assert len(answer.json()["predictions"]) == 1


def test_options_through_sagemaker_s_header_count_less_than_the_body_s(service: Running) -> None:
    header = {"X-Amzn-SageMaker-Custom-Attributes": "level=broad,top_k=1"}

    by_header = service.post(json={"instances": ["nurse"]}, headers=header)
    by_body = service.post(json={"instances": ["nurse"], "parameters": {"level": "minor"}}, headers=header)

    assert {item["level"] for item in by_header.json()["predictions"][0]} == {"broad"}
    assert {item["level"] for item in by_body.json()["predictions"][0]} == {"minor"}


def test_no_titles_get_no_answers(service: Running, champion: Champion) -> None:
    assert service.post(json={"instances": []}).json() == {
        "predictions": [],
        "model": champion.served.digest,
        "schema": 1,
    }
    assert service.post(content="", headers=AS_LINES).content == b""
    assert len(service.post(content="title\n", headers=AS_CSV).text.splitlines()) == 1


def test_more_titles_than_are_scored_at_a_time_stay_in_their_order(service: Running, champion: Champion) -> None:
    titles = [f"nurse {number}" for number in range(700)]

    answer = service.post(json={"instances": titles, "parameters": {"top_k": 1}})

    best = [item.answers[0].label for item in champion.served.classifier.answer(titles, k=1)]
    assert [each[0]["label"] for each in answer.json()["predictions"]] == best


def test_answer_too_large_for_one_piece_arrives_whole(service: Running) -> None:
    answer = service.post(json={"instances": ["nurse"] * 1000, "parameters": {"level": "detailed", "top_k": 5}})

    assert len(answer.content) > 2**18
    assert len(answer.json()["predictions"]) == 1000


@pytest.mark.parametrize(
    ("headers", "content", "status", "field"),
    [
        (AS_JSON, b'{"instances": ["\\ud800"]}', 422, "instances[0]"),
        (AS_JSON, b'{"\\ud800": 1}', 422, "instances"),
        (AS_JSON, b'{"instances": [], "\\ud800": 1}', 422, "body"),
        (AS_JSON, b'{"instances": [1]}', 422, "instances[0]"),
        (AS_JSON, b'{"instances": ["a"], "parameters": {"top_k": "\\ud800"}}', 422, "top_k"),
        (AS_CSV, b"\0" * 1000, 422, "body"),
        (AS_CSV, b"job\nnurse\n", 422, "title"),
        (AS_LINES, b'{"title": []}', 422, "line 1.title"),
        ({"content-type": "text/html"}, b"x", 415, "Content-Type"),
        ({"content-type": "application/json", "content-encoding": "gzip"}, b"x", 415, "Content-Encoding"),
        ({**AS_JSON, "accept": "text/html"}, b'{"instances": []}', 406, "Accept"),
    ],
)
def test_refusal_is_a_status_a_sentence_and_the_field(
    service: Running, headers: dict[str, str], content: bytes, status: int, field: str
) -> None:
    answer = service.post(content=content, headers=headers)

    assert answer.status_code == status
    assert answer.json()["field"] == field
    assert "\n" not in answer.json()["detail"]
    assert len(answer.json()["detail"]) > 20


def test_query_that_can_not_be_meant_is_422(service: Running) -> None:
    for params in ({"level": "x"}, {"top_k": "0"}, {"topk": "1"}, {"exact": "maybe"}):
        assert service.post(json={"instances": []}, params=params).status_code == 422


def test_other_paths_and_methods_are_refused_in_the_same_form(service: Running) -> None:
    for path, status in (("/nowhere", 404), ("/invocations", 405), ("/ping/", 404), ("//ping", 404)):
        answer = service.get(path)

        assert (answer.status_code, set(answer.json())) == (status, {"detail", "field"})


def test_health_version_and_what_a_batch_transform_may_send(service: Running, champion: Champion) -> None:
    version = service.get("/version").json()

    assert service.get("/ping").status_code == 200
    assert (version["version"], version["model"]) == (jobmajor.__version__, champion.served.digest)
    assert version["codes"]["major"] == len(champion.served.classifier.classes("major"))
    assert service.get("/execution-parameters").json()["BatchStrategy"] == "MULTI_RECORD"
    assert service.get("/execution-parameters").json()["MaxPayloadInMB"] == 6


def counted(text: str) -> dict[str, float]:
    """Prometheus's text as values by series."""
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")}


def test_metrics_count_requests_and_titles(service: Running) -> None:
    before = counted(service.get("/metrics").text)

    service.post(json={"instances": ["", ""]})
    after = counted(service.get("/metrics").text)

    def grown(name: str) -> float:
        return after[name] - before.get(name, 0)

    assert grown('jobmajor_requests_total{route="/invocations",status="200"}') == 1
    assert grown('jobmajor_titles_total{source="model"}') == 2
    assert grown('jobmajor_abstained_total{reason="not a title"}') == 2
    assert grown("jobmajor_invocation_seconds_count") == 1
    assert after['jobmajor_invocation_seconds_bucket{le="+Inf"}'] == after["jobmajor_invocation_seconds_count"]
    assert after["jobmajor_requests_in_work"] == 0


def test_metrics_have_one_series_for_all_paths_that_are_none(service: Running) -> None:
    for number in range(5):
        service.get(f"/secret-nurse-{number}")

    text = service.get("/metrics").text
    assert "secret" not in text
    assert 'route="other",status="404"' in text


def test_request_s_own_id_comes_back_and_a_foreign_one_does_not(service: Running) -> None:
    assert service.get("/ping", headers={"x-request-id": "my-1"}).headers["x-request-id"] == "my-1"
    assert len(service.get("/ping", headers={"x-request-id": "a b" * 50}).headers["x-request-id"]) == 16


def test_head_of_ping_is_for_load_balancers(service: Running) -> None:
    import httpx  # noqa: PLC0415 - the one call that is no GET or POST

    assert httpx.head(service.url + "/ping", timeout=LIMIT_S).status_code == 200
