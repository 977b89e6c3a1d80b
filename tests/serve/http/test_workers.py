"""Several workers as the program starts them: who answers, sums, new models, crashes and the end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobmajor.errors import InputError
from jobmajor.serve import launch

from ..conftest import LIMIT_S, SERVE, SHARING, Program, planted, program, saved, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobmajor.serve.service.champion import Champion

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="workers need fork, which this system has not"),
    pytest.mark.slow,
]
SENT = b'{"instances": ["nurse"]}'
ANSWERED = 'jobmajor_requests_total{route="/invocations",status="200"}'


def workers_of(found: Program) -> set[int]:
    """The processes of the workers."""
    pid = found.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    return {int(each) for each in children if lives(int(each))}


def lives(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has asked for its status does not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text("ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False


class Client:
    """A connection that stays open. httpx would read all certificates for each."""

    def __init__(self, url: str) -> None:
        self.connection = HTTPConnection(url.removeprefix("http://"), timeout=LIMIT_S)

    def ask(self, path: str, body: bytes | None = None) -> tuple[int, str, dict[str, str]]:
        """Status, body and headers of an answer; POST with a body."""
        headers = {"content-type": "application/json"}
        self.connection.request("GET" if body is None else "POST", path, body, headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read().decode(), {name.lower(): value for name, value in answer.getheaders()}

    def post(self) -> tuple[int, str, str]:
        """Status, model and identity of a request."""
        status, _, headers = self.ask("/invocations", SENT)
        return status, headers.get("x-jobmajor-model", ""), headers.get("x-request-id", "")

    def close(self) -> None:
        self.connection.close()


def once(url: str) -> tuple[int, str, str]:
    """A request on a connection of its own."""
    client = Client(url)
    try:
        return client.post()
    finally:
        client.close()


def metric(url: str, name: str) -> float:
    """A number in the metrics, 0 if it is not there yet."""
    client = Client(url)
    lines = client.ask("/metrics")[1].splitlines()
    client.close()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)), 0.0)


@pytest.fixture(scope="module")
def two(champion: Champion, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, Path]]:
    """Two workers, and the link to their model."""
    folder = tmp_path_factory.mktemp("workers")
    link = folder / "served"
    link.symlink_to(saved(champion.served.classifier, folder / "first", "first"))
    words = [*SHARING, "--model", str(link), "--port", "0", "--drain", "0.2", "--poll", "0.05", "--workers", "2"]
    words += ["--reviews", str(folder / "kept.csv")]
    with program(words, TMPDIR=str(folder)) as found:
        yield found, link
        assert found.end() == 0
    assert not list(folder.glob("jobmajor-workers-*"))
    assert found.lines[-1]["message"] == "ended"


def test_long_connections_are_shared_and_metrics_add_up(two: tuple[Program, Path]) -> None:
    found = two[0]
    before = metric(found.url, ANSWERED)
    clients = [Client(found.url) for _ in range(8)]
    answers = [client.post() for client in clients for _ in range(2)]
    for client in clients:
        client.close()
    who = {identity for _, _, identity in answers}
    until(lambda: sum(line.get("request_id") in who for line in found.lines) == len(answers), "the lines of the log")

    by_worker = [line["worker"] for line in found.lines if line.get("request_id") in who]
    assert {status for status, _, _ in answers} == {200}
    assert min(by_worker.count(0), by_worker.count(1)) >= 4  # each has a quarter at least; with luck alone often less
    assert metric(found.url, ANSWERED) - before == len(answers)
    assert metric(found.url, "jobmajor_workers") == 2


def test_choice_that_one_worker_keeps_counts_in_every_worker_and_is_gone_everywhere(two: tuple[Program, Path]) -> None:
    found, link = two
    clients = [Client(found.url) for _ in range(6)]

    def bodies() -> set[str]:
        return {client.ask("/invocations", SENT)[1] for client in clients}

    before = bodies()
    kept = clients[0].ask("/reviews", b'{"title": "nurse", "code": "35-2014"}')
    until(lambda: all("35-0000" in body for body in bodies()), "the choice on every connection")
    taken_back = clients[1].ask("/reviews", b'{"title": "nurse", "code": null}')
    until(lambda: bodies() == before, "no choice on any connection")
    for client in clients:
        client.close()

    assert not any("35-0000" in body for body in before)
    assert [kept[0], json.loads(kept[1])["before"], taken_back[0], json.loads(taken_back[1])["before"]] == [
        *(200, None),
        *(200, "35-2014"),
    ]
    assert not link.with_name("kept.csv").exists()


def test_new_model_reaches_every_worker_without_a_failed_request(
    two: tuple[Program, Path], champion: Champion, tmp_path: Path
) -> None:
    found, link = two
    other = saved(champion.served.classifier, tmp_path / "second", "second")
    before, clients = once(found.url)[1], [Client(found.url) for _ in range(6)]
    statuses: set[int] = set()

    def is_everywhere() -> bool:
        answers = [client.post() for client in clients]
        statuses.update(status for status, _, _ in answers)
        return before not in {model for _, model, _ in answers}

    step = link.with_name("step")
    step.symlink_to(other)
    step.replace(link)
    until(is_everywhere, "the new model on every connection")
    for client in clients:
        client.close()

    assert statuses == {200}
    until(lambda: metric(found.url, "jobmajor_model_swaps_total") == 1, "the count of the swap, which follows it")
    until(lambda: not list(link.parent.glob("jobmajor-workers-*/[0-9]*")), "the copy's removal, after all mapped it")


def test_worker_that_is_killed_is_replaced_and_the_other_answers_meanwhile(two: tuple[Program, Path]) -> None:
    found = two[0]
    before, answered = workers_of(found), metric(found.url, ANSWERED)
    model, lost = once(found.url)[1], 0
    until(lambda: metric(found.url, ANSWERED) == answered + 1, "the count of the first, which follows its answer")
    os.kill(min(before), signal.SIGKILL)

    for _ in range(20):
        try:
            assert once(found.url)[1] == model
        except (OSError, HTTPException):  # a connection that the killed one had accepted
            lost += 1
    until(lambda: len(workers_of(found)) == 2 and min(before) not in workers_of(found), "the replacement")

    assert lost <= 2
    assert metric(found.url, "jobmajor_worker_restarts_total") == 1
    until(
        lambda: metric(found.url, ANSWERED) >= answered + 21 - lost, "the count of the last, which follows its answer"
    )
    until(lambda: any(line["message"] == "a worker ended" for line in found.lines), "the line of the log")
    assert next(line for line in found.lines if line["message"] == "a worker ended")["status"] == -signal.SIGKILL


def test_health_is_503_on_every_connection_while_all_workers_drain(model_folder: Path) -> None:
    words = [*SERVE, "--model", str(model_folder), "--port", "0", "--drain", "300", "--workers", "2"]
    with program(words) as found:
        clients = [Client(found.url) for _ in range(4)]
        healthy = {client.ask("/ping")[0] for client in clients}
        found.process.send_signal(signal.SIGTERM)
        until(lambda: sum(line["message"] == "told to end" for line in found.lines) == 2, "both workers' being told")
        draining = {client.ask("/ping")[0] for client in clients}
        found.process.send_signal(signal.SIGTERM)  # once more: now
        status = found.process.wait(LIMIT_S)
        for client in clients:
            client.close()

    assert (healthy, draining, status) == ({200}, {503}, 0)


def test_workers_end_with_a_parent_that_is_killed(model_folder: Path) -> None:
    with program([*SERVE, "--model", str(model_folder), "--port", "0", "--drain", "0", "--workers", "2"]) as found:
        pids = workers_of(found)
        port = int(found.url.rpartition(":")[2])
        found.process.kill()
        until(lambda: not any(map(lives, pids)), "the workers' end")

        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 1).close()


# Each worker fails twice; a third life waits for the end, so that the other one has time for its second.
FAILING = """
import mmap, os, time
from jobmajor.serve import supervisor, worker
supervisor._TRIES, lives = 2, mmap.mmap(-1, 2)
def fail(service, drain_s, bound, post):
    lives[post.row] += 1
    if lives[post.row] > 2:
        time.sleep(600)
    os._exit(7)
worker.run = fail
"""


def test_service_whose_workers_keep_failing_ends_with_status_1(model_folder: Path) -> None:
    words = [sys.executable, *planted(FAILING), "--model", str(model_folder), "--port", "0", "--workers", "2"]

    ended = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S, check=False)

    assert ended.returncode == 1
    assert ended.stderr.count("a worker ended") == 4
    assert "every worker ended within" in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize("text", ["0", "-1", "many", "65", "1.5", "\u0664"])
def test_number_of_workers_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected 1 to 64, or auto"):
        launch.workers(text)


@pytest.mark.parametrize(
    ("quota", "most"), [("100000 100000", 1), ("max 100000", None), ("50000 100000", 1), ("", None)]
)
def test_automatic_number_keeps_to_the_containers_limit(quota: str, most: int | None, tmp_path: Path) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(quota, "ascii")

    assert launch.processors(file) == (most or launch.processors(tmp_path / "none"))
    assert 1 <= launch.workers("auto") <= 64
