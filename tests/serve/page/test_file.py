"""A whole file on the page: every row and cell comes back, coded, whatever the file, the service or the person does."""

from __future__ import annotations

import csv
import io
import json
import re
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import openpyxl
import polars as pl
import pytest
from playwright.sync_api import Page, Route, expect

from jobmajor.serve.service.admission import Limits
from jobmajor.serve.service.champion import Champion, ModelSource
from jobmajor.serve.service.keys import add, read
from jobmajor.serve.service.service import ServiceOptions
from jobmajor.tables import workbook

from ..conftest import LIMIT_S, Running, running, until
from .conftest import code, saved, upload

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

pytestmark = pytest.mark.slow  # all together take a minute or two

ADDED = ["code", "name", "score", "confidence", "level", "abstain", "reason", "source"]
TITLES = ["registered nurse", "asdfgh", "truck driver", 'cook, "head"', "", "護士", "teacher\nof maths"]
HEAD = (
    b"POST /invocations HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99999\r\n\r\n"
)


def csv_of(rows: Sequence[Sequence[str]], **how: Any) -> str:
    target = io.StringIO()
    csv.writer(target, **how).writerows(rows)
    return target.getvalue()


def assert_coded(champion: Champion, titles: Sequence[str], found: Sequence[Sequence[str]], level: Any) -> None:
    """The added cells are what the library answers."""
    answers = champion.served.classifier.answer(titles, level, 1)
    for each, cells in zip(answers, found, strict=True):
        best = each.answers[0]
        reason, abstain = each.reason, str(each.abstain).lower()
        assert [*cells[:2], *cells[4:]] == [best.label, best.name, level, abstain, reason, each.source]
        shares = [best.score, each.confidence] if best.label else [-1, -1]
        assert [float(cell or -1) for cell in cells[2:4]] == pytest.approx(shares, abs=1e-5)


@pytest.mark.parametrize(("delimiter", "name"), [(",", "a.csv"), (";", "a.csv"), ("\t", "a.tsv")])
def test_every_row_and_cell_comes_back_with_its_code(
    page: Page, champion: Champion, tmp_path: Path, delimiter: str, name: str
) -> None:
    rows = [["id", "Job Title", "note"], *[[f"{place:03d}", title, ' "x"\r\ny '] for place, title in enumerate(TITLES)]]

    upload(page, csv_of(rows, delimiter=delimiter), name)
    expect(page.get_by_label("Column with the titles")).to_have_value("1")
    page.get_by_label("Level of the codes").select_option("detailed")
    code(page)

    found = saved(page, tmp_path, delimiter)
    assert found[0] == [*rows[0], *ADDED]
    assert [row[:3] for row in found[1:]] == rows[1:]
    assert_coded(champion, TITLES, [row[3:] for row in found[1:]], "detailed")


