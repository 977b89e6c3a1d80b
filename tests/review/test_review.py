"""Doubtful titles of a file, the file of choices, the sheet, and the review in a terminal."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

from jobmajor import soc
from jobmajor.errors import DataError, InputError
from jobmajor.model.answers import Answer
from jobmajor.model.rules import overrides
from jobmajor.review import doubtful, session, taxonomy
from jobmajor.review.choices import Choices, read_sheet, write_sheet
from jobmajor.review.doubtful import DoubtfulTitle, Source
from jobmajor.review.queue import Queue

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from jobmajor.model.classifier import Classifier

NURSE, COOK = Answer("29-1141", "Registered Nurses", 0.4), Answer("35-2014", "Cooks, Restaurant", 0.3)
TITLES = [
    DoubtfulTitle("charge rn", 7, "unsure", (NURSE, COOK)),
    DoubtfulTitle("=cmd|x", 3, "unsure", (COOK,)),
    DoubtfulTitle("asdf", 2, "not a title", ()),
]


class Keys:
    """A terminal whose keys are known beforehand."""

    def __init__(self, keys: str, lines: Sequence[str] = ()) -> None:
        self.keys, self.lines, self.shown = list(keys), list(lines), list[str]()

    def show(self, text: str) -> None:
        self.shown.append(text)

    def key(self) -> str:
        return self.keys.pop(0)

    def line(self, prompt: str) -> str:
        return self.lines.pop(0)


@pytest.fixture
def choices(tmp_path: Path) -> Choices:
    return Choices(tmp_path / "ours.csv")


def kept(folder: Path) -> list[list[str]]:
    return list(csv.reader((folder / "ours.csv").read_text("utf-8").splitlines()))[1:]


def test_doubtful_titles_are_those_that_abstain_the_most_frequent_first(tmp_path: Path, classifier: Classifier) -> None:
    path = tmp_path / "in.csv"
    rows = ["registered nurse", "operator", "Operator!", "asdfgh", "helper", "", "operator"]
    path.write_text("\n".join(["job", *rows, ""]), "utf-8")

    found = doubtful.find(Source(path, "job"), classifier)

    sure = {title for title, each in zip(rows, classifier.answer(rows), strict=True) if not each.abstain}
    assert [each.title for each in found] == [
        title for title in ("operator", "registered nurse", "asdfgh", "helper") if title not in sure
    ]
    assert found[0].rows == 3
    by_title = {each.title: each for each in found}
    assert (by_title["asdfgh"].reason, by_title["asdfgh"].candidates) == ("not a title", ())
    assert len(by_title["operator"].candidates) == doubtful.CANDIDATES


def test_rows_may_have_a_weight_and_titles_with_a_choice_are_left_out(
    tmp_path: Path, classifier: Classifier, choices: Choices
) -> None:
    path = tmp_path / "in.csv"
    path.write_text("title,n\noperator,5\nhelper,70\nfrobber,1\n", "utf-8")
    choices.put("Frobber", "11-1011")
    choices.put("helper", "not a job")

    found = doubtful.find(Source(path, weight="n"), classifier, overrides=choices.overrides)

    assert [(each.title, each.rows) for each in found] == [("operator", 5)]


def test_choices_are_a_file_of_overrides_after_each_one(tmp_path: Path, choices: Choices) -> None:
    choices.put("Charge, RN", "29-1141")
    first = overrides.read(tmp_path / "ours.csv")
    choices.put("asdf", "not a job")
    choices.put("charge rn", "29-0000")

    assert first.codes == {"charge rn": {"29-1141": 1.0}}
    assert overrides.read(tmp_path / "ours.csv").codes == {"charge rn": {"29-0000": 1.0}, "asdf": {}}
    assert choices.overrides == overrides.read(tmp_path / "ours.csv")


def test_choices_are_undone_one_by_one_and_earlier_ones_come_back(tmp_path: Path) -> None:
    (tmp_path / "ours.csv").write_text("title,code\nnurse,29-1141\n", "utf-8")
    choices = Choices(tmp_path / "ours.csv")
    choices.put("nurse", "29-1171")
    choices.put("cook", "35-2014")

    undone = [choices.undo(), choices.undo(), choices.undo()]

    assert undone == ["cook", "nurse", None]
    assert kept(tmp_path) == [["nurse", "29-1141"]]


@pytest.mark.parametrize(("title", "code"), [("!!!", "29-1141"), ("nurse", "29-9999"), ("nurse", "")])
def test_no_title_and_no_code_are_refused_and_nothing_is_written(
    title: str, code: str, tmp_path: Path, choices: Choices
) -> None:
    with pytest.raises(InputError):
        choices.put(title, code)

    assert not (tmp_path / "ours.csv").exists()


def test_file_with_several_codes_for_a_title_is_not_reviewed_into(tmp_path: Path) -> None:
    (tmp_path / "ours.csv").write_text("title,code\nnurse,29-1141\nnurse,29-1171\n", "utf-8")

    with pytest.raises(DataError, match="'nurse' with 2 codes"):
        Choices(tmp_path / "ours.csv")


def test_filled_in_sheet_is_read_and_formulas_stay_titles(tmp_path: Path, choices: Choices) -> None:
    write_sheet(tmp_path / "sheet.csv", TITLES)
    rows = list(csv.reader((tmp_path / "sheet.csv").read_text("utf-8-sig").splitlines()))
    for row, cell in zip(rows[1:], ("29-1141 Registered Nurses", "35-0000", "Not a job"), strict=True):
        row[3] = cell
    with (tmp_path / "filled.csv").open("w", newline="") as file:
        csv.writer(file, delimiter=";").writerows(rows)

    count = choices.put_all(read_sheet(tmp_path / "filled.csv"))

    assert rows[2][0] == "'=cmd|x"
    assert count == 3
    assert choices.overrides.codes == {"charge rn": {"29-1141": 1.0}, "cmd x": {"35-0000": 1.0}, "asdf": {}}


def test_wrong_cell_and_empty_sheet_are_refused_by_name(tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("title,code\nnurse,nursing\n", "utf-8")
    with pytest.raises(DataError, match="the code 'nursing' of the title 'nurse'"):
        read_sheet(sheet)
    sheet.write_text("title,code\nnurse,\n", "utf-8")
    with pytest.raises(DataError, match="no row with a code"):
        read_sheet(sheet)


def test_keys_pick_search_skip_undo_and_quit(tmp_path: Path, choices: Choices) -> None:
    terminal = Keys("2u1x/1nq", ["nurse practi"])

    rows = session.review([*TITLES, TITLES[0]], choices, terminal)

    assert kept(tmp_path) == [["charge rn", "29-1141"], ["'=cmd|x", "29-1171"], ["asdf", "not a job"]]
    assert rows == 12
    assert "1 of 4: charge rn (7 rows, unsure)" in terminal.shown[0]


def test_queue_is_reviewed_by_the_same_keys_and_shows_what_others_said(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "reviews.db", second=0)
    queue.add([*TITLES, DoubtfulTitle("RN, charge", 1, "unsure", (NURSE,))], "a")
    queue.decide("asdf", "29-1141", "bob")
    queue.decide("asdf", "not a job", "cy")
    terminal = Keys("x1u2sn")

    decided = session.review_queue(queue, terminal, "ann", order="value", most=100)

    assert decided == 2
    assert queue.labels() == {"charge rn": "35-2014", "rn charge": "35-2014", "asdf": "not a job"}
    shown = "\n".join(terminal.shown)
    assert "title 1: charge rn (8 rows, unsure)" in shown
    assert "  also: RN, charge" in shown
    assert "  bob said 29-1141 Registered Nurses\n  cy said not a job" in shown
    assert session.review_queue(queue, Keys("q"), "bob", order="value", most=100) == 0


class Leaving(Keys):
    """Keys before the first of which another reviewer gives a title back."""

    def __init__(self, keys: str, queue: Queue) -> None:
        super().__init__(keys)
        self.queue = queue

    def key(self) -> str:
        if self.keys[0] == "1":
            self.queue.skip("worth more", "bob")
        return super().key()


def test_undo_in_a_queue_shows_the_title_again_before_all_others(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "reviews.db", second=0)
    queue.add([DoubtfulTitle(text, rows, "unsure", (NURSE,)) for text, rows in (("worth more", 9), ("less", 1))], "a")
    queue.take("bob")
    terminal = Leaving("1uq", queue)

    session.review_queue(queue, terminal, "ann", order="value", most=100)

    shown = [line.partition(" (")[0].strip() for line in terminal.shown if line.startswith("\ntitle")]
    assert shown == ["title 1: less", "title 2: worth more", "title 1: less"]


def test_review_ends_after_the_last_title_and_skipped_ones_have_no_choice(tmp_path: Path, choices: Choices) -> None:
    rows = session.review(TITLES, choices, Keys("s1s"))

    assert rows == 3
    assert kept(tmp_path) == [["'=cmd|x", "35-2014"]]


def test_search_finds_every_code_by_its_own_name_and_its_digits() -> None:
    names = [soc.name(code) for code in soc.codes("detailed")]

    assert all(name in map(soc.name, taxonomy.search(name)) for name in names)
    assert taxonomy.search("29-1141") == ["29-1141"]
    assert taxonomy.search("") == taxonomy.search("zorblax") == []


def test_file_of_choices_can_be_read_again_after_its_only_choice_was_taken_back(
    tmp_path: Path, choices: Choices
) -> None:
    session.review(TITLES, choices, Keys("1uq"))

    assert len(Choices(tmp_path / "ours.csv")) == 0
