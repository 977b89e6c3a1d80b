"""The page can be read: by eyes that need contrast, by ears, by thumbs on a small screen, in the dark."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import pytest
from playwright.sync_api import Browser, Page, expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..conftest import Running

pytestmark = [pytest.mark.slow, pytest.mark.long]  # contrast and layout at every width: half a minute in all

# Each text that is seen, with its contrast to what is behind it. Source: WCAG 2.2, 1.4.3 and "relative luminance".
CONTRASTS = """() => {
  const parts = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = parts(color).slice(0, 3).map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = getComputedStyle(each).backgroundColor;
      if ((parts(color)[3] ?? 1) === 1) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const owner = node.parentElement;
    if (!node.textContent.trim() || !owner.checkVisibility() || owner.closest(":disabled, option, script")) continue;
    const [one, other] = [light(getComputedStyle(owner).color), light(behind(owner))].sort((a, b) => b - a);
    found.push([node.textContent.trim().slice(0, 40), (one + 0.05) / (other + 0.05)]);
  }
  const box = document.getElementById("title");
  const [one, other] = [light(getComputedStyle(box, "::placeholder").color), light(behind(box))].sort((a, b) => b - a);
  return [...found, ["placeholder", (one + 0.05) / (other + 0.05)]];
}"""
# What a control or region is called, by its label, its text, or what names it.
NAMELESS = """() => [...document.querySelectorAll(
  "button, input, select, textarea, progress, a, section, nav, [role=region]")]
  .filter((each) => each.checkVisibility())
  .filter((each) => !(each.labels?.length || each.getAttribute("aria-label") || each.textContent.trim()
    || document.getElementById(each.getAttribute("aria-labelledby"))))
  .map((each) => each.outerHTML.slice(0, 80))"""


def fill(page: Page) -> None:
    """Both halves of the page, with all that they can show."""
    page.get_by_label("Job title").fill("licensed practical nurse asdfgh")
    expect(page.locator("#why-words tbody tr")).to_have_count(5)
    rows = "".join(
        f"{place};CEO number {place % 40} of a company with a very long name indeed;x\n" for place in range(200)
    )
    body = f"id;title;a column with a long name\n{rows}1\n".encode()
    page.set_input_files("#file", {"name": "rows.csv", "mimeType": "text/csv", "buffer": body})
    page.locator("#code").click()
    expect(page.locator("#rows tbody tr")).to_have_count(25)


SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def contrasts(page: Page, scheme: Literal["light", "dark"]) -> list[Any]:
    page.emulate_media(color_scheme=scheme)
    return [*page.evaluate(CONTRASTS)]


def test_every_text_has_the_contrast_that_wcag_asks_for(page: Page) -> None:
    found = {scheme: contrasts(page, scheme) for scheme in SCHEMES}
    fill(page)
    for scheme in SCHEMES:
        found[scheme] += contrasts(page, scheme)

    for scheme in SCHEMES:
        assert len(found[scheme]) > 100
        assert [each for each in found[scheme] if each[1] < 4.5] == []


def test_dark_scheme_is_dark(visit: Callable[..., Page], site: Running) -> None:
    grounds = [
        visit(site.url, color_scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    ]

    assert grounds == ["rgb(244, 245, 243)", "rgb(16, 19, 22)"]


def test_nothing_makes_the_page_scroll_sideways(page: Page) -> None:
    fill(page)
    coded = {width: scroll_width(page, width) for width in WIDTHS}
    page.get_by_role("button", name="Another file").locator("visible=true").click()
    page.set_input_files(
        "#file", {"name": "y" * 200 + ".csv", "mimeType": "text/csv", "buffer": b"title," + b"x" * 500 + b"\na,b"}
    )
    expect(page.locator("#sample table")).to_be_visible()
    opened = {width: scroll_width(page, width) for width in WIDTHS}

    assert [width for found in (coded, opened) for width in WIDTHS if found[width] > width] == []


WIDTHS = (320, 360, 700, 1200)


def scroll_width(page: Page, width: int) -> int:
    """The width of the page's content in a window of some width."""
    page.set_viewport_size({"width": width, "height": 700})
    found: int = page.evaluate("document.documentElement.scrollWidth")
    return found


def test_page_has_landmarks_one_first_heading_and_a_name_for_every_control(page: Page) -> None:
    for role in ("banner", "main", "contentinfo", "search"):
        expect(page.get_by_role(role)).to_have_count(1)
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    assert page.evaluate(NAMELESS) == []
    fill(page)
    assert page.evaluate(NAMELESS) == []
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map((each) => Number(each.tagName[1]))")
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.evaluate("document.documentElement.lang") == "en"
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((each) => each.id)")
    assert len(ids) == len(set(ids))


def test_answers_are_spoken_politely_and_bars_are_not(page: Page) -> None:
    fill(page)

    assert page.locator("#verdict").get_attribute("role") == "status"  # implies aria-live="polite"
    assert page.locator("#file-state").get_attribute("role") == "status"
    assert page.locator(".bar:not([aria-hidden=true])").count() == 0


def test_focus_can_be_seen_on_everything_that_takes_it(page: Page) -> None:
    seen = set()
    for _ in range(20):
        page.keyboard.press("Tab")
        name, style, width = page.evaluate(
            "(() => { const at = document.activeElement, style = getComputedStyle(at);"
            "return [at.outerHTML.slice(0, 60), style.outlineStyle, parseFloat(style.outlineWidth)]; })()"
        )
        if not name.startswith("<body"):
            seen.add(name)
            assert style != "none", name
            assert width >= 2, name

    assert len(seen) >= 12


def test_nothing_moves_where_a_person_asks_for_stillness(visit: Callable[..., Page], site: Running) -> None:
    page = visit(site.url, reduced_motion="reduce")

    moving = page.evaluate(
        "[...document.querySelectorAll('*')].filter((each) => parseFloat(getComputedStyle(each).transitionDuration) > 0"
        " || getComputedStyle(each).scrollBehavior === 'smooth').length"
    )

    assert moving == 0


def test_page_and_its_worker_ask_nobody_but_the_service(page: Page, site: Running) -> None:
    asked: list[str] = []
    page.context.on("request", lambda request: asked.append(request.url))
    page.reload()
    fill(page)

    assert len(asked) > 10
    assert [address for address in asked if not address.startswith(site.url)] == []


def test_browser_itself_refuses_what_the_page_may_not_do(browser: Browser, site: Running) -> None:
    page = browser.new_page()  # its console tells of what is refused
    page.goto(site.url)

    refused = page.evaluate(
        """() => new Promise((resolve) => {
          const found = [];
          setTimeout(() => resolve(found), 10_000);
          document.addEventListener("securitypolicyviolation", (event) => {
            found.push(event.effectiveDirective);
            if (found.length === 2) resolve(found.sort());
          });
          document.body.append(Object.assign(document.createElement("script"), {textContent: "window.stray = 1"}));
          document.body.append(Object.assign(document.createElement("img"), {src: "http://127.0.0.1:9/x"}));
        })"""
    )

    assert refused == ["img-src", "script-src-elem"]
    assert page.evaluate("window.stray") is None
    page.close()
