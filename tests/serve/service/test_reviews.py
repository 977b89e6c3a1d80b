"""Choices that the service keeps: by several processes, over faults of the file, and beside a user's own list."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from jobmajor.errors import InputError
from jobmajor.model.rules import overrides
from jobmajor.review.choices import Choices
from jobmajor.serve.service.champion import Champion, ModelSource
from jobmajor.serve.service.reviews import Reviews

if TYPE_CHECKING:
    from pathlib import Path

NURSE, COOK = "29-1141", "35-2014"


def codes(path: Path) -> dict[str, str]:
    return {title: next(iter(found), "") for title, found in overrides.read(path).codes.items()}


def test_change_of_one_process_is_seen_by_another_and_lost_by_none(tmp_path: Path) -> None:
    path = tmp_path / "kept.csv"
    one, other = Reviews(path), Reviews(path)

    assert one.change("Charge RN", NURSE) is None
    assert other.change("line cook", COOK) is None
    assert other.change("charge rn!", COOK) == NURSE

    assert codes(path) == {"charge rn": COOK, "line cook": COOK}
    assert one.refresh()
    assert not one.refresh()
    assert one.overrides.codes == other.overrides.codes


def test_choices_of_many_threads_and_processes_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "kept.csv"
    kept = [Reviews(path), Reviews(path)]
    threads = [
        threading.Thread(target=kept[place % 2].change, args=(f"clerk {'abcdefghijklmnopqrst'[place]}", COOK))
        for place in range(20)
    ]

    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert len(overrides.read(path)) == 20


def test_choice_that_is_taken_back_is_gone(tmp_path: Path) -> None:
    kept = Reviews(tmp_path / "kept.csv")
    kept.change("charge rn", NURSE)
    kept.change("line cook", COOK)

    assert kept.change("Charge RN", None) == NURSE
    assert kept.change("charge rn", None) is None
    assert codes(tmp_path / "kept.csv") == {"line cook": COOK}
    assert kept.change("line cook", None) == COOK
    assert len(Reviews(tmp_path / "kept.csv").overrides) == 0


def test_damaged_file_leaves_the_choices_that_counted_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "kept.csv"
    kept = Reviews(path)
    kept.change("charge rn", NURSE)
    path.write_text("title,code\nsecret title,99-9999\n", "utf-8")

    assert not kept.refresh()
    assert not kept.refresh()

    assert len(kept.overrides) == 1
    assert len(caplog.records) == 1
    assert "secret" not in str(vars(caplog.records[0]))
    with pytest.raises(InputError):
        kept.change("line cook", COOK)
    assert "99-9999" in path.read_text("utf-8")


def test_folder_that_is_missing_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        Reviews(tmp_path / "none" / "kept.csv")


def test_title_that_a_spreadsheet_would_run_is_kept_with_an_apostrophe(tmp_path: Path) -> None:
    path = tmp_path / "kept.csv"

    Reviews(path).change("=1+1 clerk", COOK)

    assert "'=1+1 clerk" in path.read_text("utf-8")
    assert codes(path) == codes(path)
    assert Choices(path).code("=1+1 clerk") == COOK


def test_choice_answers_at_once_beside_the_users_own_list(model_folder: Path, tmp_path: Path) -> None:
    own = overrides.Overrides({"line cook": {COOK: 1.0}, "charge rn": {COOK: 1.0}})
    champion = Champion(ModelSource(model_folder, model_folder, overrides=own), Reviews(tmp_path / "kept.csv"))

    champion.keep("Charge RN", NURSE)

    titles = ["charge rn", "line cook", "truck driver"]
    found = champion.served.classifier.answer(titles, "detailed", overrides=champion.served.overrides)
    assert [each.answers[0].label for each in found][:2] == [NURSE, COOK]
    assert [each.source == "override" for each in found] == [True, True, False]


def test_choice_of_another_process_answers_after_the_next_look(model_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "kept.csv"
    champion = Champion(ModelSource(model_folder, model_folder), Reviews(path))
    Reviews(path).change("charge rn", NURSE)
    before = champion.served

    champion.refresh()

    assert before.overrides is None
    assert champion.served.overrides is not None
    assert champion.served.overrides.find("charge rn") == {NURSE: 1.0}
    assert champion.swaps == 0
    path.unlink()
    champion.refresh()
    assert champion.served.overrides is None
