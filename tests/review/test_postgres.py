"""The queue on a server: the same answers as in the file, first starts, faults, and no password anywhere."""

from __future__ import annotations

import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest
from tests.review.conftest import PASSWORD, Server

from jobmajor.errors import ArtifactError, InputError, MissingExtra
from jobmajor.model.answers import Answer
from jobmajor.review.doubtful import DoubtfulTitle
from jobmajor.review.queue import Queue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("postgres")  # one server
CODES = ("29-1141", "35-2014", "29-1171", "not a job")
WORDS = (
    "Nurse",
    "nurse",
    "Ärztin",
    "zebra",
    "Zebra",
    "co-op",
    "co op",
    "x y",
    "x-y z",
    "éclair cook",
    "99% clerk",
    "a?b:c",
)


def title(text: str, rows: float = 1) -> DoubtfulTitle:
    return DoubtfulTitle(text, rows, "unsure", (Answer("29-1141", "Registered Nurses", 0.4),), 0.5, 0.5)


def _act(queue: Queue, rng: random.Random) -> Any:
    """Do one of the things that people do, chosen at random."""
    who, text = rng.choice(("ann", "bob", "cy")), f"{rng.choice(WORDS)} {rng.choice(WORDS)}"
    act: list[Callable[[], Any]] = [
        lambda: queue.add([title(text, rng.randint(1, 9)), title(rng.choice(WORDS))], rng.choice("ab")),
        lambda: [asdict(each) for each in queue.take(who, rng.randint(1, 3), order=rng.choice(("value", "random")))],
        lambda: [asdict(each) for each in queue.next(who, 9)],
        lambda: queue.decide(text, rng.choice(CODES), who),
        lambda: queue.correct(text, rng.choice((*CODES, None)), who),
        lambda: queue.skip(text, who),
        lambda: queue.undo(who),
        lambda: queue.undo(who, text),
        lambda: (found := queue.find(text)) and asdict(found),
        queue.status,
    ]
    return rng.choice(act)()


@pytest.mark.slow
def test_server_and_file_answer_alike_whatever_people_do(server: Server, tmp_path: Path) -> None:
    queues = [Queue(each, second=0.5, clock=lambda: 1e9) for each in (tmp_path / "reviews.db", server.url())]
    rngs = [random.Random(7) for _ in queues]  # noqa: S311 - no secret

    for _ in range(120):
        of_file, of_server = (_act(queue, rng) for queue, rng in zip(queues, rngs, strict=True))
        assert of_server == of_file

    assert queues[1].history() == queues[0].history() != []
    assert queues[1].labels() == queues[0].labels() != {}


def test_first_starts_at_once_make_the_tables_once(server: Server) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: Queue(server.url()), range(8)))

    assert found[0].decide("nurse", "29-1141", "ann")
    assert [each.last() for each in found] == [1] * 8


def test_change_that_fails_leaves_nothing(server: Server) -> None:
    queue = Queue(server.url())

    with pytest.raises(ZeroDivisionError):
        queue.add((title("nurse", 1 / (2 - number)) for number in range(4)), "a")

    assert queue.find("nurse") is None


def test_restart_during_a_change_is_one_line_and_the_change_can_be_repeated(server: Server) -> None:
    queue = Queue(server.url())
    queue.decide("cook", "35-2014", "ann")

    def arriving() -> Iterator[DoubtfulTitle]:
        yield title("nurse")
        server.stop()
        server.start()
        yield title("cleaner")

    with pytest.raises(ArtifactError, match=r"^the queue in postgresql://.*: see that the server runs.*$") as caught:
        queue.add(arriving(), "a")
    said = str(caught.value)

    assert "\n" not in said
    assert queue.find("nurse") is None
    assert queue.decide("nurse", "29-1141", "ann")
    assert queue.labels() == {"cook": "35-2014", "nurse": "29-1141"}


