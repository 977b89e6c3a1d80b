"""The service as an ASGI app: routes, and what its OpenAPI says of them. `server` runs it, and so can any other server.

Titles and options are read by our own code, not by the framework's validation, which echoes what it refuses: half of
a surrogate pair in an echo can't be encoded, and would make a 500 of a 422.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse

import jobmajor
from jobmajor import soc
from jobmajor.serve.http import body
from jobmajor.serve.http.door import MODEL_HEADER, TICKET, Door
from jobmajor.serve.messages import media, parsing, rendering
from jobmajor.serve.messages.refusal import Refusal
from jobmajor.serve.messages.wanted import HEADER, attributes
from jobmajor.serve.page import docs as pages
from jobmajor.serve.page import openapi, routes
from jobmajor.serve.service import metrics
from jobmajor.serve.service.scorer import SLICE, Job

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping

    from jobmajor.serve.messages.wanted import Wanted
    from jobmajor.serve.service.admission import Ticket
    from jobmajor.serve.service.service import Service

_LARGE = 2**16  # bytes of a body, from which it is parsed beside the event loop
_USUAL_TITLES_IN_MB = 45_000  # of 23 bytes, as O*NET's are
_MOST_MB, _MOST_AT_ONCE = 6, 8


class _Plain(APIRoute):
    """A route whose function takes the request and gives the answer: nothing is read or checked on the way to it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The function itself."""
        return self.endpoint


def create(service: Service) -> FastAPI:
    """The app; it starts and stops the service's scorer, and looks for another champion while it runs."""

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        service.scorer.start()
        watching = asyncio.create_task(service.watch())
        yield
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        await asyncio.to_thread(service.scorer.stop)
        desk.close()

    desk = routes.Desk()
    app = FastAPI(
        title="jobmajor",
        version=jobmajor.__version__,
        description=openapi.DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=life,
    )
    app.router.route_class = _Plain
    app.state.service, app.state.desk = service, desk
    app.add_middleware(Door, service=service)
    app.add_exception_handler(HTTPException, _plain)
    _add_model(app)
    routes.add(app)
    _add_watching(app)
    _add_pages(app)
    return app


def _service(request: Request) -> Service:
    found: Service = request.app.state.service
    return found


async def _plain(_: Request, error: Exception) -> Response:
    """A path or method that is not there, in the form of our refusals."""
    status = getattr(error, "status_code", 500)
    sentence = {404: "there is no such path: see /docs", 405: "the path has no such method: see /docs"}
    refusal = Refusal(status, sentence.get(status, "the request can't be answered"))
    return Response(refusal.to_bytes(), status, getattr(error, "headers", None), "application/json")


def _add_model(app: FastAPI) -> None:
    @app.post("/invocations", tags=["titles"], **openapi.INVOCATIONS)
    async def invocations(request: Request) -> Response:
        """Give titles their SOC codes, best first, with how sure each is and whether a person should look."""
        return await _answered(request, _service(request), request.scope[TICKET])

    @app.get("/execution-parameters", tags=["titles"], **openapi.refusable(openapi.EXECUTION))
    async def execution_parameters(request: Request) -> JSONResponse:
        """What a SageMaker batch transform may send: how large, and how many at once."""
        return JSONResponse(_transform(_service(request)))


