"""The routes that the page at `/` needs beside `/invocations`: its files, `/explain` and `/tables`.

`/explain` says why a title gets its code, `/tables` turns a workbook into CSV. Both are part of the API and described
in its OpenAPI document: the page can do nothing that another client can't.
"""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from jobmajor.data import similar
from jobmajor.model import explain
from jobmajor.serve.http import body
from jobmajor.serve.http.middleware import LOG_FIELDS, PERMIT, of_model
from jobmajor.serve.messages import media, parsing, rendering
from jobmajor.serve.messages.parameters import of_request
from jobmajor.serve.messages.refusal import Refusal
from jobmajor.serve.page import assets, spreadsheet
from jobmajor.soc import chosen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from jobmajor.serve.messages.parameters import RequestParameters
    from jobmajor.serve.service.champion import LoadedModel
    from jobmajor.serve.service.service import Service

_DIGITS = 6
_SIMILAR_TITLES = 5
_SHEETS_HEADER = "x-jobmajor-sheets"


class Workers:
    """Threads for work that is no scoring, so that the event loop stays free: one thread to each kind of work."""

    def __init__(self) -> None:
        self.explanations = ThreadPoolExecutor(1, "explanations")
        self.workbooks = ThreadPoolExecutor(1, "workbooks")

    def close(self) -> None:
        """Finish the work that has begun, and end the threads."""
        self.explanations.shutdown()
        self.workbooks.shutdown()


async def _file(request: Request) -> Response:
    found = assets.read(request.scope["path"])
    if assets.is_cached(found.tag, request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=found.headers)
    return Response(found.content, headers=found.headers)


async def _explain(request: Request) -> Response:
    service: Service = request.app.state.service
    limits, permit = service.options.limits, request.scope[PERMIT]
    media.require(request.headers, media.JSON)
    parameters = of_request(service.options.defaults, request.headers, request.query_params)
    content = await body.read(request.receive, request.headers, permit, limits)
    title, given = parsing.title(content)
    parameters = parameters.updated(given, "'parameters'")
    if parameters.target:
        raise Refusal(422, f"'to' is {parameters.to}: an explanation is in soc-2018, leave it out", field="to")
    permit.take_answers(explain.MOST_TEXTS, len(parameters.levels))
    served, pool = service.champion.served, request.app.state.workers.explanations
    found = await _in_thread(pool, limits.answer_s, lambda: _explanation(served, title, parameters))
    request.scope[LOG_FIELDS] = {"titles": 1, "model": served.digest[:12]}
    return _json(found, served)


async def _in_thread(pool: ThreadPoolExecutor, limit_s: float, call: Callable[[], Any]) -> Any:
    """Return what a call returns. A call that still waits ends with its client; one that has begun is finished."""
    try:
        async with asyncio.timeout(limit_s):
            return await asyncio.get_running_loop().run_in_executor(pool, call)
    except TimeoutError as error:
        sentence = "the answer was not ready in time: try again in a second"
        raise Refusal(503, sentence, field="body", headers={"Retry-After": "1"}) from error


def _explanation(served: LoadedModel, title: str, parameters: RequestParameters) -> dict[str, Any]:
    found = [
        served.classifier.explain(title, level, overrides=served.overrides, exact=parameters.exact)
        for level in parameters.levels
    ]
    return {
        "read": found[0].read,
        "levels": [
            {
                "level": level,
                "label": each.label,
                "code": each.label,
                "name": each.name,
                "score": round(each.score, _DIGITS),
                "base": round(each.base, _DIGITS),
                "answer": round(each.answer, _DIGITS),
                "source": each.source,
                "words": [{"word": word.text, "worth": round(word.worth, _DIGITS)} for word in each.words],
            }
            for level, each in zip(parameters.levels, found, strict=True)
        ],
        "listed": [
            {
                "code": each.code,
                "sources": each.sources,
                "official": each.official,
                "model": round(each.model, _DIGITS),
                "share": round(each.share, _DIGITS),
            }
            for each in found[0].listed
        ],
        "similar": [
            {"title": each.title, "codes": list(each.codes), "alike": round(each.alike, _DIGITS)}
            for each in (similar.starter().find(title, _SIMILAR_TITLES) if chosen.now().is_soc else ())
        ],
        "model": served.digest,
        "schema": rendering.SCHEMA,
    }


def _json(found: Mapping[str, Any], served: LoadedModel) -> Response:
    content = json.dumps(found, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    headers = {"content-type": media.JSON, "cache-control": "no-store", **of_model(served)}
    return Response(content, headers=headers)


async def _table(request: Request) -> Response:
    media.require(request.headers, media.WORKBOOK)
    unknown = [name for name in request.query_params if name != "sheet"]
    if unknown:
        raise Refusal(422, "the query has an unknown name: expected 'sheet'", field="the query")
    service: Service = request.app.state.service
    limits, sheet = service.options.limits, request.query_params.get("sheet")
    content = await body.read(request.receive, request.headers, request.scope[PERMIT], limits)
    pool = request.app.state.workers.workbooks
    found = await _in_thread(pool, limits.answer_s, lambda: spreadsheet.to_csv(content, sheet))
    headers = {
        "content-type": f"{media.CSV}; charset=utf-8",
        "cache-control": "no-store",
        _SHEETS_HEADER: json.dumps({"sheet": found.sheet, "sheets": found.sheets}),  # json.dumps writes ASCII only
    }
    return StreamingResponse(rendering.chunks([found.csv]), headers=headers)


API = (Route("/explain", _explain, methods=["POST"]), Route("/tables", _table, methods=["POST"]))
FILES = tuple(Route(path, _file) for path in assets.PATHS)