def test_workbook_is_coded_with_its_ids_as_they_are_and_its_other_sheet_on_demand(page: Page, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Empty"
    book.create_sheet("Notes").append(["nothing here"])
    sheet = book.create_sheet("Staff & co")
    for row in (["id", "title", "since"], ["007", "nurse", 2024], [8, "welder", 1.5]):
        sheet.append(row)
    book.save(tmp_path / "staff.xlsx")

    page.set_input_files("#file", tmp_path / "staff.xlsx")
    expect(page.get_by_label("Sheet", exact=True)).to_have_value("Notes")  # the first that holds rows
    page.get_by_label("Sheet", exact=True).select_option("Empty")
    expect(page.locator("#file-state")).to_contain_text("The sheet “Empty” is empty")
    page.get_by_label("Sheet", exact=True).select_option("Staff & co")
    expect(page.locator("#sample")).to_contain_text("007")
    code(page)

    found = saved(page, tmp_path, button="#save-csv")
    assert [row[:3] for row in found] == [["id", "title", "since"], ["007", "nurse", "2024"], ["8", "welder", "1.5"]]


def test_workbook_comes_back_as_a_workbook_with_its_rows_and_numbers(page: Page, tmp_path: Path) -> None:
    book, notes = openpyxl.Workbook(), ["=1+1", 'a < b & "c"', "two\nlines", "1E5", "x" * 33_000, "\u00e9\U0001f600"]
    rows: list[list[Any]] = [
        ["id", "title", "pay"],
        *[[f"00{place}", "nurse", 1.5 + place] for place in range(len(notes))],
    ]
    for row, note in zip(rows, ["note", *notes], strict=True):
        book.active.append([*row, note])
        book.active.cell(book.active.max_row, 4).data_type = "s"
    book.save(tmp_path / "staff.xlsx")

    page.set_input_files("#file", tmp_path / "staff.xlsx")
    page.get_by_label("Level of the codes").select_option("detailed")
    code(page)
    with page.expect_download() as download:
        page.locator("#save").click()

    assert download.value.suggested_filename == "staff-coded.xlsx"
    download.value.save_as(tmp_path / "coded.xlsx")
    found = [list(row) for row in openpyxl.load_workbook(tmp_path / "coded.xlsx").active.iter_rows(values_only=True)]
    assert found[0] == ["id", "title", "pay", "note", *ADDED]
    assert [row[:3] for row in found[1:]] == rows[1:]
    assert [row[3] for row in found[1:]] == [note[:32_767] for note in notes]
    assert {type(row[6]) for row in found[1:]} == {float}
    assert openpyxl.load_workbook(tmp_path / "coded.xlsx").active["D2"].data_type == "s"
    assert workbook.sheet(tmp_path / "coded.xlsx", None).names == ("Coded",)


def test_rows_that_do_not_fit_are_named_by_line_kept_and_coded(page: Page, tmp_path: Path) -> None:
    text = 'id,title\n1,nurse\n2\n3,"two\nlines"\n4,cook,more,cells\n5,"x"y\n6,"never closed\n7,welder\n'

    upload(page, text)

    expect(page.locator("#faults li")).to_have_text(
        [
            "Line 3 has 1 field, expected 2",
            "Line 6 has 4 fields, expected 2",
            "Line 7 has text after a closing quote",
            "Line 8 has a quote that is never closed",
        ]
    )
    code(page)
    found = saved(page, tmp_path)
    assert found[0] == ["id", "title", "column 3", "column 4", *ADDED]
    assert [row[:4] for row in found[1:]] == [
        ["1", "nurse", "", ""],
        ["2", "", "", ""],
        ["3", "two\nlines", "", ""],
        ["4", "cook", "more", "cells"],
        ["5", '"x"y', "", ""],
        ["6", '"never closed', "", ""],
        ["7", "welder", "", ""],
    ]
    assert all(row[4] or "not a title" in row for row in found)


def test_empty_card_of_one_title_makes_room_for_a_file(page: Page) -> None:
    before = page.locator("#whole").bounding_box()
    upload(page, "title\nnurse\n")
    code(page)

    after = page.locator("#whole").bounding_box()
    assert before and after  # noqa: PT018 - one of them would be None
    expect(page.get_by_label("Job title")).to_be_visible()
    assert after["y"] + page.evaluate("scrollY") <= 250 < before["y"]
    page.get_by_role("button", name="Another file").locator("visible=true").click()
    expect(page.locator(".intro")).to_be_visible()


def test_file_is_chosen_by_a_button_that_keys_reach(page: Page) -> None:
    expect(page.locator("label.button")).to_have_text("Choose a file")
    page.locator("#file").focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")

    assert page.evaluate("document.activeElement.id") == "file"
    assert page.locator("label.button").evaluate("each => getComputedStyle(each).outlineStyle") == "solid"
    with page.expect_file_chooser():
        page.locator("label.button").click()


def test_file_can_be_coded_again_at_another_level(page: Page, champion: Champion, tmp_path: Path) -> None:
    upload(page, "title\nnurse\n")
    code(page)
    page.get_by_role("button", name="Other column or level").locator("visible=true").click()
    page.get_by_label("Level of the codes").select_option("broad")
    code(page)

    assert_coded(champion, ["nurse"], [row[1:] for row in saved(page, tmp_path)[1:]], "broad")


def test_file_of_names_alone_has_nothing_to_code(page: Page) -> None:
    upload(page, "id,title\n")

    expect(page.locator("#code")).to_be_disabled()
    page.get_by_label("The first row holds").uncheck()
    expect(page.locator("#code")).to_be_enabled()


def test_pasted_titles_without_a_header_are_all_coded(page: Page, champion: Champion, tmp_path: Path) -> None:
    page.get_by_text("Paste rows instead").click()
    page.get_by_label("Rows, from a spreadsheet").fill("nurse\nwelder\nnurse")
    page.get_by_role("button", name="Read these rows").click()

    expect(page.get_by_label("The first row holds")).not_to_be_checked()
    expect(page.locator("#code")).to_have_text("Code 3 rows")
    code(page)

    found = saved(page, tmp_path)
    assert [row[0] for row in found] == ["column 1", "nurse", "welder", "nurse"]
    assert_coded(champion, ["nurse", "welder", "nurse"], [row[1:] for row in found[1:]], "major")


def test_columns_that_have_our_names_already_stay_beside_ours(page: Page, tmp_path: Path) -> None:
    upload(page, "title,code\nnurse,7\n")
    code(page)

    head, row = saved(page, tmp_path)
    assert head == ["title", "code", *(f"jobmajor_{name}" for name in ADDED)]
    assert row[:2] == ["nurse", "7"]


def test_formulas_of_the_input_stay_unless_they_are_to_be_made_safe(page: Page, tmp_path: Path) -> None:
    cells = ["=1+1", "+1", "-1", "@x", "\tx", "x=1"]
    upload(page, csv_of([["title", "note"], *[["nurse", cell] for cell in cells]]))
    code(page)

    as_they_are = [row[1] for row in saved(page, tmp_path)[1:]]
    page.get_by_label("Make cells of my own columns safe").check()
    safe = [row[1] for row in saved(page, tmp_path)[1:]]

    assert as_they_are == cells
    assert safe == [f"'{cell}" for cell in cells[:-1]] + ["x=1"]


@pytest.mark.parametrize(
    ("content", "name", "sentence"),
    [
        (b"", "a.csv", "This file is empty: expected rows"),
        (b"\x00\x01\x02", "a.csv", "This file is no text: expected CSV, TSV or .xlsx."),
        (b"\xd0\xcf\x11\xe0", "a.xls", "save it as .xlsx"),
        (b"PK\x03\x04broken", "a.xlsx", "damaged zip archive"),
    ],
)
def test_file_that_can_not_be_read_is_refused_in_a_sentence_and_another_can_be_chosen(
    visit: Callable[..., Page], site: Running, content: bytes, name: str, sentence: str
) -> None:
    page = visit(site.url, expected=[422])

    upload(page, content, name)
    expect(page.locator("#file-state")).to_contain_text(sentence)
    upload(page, "title\nnurse\n")

    expect(page.locator("#code")).to_have_text("Code 1 row")


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("title\nCafé-Köchin\n".encode("windows-1252"), "Café-Köchin"),
        ("title\nCafé-Köchin\n".encode("utf-16"), "Café-Köchin"),
        ("\ufefftitle\nCafé-Köchin\n".encode(), "Café-Köchin"),
        (b"title\rCook\r", "Cook"),
    ],
)
def test_file_of_another_encoding_is_read_as_it_was_meant(page: Page, content: bytes, shown: str) -> None:
    upload(page, content)

    expect(page.locator("#sample th")).to_have_text("title")
    expect(page.locator("#sample td")).to_have_text(shown)


