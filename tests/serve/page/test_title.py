"""One title on the page: its codes as it is typed, why, and what is said where there is none."""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Error, Page, Route, expect

from jobmajor import soc
from jobmajor.serve.service.admission import Limits
from jobmajor.serve.service.keys import add, read
from jobmajor.serve.service.service import ServiceOptions

from ..conftest import LIMIT_S, Running, running, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jobmajor.serve.service.champion import Champion

TITLE = "licensed practical nurse"
HEAD = (
    b"POST /invocations HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99999\r\n\r\n"
)


def test_typing_shows_the_model_s_codes_at_four_levels(page: Page, champion: Champion) -> None:
    page.get_by_label("Job title").press_sequentially(TITLE, delay=20)
    expect(page.locator("#answer")).to_have_attribute("aria-busy", "false")  # no longer that to the keys before

    for level in soc.LEVELS:
        (coded,) = champion.served.classifier.answer([TITLE], level, 3)
        lines = page.locator(f"[data-level={level}] .codes li")
        expect(lines).to_have_count(len(coded.answers))
        for place, answer in enumerate(coded.answers):
            expect(lines.nth(place).locator(".code")).to_have_text(answer.label)
            expect(lines.nth(place)).to_contain_text(soc.name(answer.label))
            width = lines.nth(place).locator(".bar-filled").evaluate("bar => parseFloat(bar.style.width)")
            assert width == pytest.approx(100 * answer.score, abs=0.01)


def test_answer_that_is_not_sure_has_one_mark_and_one_sentence(page: Page, champion: Champion) -> None:
    page.get_by_label("Job title").fill("asdfgh")

    (coded,) = champion.served.classifier.answer(["asdfgh"])
    assert coded.reason == "not a title"
    expect(page.locator("#verdict")).to_have_text("Uncertain: this does not read like a job title.")
    expect(page.get_by_role("status").filter(has_text="Uncertain")).to_have_count(1)
    expect(page.locator("#one .badge")).to_have_count(1)
    expect(page.locator("#levels")).not_to_contain_text("Uncertain")
    expect(page.get_by_role("heading", name="Major group (uncertain)")).to_be_visible()


def test_title_that_training_lists_says_so_and_is_sure(page: Page, champion: Champion) -> None:
    listed = next(title for title in ("Chief Executive", "CEO", "Cook") if is_exact(champion, title))

    page.get_by_label("Job title").fill(listed)

    expect(page.locator("[data-level=detailed]")).to_contain_text("Listed")
    expect(page.locator("[data-level=major]")).not_to_contain_text("Uncertain")


def is_exact(champion: Champion, title: str) -> bool:
    return champion.served.classifier.answer([title])[0].source == "exact"


def test_why_shows_what_the_library_says_each_word_is_worth(page: Page, champion: Champion) -> None:
    page.get_by_label("Job title").fill(TITLE)
    page.get_by_label("at the level").select_option("detailed")

    explained = champion.served.classifier.explain(TITLE, "detailed")
    expect(page.locator("#why-words")).to_contain_text(explained.label)
    parts = [("A title without words", explained.base), *((word.text, word.worth) for word in explained.words)]
    for (name, points), (text, worth) in zip(made_of(page)[0], parts, strict=False):
        assert name == text
        assert abs(points - 100 * worth) <= 1
    if abs(explained.answer - explained.score) < 0.005:
        expect(page.locator("#why-words tbody tr")).to_have_count(len(parts))


def made_of(page: Page) -> tuple[list[tuple[str, int]], int]:
    """The parts of a score, each with its points, and the score."""
    expect(page.locator("#reasons")).to_have_attribute("aria-busy", "false")
    rows = page.locator("#why-words tbody tr").all()
    found = [(row.get_by_role("rowheader").inner_text(), row.locator(".number").inner_text()) for row in rows]
    parts = [(name, int(points.replace("−", "-").replace("±", ""))) for name, points in found]
    return parts, int(page.locator("#why-words tfoot .number").inner_text())


@pytest.mark.parametrize(
    "title", [TITLE, "CEO", "Cashier", "architect", "sr project manager ii of regional sales operations"]
)
def test_why_adds_up_to_the_score_that_is_shown(page: Page, title: str) -> None:
    page.get_by_label("Job title").fill(title)
    expect(page.locator("#why-words tfoot")).to_be_visible()
    for level in soc.LEVELS:
        page.get_by_label("at the level").select_option(level)

        parts, score = made_of(page)
        shown = page.locator(f"[data-level={level}] .best .number").inner_text()
        assert sum(points for _, points in parts) == score
        assert shown in (f"{score} %", "< 1 %")


