"""Capture by the service: what is recorded of real requests, hashed titles, drops, workers, and what is refused."""

from __future__ import annotations

import json
import os
import signal
import threading
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from jobmajor.errors import InputError
from jobmajor.monitor.traffic import capture
from jobmajor.serve.messages.captured import titles
from jobmajor.serve.service import background, capturing
from jobmajor.serve.service.capturing import CapturePlan
from jobmajor.serve.service.service import ServiceOptions, from_environment

from ..conftest import SHARING, Program, program, running, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobmajor.monitor.traffic.capture import Record
    from jobmajor.serve.service.champion import Champion

    from ..conftest import Running

JSON, LINES, CSV = "application/json", "application/jsonlines", "text/csv"
MANY = [f"nurse {number}" for number in range(700)]
SENT = [
    (JSON, JSON, json.dumps({"instances": ["Registered Nurse", "", "Köchin"]}), ""),
    (LINES, JSON, '"cook"\n{"title": "welder"}\n', "?level=detailed&top_k=3"),
    (CSV, CSV, 'title\nnurse\n"Cook, Line"\n', "?level=all"),
    (JSON, LINES, json.dumps(["nurse", "n/a"]), "?level=best"),
    (JSON, CSV, json.dumps({"instances": MANY}), ""),
]
TITLES = [["Registered Nurse", "", "Köchin"], ["cook", "welder"], ["nurse", "Cook, Line"], ["nurse", "n/a"], MANY]


def captured(found: Running, folder: Path, count: int = len(SENT)) -> list[Record]:
    """What is recorded, after so many requests."""
    line = f"jobmajor_captured_total {count}\n"
    until(lambda: line in found.get("/metrics").text, f"{count} captured requests")
    return list(capture.read(folder))