def test_encoding_and_quotes_can_be_chosen_and_the_next_file_is_recognised_again(page: Page) -> None:
    upload(page, "id\ttitle\n1\tchef de caf\u00e9\n".encode("mac_roman"), "staff.tsv")
    page.locator("#reading summary").click()

    page.locator("#encoding").select_option("macintosh")
    expect(page.locator("#sample td").last).to_have_text("chef de caf\u00e9")
    expect(page.locator("#file-state")).to_contain_text("read as macintosh")
    upload(page, 'id\ttitle\n1\t"nurse\tcook"\n2\twelder\n', "staff.tsv")
    expect(page.locator("#sample td")).to_have_text(["1", "nurse\tcook", "2", "welder"])
    page.locator("#has-quotes").uncheck()
    expect(page.locator("#sample td").nth(1)).to_have_text('"nurse')
    upload(page, "title\nCaf\u00e9 cook\n")

    expect(page.locator("#sample td")).to_have_text(["Caf\u00e9 cook"])
    expect(page.locator("#has-quotes")).to_be_checked()
    expect(page.locator("#encoding")).to_have_value("")


@pytest.fixture
def many(page: Page) -> Page:
    """A page with a file of 6,000 distinct titles; bodies after the first are not answered until they are let go."""
    held: list[Route] = []
    let_go: list[bool] = []

    def hold(route: Route) -> None:
        if let_go or not held:
            held.append(route)
            route.continue_()

    page.context.route("**/invocations", hold)
    page.expose_function("letGo", lambda: let_go.append(True))
    upload(page, "title\n" + "".join(f"nurse {place}\n" for place in range(6000)))
    return page


