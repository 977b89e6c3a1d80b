"""The queue of titles: what comes next, who has it, what was said of it, and that nothing is lost or doubled."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobmajor.errors import ArtifactError, InputError
from jobmajor.model.answers import Answer
from jobmajor.review import opinions
from jobmajor.review.doubtful import DoubtfulTitle
from jobmajor.review.opinions import Agreement, Decision
from jobmajor.review.queue import Queue

NURSE, COOK, OTHER = "29-1141", "35-2014", "29-1171"


def title(text: str, rows: float = 1, uncertainty: float = 0.5, novelty: float = 0.5) -> DoubtfulTitle:
    return DoubtfulTitle(text, rows, "unsure", (Answer(NURSE, "Registered Nurses", 0.4),), uncertainty, novelty)


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1e9

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def queue(place: Path | str) -> Queue:
    return Queue(place, second=0)


def names(queue: Queue, reviewer: str = "ann", most: int = 10, **how: str) -> list[str]:
    return [each.title.title for each in queue.take(reviewer, most, **how)]  # type: ignore[arg-type]


def test_titles_come_by_the_product_of_rows_uncertainty_and_novelty(queue: Queue) -> None:
    queue.add([title("rows", 10, 0.1, 0.5), title("unsure", 2, 0.9, 0.5), title("new", 2, 0.9, 1.0)], "a")

    assert names(queue, most=3) == ["new", "unsure", "rows"]


def test_random_order_is_another_and_always_the_same(queue: Queue) -> None:
    queue.add([title(f"clerk {chr(97 + place)}", 100 - place) for place in range(20)], "a")

    found = names(queue, most=20, order="random")

    assert names(queue, most=20, order="random") == found
    assert sorted(found) == names(queue, most=20)
    assert found != sorted(found)


def test_titles_with_the_same_words_are_one_and_their_rows_are_counted_once_for_each_source(queue: Queue) -> None:
    assert queue.add([title("Nurse, Charge", 2), title("charge nurse", 5), title("!!")], "october") == 1
    assert queue.add([title("Nurse, Charge", 2), title("charge nurse", 5)], "october") == 0
    queue.add([title("NURSE charge", 1)], "november")

    (found,) = queue.take("ann", 10)

    assert (found.title.title, found.title.rows, found.spellings) == ("charge nurse", 8, ("Nurse, Charge",))
    assert queue.decide("charge nurse", NURSE, "ann")
    assert queue.labels() == {"charge nurse": NURSE, "nurse charge": NURSE}


def test_title_is_lent_to_one_reviewer_until_its_time_is_over(place: Path | str) -> None:
    clock = Clock()
    queue = Queue(place, second=0, clock=clock)
    queue.add([title("first", 2), title("second", 1)], "a")

    assert names(queue, "ann", 1) == ["first"]
    assert names(queue, "bob", 5) == ["second"]
    assert names(queue, "ann", 5) == ["first"]
    clock.now += 16 * 60
    assert names(queue, "bob", 5) == ["second", "first"]  # what he has already comes first
    assert names(queue, "ann", 5) == []


def test_skipped_title_goes_to_others(queue: Queue) -> None:
    queue.add([title("first", 2), title("second", 1)], "a")
    queue.take("ann")

    queue.skip("first", "ann")

    assert names(queue, "ann") == ["second"]
    assert names(queue, "bob") == ["first"]


def test_decision_again_changes_nothing_and_another_ones_is_a_second_opinion(queue: Queue) -> None:
    queue.add([title("charge nurse")], "a")

    assert [queue.decide("Charge Nurse", NURSE, "ann"), queue.decide("charge nurse", NURSE, "ann")] == [True, False]
    assert queue.decide("charge nurse", OTHER, "bob")

    assert queue.labels() == {}
    assert [(each.reviewer, each.code, each.is_second) for each in queue.history()] == [
        ("ann", NURSE, False),
        ("bob", OTHER, True),
    ]
    (found,) = queue.take("cy")
    assert found.said == (("ann", NURSE), ("bob", OTHER))
    queue.decide("charge nurse", OTHER, "cy")
    assert queue.labels() == {"charge nurse": OTHER}
    assert queue.status()["states"]["done"]["titles"] == 1


def test_sample_is_shown_to_a_second_person_and_agreement_is_measured(place: Path | str) -> None:
    queue = Queue(place, second=1)
    queue.add([title(f"clerk {letter}") for letter in "abcd"], "a")
    for letter, code in zip("abcd", (NURSE, NURSE, COOK, COOK), strict=True):
        queue.decide(f"clerk {letter}", code, "ann")

    assert names(queue, "ann") == []
    assert sorted(names(queue, "bob")) == ["clerk a", "clerk b", "clerk c", "clerk d"]
    for letter, code in zip("abcd", (NURSE, OTHER, COOK, NURSE), strict=True):
        queue.decide(f"clerk {letter}", code, "bob")

    # By hand. Codes: 2 of 4 agree; by chance (2*2 + 2*1)/16 = 6/16. Major groups: 3 of 4; (2*3 + 2*1)/16 = 1/2.
    found = queue.status()["agreement"]
    assert found["code"] == {"titles": 4, "share": 0.5, "kappa": pytest.approx((0.5 - 0.375) / 0.625)}
    assert found["major"] == {"titles": 4, "share": 0.75, "kappa": pytest.approx(0.5)}
    assert queue.labels() == {"clerk a": NURSE, "clerk c": COOK}


def test_agreement_without_pairs_or_variety_has_no_kappa() -> None:
    assert opinions.agreement([]) == Agreement(0, None, None)
    assert opinions.agreement([("a", "a")]) == Agreement(1, 1.0, None)
    assert 0.09 < sum(opinions.wants_second(f"family {n}") for n in range(10_000)) / 10_000 < 0.11


def test_first_opinion_that_is_taken_back_leaves_the_second_as_the_label() -> None:
    said = [Decision(1, NURSE, "ann"), Decision(2, COOK, "bob", is_second=True), Decision(3, None, "ann", undoes=1)]

    found = opinions.settle(said, wants_second=False)

    assert (found.state, found.code, found.reviewer, found.pairs) == (opinions.DONE, COOK, "bob", ())


def test_undo_takes_back_one_by_one_and_history_keeps_all(queue: Queue) -> None:
    queue.add([title("first", 2), title("second", 1)], "a")
    queue.decide("first", NURSE, "ann")
    queue.decide("second", COOK, "bob")
    queue.decide("second", "not a job", "ann")

    undone = [queue.undo("ann"), queue.undo("ann"), queue.undo("ann")]

    assert undone == ["second", "first", None]
    assert queue.labels() == {"second": COOK}
    assert [(each.code, each.undoes) for each in queue.history()] == [
        (NURSE, None),
        (COOK, None),
        ("not a job", None),
        (None, 3),
        (None, 1),
    ]
    assert names(queue, "bob") == []
    assert names(queue, "ann") == ["first"]


def test_undo_of_a_title_takes_back_the_decision_on_it_and_no_other(queue: Queue) -> None:
    queue.add([title("first", 2), title("second", 1)], "a")
    queue.decide("first", NURSE, "ann")
    queue.decide("second", COOK, "ann")

    assert [queue.undo("ann", "First"), queue.undo("ann", "first"), queue.undo("ann", "else")] == ["first", None, None]

    assert queue.labels() == {"second": COOK}
    assert names(queue, "ann") == ["first"]


def test_second_opinion_that_was_taken_back_is_a_second_one_again(place: Path | str) -> None:
    queue = Queue(place, second=1)
    queue.add([title("charge nurse")], "a")
    queue.decide("charge nurse", NURSE, "ann")
    queue.take("bob")
    queue.decide("charge nurse", COOK, "bob")

    queue.undo("bob")
    queue.decide("charge nurse", OTHER, "bob")

    assert queue.labels() == {}
    (found,) = queue.take("cy")
    assert found.said == (("ann", NURSE), ("bob", OTHER))


def test_screens_under_one_name_have_different_titles(place: Path | str) -> None:
    clock = Clock()
    queue = Queue(place, second=0, clock=clock)
    queue.add([title("first", 3), title("second", 2), title("third", 1)], "a")

    screens = [queue.at("left"), queue.at("right"), queue]
    found = [names(each, "ann", 1) for each in screens]

    assert found == [["first"], ["second"], ["third"]]
    assert [names(each, "ann", 1) for each in screens] == found
    queue.at("left").skip("first", "ann")
    assert names(queue.at("left"), "ann", 5) == []
    assert names(queue, "bob", 5) == ["first"]
    clock.now += 16 * 60
    assert names(queue.at("right"), "ann", 5) == ["second", "third"]
    with pytest.raises(InputError, match="the screen"):
        queue.at("x" * 65)


def test_title_can_be_looked_up_whoever_has_it(queue: Queue) -> None:
    queue.add([title("charge nurse", 2)], "a")
    queue.take("ann")

    found = queue.find("Nurse, Charge")

    assert found is not None
    assert (found.title.title, found.title.rows) == ("charge nurse", 2)
    assert queue.find("cook") is None


def test_file_of_the_first_version_is_updated_with_all_that_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "reviews.db"
    queue = Queue(path, second=0)
    queue.add([title("first", 2), title("second", 1)], "a")
    queue.take("ann")
    queue.decide("second", COOK, "bob")
    with sqlite3.connect(path) as database:  # as version 1 made it
        database.execute("ALTER TABLE leases DROP COLUMN screen")
        database.execute("PRAGMA user_version = 1")
    database.close()

    again = Queue(path, second=0)

    assert again.labels() == {"second": COOK}
    assert names(again, "bob") == []
    assert names(again, "ann") == ["first"]


def test_correction_counts_at_once_and_can_be_taken_back(queue: Queue) -> None:
    queue.decide("charge nurse", NURSE, "ann")

    assert queue.correct("Charge Nurse", OTHER, "bob") == NURSE
    assert queue.labels() == {"charge nurse": OTHER}
    assert queue.correct("charge nurse", OTHER, "bob") == OTHER
    assert queue.correct("charge nurse", None, "ann") == OTHER
    assert queue.correct("charge nurse", None, "ann") is None
    assert queue.labels() == {}
    assert queue.last() == 4


@pytest.mark.parametrize(
    ("text", "code", "who"), [("!!", NURSE, "ann"), ("nurse", "99-9999", "ann"), ("nurse", NURSE, " ")]
)
def test_what_can_not_be_kept_is_refused_with_all_that_came_with_it(
    queue: Queue, text: str, code: str, who: str
) -> None:
    with pytest.raises(InputError):
        queue.decide_all([("cook", COOK), (text, code)], who)

    assert queue.history() == []


def test_decisions_can_not_be_changed_by_anybody(queue: Queue) -> None:
    queue.decide("nurse", NURSE, "ann")

    for change in ("UPDATE decisions SET code = '35-2014'", "DELETE FROM decisions"):
        with pytest.raises(ArtifactError, match="only added"), queue.ledger.change() as database:
            database.execute(change)

    assert queue.labels() == {"nurse": NURSE}


def test_file_that_is_no_queue_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database " * 200)
    with sqlite3.connect(tmp_path / "other.db") as database:
        database.execute("CREATE TABLE mine (x)")
    database.close()

    for name in ("text.db", "other.db"):
        with pytest.raises(ArtifactError, match=f"{name}.*move it away"):
            Queue(tmp_path / name)


_WORK = """
import sys
from jobmajor.review.queue import Queue
queue, who = Queue(sys.argv[1], second=0), sys.argv[2]
print("ready", flush=True)
while found := queue.take(who, 3):
    for each in found:
        queue.decide(each.title.title, "35-2014", who)
        print(each.title.title, flush=True)