def post(found: Running, kind: str, accept: str, body: str, query: str) -> bytes:
    """The answer to a request."""
    headers = {"content-type": kind, "accept": accept}
    answer = httpx.post(f"{found.url}/invocations{query}", content=body.encode(), headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.content


def test_requests_and_answers_are_recorded_as_they_were(champion: Champion, tmp_path: Path) -> None:
    with running(champion, ServiceOptions(capture=CapturePlan(tmp_path, share=1.0))) as found:
        answers = [post(found, *each) for each in SENT]
        assert found.post(content=b"nonsense", headers={"content-type": JSON}).status_code == 422
        records = captured(found, tmp_path)

    assert [titles(each.body, each.kind) for each in records] == TITLES
    assert [each.answer for each in records] == answers
    assert not any(each.is_hashed for each in records)


def test_hashed_capture_holds_answers_but_no_title(champion: Champion, tmp_path: Path) -> None:
    plan = CapturePlan(tmp_path, share=1.0, is_hashed=True, key=b"k" * 16)
    with running(champion, ServiceOptions(capture=plan)) as found:
        answers = [post(found, *each) for each in SENT]
        records = captured(found, tmp_path)

    raw = b"".join(path.read_bytes() for path in tmp_path.rglob("*.jsonl")).lower()
    first = json.loads(answers[0])["predictions"]
    recorded = [json.loads(each.answer)["predictions"] for each in records]
    assert not [word for word in (b"nurse", b"cook", b"welder", "köchin".encode(), b"\\u00f6") if word in raw]
    assert all(each.is_hashed for each in records)
    assert [len(titles(each.body, each.kind)) for each in records] == [len(each) for each in TITLES]
    assert [titles(each.body, each.kind)[1] == "" for each in records] == [True, False, False, False, False]
    assert titles(records[2].body, JSON)[0] == titles(records[3].body, JSON)[0]  # "nurse" in two requests
    assert [each[0]["code"] for each in recorded[0]] == [each[0]["code"] for each in first]
    assert [part[0][0]["level"] for part in recorded[:3]] == ["major", "detailed", "major"]
    assert [len(part) for part in recorded] == [len(each) for each in TITLES]
    assert recorded[3][1][0]["reason"] == "not a title"
    assert {each[0]["abstain"] for each in recorded[4]} <= {True, False}


def test_share_of_requests_is_a_random_sample(champion: Champion, tmp_path: Path) -> None:
    plan = CapturePlan(tmp_path, share=0.25)
    with running(champion) as found:
        drawn = capturing.Capturer(plan, found.service.tally)

    count = sum(drawn.is_drawn() for _ in range(10_000))

    assert 2_200 < count < 2_800  # seven standard deviations on each side


def test_full_queue_and_full_disk_drop_requests_and_never_an_answer(
    champion: Champion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    go, begun, whole = threading.Event(), threading.Event(), os.write

    def full(descriptor: int, data: Any) -> int:
        if threading.current_thread().name != "capture":
            return whole(descriptor, data)
        begun.set()
        go.wait(60)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(background, "_MOST", 2)
    monkeypatch.setattr(background, "_PAUSE_S", 0.0)
    monkeypatch.setattr(os, "write", full)
    with running(champion, ServiceOptions(capture=CapturePlan(tmp_path, share=1.0))) as found:
        for _ in range(6):
            assert found.post(json={"instances": ["nurse"]}).status_code == 200
            assert begun.wait(60)  # the first one is out of the queue before the others come
        go.set()
        dropped = 'jobmajor_capture_dropped_total{{reason="{}"}} {}\n'
        until(lambda: dropped.format("disk", 3) in found.get("/metrics").text, "three that found no room")
        text = found.get("/metrics").text

    assert dropped.format("queue", 3) in text  # one was being written, two waited
    assert "jobmajor_captured_total 0\n" in text
    assert [each.message for each in caplog.records].count("requests are not captured") == 1
    assert "nurse" not in caplog.text


def test_answer_that_is_large_is_left_out_of_its_line(
    champion: Champion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capturing, "_LARGE", 10_000)
    with running(champion, ServiceOptions(capture=CapturePlan(tmp_path, share=1.0))) as found:
        for each in SENT:
            post(found, *each)
        records = captured(found, tmp_path)

    assert [bool(each.answer) for each in records] == [True, True, True, True, False]
    assert titles(records[4].body, JSON) == MANY


def test_container_reads_capture_from_its_environment(tmp_path: Path) -> None:
    given = {
        "JOBMAJOR_CAPTURE": str(tmp_path / "new"),
        "JOBMAJOR_CAPTURE_SHARE": "0.5",
        "JOBMAJOR_CAPTURE_MB": "20",
        "JOBMAJOR_CAPTURE_DAYS": "7",
        "JOBMAJOR_CAPTURE_HASHED": "True",
        "JOBMAJOR_CAPTURE_KEY": "x" * 16,
    }

    found = from_environment(given).capture

    assert found == CapturePlan(tmp_path / "new", 0.5, 20, 7, is_hashed=True, key=b"x" * 16)
    assert from_environment({}).capture is None
    assert "x" * 16 not in repr(found)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("SHARE", "x", "JOBMAJOR_CAPTURE_SHARE is 'x': expected a number"),
        ("SHARE", "0", "the share of captured requests is 0: expected above 0"),
        ("SHARE", "nan", "the share of captured requests is nan"),
        ("SHARE", "1.5", "is 1.5: expected above 0, and at most 1"),
        ("MB", "0.5", "JOBMAJOR_CAPTURE_MB is '0.5'"),
        ("MB", "0", "the size of captures is 0 MB: expected 1 to 1000000"),
        ("DAYS", "-1", "captures are kept for -1 days"),
        ("HASHED", "yes", "JOBMAJOR_CAPTURE_HASHED is 'yes': expected true or false"),
        ("KEY", "short", "JOBMAJOR_CAPTURE_KEY has 5 characters: expected 16 or more"),
    ],
)
def test_wrong_value_in_the_environment_is_refused_by_name(tmp_path: Path, name: str, value: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_environment({"JOBMAJOR_CAPTURE": str(tmp_path), f"JOBMAJOR_CAPTURE_{name}": value})


def test_how_to_capture_without_where_to_is_refused(say: Callable[..., tuple[int, str, str]]) -> None:
    status, _, errors = say("serve", "--capture-hashed")

    assert status == 2
    assert "say where to by --capture DIR, too" in errors


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "fork"), reason="workers need fork, which this system has not")
def test_each_worker_records_in_files_of_its_own_and_a_killed_one_loses_no_line(
    model_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "captures"
    words: list[str | Path] = [*SHARING, "--model", model_folder, "--port", "0", "--drain", "0.2", "--workers", "2"]
    with program([*words, "--capture", folder, "--capture-share", "1"]) as found:
        sent = _posted(found, 40)
        until(lambda: _count(folder) == 40, "40 captured requests")
        for pid in _workers(found):
            os.kill(pid, signal.SIGKILL)
        until(lambda: sum("restart_s" in line for line in found.lines) == 2, "the end of both workers")
        sent += _posted(found, 20)
        assert found.end() == 0
        log = found.text

    numbers = {path.name.split("-")[3] for path in folder.rglob("*.jsonl")}
    recorded = [title for each in capture.read(folder) for title in titles(each.body, each.kind)]
    assert sorted(recorded) == sorted(sent)
    assert numbers == {"w0", "w1"}
    assert "requests are captured" in log
    assert "nurse" not in log


def _posted(found: Program, count: int) -> list[str]:
    sent = []
    connections = [HTTPConnection(found.url.removeprefix("http://"), timeout=60) for _ in range(8)]
    for number in range(count):
        connection, title = connections[number % 8], f"nurse {number}"
        connection.request("POST", "/invocations", json.dumps([title]), {"content-type": JSON})
        assert connection.getresponse().read()
        sent.append(title)
    for connection in connections:
        connection.close()
    return sent


def _count(folder: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in folder.rglob("*.jsonl"))


def _workers(found: Program) -> list[int]:
    pid = found.process.pid
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]