def test_work_can_be_stopped_and_goes_on_where_it_was(many: Page, tmp_path: Path) -> None:
    many.locator("#code").click()
    expect(many.locator("#progress-text")).to_contain_text("1,000 of 6,000 rows (17 %)")
    many.get_by_role("button", name="Cancel").click()
    expect(many.locator("#file-state")).to_have_text(
        "Stopped after 1,000 rows. They are kept: go on whenever you like."
    )

    many.evaluate("letGo()")
    many.get_by_role("button", name="Go on").click()

    expect(many.locator("#save")).to_be_visible()
    assert len(saved(many, tmp_path)) == 6001


def test_another_file_takes_the_place_of_one_that_is_being_coded(many: Page, tmp_path: Path) -> None:
    many.locator("#code").click()
    expect(many.locator("#progress-text")).to_contain_text("1,000 of 6,000")
    many.get_by_role("button", name="Another file").locator("visible=true").click()
    many.evaluate("letGo()")
    expect(many.locator("#file-state")).to_be_empty()

    upload(many, "title\nnurse\n")
    code(many)

    assert [row[0] for row in saved(many, tmp_path)] == ["title", "nurse"]


def test_progress_tells_the_rate_and_the_time_left(many: Page) -> None:
    many.locator("#code").click()

    told = re.compile(r"1,000 of 6,000 rows \(17 %\), [\d,]+ a second, [\d.]+ (s|min|h) left")
    expect(many.locator("#progress-text")).to_have_text(told)


def test_busy_service_is_waited_for_and_no_row_is_lost(
    visit: Callable[..., Page], champion: Champion, tmp_path: Path
) -> None:
    with running(champion, ServiceOptions(limits=Limits(requests=1, stall_s=LIMIT_S))) as small:
        page = visit(small.url, expected=[503])
        expect(page.locator("#about dd")).to_have_count(3)
        upload(page, "title\nnurse\nwelder\n")
        expect(page.locator("#code")).to_be_visible()
        with socket.create_connection(("127.0.0.1", small.port), LIMIT_S) as holder:
            holder.sendall(HEAD)
            until(lambda: small.service.admission.requests == 1, "the place's being taken")
            page.locator("#code").click()
            expect(page.locator("#file-state")).to_contain_text("Asking again in 1 s; nothing is lost.")

        expect(page.locator("#save")).to_be_visible()
        assert [row[0] for row in saved(page, tmp_path)] == ["title", "nurse", "welder"]


def test_lost_connections_cost_nothing_but_time(visit: Callable[..., Page], site: Running, tmp_path: Path) -> None:
    page = visit(site.url, expected=[0])
    page.context.route("**/invocations", lambda route: route.abort("connectionreset"), times=2)
    upload(page, "title\n" + "".join(f"nurse {place}\n" for place in range(5000)))

    code(page)

    assert len(saved(page, tmp_path)) == 5001


def test_file_has_the_answers_of_one_model_though_another_takes_over_midway(
    visit: Callable[..., Page], model_folder: Path, tmp_path: Path
) -> None:
    own = Champion(ModelSource(model_folder, model_folder))
    with running(own) as site:
        page = visit(site.url)
        asked: list[int] = []

        def swap(route: Route) -> None:
            asked.append(len(json.loads(route.request.post_data or "")["instances"]))
            if len(asked) == 3:
                own.served = replace(own.served, digest="f" * 64)
            route.continue_()

        page.context.route("**/invocations", swap)
        upload(page, "title\n" + "".join(f"nurse {place}\n" for place in range(5000)))
        code(page)

        assert len(saved(page, tmp_path)) == 5001
    assert sum(asked) > 5000  # what the first model answered was asked again


def test_key_is_asked_for_where_it_is_missing_and_the_file_goes_on_with_it(
    visit: Callable[..., Page], champion: Champion, tmp_path: Path
) -> None:
    key = add(tmp_path / "keys", "anna")
    with running(champion, ServiceOptions(keys=read(tmp_path / "keys"))) as closed:
        page = visit(closed.url, expected=[401])
        upload(page, "title\nnurse\n")
        page.locator("#code").click()
        expect(page.locator("#file-state")).to_contain_text("The request has no key")

        page.get_by_label("Key", exact=True).fill(key)
        page.get_by_role("button", name="Use this key").click()

        expect(page.locator("#save")).to_be_visible()