# Notes each text of an element: one that stays for a moment is missed by who looks from time to time.
TOLD = """(id) => {
  const found = document.getElementById(id);
  window.told = [];
  new MutationObserver(() => told.push(found.textContent)).observe(found, {childList: true});
}"""


def test_code_is_copied_with_one_click(visit: Callable[..., Page], site: Running) -> None:
    page = visit(site.url, permissions=["clipboard-read", "clipboard-write"])
    expect(page.locator("#copy")).to_be_hidden()
    page.get_by_label("Job title").fill(TITLE)
    expect(page.locator("#copy")).to_be_visible()
    page.evaluate(TOLD, "copy")

    page.get_by_role("button", name="Copy").click()

    until(lambda: page.evaluate("told.length") == 2, "two texts of the button")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied in page.locator("#verdict").inner_text()
    assert re.fullmatch(r"\d\d-\d{4}", copied)
    assert page.evaluate("told") == ["Copied", f"Copy {copied}"]


def test_answer_fits_two_screens_of_a_phone_and_shows_the_others_on_demand(
    visit: Callable[..., Page], site: Running
) -> None:
    page = visit(site.url, viewport={"width": 390, "height": 844})
    page.get_by_label("Job title").fill(TITLE)
    expect(page.locator("#similar li").first).to_be_visible()

    box = page.locator("#one").bounding_box()
    assert box
    assert box["height"] <= 2 * 844
    expect(page.locator(".codes .other").first).to_be_hidden()
    page.get_by_role("button", name="Other codes").click()
    expect(page.locator(".codes .other").first).to_be_visible()


def test_detailed_code_leads_to_onet_and_bls_without_telling_them_from_where(page: Page) -> None:
    page.get_by_label("Job title").fill(TITLE)

    links = page.locator("[data-level=detailed] a")
    expect(links).to_have_count(2)
    code = page.locator("[data-level=detailed] .best .code").inner_text()
    assert links.first.get_attribute("href") == f"https://www.onetonline.org/link/summary/{code}.00"
    assert (links.nth(1).get_attribute("href") or "").startswith("https://www.bls.gov/soc/2018/")
    assert [links.nth(place).get_attribute("rel") for place in (0, 1)] == ["noreferrer"] * 2


def test_known_titles_are_starter_titles_and_the_page_says_so(page: Page) -> None:
    page.get_by_label("Job title").fill("registered nurs")

    expect(page.locator("#similar li").first).to_contain_text("29-1141")
    expect(page.get_by_text("From the starter titles")).to_be_visible()


