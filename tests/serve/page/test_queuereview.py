"""The queue on the page, and where the model comes from: by keys, in two browsers, with a key, and in any width."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from jobmajor.model.answers import Answer
from jobmajor.review.doubtful import DoubtfulTitle
from jobmajor.review.queue import Queue
from jobmajor.serve.service.keys import add, read
from jobmajor.serve.service.service import ServiceOptions

from ..conftest import Running, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jobmajor.serve.service.champion import Champion

pytestmark = pytest.mark.slow

NURSE, COOK = Answer("29-1141", "Registered Nurses", 0.4), Answer("35-2014", "Cooks, Restaurant", 0.3)
TITLES = ["bzzt operator", "zorp helper", "quux hand", "floop person"]


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    """Four titles, the first with most rows; nobody is asked twice."""
    found = Queue(tmp_path / "reviews.db", second=0)
    worth = enumerate(["unsure", "not a title", "", "unsure"])
    found.add([DoubtfulTitle(TITLES[n], 40 - n, reason, (NURSE, COOK)) for n, reason in worth], "a")
    return found


@pytest.fixture
def site(champion: Champion, queue: Queue) -> Iterator[Running]:
    with running(champion, ServiceOptions(queue=queue)) as found:
        yield found


def begin(page: Page, name: str) -> None:
    """Give a name and begin, by keys alone."""
    field = page.get_by_label("Your name")
    expect(field).to_be_visible()  # what is hidden takes no focus
    field.focus()
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    expect(page.locator("#queue-review")).to_have_attribute("aria-busy", "false")


def press(page: Page, key: str, then: str) -> None:
    page.keyboard.press(key)
    expect(page.locator("#queue-review-title")).to_have_text(then)
    expect(page.locator("#queue-review")).to_have_attribute("aria-busy", "false")


def test_queue_is_reviewed_by_keyboard_alone(visit: Callable[..., Page], site: Running, queue: Queue) -> None:
    page = visit(site.url)
    begin(page, "ann")
    expect(page.locator("#queue-review-title")).to_have_text(TITLES[0])
    expect(page.locator("#queue-review-about")).to_contain_text("40 rows: of answers with scores as low as this")
    press(page, "2", TITLES[1])
    expect(page.locator("#queue-progress")).to_contain_text("1 title decided, 3 left (114 rows).")
    press(page, "n", TITLES[2])
    expect(page.locator("#queue-review-about")).to_contain_text("more rows have it than in the reference of a check")
    page.keyboard.press("/")
    page.keyboard.insert_text(
        "regis nurse"
    )  # at once: between slow keys, the page would already search, and draw twice
    expect(page.locator("#queue-review-codes .code").nth(1)).to_have_text("29-1140")
    page.keyboard.press("Enter")
    press(page, "1", TITLES[3])
    press(page, "u", TITLES[2])
    press(page, "s", TITLES[3])
    press(page, "s", "No title waits for you now.")
    page.keyboard.press("Escape")

    expect(page.locator("#start-queue")).to_be_focused()
    assert queue.labels() == {TITLES[0]: COOK.label, TITLES[1]: "not a job"}
    said = [(each.title, each.code) for each in queue.history()]
    assert said[2:] == [(TITLES[2], NURSE.label), (TITLES[2], None)]
    assert {each.reviewer for each in queue.history()} == {"ann"}


def test_two_browsers_get_different_titles_whatever_their_names(
    visit: Callable[..., Page], site: Running, queue: Queue
) -> None:
    one, other = visit(site.url), visit(site.url)
    for page in (one, other):
        begin(page, "ann")
    expect(one.locator("#queue-review-title")).to_have_text(TITLES[0])
    expect(other.locator("#queue-review-title")).to_have_text(TITLES[1])
    one.locator("#queue-review-codes button").first.click()
    expect(one.locator("#queue-review-title")).to_have_text(TITLES[2])
    other.locator("#queue-review-codes button").first.click()
    expect(other.locator("#queue-review-title")).to_have_text(TITLES[3])

    assert queue.labels() == dict.fromkeys(TITLES[:2], NURSE.label)


def test_name_is_asked_once_and_the_same_title_comes_back_after_a_reload(
    visit: Callable[..., Page], site: Running, queue: Queue
) -> None:
    page = visit(site.url)
    begin(page, "ann")
    page.reload()

    expect(page.locator("#reviewer-name")).to_have_text("ann")
    page.locator("#start-queue").click()
    expect(page.locator("#queue-review-title")).to_have_text(TITLES[0])
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Another name").click()
    page.get_by_label("Your name").fill("bob")
    page.keyboard.press("Enter")
    expect(page.locator("#queue-review-title")).to_have_text(TITLES[1])
    assert queue.status()["lent"] == 2


def test_disputed_title_offers_what_people_said_first(visit: Callable[..., Page], site: Running, queue: Queue) -> None:
    queue.decide(TITLES[0], COOK.label, "bob")
    queue.decide(TITLES[0], "not a job", "cy")
    page = visit(site.url)
    begin(page, "ann")

    expect(page.locator("#queue-review-about")).to_contain_text("bob said 35-2014 Cooks, Restaurant.cy said not a job.")
    expect(page.locator("#queue-review-codes .code")).to_have_text([COOK.label, NURSE.label])
    press(page, "1", TITLES[1])
    assert queue.labels() == {TITLES[0]: COOK.label}


def test_with_keys_nobody_is_asked_for_a_name_and_only_a_marked_key_sees_the_queue(
    visit: Callable[..., Page], champion: Champion, queue: Queue, tmp_path: Path
) -> None:
    path = tmp_path / "keys"
    plain, marked = add(path, "plain"), add(path, "editor", may_review=True)
    with running(champion, ServiceOptions(keys=read(path), queue=queue)) as site:
        page = visit(site.url, expected=[401])
        page.locator("#key").fill(plain)
        page.keyboard.press("Enter")
        expect(page.locator("#key-panel")).to_be_hidden()
        expect(page.locator("#queue")).to_be_hidden()
        page.reload()
        page.locator("#key").fill(marked)
        page.keyboard.press("Enter")
        expect(page.locator("#reviewer-name")).to_have_text("editor")
        expect(page.locator("#other-name")).to_be_hidden()
        page.locator("#start-queue").click()
        expect(page.locator("#queue-review-title")).to_have_text(TITLES[0])
        press(page, "1", TITLES[1])

    assert [each.reviewer for each in queue.history()] == ["editor"]


def test_lost_connection_is_told_and_nothing_is_decided_twice(
    visit: Callable[..., Page], site: Running, queue: Queue
) -> None:
    page = visit(site.url, expected=[0])
    begin(page, "ann")
    page.context.route("**/queue/decide", lambda route: route.abort("connectionrefused"))
    page.keyboard.press("1")
    expect(page.locator("#queue-review-state")).to_contain_text(
        "There is no connection to the service. Asking again in"
    )
    page.context.unroute("**/queue/decide")

    expect(page.locator("#queue-review-title")).to_have_text(TITLES[1])
    assert len(queue.history()) == 1


def test_service_without_a_queue_shows_none(visit: Callable[..., Page], champion: Champion) -> None:
    with running(champion) as site:
        page = visit(site.url)
        expect(page.locator("#about code")).to_be_visible()

        expect(page.locator("#queue")).to_be_hidden()
        expect(page.locator("#queue-link")).to_be_hidden()


def test_page_tells_where_the_model_comes_from(visit: Callable[..., Page], site: Running) -> None:
    page = visit(site.url)

    page.get_by_text("Where this model comes from").click()

    facts = page.locator("#lineage-facts")
    expect(facts).to_contain_text("Titles")
    expect(facts).to_contain_text("in no registry")


@pytest.mark.parametrize("width", [320, 390, 1200])
def test_neither_the_queue_nor_the_lineage_makes_the_page_scroll_sideways(
    visit: Callable[..., Page], site: Running, queue: Queue, width: int
) -> None:
    queue.add([DoubtfulTitle("x" * 600, 99, "unsure", (NURSE, COOK))], "b")
    page = visit(site.url, viewport={"width": width, "height": 700})
    begin(page, "a" * 64)
    page.get_by_text("Where this model comes from").click()
    expect(page.locator("#lineage-facts")).to_contain_text("Titles")

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.keyboard.press("Escape")
    page.locator("[data-review=close]").locator("visible=true").click()
    expect(page.locator("#reviewer-name")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
