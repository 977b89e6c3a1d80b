"""When the pipeline should run again, and what the triggers are compared with."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobmajor.data import source
from jobmajor.errors import DataError, InputError
from jobmajor.registry.versions import Version
from jobmajor.retrain import triggers
from jobmajor.retrain.triggers import Situation, Triggers
from jobmajor.review.queue import Queue

if TYPE_CHECKING:
    from collections.abc import Mapping

COOK = "35-2014"
QUIET = Situation(has_champion=True, age_days=3, release="28.1", found="28.1")


def version(lineage: Mapping[str, Any], age: timedelta) -> Version:
    created = (datetime.now(UTC) - age).isoformat()
    return Version(1, "0" * 64, "Approved", ("champion",), created, {}, {"passed": True}, lineage, Path("models"))


@pytest.mark.parametrize(
    ("wanted", "now", "reasons"),
    [
        (Triggers(), QUIET, []),
        (Triggers(), Situation(has_champion=False), ["there is no champion yet"]),
        (Triggers(new_labels=10), replace(QUIET, labels=9), []),
        (Triggers(new_labels=10), replace(QUIET, labels=10), ["10 titles were labelled since the champion"]),
        (Triggers(new_labels=None), replace(QUIET, labels=10_000), []),
        (Triggers(), replace(QUIET, drift="29-0000 rose"), ["a check found: 29-0000 rose"]),
        (Triggers(), replace(QUIET, found="29.1"), ["the data is 29.1, and the champion's was 28.1"]),
        (Triggers(days=3), QUIET, ["the champion is 3 days old"]),
        (Triggers(days=3.1), QUIET, []),
    ],
)
def test_each_trigger_is_a_reason_from_its_limit_on(wanted: Triggers, now: Situation, reasons: list[str]) -> None:
    assert triggers.due(wanted, now) == reasons


def test_labels_count_since_the_decision_that_the_champion_knew(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "reviews.db", second=0)
    queue.decide_all([("clerk a", COOK), ("clerk b", COOK)], "ann")
    known = queue.last()
    queue.decide_all([("clerk c", COOK), ("clerk d", COOK)], "ann")
    queue.undo("ann")
    lineage = {"retrain": {"decision": known}, "data": {"release": "28.1"}}

    found = triggers.situation(version(lineage, timedelta(days=2)), source.STARTER_FOLDER, queue, "")

    assert (found.release, found.found, found.decision) == ("28.1", "starter", 5)
    assert found.age_days == pytest.approx(2, abs=0.01)
    assert found.labels == 1


def test_champion_of_a_plain_run_knows_no_label(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "reviews.db", second=0)
    queue.decide("clerk a", COOK, "ann")

    found = triggers.situation(version({}, timedelta(0)), source.STARTER_FOLDER, queue, "")

    assert (found.labels, found.release) == (1, "")
    assert triggers.situation(None, source.STARTER_FOLDER, queue, "").has_champion is False


def test_check_with_a_violation_is_drift_and_one_without_is_none(tmp_path: Path) -> None:
    queue, path = Queue(tmp_path / "reviews.db"), tmp_path / "violations.json"
    for violations, drift in (([], ""), ([{"feature_name": "code"}], "it moved")):
        path.write_text(json.dumps({"violations": violations, "verdict": "it moved"}), "utf-8")

        found = triggers.situation(None, source.STARTER_FOLDER, queue, triggers.verdict(path))
        assert found.drift == drift

    path.write_text('{"violations": 3}', "utf-8")
    with pytest.raises(DataError, match="no check's violations"):
        triggers.verdict(path)


@pytest.mark.parametrize("wrong", [{"new_labels": 0}, {"days": 0.0}, {"days": float("nan")}])
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Triggers(**wrong)