def _transform(service: Service) -> dict[str, Any]:
    """As much as is let in of usual titles: a transform doesn't come again after a 413 or a 503."""
    limits, wanted = service.options.limits, service.options.wanted
    each = _USUAL_TITLES_IN_MB * len(wanted.levels) * wanted.top_k
    size = min(max(limits.answers // each, 1), _MOST_MB)
    most = min(max(limits.all_answers // (each * size), 1), _MOST_AT_ONCE)
    return {"MaxConcurrentTransforms": most, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": size}


def _add_watching(app: FastAPI) -> None:
    @app.get("/ping", tags=["health"], **openapi.PING)
    async def ping(request: Request) -> JSONResponse:
        """Whether requests should be sent here: 503 from the moment that the service is told to end."""
        is_draining = _service(request).is_draining
        return JSONResponse({"status": "draining" if is_draining else "ok"}, 503 if is_draining else 200)

    app.add_api_route("/ping", ping, methods=["HEAD"], include_in_schema=False)

    @app.get("/version", tags=["health"], **openapi.refusable(openapi.VERSION))
    async def version(request: Request) -> JSONResponse:
        """The package's version, and which model answers."""
        served = _service(request).champion.served
        levels = {level: len(served.classifier.classes(level)) for level in soc.LEVELS}
        found = {"version": jobmajor.__version__, "model": served.digest, "codes": levels, "lineage": served.lineage}
        return JSONResponse(found)

    @app.get("/metrics", tags=["health"], response_class=PlainTextResponse, **openapi.METRICS)
    async def counts(request: Request) -> Response:
        """Counts for Prometheus."""
        service = _service(request)
        text = service.metrics.text(service.champion, service.admission)
        return Response(text, headers={"content-type": metrics.CONTENT_TYPE})


def _add_pages(app: FastAPI) -> None:
    @app.get("/docs", include_in_schema=False)
    async def docs(_: Request) -> HTMLResponse:
        return HTMLResponse(pages.render(app.openapi(), is_live=True), headers=pages.HEADERS)

    @app.get("/redoc", include_in_schema=False)
    async def redoc(_: Request) -> HTMLResponse:
        return HTMLResponse(pages.render(app.openapi(), is_live=False), headers=pages.HEADERS)


async def _answered(request: Request, service: Service, ticket: Ticket) -> Response:
    given = media.of_request(request.headers)
    kind = media.of_answer(request.headers.get("accept"), given.kind)
    wanted = _wanted(request, service.options.wanted)
    limits = service.options.limits
    content = await body.read(request.receive, request.headers, ticket, limits)
    titles, parameters = await _parsed(content, given)
    wanted = wanted.changed(parameters, "'parameters'")
    ticket.take_answers(len(titles), len(wanted.levels) * wanted.top_k)
    job = Job(titles, wanted, kind, service.champion.served)
    parts = await _scored(request, service, job)
    request.scope["jobmajor.told"] = {"titles": len(titles), "model": job.served.digest[:12]}
    has_header = given.has_header or given.kind != media.CSV
    whole = rendering.framed(parts, wanted, kind, model=job.served.digest, has_header=has_header)
    return _response(whole, kind, job.served.digest)


def _wanted(request: Request, default: Wanted) -> Wanted:
    found = default.changed(attributes(request.headers.get(HEADER, "")), "the header for custom attributes")
    return found.changed(dict(request.query_params), "the query")


async def _parsed(content: bytes, given: media.Media) -> tuple[list[str], Mapping[str, Any]]:
    if len(content) < _LARGE:
        return parsing.titles(content, given)
    return await asyncio.to_thread(parsing.titles, content, given)


async def _scored(request: Request, service: Service, job: Job) -> list[bytes]:
    """The answers, slice by slice; a long job ends when its client is gone."""
    if job.is_short:
        return await service.scorer.score(job)
    scoring = asyncio.ensure_future(service.scorer.score(job))
    waited: set[asyncio.Future[Any]] = {scoring}
    if len(job.titles) > SLICE:
        waited.add(asyncio.ensure_future(request.receive()))  # the body has been read: only the end can come
    try:
        await asyncio.wait(waited, timeout=service.options.limits.answer_s, return_when=asyncio.FIRST_COMPLETED)
        if scoring.done():
            return scoring.result()
    finally:
        for each in waited:
            each.cancel()
    sentence = "the titles were not scored in time: send fewer, or try again in a second"
    raise Refusal(503, sentence, field="body", headers={"Retry-After": "1"})


def _response(whole: bytes, kind: str, model: str) -> Response:
    headers = {
        "content-type": f"{kind}; charset=utf-8" if kind == media.CSV else kind,
        "content-length": str(len(whole)),
        "cache-control": "no-store",
        MODEL_HEADER.decode(): model,
    }
    if len(whole) <= rendering.PIECE:
        return Response(whole, headers=headers)
    return StreamingResponse(rendering.pieces(whole), headers=headers)