@pytest.mark.long  # some two hundred requests and three checks
@pytest.mark.parametrize("is_hashed", [False, True])
def test_captured_traffic_is_a_reference_that_shifted_traffic_violates(
    champion: Champion, tmp_path: Path, say: Callable[..., tuple[int, str, str]], model_folder: Path, *, is_hashed: bool
) -> None:
    folders = [tmp_path / name for name in ("accepted", "same", "shifted")]
    for folder, shift in zip(folders, (0, 0, 60), strict=True):
        plan = CapturePlan(folder, share=1.0, is_hashed=is_hashed)
        with running(champion, ServiceOptions(capture=plan)) as found:
            for number in range(60):
                body = {"instances": ["registered nurse" if number % 2 and number >= shift else "line cook"]}
                assert found.post(json=body).status_code == 200
            captured(found, folder, 60)
    kept, words = tmp_path / "reference.json", ["--capture", "all", "--model", model_folder]

    status, out, _ = say("monitor", "baseline", folders[0], *words, "--output", kept)
    same = say("monitor", "check", folders[1], "--against", kept, *words, "--output", tmp_path / "out")
    shifted = say("monitor", "check", folders[2], "--against", kept, *words, "--output", tmp_path / "out", "--json")
    body = json.loads(shifted[1])

    assert (status, same[0], shifted[0]) == (0, 0, 1)
    assert [("hashes instead of titles" in text) for text in (out, same[1], body["note"])] == 3 * [is_hashed]
    assert ("nurse" in kept.read_text("utf-8")) is not is_hashed
    assert ("no title is kept" in out) is is_hashed
    assert {each["feature_name"] for each in body["violations"]} >= {"code"}
    assert bool(body["titles"]) is not is_hashed
    assert ("new character" in {each["flag"] for each in body["changes"]}) is not is_hashed
    assert ("hashes instead" in (tmp_path / "out" / "drift.html").read_text("utf-8")) is is_hashed
