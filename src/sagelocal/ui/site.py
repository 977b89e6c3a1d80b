"""The routes: pages to read, and nothing that writes.

Every user of the machine can reach its loopback, and every web page that a person opens can send requests to it. So the
host of a request has to be this machine (another one is DNS rebinding), no page may be framed, and no script runs but
ours. Names, logs and files are the text of others: templates escape them.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import jinja2
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

import sagelocal
from sagelocal.errors import Error, InputError
from sagelocal.show import drawing
from sagelocal.ui import files, pages, words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from sagelocal.ui.workspace import Workspace

_HOST: Final = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE)
_TYPES: Final = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
_POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
_HEADERS: Final = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def create(workspace: Workspace) -> ASGIApp:
    """Return the application for a workspace."""
    site = _Site(workspace)
    app = Starlette(
        routes=[
            Route("/", site.runs),
            Route("/compare", site.compare),
            Route("/runs/{run}", site.run),
            Route("/runs/{run}/step", site.step),
            Route("/runs/{run}/log", site.log),
            Route("/runs/{run}/file", site.file),
            Route("/runs/{run}/picture", site.picture),
            Route("/web/{name}", _asset),
        ],
        exception_handlers={HTTPException: _refused, Error: _wrong, OSError: _wrong, Exception: _fault},
    )
    return _Guard(app)


class _Guard:
    """Refuses requests whose host is not this machine, and adds the headers of every response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                added = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                message["headers"] = [*message["headers"], *(pair for pair in added if pair[0] not in given)]
            await send(message)

        hosts = [value.decode("latin-1") for name, value in scope.get("headers", ()) if name == b"host"]
        if scope["type"] == "http" and not (len(hosts) == 1 and is_loopback(hosts[0])):
            text = "this page is for this machine alone: open it by the address that `sagelocal ui` prints\n"
            await PlainTextResponse(text, 421)(scope, receive, guarded)
            return
        await self._app(scope, receive, guarded)


def is_loopback(host: str) -> bool:
    """Return whether the Host of a request is this machine.

    >>> is_loopback("127.0.0.1:8787"), is_loopback("[::1]"), is_loopback("evil.example:8787")
    (True, True, False)
    """
    return _HOST.fullmatch(host) is not None


class _Site:
    """The pages of a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def runs(self, request: Request) -> Response:
        return self._page("runs", pages.runs(self._workspace, _number(request, "page") or 1))

    def run(self, request: Request) -> Response:
        return self._page("run", pages.run(self._workspace, request.path_params["run"]))

    def step(self, request: Request) -> Response:
        return self._page("step", pages.step(self._workspace, *_given(request, "name")))

    def log(self, request: Request) -> Response:
        run, step, file = _given(request, "step", "file")
        offsets = _number(request, "before"), _number(request, "after")
        return self._page("log", pages.log(self._workspace, (run, step, file), *offsets))

    def file(self, request: Request) -> Response:
        run, step, uri, name = _given(request, "step", "uri", "name")
        return self._page("file", pages.output(self._workspace, (run, step), uri, name))

    def picture(self, request: Request) -> Response:
        run, step, uri, name = _given(request, "step", "uri", "name")
        content: files.Content = pages.output(self._workspace, (run, step), uri, name)["content"]
        if content.kind != "png":
            raise InputError("the file is no PNG that can be shown: its page says why")
        return Response(content.data, media_type="image/png")

    def compare(self, request: Request) -> Response:
        return self._page("compare", pages.compare(self._workspace, request.query_params.getlist("run")))

    def _page(self, name: str, values: Mapping[str, Any]) -> Response:
        return _html(name, {**values, "home": str(self._workspace.home.absolute())})


def _given(request: Request, *names: str) -> tuple[str, ...]:
    """Return the run of the path and parameters of the query; those that are missing are empty."""
    return (request.path_params["run"], *(request.query_params.get(name, "") for name in names))


def _number(request: Request, name: str) -> int | None:
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


@cache
def _templates() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("css_class", "symbol", "size", "took", "when", "number", "plain", "pretty"):
        made.filters[name] = getattr(words, name)
    made.globals |= {"run_url": words.run_url, "compare_url": words.compare_url, "version": sagelocal.__version__}
    return made


def _template(name: str) -> str:
    return resources.files(__package__).joinpath("templates", f"{name}.html.j2").read_text("utf-8")


def _html(name: str, values: Mapping[str, Any], status: int = 200) -> Response:
    text = _templates().get_template(name).render(values)
    # A lone surrogate, which JSON can hold, has no UTF-8.
    return Response(text.encode("utf-8", "replace"), status, media_type="text/html")


def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _TYPES:
        raise HTTPException(404)
    content = _read(name)
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=_TYPES[name], headers=headers)


@cache
def _read(name: str) -> bytes:
    content = resources.files(__package__).joinpath("web", name).read_bytes()
    return drawing.STYLE.encode() + content if name == "page.css" else content


def _refused(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    told = {404: "There is no such page.", 405: "Pages are read here, and nothing is written."}
    page = {"title": "Not found" if status == 404 else "Refused", "message": told.get(status, str(error))}
    response = _html("error", {**page, "every": 0, "home": ""}, status)
    response.headers.update(getattr(error, "headers", None) or {})
    return response


def _wrong(_request: Request, error: Exception) -> Response:
    """Say in one line what can't be shown: 404 for what is not there, 500 for what can't be read."""
    if isinstance(error, OSError):
        message = f"{error.filename or 'a file'}: {error.strerror or error}: give access, and load the page again"
    else:
        message = str(error)
    status = 404 if isinstance(error, InputError) else 500
    return _html("error", {"title": "This can't be shown", "message": message, "every": 0, "home": ""}, status)


def _fault(_request: Request, _error: Exception) -> Response:
    message = "A fault of sagelocal: the terminal that runs `sagelocal ui` says more."
    return _html("error", {"title": "This can't be shown", "message": message, "every": 0, "home": ""}, 500)
