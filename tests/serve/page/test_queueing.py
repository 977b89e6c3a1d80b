"""The queue over HTTP: who gets which title, what is kept, who may, and what is refused."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from jobmajor.model.answers import Answer
from jobmajor.review.doubtful import DoubtfulTitle
from jobmajor.review.ledger import Ledger
from jobmajor.review.queue import Queue
from jobmajor.serve.service.keys import add, read
from jobmajor.serve.service.service import ServiceOptions

from ..conftest import LIMIT_S, SERVE, Running, program, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jobmajor.serve.service.champion import Champion

NURSE, COOK = "29-1141", "35-2014"


def doubtful(text: str, rows: float = 1, reason: str = "unsure") -> DoubtfulTitle:
    return DoubtfulTitle(text, rows, reason, (Answer(NURSE, "Registered Nurses", 0.4),), 0.5, 1.0)


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    """A queue whose titles nobody is asked about twice."""
    found = Queue(tmp_path / "reviews.db", second=0)
    found.add([doubtful("bike wizard", 4), doubtful("Wizard, bike", 1), doubtful("zorp helper", 2, "")], "a")
    return found


@pytest.fixture
def site(champion: Champion, queue: Queue) -> Iterator[Running]:
    """A service with the queue, without keys."""
    with running(champion, ServiceOptions(queue=queue)) as found:
        yield found


def ask(site: Running, what: str, how: dict[str, str] | None = None, **body: Any) -> httpx.Response:
    return httpx.post(f"{site.url}/queue/{what}", json=body, headers=how, timeout=LIMIT_S)


def titles(*answers: httpx.Response) -> list[str | None]:
    return [(each.json()["waiting"] or {}).get("title") for each in answers]


def test_title_is_lent_with_all_that_a_person_needs(site: Running) -> None:
    (found,) = [ask(site, "take", reviewer="ann").json()["waiting"]]

    assert found == {
        "title": "bike wizard",
        "rows": 5,
        "reason": "unsure",
        "value": 2.5,
        "candidates": [{"label": NURSE, "code": NURSE, "name": "Registered Nurses", "score": 0.4}],
        "spellings": ["Wizard, bike"],
        "said": [],
    }
    assert ask(site, "take", reviewer="bob").json()["waiting"]["reason"] == "moved"


def test_two_people_and_two_screens_of_one_never_get_the_same_title(site: Running, queue: Queue) -> None:
    queue.add([doubtful("floop person", 1)], "b")
    asked: list[dict[str, Any]] = [
        {"reviewer": "ann", "screen": "1"},
        {"reviewer": "ann", "screen": "2"},
        {"reviewer": "bob"},
    ]

    first = titles(*(ask(site, "take", **each) for each in asked))
    again = titles(*(ask(site, "take", **each) for each in asked))

    assert first == again == ["bike wizard", "zorp helper", "floop person"]
    assert titles(ask(site, "take", reviewer="cy")) == [None]


def test_decision_is_kept_once_and_taken_back_by_its_title(site: Running, queue: Queue) -> None:
    ask(site, "take", reviewer="ann")
    said: dict[str, Any] = {"reviewer": "ann", "title": "bike wizard", "code": NURSE}

    assert [ask(site, "decide", **said).json() for _ in range(2)] == [{"new": True}, {"new": False}]
    assert queue.labels() == {"bike wizard": NURSE, "wizard bike": NURSE}
    assert titles(ask(site, "take", reviewer="ann")) == ["zorp helper"]

    undone = [ask(site, "undo", reviewer="ann", title="bike wizard") for _ in range(2)]
    assert titles(*undone) == ["bike wizard", None]
    assert queue.labels() == {}
    assert [(each.reviewer, each.code) for each in queue.history()] == [("ann", NURSE), ("ann", None)]


def test_skipped_title_goes_to_others(site: Running) -> None:
    ask(site, "take", reviewer="ann")

    assert ask(site, "skip", reviewer="ann", title="bike wizard").json() == {"skipped": True}

    assert titles(ask(site, "take", reviewer="ann"), ask(site, "take", reviewer="bob")) == [
        "zorp helper",
        "bike wizard",
    ]


def test_disputed_title_says_who_said_what_and_progress_counts_it(champion: Champion, tmp_path: Path) -> None:
    queue = Queue(tmp_path / "reviews.db", second=1)
    queue.add([doubtful("bike wizard", 4), doubtful("zorp helper", 2)], "a")
    with running(champion, ServiceOptions(queue=queue)) as site:
        for name, code in (("ann", NURSE), ("bob", "not a job")):
            ask(site, "take", reviewer=name)
            ask(site, "decide", reviewer=name, title="bike wizard", code=code)
        ask(site, "decide", reviewer="ann", title="zorp helper", code=COOK)

        found = ask(site, "take", reviewer="cy").json()["waiting"]
        progress = site.get("/queue").json()

    assert found["said"] == [
        {"reviewer": "ann", "code": NURSE, "name": "Registered Nurses"},
        {"reviewer": "bob", "code": "not a job", "name": ""},
    ]
    assert progress["reviewer"] == ""
    counts = {state: each["titles"] for state, each in progress["states"].items()}
    assert counts == {"open": 0, "second opinion": 1, "disputed": 1, "done": 0}
    assert progress["agreement"]["code"]["share"] == 0


@pytest.mark.parametrize(
    ("what", "body", "field"),
    [
        ("take", {}, "reviewer"),
        ("take", {"reviewer": ""}, "reviewer"),
        ("take", {"reviewer": "  "}, "reviewer"),
        ("take", {"reviewer": "a\nb"}, "reviewer"),
        ("take", {"reviewer": "x" * 65}, "reviewer"),
        ("take", {"reviewer": 7}, "reviewer"),
        ("take", {"reviewer": "ann", "screen": "x" * 65}, "screen"),
        ("take", {"reviewer": "ann", "title": "bike wizard"}, "body"),
        ("decide", {"reviewer": "ann", "title": "bike wizard"}, "body"),
        ("decide", {"reviewer": "ann", "title": "bike wizard", "code": None}, "code"),
        ("decide", {"reviewer": "ann", "title": "bike wizard", "code": "29-9999"}, "code"),
        ("decide", {"reviewer": "ann", "title": "!!", "code": NURSE}, "title"),
        ("decide", {"reviewer": "ann", "title": "secret sauce", "code": NURSE}, "title"),
        ("decide", {"reviewer": "ann", "title": "\ud800", "code": NURSE}, "title"),
        ("skip", {"reviewer": "ann"}, "body"),
        ("skip", {"reviewer": "ann", "title": "secret sauce"}, "title"),
        ("undo", {"reviewer": "ann", "title": "secret sauce"}, "title"),
    ],
)
def test_what_can_not_be_kept_is_refused_in_one_sentence_without_the_title(
    site: Running, queue: Queue, what: str, body: dict[str, Any], field: str
) -> None:
    head = {"content-type": "application/json"}
    found = httpx.post(f"{site.url}/queue/{what}", content=json.dumps(body), headers=head, timeout=LIMIT_S)

    assert (found.status_code, found.json()["field"]) == (422, field)
    assert not any(word in found.json()["detail"] for word in ("secret", "wizard", "\n"))
    assert queue.history() == []
    assert queue.status()["lent"] == 0


@pytest.mark.parametrize("body", ["[]", "7", "{", '{"reviewer": "ann", "x": "y"}'])
def test_body_of_another_shape_is_refused(site: Running, body: str) -> None:
    head = {"content-type": "application/json"}

    found = httpx.post(f"{site.url}/queue/take", content=body, headers=head, timeout=LIMIT_S)

    assert (found.status_code, found.json()["field"]) == (422, "body")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"content-type": "text/plain"}, 415),
    ],
)
def test_only_the_services_own_page_may_change_the_queue(site: Running, headers: dict[str, str], status: int) -> None:
    assert ask(site, "take", headers, reviewer="ann").status_code == status


def test_methods_that_change_the_queue_are_posts_alone(site: Running) -> None:
    assert [site.get(f"/queue/{each}").status_code for each in ("take", "decide", "skip", "undo")] == [405] * 4
    assert httpx.post(f"{site.url}/queue", json={}, timeout=LIMIT_S).status_code == 405


def test_service_without_a_queue_says_so(service: Running) -> None:
    for found in (ask(service, "take", reviewer="ann"), service.get("/queue")):
        assert (found.status_code, found.json()["detail"]) == (403, "this service has no queue: start it with --queue")
    assert service.get("/version").json()["queue"] is False


def test_with_keys_the_reviewer_is_the_key_and_it_has_to_be_marked(
    champion: Champion, queue: Queue, tmp_path: Path
) -> None:
    path = tmp_path / "keys"
    plain, ann = ({"x-api-key": add(path, name, may_review=name == "ann")} for name in ("plain", "ann"))
    with running(champion, ServiceOptions(keys=read(path), queue=queue)) as site:
        assert ask(site, "take").status_code == 401
        assert [ask(site, "take", plain).status_code, site.get("/queue", headers=plain).status_code] == [403, 403]
        assert [site.get("/version", headers=each).json()["queue"] for each in (plain, ann)] == [False, True]
        assert site.get("/queue", headers=ann).json()["reviewer"] == "ann"
        refused = ask(site, "take", ann, reviewer="bob")
        assert (refused.status_code, refused.json()["field"]) == (422, "reviewer")
        assert titles(ask(site, "take", ann, reviewer="ann"), ask(site, "take", ann)) == ["bike wizard"] * 2
        ask(site, "decide", ann, title="bike wizard", code=NURSE)

    assert [each.reviewer for each in queue.history()] == ["ann"]


def test_log_names_codes_and_never_a_title(site: Running, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "jobmajor")
    ask(site, "take", reviewer="ann")
    ask(site, "decide", reviewer="ann", title="bike wizard", code=NURSE)
    ask(site, "undo", reviewer="ann", title="bike wizard")
    ask(site, "skip", reviewer="ann", title="bike wizard")

    events = [vars(each)["event"] for each in caplog.records if each.message == "kept a decision"]
    assert events == [{"client": "", "code": NURSE}]
    assert "izard" not in json.dumps([vars(each) for each in caplog.records], default=str)


def test_damaged_file_is_no_fault_of_the_client(site: Running, queue: Queue) -> None:
    assert isinstance(queue.ledger, Ledger)
    path = queue.ledger.path
    for each in path.parent.glob("reviews.db*"):
        each.unlink()
    path.write_text("no database " * 200)

    found = ask(site, "take", reviewer="ann")

    assert found.status_code == 503
    assert str(path.parent) not in found.text


@pytest.mark.slow
def test_eight_reviewers_at_once_with_two_workers_lose_nothing_and_double_nothing(
    model_folder: Path, tmp_path: Path
) -> None:
    queue = Queue(tmp_path / "reviews.db")
    wanted = {f"clerk of desk {place}" for place in range(80)}
    queue.add([doubtful(each) for each in sorted(wanted)], "a")
    words: list[str | Path] = [
        *SERVE,
        "--home",
        tmp_path,
        "--model",
        model_folder,
        "--port",
        "0",
        "--queue",
        "--workers",
        "2",
    ]

    with program(words) as found, ThreadPoolExecutor(8) as pool:
        names = [f"reviewer {place}" for place in range(8)]
        said = [pair for each in pool.map(lambda name: reviewed(found.url, name), names) for pair in each]
        log = found.text

    kept = [(each.reviewer, each.title) for each in queue.history()]
    assert sorted(kept) == sorted(said)
    assert {title for _, title in said} == wanted
    asked_twice = {title for title, count in Counter(title for _, title in said).items() if count > 1}
    seconds = Counter(each.title for each in queue.history() if each.is_second)
    assert seconds == Counter(dict.fromkeys(asked_twice, 1))
    assert max(Counter(kept).values()) == 1
    states = {state: each["titles"] for state, each in queue.status()["states"].items()}
    assert (states["open"], states["disputed"], len(queue.labels())) == (0, 0, 80)
    assert states["second opinion"] <= 1  # only the last one to decide can leave a title that nobody else is there for
    assert "desk" not in log


def reviewed(url: str, name: str) -> list[tuple[str, str]]:
    """Review until no title waits; return who decided on which titles."""
    found: list[tuple[str, str]] = []
    with httpx.Client(base_url=url, timeout=LIMIT_S) as client:
        while waiting := client.post("/queue/take", json={"reviewer": name}).json()["waiting"]:
            answer = client.post("/queue/decide", json={"reviewer": name, "title": waiting["title"], "code": COOK})
            assert answer.json() == {"new": True}
            found.append((name, waiting["title"]))
    return found
