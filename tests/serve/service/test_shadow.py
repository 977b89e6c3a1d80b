"""A candidate in the shadow: both answers are recorded, and nothing that it does slows or breaks an answer."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from jobmajor.errors import DataError, InputError
from jobmajor.model import classifier
from jobmajor.model.classifier import Classifier
from jobmajor.monitor import models
from jobmajor.monitor.traffic import capture
from jobmajor.serve.service import background
from jobmajor.serve.service.champion import LoadedModel
from jobmajor.serve.service.service import ServiceOptions
from jobmajor.serve.service.shadow import ShadowPlan

from ..conftest import running, until

if TYPE_CHECKING:
    from pathlib import Path

    from jobmajor.serve.service.champion import Champion

    from ..conftest import Running

TITLES = ["Registered Nurse", "", "Köchin", "cook"]


@pytest.fixture
def unsure(model_folder: Path) -> LoadedModel:
    """The champion's model, but never sure; another thread may use it."""
    loaded = classifier.load(model_folder)
    return LoadedModel(Classifier(loaded.scorer, loaded.about), "f" * 64, "mark")


def shadowed(found: Running, count: int) -> None:
    line = f"jobmajor_shadowed_total {count}\n"
    until(lambda: line in found.get("/metrics").text, f"{count} requests in the shadow")


def post(found: Running, body: Any, query: str = "") -> bytes:
    answer = httpx.post(f"{found.url}/invocations{query}", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.content


def test_both_answers_are_recorded_and_the_client_gets_the_champions(
    champion: Champion, unsure: LoadedModel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    queries = ("", "?level=all", "?level=best")
    with running(champion) as found:
        plain = [post(found, {"instances": TITLES}, query) for query in queries]
    with running(champion, ServiceOptions(shadow=ShadowPlan(tmp_path, 2, unsure))) as found:
        seen = [post(found, {"instances": TITLES}, query) for query in queries]
        post(found, {"instances": ["nurse"], "parameters": {"to": "isco-08"}})  # left out
        shadowed(found, 3)

    records = list(capture.read(tmp_path))
    assert seen == plain
    assert [json.loads(each.body)["instances"] for each in records] == [TITLES] * 3
    bodies = [json.loads(each.answer) for each in records]
    assert [(each["version"], each["model"], each["level"]) for each in bodies] == [
        (2, "f" * 64, level) for level in ("major", "major", "best")
    ]
    first = json.loads(plain[0])["predictions"]
    assert [each[0] for each in bodies[0]["before"]] == [each[0]["code"] if each else "" for each in first]
    assert [each[2] for each in bodies[0]["after"]] == [True] * 4
    assert not [title for title in TITLES if title and title in caplog.text]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*.jsonl")} == {0o600}


def test_summary_names_share_groups_and_titles(champion: Champion, unsure: LoadedModel, tmp_path: Path) -> None:
    with running(champion, ServiceOptions(shadow=ShadowPlan(tmp_path, 2, unsure))) as found:
        for _ in range(3):
            post(found, {"instances": ["Registered Nurse", "cook"]})
        post(found, {"instances": ["cook"]})
        shadowed(found, 4)

    told = models.shadowed(tmp_path)

    assert (told.requests, told.version, told.difference.titles, told.difference.rows) == (4, 2, 2, 7)
    assert told.difference.sure[1] == 0
    assert sum(rows for rows, _ in told.difference.groups.values()) == 7
    changed = sum(part for _, part in told.difference.groups.values())
    assert changed == sum(each.rows for each in told.difference.changed)
    assert changed == pytest.approx(7 * told.difference.sure[0])


def test_queue_that_is_full_and_model_that_fails_cost_no_answer(
    champion: Champion,
    unsure: LoadedModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    go, begun = threading.Event(), threading.Event()

    class Stuck(Classifier):
        """A model that waits, and then fails."""

        def answer(self, *_: Any, **__: Any) -> Any:
            begun.set()
            go.wait(60)
            raise RuntimeError("cook")  # what a fault may quote

    monkeypatch.setattr(background, "_MOST", 2)
    monkeypatch.setattr(background, "_PAUSE_S", 0.0)
    stuck = LoadedModel(Stuck(unsure.classifier.scorer, {}), "f" * 64, "mark")
    with running(champion, ServiceOptions(shadow=ShadowPlan(tmp_path, 2, stuck))) as found:
        for _ in range(6):
            post(found, {"instances": ["cook"]})
            assert begun.wait(60)  # the first one is out of the queue before the others come
        go.set()
        dropped = 'jobmajor_shadow_dropped_total{{reason="{}"}} {}\n'
        until(lambda: dropped.format("fault", 3) in found.get("/metrics").text, "three faults")
        text = found.get("/metrics").text

    assert dropped.format("queue", 3) in text
    assert "jobmajor_shadowed_total 0\n" in text
    told = [record for record in caplog.records if "not recorded" in record.message]
    assert len(told) == 1  # each kind of fault once
    assert "cook" not in caplog.text


@pytest.mark.parametrize("share", [0.0, -1.0, 1.1])
def test_share_out_of_range_is_refused(unsure: LoadedModel, tmp_path: Path, share: float) -> None:
    with pytest.raises(InputError, match="above 0, and at most 1"):
        ShadowPlan(tmp_path, 2, unsure, share)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ({"version": 2, "before": [["", 0, True]], "after": []}, "no answers of two models"),
        ({"version": 2, "before": [["29-0000"]], "after": [["29-0000"]]}, "no answers of two models"),
        ({"predictions": []}, "no answers of two models"),
        ([], "no answers of two models"),
        (None, "no titles of the period"),
    ],
)
def test_folder_of_something_else_is_refused_in_one_line(tmp_path: Path, answer: Any, found: str) -> None:
    titles = [] if answer is None else ["cook"]
    body = {"version": 2, "before": [], "after": []} if answer is None else answer
    part = {"observedContentType": "application/json", "encoding": "JSON"}
    data = {
        "endpointInput": {**part, "mode": "INPUT", "data": json.dumps({"instances": titles})},
        "endpointOutput": {**part, "mode": "OUTPUT", "data": json.dumps(body)},
    }
    line = {"captureData": data, "eventMetadata": {"eventId": "1", "inferenceTime": "2026-11-30T09:00:00Z"}}
    (tmp_path / "a.jsonl").write_text(json.dumps(line) + "\n", "utf-8")

    with pytest.raises(DataError, match=found):
        models.shadowed(tmp_path)
