"""The page in a real browser: it renews itself, it can be used by keyboard, and it fits on a phone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page, expect

from sagelocal.run import records
from sagelocal.run.records import StepRecord
from sagelocal.storage import lock

from .conftest import LIMIT_S, Site, ended, logged, png, published
from .test_hostile import hostile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOON = "2026-11-30T12:00:00+00:00"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page whose console has to stay silent, and which asks no other host."""
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    faults: list[str] = []
    context.on("console", lambda message: faults.append(message.text))
    context.on("weberror", lambda error: faults.append(str(error.error)))
    context.on("request", lambda request: faults.extend([] if "//127.0.0.1:" in request.url else [request.url]))
    context.on("dialog", lambda dialog: faults.append(dialog.message))
    found = context.new_page()
    found.set_default_timeout(1000 * LIMIT_S)
    yield found
    context.close()
    assert faults == []


def test_run_on_its_way_is_followed_without_a_reload_and_keeps_the_focus(page: Page, site: Site, home: Path) -> None:
    first = StepRecord("prepare", "Fail", "Executing", started=NOON)
    run = ended(home, "one", status="Executing", steps=(first,))
    with lock.wait_for(run.folder):
        page.goto(f"{site.url}/runs/one")
        page.evaluate("window.isTheSame = true")
        expect(page.locator("#graph a", has_text="train")).to_contain_text("waits")
        page.locator("#steps a", has_text="train").focus()

        logged(run, "train", "epoch 1 of 3\n")
        done = replace(first, status="Succeeded", seconds=1.0)
        records.write(replace(run, steps=(done, StepRecord("train", "Fail", "Executing", started=NOON))))
        expect(page.locator("#graph a", has_text="train")).to_contain_text("Executing")
        expect(page.locator("#steps")).to_contain_text("epoch 1 of 3")
        assert page.evaluate("document.activeElement.textContent") == "train"

        records.write(replace(run, status="Failed", failure="no room", steps=(replace(done, status="Failed"),)))
    expect(page.locator("#state")).to_contain_text("no room")
    expect(page.locator("body")).to_have_attribute("data-every", "1000")
    assert page.evaluate("window.isTheSame") is True


def test_two_runs_are_compared_and_a_step_is_opened_by_keyboard_alone(page: Page, site: Site, home: Path) -> None:
    for name in ("one", "two"):
        published(home, ended(home, name), "train", {"p.png": png()})
    page.goto(site.url)

    for box in page.get_by_role("checkbox").all():
        box.focus()
        page.keyboard.press("Space")
    page.keyboard.press("Enter")  # in a form, that sends it
    expect(page.get_by_role("heading", level=1)).to_have_text("Two runs side by side")

    page.get_by_role("link", name="one", exact=True).focus()
    page.keyboard.press("Enter")
    page.locator("#graph a", has_text="train").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("train")
    expect(page.locator("img.picture")).to_have_js_property("naturalWidth", 3)


def test_hostile_texts_do_nothing_and_no_page_is_wider_than_a_phone(page: Page, site: Site, home: Path) -> None:
    wide = {"a" * 200: "b" * 2000}
    for path in hostile(home):
        for width in (320, 1200):
            page.set_viewport_size({"width": width, "height": 700})
            page.goto(site.url + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    run = ended(home, "wide", parameters=wide, pipeline_name="p" * 256, failure="x" * 1000)
    logged(run, "train", "z" * 5000)
    published(home, run, "train", {f"{'n' * 200}.txt": b"text"})
    page.set_viewport_size({"width": 320, "height": 700})
    for path in ("/", "/runs/wide", "/runs/wide/step?name=train", "/compare?run=wide&run=one"):
        page.goto(site.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path


def test_dark_and_light_are_those_of_the_viewer(page: Page, site: Site, home: Path) -> None:
    ended(home, "one")
    page.goto(f"{site.url}/runs/one")
    colour = "getComputedStyle(document.body).backgroundColor"

    page.emulate_media(color_scheme="light")
    light = page.evaluate(colour)
    page.emulate_media(color_scheme="dark")

    assert (light, page.evaluate(colour)) == ("rgb(244, 245, 243)", "rgb(16, 19, 22)")
