"""The page in a real browser, on a loopback port, with no access to any other host.

A fault in its console, or a request to anybody but the service, fails the test.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from jobmajor import soc
from jobmajor.model.classifier import Classifier
from jobmajor.serve.service.champion import Champion, ModelSource

from ..conftest import LIMIT_S, Running, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

WAIT_MS = 1000 * LIMIT_S
_STATUS = re.compile(r"Failed to load resource: (?:the server responded with a status of (\d+)|net::ERR_CONNECTION)")


@dataclass
class Watch:
    """What went wrong in the pages of one test, and what they asked of others than the service.

    `expected` are statuses that the test means to meet; 0 is a lost connection.
    """

    expected: Sequence[int]
    faults: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)

    def over(self, context: BrowserContext) -> None:
        """Watch all pages of a context. `BROWSER_FLAGS` keep what they ask for from leaving the machine."""
        context.on("request", lambda request: self._request(request.url))
        context.on("weberror", lambda error: self.faults.append(str(error.error)))
        context.on("console", lambda message: self._note(message.type, message.text))

    def _request(self, url: str) -> None:
        if urlsplit(url).hostname != "127.0.0.1" and not url.startswith(("blob:", "data:")):
            self.strays.append(url)

    def _note(self, kind: str, text: str) -> None:
        """A fault, unless it tells of a status that the test means to meet."""
        found = _STATUS.search(text)
        if kind in ("error", "warning") and not (found and int(found[1] or 0) in self.expected):
            self.faults.append(text)


@pytest.fixture(scope="session")
def champion(model_folder: Path) -> Champion:
    """The small model, compiled; its own thresholds let nothing through, so here they are lower."""
    found = Champion(ModelSource(model_folder, model_folder))
    model = found.served.classifier
    knowledge = replace(model.knowledge, thresholds=dict.fromkeys(soc.LEVELS, 0.5))
    found.served = replace(found.served, classifier=Classifier(model.scorer, model.about, knowledge).compile())
    return found


@pytest.fixture(scope="module")
def site(champion: Champion) -> Iterator[Running]:
    """The service with the small model."""
    with running(champion) as found:
        yield found


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page of its own; `expected` are refusals that the browser may tell of."""
    contexts: list[tuple[BrowserContext, Watch]] = []

    def go(url: str, *, expected: Sequence[int] = (), **how: Any) -> Page:
        context = browser.new_context(**how)
        watch = Watch(expected)
        contexts.append((context, watch))
        watch.over(context)
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.goto(url)
        return page

    yield go
    for context, _ in contexts:
        context.close()
    assert [watch.faults for _, watch in contexts] == [[] for _ in contexts]
    assert [watch.strays for _, watch in contexts] == [[] for _ in contexts]


@pytest.fixture
def page(visit: Callable[..., Page], site: Running) -> Page:
    """The page, just opened."""
    return visit(site.url)


def upload(page: Page, content: str | bytes, name: str = "staff.csv") -> None:
    body = content.encode() if isinstance(content, str) else content
    page.set_input_files("#file", {"name": name, "mimeType": "application/octet-stream", "buffer": body})


def code(page: Page) -> None:
    page.locator("#code").click()
    expect(page.locator("#save")).to_be_visible()


def saved(page: Page, folder: Path, delimiter: str = ",", button: str = "#save") -> list[list[str]]:
    """The rows of the file that the page gives, read as Python reads CSV."""
    with page.expect_download() as download:
        page.locator(button).click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline=""), delimiter=delimiter))