"""


def _worker(place: Path | str, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", _WORK, str(place), name], stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_eight_processes_at_once_lose_nothing_and_double_nothing(place: Path | str) -> None:
    queue = Queue(place, second=0)
    wanted = {f"clerk of desk {number}" for number in range(80)}
    queue.add([title(each) for each in sorted(wanted)], "a")

    workers = [_worker(place, f"reviewer {number}") for number in range(8)]
    said = [line for worker in workers for line in worker.communicate(timeout=300)[0].splitlines()[1:]]

    assert [worker.returncode for worker in workers] == [0] * 8
    assert sorted(said) == sorted(wanted)
    assert sorted(each.title for each in queue.history()) == sorted(said)
    assert len(queue.history()) == len(queue.labels()) == 80


@pytest.mark.slow
def test_kill_during_writes_loses_nothing_that_was_acknowledged(place: Path | str) -> None:
    queue = Queue(place, second=0)
    told: list[str] = []
    for turn in range(4):  # each has titles of its own: the one before may be done with all before it is killed
        queue.add([title(f"clerk of desk {turn}{number:03d}") for number in range(400)], "a")
        worker = _worker(place, f"reviewer {turn}")
        assert worker.stdout is not None
        worker.stdout.readline()
        told += [worker.stdout.readline().strip() for _ in range(5)]
        time.sleep(0.01 * turn)
        os.kill(worker.pid, signal.SIGKILL)
        told += [line.strip() for line in worker.stdout if line.endswith("\n")]
        worker.wait()
        worker.stdout.close()

    kept = [each.title for each in Queue(place).history()]

    assert set(told) <= set(kept)
    assert len(kept) == len(set(kept))
    assert len(kept) - len(told) <= 4  # at most one for each kill: kept, and not yet told
    if isinstance(place, Path):
        with queue.ledger.read() as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
