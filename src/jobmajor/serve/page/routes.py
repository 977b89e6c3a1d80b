"""What the page at `/` needs beyond `/invocations`: its own files, why a title gets its code, a workbook as CSV.

Its two routes are open to every client and stand in the OpenAPI: the page can do nothing that others can't.
"""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from fastapi import Request  # noqa: TC002 - FastAPI reads the routes' annotations
from starlette.responses import Response, StreamingResponse

from jobmajor.data import similar
from jobmajor.model import explain
from jobmajor.serve.http import body
from jobmajor.serve.http.door import MODEL_HEADER, TICKET
from jobmajor.serve.messages import media, parsing, rendering
from jobmajor.serve.messages.refusal import Refusal
from jobmajor.serve.messages.wanted import HEADER, Wanted, attributes
from jobmajor.serve.page import assets, openapi, spreadsheet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fastapi import FastAPI

    from jobmajor.serve.service.champion import Served
    from jobmajor.serve.service.service import Service

_DIGITS = 6
_NEAR = 5  # similar titles
_SHEETS_HEADER = "x-jobmajor-sheets"


class Desk:
    """Where what is not scoring is done, beside the event loop: one thing of each kind at a time, others wait."""

    def __init__(self) -> None:
        self.words = ThreadPoolExecutor(1, "words")
        self.workbooks = ThreadPoolExecutor(1, "workbooks")

    def close(self) -> None:
        """Finish what was begun."""
        self.words.shutdown()
        self.workbooks.shutdown()


def add(app: FastAPI) -> None:
    """The page's routes."""

    @app.post("/explain", tags=["titles"], **openapi.EXPLAIN)
    async def explained(request: Request) -> Response:
        """Say what each word of a title is worth to its code: how much the code's score falls without the word."""
        return await _explained(request, request.app.state.service, request.app.state.desk)

    @app.post("/tables", tags=["tables"], **openapi.TABLES)
    async def table(request: Request) -> Response:
        """Turn a sheet of an .xlsx workbook into CSV, as it stands: nothing is kept."""
        return await _table(request, request.app.state.service, request.app.state.desk)

    for path in assets.PATHS:
        app.add_api_route(path, _sent, methods=["GET", "HEAD"], include_in_schema=False)


async def _sent(request: Request) -> Response:
    found = assets.read(request.scope["path"])
    if assets.is_known(found.tag, request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=found.headers)
    return Response(found.content, headers=found.headers)


async def _explained(request: Request, service: Service, desk: Desk) -> Response:
    limits, ticket = service.options.limits, request.scope[TICKET]
    if media.of_request(request.headers).kind != media.JSON:
        raise Refusal(415, f"Content-Type is another format: expected {media.JSON}", field="Content-Type")
    wanted = service.options.wanted.changed(attributes(request.headers.get(HEADER, "")), "the header")
    wanted = wanted.changed(dict(request.query_params), "the query")
    content = await body.read(request.receive, request.headers, ticket, limits)
    title, parameters = parsing.title(content)
    wanted = wanted.changed(parameters, "'parameters'")
    ticket.take_answers(explain.MOST_WORDS + 1, len(wanted.levels))
    served = service.champion.served
    found = await _beside(desk.words, limits.answer_s, lambda: _words(served, title, wanted))
    request.scope["jobmajor.told"] = {"titles": 1, "model": served.digest[:12]}
    return _json(found, served)


async def _beside(pool: ThreadPoolExecutor, limit_s: float, call: Callable[[], Any]) -> Any:
    """What a call gives; one that waits is given up with its client, one that was begun is finished."""
    try:
        async with asyncio.timeout(limit_s):
            return await asyncio.get_running_loop().run_in_executor(pool, call)
    except TimeoutError as error:
        sentence = "the answer was not ready in time: try again in a second"
        raise Refusal(503, sentence, field="body", headers={"Retry-After": "1"}) from error


def _words(served: Served, title: str, wanted: Wanted) -> dict[str, Any]:
    found = [served.classifier.explain(title, level, exact=wanted.exact) for level in wanted.levels]
    return {
        "read": found[0].read,
        "levels": [
            {
                "level": level,
                "label": each.label,
                "name": each.name,
                "score": round(each.score, _DIGITS),
                "source": each.source,
                "words": [{"word": word.text, "worth": round(word.worth, _DIGITS)} for word in each.words],
            }
            for level, each in zip(wanted.levels, found, strict=True)
        ],
        "similar": [
            {"title": each.title, "codes": list(each.codes), "alike": round(each.alike, _DIGITS)}
            for each in similar.starter().find(title, _NEAR)
        ],
        "model": served.digest,
    }


def _json(found: Mapping[str, Any], served: Served) -> Response:
    content = json.dumps(found, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    headers = {"content-type": media.JSON, "cache-control": "no-store", MODEL_HEADER.decode(): served.digest}
    return Response(content, headers=headers)


async def _table(request: Request, service: Service, desk: Desk) -> Response:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != spreadsheet.TYPE:
        raise Refusal(415, f"Content-Type is another format: expected {spreadsheet.TYPE}", field="Content-Type")
    unknown = [name for name in request.query_params if name != "sheet"]
    if unknown:
        raise Refusal(422, "the query has an unknown name: expected 'sheet'", field="the query")
    limits, sheet = service.options.limits, request.query_params.get("sheet")
    content = await body.read(request.receive, request.headers, request.scope[TICKET], limits)
    found = await _beside(desk.workbooks, limits.answer_s, lambda: spreadsheet.to_csv(content, sheet))
    headers = {
        "content-type": f"{media.CSV}; charset=utf-8",
        "cache-control": "no-store",
        _SHEETS_HEADER: json.dumps({"sheet": found.sheet, "sheets": found.sheets}),  # of ASCII signs alone
    }
    return StreamingResponse(rendering.pieces(found.csv), headers=headers)