def test_repeated_titles_are_asked_once_and_shown_once_uncertain_ones_first(page: Page) -> None:
    asked: list[str] = []
    page.context.on("request", lambda request: asked.extend((request.post_data_json or {}).get("instances", [])))
    upload(page, "title\n" + "CEO\n" * 50 + "asdfgh\n" * 3 + "zzqx\n" * 9)

    code(page)

    assert sorted(asked) == ["CEO", "asdfgh", "zzqx"]
    rows = page.locator("#rows tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.first).to_contain_text("zzqx")
    expect(rows.first).to_contain_text("Uncertain")
    expect(rows.first.locator("td").nth(5)).to_have_text("9")
    expect(rows.last).to_contain_text("CEO")
    expect(rows.last).not_to_contain_text("Uncertain")
    assert page.locator("#chart tbody .number:nth-child(3)").all_inner_texts()[0] == "50"


def hold_third_body(page: Page) -> list[Route]:
    """Requests that code the file, of which the third has to be let go by the test; single titles pass."""
    found: list[Route] = []

    def pass_or_hold(route: Route) -> None:
        is_of_the_file = len(json.loads(route.request.post_data or "")["instances"]) > 1
        found.extend([route] if is_of_the_file else [])
        if not is_of_the_file or len(found) != 3:
            route.continue_()

    page.context.route("**/invocations", pass_or_hold)
    return found


def type_and_be_answered(page: Page, title: str) -> None:
    """Key by key, each of which the page takes before the next; then it shows what it thinks of the title."""
    for place, character in enumerate(title, 1):
        page.get_by_label("Job title").press_sequentially(character)
        expect(page.get_by_label("Job title")).to_have_value(title[:place])
    expect(page.locator("#why-words th[scope=row]").first).to_be_visible()
    expect(page.locator("#answer")).to_have_attribute("aria-busy", "false")


@pytest.mark.long  # codes 100,000 rows in a browser: up to half a minute; others here code 6,000
def test_hundred_thousand_dropped_rows_are_coded_while_the_page_answers_to_every_key(
    visit: Callable[..., Page], model_folder: Path, tmp_path: Path
) -> None:
    rows = [["id", "title", "note"]]
    rows += [[f"{place:06d}", f"nurse {place % 20_011}", f'=x"{place}\n;ü'] for place in range(100_000)]
    (tmp_path / "large.csv").write_bytes(csv_of(rows).encode())
    fast = Champion(ModelSource(model_folder, model_folder))
    with running(fast) as site:
        page = visit(site.url)
        page.add_init_script(HEARD)
        page.reload()
        page.evaluate(OWN_FIELD)
        held = hold_third_body(page)
        page.set_input_files("#dropped", tmp_path / "large.csv")
        page.evaluate(DROP)
        page.locator("#code").click()
        type_and_be_answered(page, "registered nurse")
        expect(page.locator("#progress-text")).to_contain_text(re.compile(r"^9[45],\d{3} of 100,000 rows"))
        held[2].continue_()
        expect(page.locator("#rows tbody tr").first).to_be_visible()
        heard = page.evaluate("heard")
        found = saved(page, tmp_path)
        titles = [row[1] for row in rows[1:20_012]]
        assert_coded(fast, titles, [row[3:] for row in found[1:20_012]], "major")

    assert [row[:3] for row in found] == rows
    assert all(len(row) == 11 for row in found)
    frame = pl.read_csv(tmp_path / "large-coded.csv", infer_schema=False)
    assert (frame.shape, frame["id"].to_list()) == ((100_000, 11), [row[0] for row in rows[1:]])
    # The page's own thread never has more in hand than it shows, however large the file is.
    assert {kind for kind, _ in heard} >= {"opened", "progress", "coded", "looked"}
    assert max(size for _, size in heard) < 50_000


# Notes the kind of each message of the page's worker, and its size in characters.
HEARD = """
window.heard = [];
window.Worker = class extends Worker {
  constructor(...how) {
    super(...how);
    this.addEventListener("message", ({data}) => heard.push([data.kind, JSON.stringify(data).length]));
  }
};"""
OWN_FIELD = """() => {
  const own = document.createElement("input");
  own.type = "file"; own.id = "dropped"; own.setAttribute("aria-label", "for the test");
  document.body.append(own);
}"""
DROP = """() => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(document.getElementById("dropped").files[0]);
  document.getElementById("drop").dispatchEvent(new DragEvent("drop", {dataTransfer, bubbles: true, cancelable: true}));
}"""
