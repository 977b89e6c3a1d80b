"""A review on the page: by keys or clicks, with undo; the file is coded again, and the choices can be taken along."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from jobmajor.model.rules import overrides
from jobmajor.serve.service.champion import Champion, ModelSource
from jobmajor.serve.service.keys import add, read
from jobmajor.serve.service.reviews import Reviews
from jobmajor.serve.service.service import ServiceOptions

from ..conftest import Running, running
from .conftest import code, saved, upload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

# Each with another number of rows; one in two spellings. The small model's own thresholds let nothing through.
TITLES = ["bzzt operator", "zorp helper", "quux hand", "floop person", "wibble lead", "snark keeper", "blorb aide"]
TITLES += ["gronk worker", "plugh minder", "frob tender", "xyzzy mate"]
ROWS = [title for place, title in enumerate(TITLES) for _ in range(20 - place)]
FILE = "title\n" + "".join(f"{title}\n" for title in [*ROWS, "Zorp HELPER", '""', "!"])


@pytest.fixture(scope="module")
def doubting(model_folder: Path) -> Iterator[Running]:
    """A service that is sure of nothing."""
    with running(Champion(ModelSource(model_folder, model_folder))) as found:
        yield found


@pytest.fixture
def review(visit: Callable[..., Page], doubting: Running) -> Page:
    """A page in whose file a review has begun, by keys alone."""
    page = visit(doubting.url, expected=[422])
    upload(page, FILE)
    code(page)
    expect(page.locator("#save")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#review-title")).to_have_text(TITLES[0])
    return page


def press(page: Page, key: str, then: str) -> None:
    """Press a key, and wait until the next title is there."""
    page.keyboard.press(key)
    expect(page.locator("#review-title")).to_have_text(then)
    expect(page.locator("#review")).to_have_attribute("aria-busy", "false")


def chosen(page: Page) -> list[list[str]]:
    """The rows of the overrides that the page gives."""
    with page.expect_download() as download:
        page.locator("#save-choices").click()
    assert download.value.suggested_filename == "overrides.csv"
    return list(csv.reader(io.StringIO(download.value.path().read_text("utf-8"))))


def find(page: Page, words: str, code: str) -> None:
    """Search the classification by keys, and go to what was found."""
    page.keyboard.press("/")
    page.keyboard.insert_text(words)  # at once: between slow keys, the page would already search, and draw twice
    expect(page.locator("#review-codes .code").first).to_have_text(code)
    page.keyboard.press("Enter")


def test_ten_titles_are_reviewed_by_keyboard_alone_and_the_file_is_coded_again(review: Page, tmp_path: Path) -> None:
    picked = []
    for place in range(7):
        picked.append(review.locator("#review-codes .code").nth(place % 3).inner_text())
        press(review, str(place % 3 + 1), TITLES[place + 1])
    press(review, "n", TITLES[8])
    find(review, "regis nurse", "29-1141")
    press(review, "1", TITLES[9])
    find(review, "35-20", "35-2011")
    press(review, "2", TITLES[10])

    expect(review.locator("#file-state")).to_contain_text("156 have a reviewed title.")
    review.keyboard.press("Escape")
    expect(review.locator("#start-review")).to_be_focused()
    found = {row[0]: row[1:] for row in saved(review, tmp_path)[1:]}
    assert [found[title][0][:2] for title in TITLES[:7]] == [each[:2] for each in picked]
    assert [found[title][0] for title in TITLES[7:10]] == ["", "29-0000", "35-0000"]
    assert {found[title][7] for title in TITLES[:10]} == {"override"}
    assert found["Zorp HELPER"] == found["zorp helper"]
    assert found[TITLES[10]][7] == "model"


def test_choices_are_taken_along_as_a_file_of_overrides(review: Page, tmp_path: Path) -> None:
    first = review.locator("#review-codes .code").first.inner_text()
    review.locator("#review-codes button").first.click()
    expect(review.locator("#review-title")).to_have_text(TITLES[1])
    press(review, "s", TITLES[2])
    press(review, "n", TITLES[3])

    found = chosen(review)
    (tmp_path / "ours.csv").write_text("\n".join(map(",".join, found)), "utf-8")

    assert found == [["title", "code"], [TITLES[0], first], [TITLES[2], "not a job"]]
    assert overrides.read(tmp_path / "ours.csv").codes == {TITLES[0]: {first: 1.0}, TITLES[2]: {}}


def test_undo_brings_back_the_title_its_answer_and_its_place(review: Page, tmp_path: Path) -> None:
    before = saved(review, tmp_path)
    review.locator("#review").focus()
    press(review, "1", TITLES[1])
    press(review, "1", TITLES[2])
    press(review, "u", TITLES[1])
    press(review, "u", TITLES[0])

    expect(review.locator("#review [data-review=undo]")).to_be_disabled()
    assert saved(review, tmp_path) == before


def test_titles_with_most_rows_come_first_and_cells_without_a_word_never(review: Page) -> None:
    expect(review.locator("#review-about")).to_contain_text("20 rows, first in line 2")
    press(review, "s", TITLES[1])
    expect(review.locator("#review-about")).to_contain_text("20 rows, first in line 22, 2 spellings")
    for title in TITLES[2:]:
        press(review, "s", title)
    press(review, "s", "These were all uncertain titles.")

    expect(review.locator("#review-codes button")).to_have_count(0)
    assert "(empty)" not in review.locator("#rows").inner_text()


def test_mark_in_the_table_opens_the_review_at_its_title(visit: Callable[..., Page], doubting: Running) -> None:
    page = visit(doubting.url)
    upload(page, FILE)
    code(page)

    page.get_by_role("row", name=TITLES[3]).get_by_role("button", name="Uncertain").click()

    expect(page.locator("#review-title")).to_have_text(TITLES[3])
    page.keyboard.press("n")
    expect(page.get_by_role("row", name=TITLES[3])).to_contain_text("Reviewed")


def test_choices_stay_when_the_file_is_coded_at_another_level(review: Page, tmp_path: Path) -> None:
    find(review, "regis nurse", "29-1141")
    press(review, "1", TITLES[1])
    review.get_by_role("button", name="Other column or level").locator("visible=true").click()
    review.get_by_label("Level of the codes").select_option("detailed")
    code(review)

    assert {row[1] for row in saved(review, tmp_path) if row[0] == TITLES[0]} == {"29-1141"}


def test_letters_typed_into_the_search_are_no_keys(review: Page) -> None:
    review.keyboard.press("/")
    review.keyboard.type("nus1")

    expect(review.locator("#review-heading-codes")).to_contain_text("Nothing in the classification")
    expect(review.locator("#review-title")).to_have_text(TITLES[0])
    review.keyboard.press("Escape")
    expect(review.locator("#review-heading-codes")).to_have_text("The model’s best codes")
    press(review, "1", TITLES[1])


@pytest.fixture
def keeping(model_folder: Path, tmp_path: Path) -> Iterator[Running]:
    champion = Champion(ModelSource(model_folder, model_folder), Reviews(tmp_path / "kept.csv"))
    with running(champion) as found:
        yield found


def test_service_keeps_choices_and_takes_them_back(
    visit: Callable[..., Page], keeping: Running, tmp_path: Path
) -> None:
    page, path = visit(keeping.url), tmp_path / "kept.csv"
    upload(page, FILE)
    code(page)
    page.locator("#start-review").click()
    expect(page.locator("#review-title")).to_have_text(TITLES[0])

    press(page, "n", TITLES[1])
    press(page, "n", TITLES[2])
    assert overrides.read(path).codes == {TITLES[0]: {}, TITLES[1]: {}}
    press(page, "u", TITLES[1])
    assert overrides.read(path).codes == {TITLES[0]: {}}
    page.get_by_label("Keep my choices in the service").uncheck()
    page.locator("#review").focus()
    press(page, "n", TITLES[2])
    assert overrides.read(path).codes == {TITLES[0]: {}}


def test_key_that_may_not_keep_choices_can_still_review(
    visit: Callable[..., Page], model_folder: Path, tmp_path: Path
) -> None:
    key = add(tmp_path / "keys", "plain")
    champion = Champion(ModelSource(model_folder, model_folder), Reviews(tmp_path / "kept.csv"))
    with running(champion, ServiceOptions(keys=read(tmp_path / "keys"))) as site:
        page = visit(site.url, expected=[401])
        page.locator("#key").fill(key)
        page.keyboard.press("Enter")
        expect(page.locator("#key-panel")).to_be_hidden()
        upload(page, FILE)
        code(page)
        page.locator("#start-review").click()
        expect(page.locator("#review-title")).to_have_text(TITLES[0])

        expect(page.locator("#keep-line")).to_be_hidden()
        press(page, "n", TITLES[1])

    assert not (tmp_path / "kept.csv").exists()


def test_refused_choice_is_told_and_can_be_made_again(review: Page) -> None:
    refuse = '{"detail": "the service is out of order", "field": ""}'
    review.context.route("**/invocations", lambda route: route.fulfill(status=422, body=refuse))

    review.keyboard.press("1")
    expect(review.locator("#review-state")).to_have_text("The service is out of order.")
    review.context.unroute("**/invocations")

    press(review, "1", TITLES[1])
    expect(review.locator("#save-choices")).to_have_text("Download 1 choice as overrides.csv")
