"""What a review asks of the service: titles as the model reads them, a search, own titles, and kept choices."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from jobmajor.model.rules import overrides
from jobmajor.serve.service.champion import Champion, ModelSource
from jobmajor.serve.service.keys import add, read
from jobmajor.serve.service.reviews import Reviews
from jobmajor.serve.service.service import ServiceOptions
from jobmajor.titles import normalise

from ..conftest import LIMIT_S, Running, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NURSE = "29-1141"


@pytest.fixture
def keeping(model_folder: Path, tmp_path: Path) -> Iterator[Running]:
    """A service that keeps choices, without keys."""
    with running(Champion(ModelSource(model_folder, model_folder), Reviews(tmp_path / "kept.csv"))) as found:
        yield found


def post(site: Running, path: str, **how: Any) -> httpx.Response:
    return httpx.post(site.url + path, timeout=LIMIT_S, **how)


def answer(site: Running, title: str, **more: Any) -> dict[str, Any]:
    body = {"instances": [title], "parameters": {"level": "detailed"}, **more}
    found: dict[str, Any] = site.post(json=body).json()["predictions"][0][0]
    return found


def test_titles_come_back_as_the_model_reads_them(service: Running) -> None:
    titles = ["Sr. NURSE", None, "", "護士", "x" * 2000]

    found = post(service, "/normalise", json={"titles": titles})

    assert found.json() == {"texts": [normalise(title or "") for title in titles]}


def test_search_finds_codes_of_all_levels(service: Running) -> None:
    found = service.get("/codes", params={"search": "regis nurse"}).json()["codes"]

    assert found[0] == {"code": NURSE, "name": "Registered Nurses", "level": "detailed"}
    assert {each["level"] for each in found} == {"detailed", "broad"}
    assert service.get("/codes", params={"search": "zzzz"}).json() == {"codes": []}


@pytest.mark.parametrize("query", ["", "?search=", "?search=%20", "?search=nurse&x=1", f"?search={'a' * 201}"])
def test_search_without_words_is_refused(service: Running, query: str) -> None:
    assert service.get(f"/codes{query}").status_code == 422


def test_own_titles_in_a_body_answer_this_request_only(service: Running) -> None:
    own = {"Bike Wizard": NURSE, "vacant": "not a job"}

    found = answer(service, "bike wizard!", overrides=own)
    assert (found["code"], found["source"], found["abstain"]) == (NURSE, "override", False)
    assert answer(service, "vacant", overrides=own)["code"] == ""
    assert answer(service, "bike wizard")["source"] != "override"
    bare = service.post(json={"title": "bike wizard", "overrides": own, "parameters": {"level": "detailed"}})
    assert bare.json()["predictions"][0][0]["code"] == NURSE


def test_answers_beside_own_titles_stay_those_of_the_model(service: Running) -> None:
    titles = ["registered nurse", "bike wizard", "", "truck driver", "asdfgh", "cook"]
    plain = service.post(json={"instances": titles}).json()["predictions"]

    found = service.post(json={"instances": titles, "overrides": {"bike wizard": NURSE}}).json()["predictions"]

    assert found[1][0]["code"] == "29-0000"
    assert [*found[:1], *found[2:]] == [*plain[:1], *plain[2:]]


@pytest.mark.parametrize("given", [[], "x", {"!!": NURSE}, {"nurse": "29-9999"}, {"nurse": None}, {"n" * 5000: NURSE}])
def test_own_titles_that_can_not_be_used_are_refused_without_their_words(service: Running, given: Any) -> None:
    found = service.post(json={"instances": ["cook"], "overrides": given})

    assert (found.status_code, found.json()["field"]) == (422, "overrides")
    assert "nurse" not in found.text


def test_kept_choice_answers_everyone_until_it_is_taken_back(keeping: Running, tmp_path: Path) -> None:
    assert keeping.get("/version").json()["reviews"] is True
    assert post(keeping, "/reviews", json={"title": "Bike Wizard", "code": NURSE}).json()["before"] is None
    assert answer(keeping, "bike wizard")["code"] == NURSE
    assert overrides.read(tmp_path / "kept.csv").codes == {"bike wizard": {NURSE: 1.0}}

    assert post(keeping, "/reviews", json={"title": "bike wizard", "code": None}).json()["before"] == NURSE
    assert answer(keeping, "bike wizard")["source"] == "model"


def test_change_is_logged_without_the_title(keeping: Running, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "jobmajor")

    post(keeping, "/reviews", json={"title": "Bike Wizard", "code": NURSE})

    (record,) = [each for each in caplog.records if each.message == "kept a choice"]
    assert record.event == {"client": "", "code": NURSE, "before": ""}  # type: ignore[attr-defined]
    assert "izard" not in json.dumps([vars(each) for each in caplog.records], default=str)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "http://evil.example", "sec-fetch-site": "same-origin"}, 200),  # browsers let no page set it
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"content-type": "text/plain"}, 415),
        ({}, 200),
    ],
)
def test_only_the_services_own_page_may_keep(keeping: Running, headers: dict[str, str], status: int) -> None:
    body = json.dumps({"title": "Bike Wizard", "code": NURSE})

    found = post(keeping, "/reviews", content=body, headers={"content-type": "application/json", **headers})

    assert found.status_code == status
    own = {"content-type": "application/json", "origin": keeping.url}
    assert post(keeping, "/reviews", content=body, headers=own).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"title": "x"},
        {"title": "nurse", "code": "1"},
        {"title": "!", "code": NURSE},
        {"title": 1, "code": NURSE},
    ],
)
def test_choice_that_can_not_be_used_is_refused(keeping: Running, tmp_path: Path, body: Any) -> None:
    assert post(keeping, "/reviews", json=body).status_code == 422
    assert not (tmp_path / "kept.csv").exists()


def test_service_without_a_file_for_them_keeps_no_choices(service: Running) -> None:
    found = post(service, "/reviews", json={"title": "nurse", "code": NURSE})

    assert (found.status_code, found.json()["detail"][:27]) == (403, "this service keeps no choic")
    assert service.get("/version").json()["reviews"] is False


def test_where_keys_are_set_one_marked_for_it_is_needed(model_folder: Path, tmp_path: Path) -> None:
    plain, marked = add(tmp_path / "keys", "plain"), add(tmp_path / "keys", "marked", may_review=True)
    champion = Champion(ModelSource(model_folder, model_folder), Reviews(tmp_path / "kept.csv"))
    with running(champion, ServiceOptions(keys=read(tmp_path / "keys"))) as site:
        found = {
            key: (
                post(site, "/reviews", json={"title": "bike wizard", "code": NURSE}, headers={"x-api-key": key}),
                site.get("/version", headers={"x-api-key": key}),
            )
            for key in (plain, marked, "unknown")
        }

    assert [each[0].status_code for each in found.values()] == [403, 200, 401]
    assert [each[1].json().get("reviews") for each in found.values()] == [False, True, None]


def test_damaged_file_is_no_fault_of_the_client(keeping: Running, tmp_path: Path) -> None:
    (tmp_path / "kept.csv").write_text("title,code\nsecret,99-9999\n", "utf-8")

    found = post(keeping, "/reviews", json={"title": "bike wizard", "code": NURSE})

    assert found.status_code == 503
    assert "secret" not in found.text