def _cli(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "jobmajor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)


def test_commands_use_the_server_that_they_or_the_environment_name(server: Server, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("title,code\ncharge nurse,29-1141\n")
    home = {"JOBMAJOR_HOME": str(tmp_path / "home")}

    taken = _cli("queue", "import", str(sheet), "--reviewer", "ann", "--queue", server.url(), **home)
    listed = _cli("queue", "history", "--json", JOBMAJOR_QUEUE=server.url(), **home)

    assert (taken.returncode, taken.stdout) == (0, "codes: 1, new: 1\n")
    assert '"charge nurse"' in listed.stdout
    assert not (tmp_path / "home").exists()
    server.stop()
    try:
        failed = _cli("queue", "status", JOBMAJOR_QUEUE=server.url(), **home)
    finally:
        server.start()
    assert (failed.returncode, failed.stdout, failed.stderr.count("\n")) == (1, "", 1)
    assert failed.stderr.startswith("error: the queue in postgresql://")


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:topsecret@h/d",
        "postgresql://u:top/secret@h/d",
        "postgresql://u:12/topsecret@h/d",
        "postgresql://u:topsecret@secret@h/d",
        "postgresql://u:%zztopsecret@h/d",
        "postgresql://h/d?pasword=topsecret",
        "POSTGRESQL://u:topsecret@h/d",
        "postgresql:/u:topsecret@h/d",
    ],
)
def test_address_that_is_no_url_is_refused_without_a_word_of_it(url: str) -> None:
    pytest.importorskip("psycopg", reason="the extra postgres is not installed")

    with pytest.raises(InputError, match="expected postgresql://USER") as caught:
        Queue(url)

    assert "secret" not in str(caught.value)


def test_wrong_password_is_one_line_without_it(server: Server) -> None:
    with pytest.raises(ArtifactError, match="password authentication failed") as caught:
        Queue(server.url(password="topsecret"))

    said = str(caught.value)
    assert "\n" not in said
    assert "topsecret" not in said
    queue = Queue(server.url())
    assert PASSWORD not in f"{queue.ledger.name} {queue.ledger!r}"  # type: ignore[union-attr]


def test_database_that_can_not_hold_a_queue_is_refused(server: Server) -> None:
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS latin")
        connection.execute("DROP ROLE IF EXISTS guest")
        connection.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C'")
        connection.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'")
        with pytest.raises(ArtifactError, match="LATIN1, expected UTF8"):
            Queue(server.url("latin"))
        with pytest.raises(ArtifactError, match=r"permission denied.*make and change tables in its schema jobmajor"):
            Queue(server.url(password="guest").replace("reviewer:", "guest:"))

        Queue(server.url())
        connection.execute("UPDATE jobmajor.version SET number = 99")
        with pytest.raises(ArtifactError, match="version 99, expected 2"):
            Queue(server.url())
        connection.execute("DELETE FROM jobmajor.version")
        with pytest.raises(ArtifactError, match="version 0, expected 2"):
            Queue(server.url())


def test_text_with_a_character_that_no_database_keeps_is_kept_without_it(server: Server) -> None:
    queue = Queue(server.url(), second=0)

    queue.add([title("charge\0nurse")], "a")

    (found,) = queue.take("ann")
    assert "\0" not in found.title.title
    assert queue.decide(found.title.title, "29-1141", "ann")
    assert queue.labels() == {"charge nurse": "29-1141"}


def test_decisions_are_not_emptied_either(server: Server) -> None:
    queue = Queue(server.url())
    queue.decide("nurse", "29-1141", "ann")

    with pytest.raises(ArtifactError, match="only added"), queue.ledger.change() as database:
        database.execute("TRUNCATE decisions")


def test_missing_driver_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "jobmajor.review.postgres", raising=False)

    with pytest.raises(MissingExtra, match=r"a queue on PostgreSQL needs the extra 'postgres'"):
        Queue("postgresql://h/d")
    with pytest.raises(InputError, match="expected postgresql://USER"):  # which no extra would open
        Queue("mysql://h/d")
