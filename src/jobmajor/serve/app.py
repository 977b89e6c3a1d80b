"""The service as an ASGI app: its routes, its lifespan and what its OpenAPI document says of them.

`server` runs it, and so can any other ASGI server. Our own code reads bodies and parameters. A framework's validation
would echo what it refuses, and half of a surrogate pair in an echo can't be encoded: it would turn a 422 into a 500.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from importlib import metadata
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from jobmajor.errors import Error
from jobmajor.model.contextual import joined
from jobmajor.registry import loading, origin
from jobmajor.serve.http import body
from jobmajor.serve.http.middleware import LOG_FIELDS, PERMIT, Direct, Paths, RequestMiddleware, of_model
from jobmajor.serve.messages import media, parsing, rendering, shapes
from jobmajor.serve.messages.parameters import ATTRIBUTES_HEADER, of_request
from jobmajor.serve.messages.refusal import Refusal
from jobmajor.serve.page import docs, openapi, queueing, reviewing, routes
from jobmajor.serve.service import metrics
from jobmajor.serve.service.batcher import SLICE, Job
from jobmajor.serve.service.capturing import Taken
from jobmajor.soc import chosen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from starlette.requests import Request

    from jobmajor.serve.service.admission import Permit
    from jobmajor.serve.service.champion import LoadedModel
    from jobmajor.serve.service.service import Service

_LARGE = 2**16  # bytes of a body, from which it is parsed in a thread, so that the event loop stays free
_USUAL_TITLES_IN_MB = 45_000  # of 23 bytes, as O*NET's are
_MOST_MB, _MOST_AT_ONCE = 6, 8
_SAMPLED = "jobmajor.sampled"  # key of a request's scope: the body of a request that is captured
_VERSION = metadata.version("jobmajor")
_log = logging.getLogger(__name__)


def create(service: Service) -> Starlette:
    """Return the app. While it runs, it runs the service's batcher and looks for a new champion."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        service.batcher.start()
        beside = [each for each in (service.capture, service.shadow) if each]
        for each in beside:
            each.start()
        watching = asyncio.create_task(service.watch())
        yield
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        await asyncio.to_thread(service.batcher.stop)
        for each in beside:
            await asyncio.to_thread(each.stop)
        app.state.workers.close()

    app = Starlette(
        routes=ROUTES,
        middleware=[
            Middleware(RequestMiddleware, service=service, paths=PATHS),
            Middleware(Direct, path="/invocations", handler=_invocations),
        ],
        exception_handlers={HTTPException: _refuse},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.service, app.state.workers = service, routes.Workers()
    return app


def _service(request: Request) -> Service:
    found: Service = request.app.state.service
    return found


async def _refuse(_: Request, error: Exception) -> Response:
    """Return a refusal in our form for a path or method that does not exist."""
    status = getattr(error, "status_code", 500)
    sentence = {404: "there is no such path: see /docs", 405: "the path has no such method: see /docs"}
    refusal = Refusal(status, sentence.get(status, "the request can't be answered"))
    return Response(refusal.to_bytes(), status, getattr(error, "headers", None), "application/json")


async def _invocations(request: Request) -> Response:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(request.scope["headers"])}
    given = media.of_request(headers)
    kind = media.of_answer(headers.get("accept"), given.kind)
    job = await _job(request, headers, given, kind)
    if shadow := _service(request).shadow:
        shadow.watch(job)
    parts = await _scored(request, _service(request), job)
    request.scope[LOG_FIELDS] = {"titles": len(job.titles), "model": job.served.digest[:12]}
    has_header = given.has_header or given.kind != media.CSV
    whole = rendering.framed(parts, job.parameters, kind, model=job.served.digest, has_header=has_header)
    if (capture := _service(request).capture) and (sent := request.scope.get(_SAMPLED)) is not None:
        capture.take(Taken(sent, headers["content-type"], headers.get(ATTRIBUTES_HEADER, ""), job, whole))
    if shadow:
        shadow.take(job)
    return _response(whole, kind, job.served)


async def _job(request: Request, headers: Mapping[str, str], sent: media.Media, kind: str) -> Job:
    """Return what the request asks for, after it is counted against the limits."""
    service = _service(request)
    permit: Permit = request.scope[PERMIT]
    query = request.query_params if request.scope["query_string"] else {}
    parameters = of_request(service.options.defaults, headers, query)
    content = await body.read(request.receive, headers, permit, service.options.limits)
    if service.capture and service.capture.is_drawn():
        request.scope[_SAMPLED] = content
    given = await _parsed(content, sent)
    parameters = parameters.updated(given.parameters, "'parameters'")
    permit.take_answers(len(given.titles), len(parameters.levels) * parameters.top_k)
    served = service.champion.served.with_overrides(given.overrides)
    if given.contexts is None:
        return Job(given.titles, parameters, kind, served)
    if served.classifier.context is None:
        sentence = "'context' was given, but the model has learned none: leave it out"
        raise Refusal(422, sentence, field=shapes.CONTEXT)
    return Job(joined(given.titles, given.contexts), parameters, kind, served, is_contextual=True)


