"""The pages about the API need nothing from elsewhere, and say all that the OpenAPI says."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import httpx
import pytest
from openapi_spec_validator import validate

from jobmajor.serve.messages.media import KINDS

from ..conftest import LIMIT_S

if TYPE_CHECKING:
    from ..conftest import Running

PAGES = ("/docs", "/redoc")


class Links(HTMLParser):
    """What a page loads or leads to, and the tags that are open at its end."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "action", "srcset")]
        if tag not in ("meta", "input", "link", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("path", PAGES)
def test_page_loads_nothing_from_elsewhere_and_may_not(service: Running, path: str) -> None:
    answer = service.get(path)

    links = Links()
    links.feed(answer.text)
    assert answer.headers["content-type"].startswith("text/html")
    assert {link for link in links.found if not link.startswith("#")} == {
        "openapi.json",
        "./",
        "web/icon.svg",
        "web/page.css",
    }
    assert "//" not in re.sub(r"<style>.*?</style>|<script>.*?</script>", "", answer.text, flags=re.DOTALL)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert links.open == []


@pytest.mark.parametrize("path", PAGES)
def test_page_has_every_route_refusal_and_format(service: Running, path: str) -> None:
    text = service.get(path).text
    schema = service.get("/openapi.json").json()

    for route, methods in schema["paths"].items():
        assert f"<code>{route}</code>" in text
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in text
            assert all(f"<td>{status}</td>" in text for status in operation["responses"])
    assert all(f"<code>{kind}</code>" in text for kind in KINDS)


def test_only_the_live_page_has_a_script_and_its_policy_names_it(service: Running) -> None:
    assert "<script>" in service.get("/docs").text
    assert "<script>" not in service.get("/redoc").text


def test_openapi_is_valid_and_its_examples_are_answered(service: Running) -> None:
    schema = service.get("/openapi.json").json()

    validate(schema)
    explained = schema["paths"]["/explain"]["post"]["requestBody"]["content"][KINDS[0]]["example"]
    assert httpx.post(f"{service.url}/explain", json=explained, timeout=LIMIT_S).status_code == 200
    bodies = schema["paths"]["/invocations"]["post"]["requestBody"]["content"]
    assert set(bodies) == set(KINDS)
    for kind, body in bodies.items():
        sent = {"json": body["example"]} if kind == KINDS[0] else {"content": body["example"]}
        answer = service.post(**sent, headers={"content-type": kind})
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)


def test_routes_of_the_contract_are_all_described(service: Running) -> None:
    schema = service.get("/openapi.json").json()

    titles, health = {"/invocations", "/explain", "/tables", "/execution-parameters"}, {"/ping", "/version", "/metrics"}
    review = {"/normalise", "/codes", "/classification", "/reviews", "/lineage"}
    queue = {"/queue", *(f"/queue/{verb}" for verb in ("take", "decide", "skip", "undo"))}
    assert set(schema["paths"]) == titles | health | review | queue
    assert set(schema["paths"]["/invocations"]["post"]["responses"]) == {
        *("200", "400", "401", "406", "408", "413", "415", "422", "429", "503")
    }
