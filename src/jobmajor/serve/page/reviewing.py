"""The routes that a review needs beside `/invocations`: `/normalise`, `/codes`, `/classification` and `/reviews`.

`/reviews` is the only one that changes anything. It is there if the service was started with a file for choices,
answers to the page of this service only, and where keys are set, to keys that are marked for it.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

from starlette.responses import Response
from starlette.routing import Route

from jobmajor import soc
from jobmajor.errors import Error
from jobmajor.review import taxonomy
from jobmajor.serve.http import body
from jobmajor.serve.http.middleware import CLIENT, LOG_FIELDS, PERMIT
from jobmajor.serve.messages import media, parsing
from jobmajor.serve.messages.refusal import Refusal
from jobmajor.soc import chosen
from jobmajor.titles import normalise

if TYPE_CHECKING:
    from starlette.requests import Request

    from jobmajor.serve.service.service import Service

_LONGEST_SEARCH = 200  # characters
_SITE, _ORIGIN = "sec-fetch-site", "origin"
_log = logging.getLogger(__name__)


def may_keep(request: Request) -> bool:
    """Return whether the service keeps choices for the one who asks."""
    service: Service = request.app.state.service
    return service.champion.reviews is not None and service.keys.may_review(request.scope[CLIENT])


async def read(request: Request) -> bytes:
    """Return a body of JSON, counted against the limits."""
    media.require(request.headers, media.JSON)
    limits = request.app.state.service.options.limits
    return await body.read(request.receive, request.headers, request.scope[PERMIT], limits)


async def _normalise(request: Request) -> Response:
    titles = parsing.titles(await read(request))
    request.scope[PERMIT].take_answers(len(titles), 1)
    texts = await asyncio.to_thread(lambda: [normalise(title) for title in titles])
    request.scope[LOG_FIELDS] = {"titles": len(titles)}
    return answer({"texts": texts})


async def _codes(request: Request) -> Response:
    unknown = [name for name in request.query_params if name != "search"]
    text = request.query_params.get("search", "")
    if unknown or not text.strip() or len(text) > _LONGEST_SEARCH:
        expected = f"expected 'search' with 1 to {_LONGEST_SEARCH} characters: words of a name or the start of a code"
        raise Refusal(422, f"the query has something else: {expected}", field="the query")
    found = taxonomy.search(text)
    return answer({"codes": [{"code": code, "name": soc.name(code), "level": _level(code)} for code in found]})


def _level(code: str) -> str:
    """Return the level of a code, of those that differ."""
    levels, level = chosen.now().levels, soc.parse(code).level
    return level if level in levels else levels[-1]


async def _classification(request: Request) -> Response:
    if request.query_params:
        raise Refusal(422, "the query has something: expected none", field="the query")
    codes = [
        {"code": code, "name": entry.title, "level": _level(code), "group": soc.ancestor(code, "major")}
        for code, entry in soc.table().items()
    ]
    return answer({**chosen.now().outline(), "codes": codes})


async def _reviews(request: Request) -> Response:
    service: Service = request.app.state.service
    if service.champion.reviews is None:
        raise Refusal(403, "this service keeps no choices: start it with --reviews FILE", field="")
    check(request)
    title, code = parsing.choice(await read(request))
    try:
        before = await asyncio.to_thread(service.champion.keep, title, code)
    except (Error, OSError) as error:
        _log.error("a choice was not kept", extra={"event": {"why": type(error).__name__}})
        raise Refusal(503, "the choice was not kept: the log of the service says why", field="") from error
    event = {"client": request.scope[CLIENT], "code": code or "", "before": before or ""}  # never the title
    _log.info("kept a choice", extra={"event": event})
    return answer({"code": code, "before": before})


def check(request: Request) -> None:
    """Raise unless the request's key may review, and no page of another site asks.

    A browser says with each request to change something where it comes from. Other programs need not.
    Source: https://owasp.org/www-community/attacks/csrf (verifying the origin); https://www.w3.org/TR/fetch-metadata/
    """
    service: Service = request.app.state.service
    if not service.keys.may_review(request.scope[CLIENT]):
        sentence = "this key may not review: make one with --new-key NAME --may-review"
        raise Refusal(403, sentence, field="Authorization")
    site, origin = request.headers.get(_SITE), request.headers.get(_ORIGIN)
    is_own = site == "same-origin" if site else origin is None or _host(origin) == request.headers.get("host", "")
    if not is_own:
        raise Refusal(
            403, "the request comes from a page of another site: open this service's own page", field="Origin"
        )


def _host(origin: str) -> str:
    return origin.partition("://")[2]


def answer(found: dict[str, Any]) -> Response:
    """Return an answer in JSON that nobody stores."""
    content = json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Response(content, headers={"content-type": media.JSON, "cache-control": "no-store"})


API = (
    Route("/normalise", _normalise, methods=["POST"]),
    Route("/codes", _codes),
    Route("/classification", _classification),
    Route("/reviews", _reviews, methods=["POST"]),
)