async def _parsed(content: bytes, given: media.Media) -> parsing.Instances:
    if len(content) < _LARGE:
        return parsing.instances(content, given)
    return await asyncio.to_thread(parsing.instances, content, given)


async def _scored(request: Request, service: Service, job: Job) -> list[bytes | rendering.Packed]:
    """Return the answers, slice by slice. A long job is abandoned when its client disconnects."""
    if job.is_short:
        return await service.batcher.score(job)
    scoring = asyncio.ensure_future(service.batcher.score(job))
    waited: set[asyncio.Future[Any]] = {scoring}
    if len(job.titles) > SLICE:
        waited.add(asyncio.ensure_future(request.receive()))  # the body has been read: only a disconnect can come
    try:
        await asyncio.wait(waited, timeout=service.options.limits.answer_s, return_when=asyncio.FIRST_COMPLETED)
        if scoring.done():
            return scoring.result()
    finally:
        for each in waited:
            each.cancel()
    sentence = "the titles were not scored in time: send fewer, or try again in a second"
    raise Refusal(503, sentence, field="body", headers={"Retry-After": "1"})


def _response(parts: list[bytes | rendering.Packed], kind: str, served: LoadedModel) -> Response:
    size = sum(map(len, parts))
    headers = {
        "content-type": f"{kind}; charset=utf-8" if kind == media.CSV else kind,
        "content-length": str(size),
        "cache-control": "no-store",
        **of_model(served),
    }
    if size <= rendering.CHUNK_BYTES:
        return Response(b"".join(piece for part in parts for piece in rendering.unpacked(part)), headers=headers)
    return StreamingResponse(rendering.chunks(parts), headers=headers)


async def _execution_parameters(request: Request) -> JSONResponse:
    """Return what a batch transform may send: as much as the limits let in of usual titles.

    A transform doesn't try again after a 413 or a 503.
    """
    options = _service(request).options
    limits, defaults = options.limits, options.defaults
    each = _USUAL_TITLES_IN_MB * len(defaults.levels) * defaults.top_k
    size = min(max(limits.answers // each, 1), _MOST_MB)
    most = min(max(limits.all_answers // (each * size), 1), limits.share_bytes // (size * 2**20), _MOST_AT_ONCE)
    return JSONResponse({"MaxConcurrentTransforms": most, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": size})


async def _ping(request: Request) -> JSONResponse:
    is_draining = _service(request).is_draining
    return JSONResponse({"status": "draining" if is_draining else "ok"}, 503 if is_draining else 200)


async def _version(request: Request) -> JSONResponse:
    served = _service(request).champion.served
    levels = {level: len(served.classifier.classes(level)) for level in chosen.now().levels}
    has_context = served.classifier.context is not None
    found = {
        "version": _VERSION,
        "model": served.digest,
        "codes": levels,
        "classification": chosen.now().outline(),
        "lineage": served.lineage,
        "context": has_context,
        "prior": served.prior,
        "classes": served.classes,
        "reviews": reviewing.may_keep(request),
        "queue": queueing.may_review(request),
        "schema": rendering.SCHEMA,
    }
    return JSONResponse(found)


async def _lineage(request: Request) -> JSONResponse:
    served = _service(request).champion.served
    if served.made is None or served.home is None:
        return JSONResponse({"model": served.digest, "lineage": {}, "facts": []})
    try:
        found = await asyncio.to_thread(loading.origin_of, served.made, served.home)
    except Error as error:
        _log.error("the lineage could not be read", extra={"event": {"why": str(error)}})
        raise Refusal(503, "the lineage can't be read now: the log of the service says why", field="") from error
    facts = [{"name": name, "value": value} for name, value in origin.told(found)]
    return JSONResponse({"model": served.digest, "lineage": found, "facts": facts})


async def _metrics(request: Request) -> Response:
    service = _service(request)
    text = service.metrics.text(service.champion, service.admission)
    return Response(text, headers={"content-type": metrics.CONTENT_TYPE})


async def _openapi(_: Request) -> JSONResponse:
    return JSONResponse(openapi.document(_VERSION))


async def _docs(request: Request) -> HTMLResponse:
    is_live = request.scope["path"].endswith("/docs")  # the query may be no text
    return HTMLResponse(docs.render(openapi.document(_VERSION), is_live=is_live), headers=docs.HEADERS)


_PUBLIC = (Route("/ping", _ping), Route("/openapi.json", _openapi), Route("/docs", _docs), Route("/redoc", _docs))
ROUTES = (
    Route("/invocations", _invocations, methods=["POST"]),
    *_PUBLIC,
    Route("/execution-parameters", _execution_parameters),
    Route("/version", _version),
    Route("/lineage", _lineage),
    Route("/metrics", _metrics),
    *routes.API,
    *reviewing.API,
    *queueing.API,
    *routes.FILES,
)
PATHS = Paths(
    paths=frozenset(route.path for route in ROUTES),
    public=frozenset(route.path for route in (*_PUBLIC, *routes.FILES)),
)
