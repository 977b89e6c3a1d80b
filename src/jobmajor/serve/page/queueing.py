"""The routes of the queue, on which several reviewers work: `/queue`, and below it take, decide, skip and undo.

They are there if the service was started with `--queue`, under the rules of `/reviews`. Where keys are set, the
reviewer is the key's name. A page names its `screen`, so that several people under one name get different titles.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from starlette.routing import Route

from jobmajor import soc
from jobmajor.errors import Error, InputError
from jobmajor.model.rules.overrides import NOT_A_JOB
from jobmajor.serve.http.middleware import CLIENT
from jobmajor.serve.messages import overrides, parsing
from jobmajor.serve.messages.parsing import CODE
from jobmajor.serve.messages.refusal import Refusal
from jobmajor.serve.messages.shapes import TITLE
from jobmajor.serve.page import reviewing

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from jobmajor.review.queue import Queue
    from jobmajor.review.records import Waiting
    from jobmajor.serve.service.service import Service

REVIEWER: Final = "reviewer"
SCREEN: Final = "screen"
_Found = TypeVar("_Found")
_log = logging.getLogger(__name__)


class _Said(NamedTuple):
    """Who asks, and the title and the code that the body names; empty if it names none."""

    queue: Queue
    reviewer: str
    title: str
    code: str


def may_review(request: Request) -> bool:
    """Return whether the one who asks may work on a queue here."""
    service: Service = request.app.state.service
    return service.options.queue is not None and service.keys.may_review(request.scope[CLIENT])


def _queue(request: Request) -> Queue:
    service: Service = request.app.state.service
    if service.options.queue is None:
        raise Refusal(403, "this service has no queue: start it with --queue", field="")
    reviewing.check(request)
    return service.options.queue


async def _said(request: Request, *needed: str) -> _Said:
    queue = _queue(request)
    name = request.scope[CLIENT]
    given = parsing.texts(await reviewing.read(request), needed, (REVIEWER, SCREEN))
    if name and given.get(REVIEWER, name) != name:
        raise Refusal(422, f"the key's name is {name!r}, the reviewer is another: leave it out", field=REVIEWER)
    reviewer = name or given.get(REVIEWER, "")
    if not reviewer:
        raise Refusal(422, "the body names no reviewer: expected 'reviewer' with your name", field=REVIEWER)
    if TITLE in needed:
        overrides.text(given[TITLE], "the title", field=TITLE)
    code = overrides.checked(given[CODE], "the body", CODE) if CODE in needed else ""
    try:
        queue = queue.at(given[SCREEN]) if given.get(SCREEN) else queue
    except InputError as error:
        raise Refusal(422, str(error), field=SCREEN) from error
    return _Said(queue, reviewer, given.get(TITLE, ""), code)


async def _done(call: Callable[[], _Found]) -> _Found:
    """Return what a call to the queue returns, from a thread: it may wait for another process's change."""
    try:
        return await asyncio.to_thread(call)
    except InputError as error:  # what is left after the checks of the body: the reviewer's name
        raise Refusal(422, str(error), field=REVIEWER) from error
    except (Error, OSError) as error:
        _log.error("the queue could not be used", extra={"event": {"why": str(error)}})
        raise Refusal(503, "the queue can't be used now: the log of the service says why", field="") from error


async def _known(said: _Said) -> Waiting:
    found = await _done(lambda: said.queue.find(said.title))
    if found is None:
        raise Refusal(422, "the queue has no such title: take one from it", field=TITLE)
    return found


def _note(request: Request, what: str, code: str = "") -> None:
    _log.info(what, extra={"event": {"client": request.scope[CLIENT], "code": code}})  # never the title


async def _progress(request: Request) -> Response:
    queue = _queue(request)
    found = await _done(queue.progress)
    return reviewing.answer({REVIEWER: request.scope[CLIENT], **found})


async def _take(request: Request) -> Response:
    said = await _said(request)
    found = await _done(lambda: said.queue.take(said.reviewer))
    return reviewing.answer({"waiting": _shown(found[0]) if found else None})


async def _decide(request: Request) -> Response:
    said = await _said(request, TITLE, CODE)
    await _known(said)
    is_new = await _done(lambda: said.queue.decide(said.title, said.code, said.reviewer))
    if is_new:
        _note(request, "kept a decision", said.code)
    return reviewing.answer({"new": is_new})


async def _skip(request: Request) -> Response:
    said = await _said(request, TITLE)
    await _known(said)
    await _done(lambda: said.queue.skip(said.title, said.reviewer))
    return reviewing.answer({"skipped": True})


async def _undo(request: Request) -> Response:
    said = await _said(request, TITLE)
    await _known(said)
    undone = await _done(lambda: said.queue.undo(said.reviewer, said.title))
    if undone is None:
        return reviewing.answer({"waiting": None})
    _note(request, "took a decision back")
    return reviewing.answer({"waiting": _shown(await _known(said))})


def _shown(waiting: Waiting) -> dict[str, Any]:
    """Return a title as an answer has it; a reason that is empty says that the title moved."""
    title = waiting.title
    return {
        TITLE: title.title,
        "rows": title.rows,
        "reason": title.reason or "moved",
        "value": title.value,
        "candidates": [
            {"label": each.label, CODE: each.label, "name": each.name, "score": each.score} for each in title.candidates
        ],
        "spellings": list(waiting.spellings),
        "said": [
            {REVIEWER: name, CODE: code, "name": "" if code == NOT_A_JOB else soc.name(code)}
            for name, code in waiting.said
        ],
    }


API = (
    Route("/queue", _progress),
    Route("/queue/take", _take, methods=["POST"]),
    Route("/queue/decide", _decide, methods=["POST"]),
    Route("/queue/skip", _skip, methods=["POST"]),
    Route("/queue/undo", _undo, methods=["POST"]),
)