def test_keyboard_alone_reaches_an_example_its_answer_and_another_level(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the title")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    while page.evaluate("document.activeElement.dataset.example") is None:
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#why-words tr")).not_to_have_count(0)
    while page.evaluate("document.activeElement.id") != "why-level":
        page.keyboard.press("Tab")
    page.keyboard.press("End")

    expect(page.get_by_label("at the level")).to_have_value("detailed")


def test_answer_to_an_earlier_title_never_takes_the_place_of_a_later_one(page: Page) -> None:
    held: list[Route] = []
    page.route("**/invocations", lambda route: route.continue_() if held else held.append(route))
    page.get_by_label("Job title").fill("welder")
    while not held:
        page.wait_for_timeout(20)

    page.get_by_label("Job title").fill("cook")
    expect(page.locator("#why-words th[scope=row]")).to_have_text(["A title without words", "cook", "Score"])
    with suppress(Error):  # the page has given it up
        held[0].continue_()
    page.wait_for_timeout(1000)

    expect(page.locator("#why-words th[scope=row]")).to_have_text(["A title without words", "cook", "Score"])
    assert page.get_by_label("Job title").input_value() == "cook"


def test_answer_is_marked_as_another_s_from_the_key_to_its_own(page: Page) -> None:
    page.get_by_label("Job title").fill("welder")
    expect(page.locator("#reasons")).to_have_attribute("aria-busy", "false")
    page.route("**/invocations", lambda _: None)  # no answer comes

    page.get_by_label("Job title").fill("cook")

    expect(page.locator("#answer")).to_have_attribute("aria-busy", "true")
    assert page.locator("#why-words tbody th[scope=row]").all_inner_texts()[1] == "welder"


def test_each_example_is_answered_and_an_emptied_box_brings_the_examples_back(page: Page) -> None:
    for button in page.locator("[data-example]").all():
        button.click()
        expect(page.locator("[data-level]")).to_have_count(4)
        page.get_by_label("Job title").fill("")
        expect(button).to_be_visible()
        expect(page.locator("[data-level]").first).to_be_hidden()


@pytest.mark.parametrize("title", ["<img src=x onerror=alert(1)>", "护士", "a" * 1000, "\ud800 nurse", "=1+1", "."])
def test_strange_title_is_answered_like_any_other_and_is_never_markup(page: Page, title: str) -> None:
    page.evaluate(
        "text => { const box = document.getElementById('title'); box.value = text;"
        "box.dispatchEvent(new Event('input')); }",
        title,
    )

    expect(page.locator("[data-level]")).to_have_count(4)
    expect(page.locator("#why-words p").first).to_be_visible()
    assert page.locator("main img").count() == 0


@pytest.fixture
def small(champion: Champion) -> Iterator[Running]:
    """A service that has one place."""
    with running(champion, ServiceOptions(limits=Limits(requests=1, stall_s=LIMIT_S))) as found:
        yield found


def test_busy_service_is_waited_for_as_long_as_it_says_and_then_asked_again(
    visit: Callable[..., Page], small: Running
) -> None:
    page = visit(small.url, expected=[503])
    expect(page.locator("#about dd")).to_have_count(3)
    with socket.create_connection(("127.0.0.1", small.port), LIMIT_S) as holder:
        holder.sendall(HEAD)
        until(lambda: small.service.admission.requests == 1, "the place's being taken")
        page.get_by_label("Job title").fill(TITLE)
        expect(page.locator("#verdict")).to_have_text(
            re.compile(r"The service is busy: try again in a second\. Asking again in 1 s\.")
        )

    expect(page.locator("[data-level]")).to_have_count(4)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [(0, "There is no connection to the service."), (502, "The service answered 502.")],
)
def test_lost_connection_is_said_in_a_sentence_and_made_again(
    visit: Callable[..., Page], site: Running, fault: int, sentence: str
) -> None:
    page = visit(site.url, expected=[fault])

    def fail(route: Route) -> None:
        if fault:
            route.fulfill(status=fault, body="<html>")
        else:
            route.abort("connectionfailed")

    page.route("**/invocations", fail)
    page.get_by_label("Job title").fill(TITLE)

    expect(page.locator("#verdict")).to_contain_text(sentence)
    page.unroute("**/invocations")
    expect(page.locator("[data-level]")).to_have_count(4)


def test_key_is_asked_for_refused_when_wrong_and_kept_in_memory_alone(
    visit: Callable[..., Page], champion: Champion, tmp_path: Path
) -> None:
    key = add(tmp_path / "keys", "anna")
    with running(champion, ServiceOptions(keys=read(tmp_path / "keys"))) as closed:
        page = visit(closed.url, expected=[401])
        expect(page.get_by_label("Key", exact=True)).to_be_focused()

        page.get_by_label("Key", exact=True).fill("wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#key-state")).to_contain_text("unknown")
        page.get_by_label("Key", exact=True).fill(key)
        page.keyboard.press("Enter")
        expect(page.locator("#key-panel")).to_be_hidden()
        page.get_by_label("Job title").fill(TITLE)
        expect(page.locator("#why-words tbody tr")).not_to_have_count(0)

        assert page.context.cookies() == []
        kept = page.evaluate(
            "JSON.stringify([{...localStorage}, {...sessionStorage}, document.documentElement.innerHTML])"
        )
        assert key not in kept
        page.reload()
        expect(page.locator("#key-panel")).to_be_visible()


def test_foot_of_the_page_names_the_model_the_titles_and_the_version(page: Page, champion: Champion) -> None:
    expect(page.locator("#about")).to_contain_text(champion.served.digest[:12])
    expect(page.locator("#about")).to_contain_text("starter titles")
    expect(page.locator("#attribution")).to_be_hidden()  # the small model has nothing of O*NET's
