"""Read a request's body within limits on its size, on silence and on time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jobmajor.serve.messages.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive

    from jobmajor.serve.service.admission import Limits, Permit


async def read(receive: Receive, headers: Mapping[str, str], permit: Permit, limits: Limits) -> bytes:
    """Return the whole body. Its bytes are counted on the permit; an announced length is counted in advance.

    Raises:
        Refusal: 413 too large, 408 too slow, 400 cut off, 503 if all bodies together are too large.
    """
    announced = _announced(headers, limits)
    permit.take_bytes(announced)
    found = bytearray()
    try:
        async with asyncio.timeout(limits.body_s):
            while await _more(receive, found, limits):
                permit.take_bytes(max(len(found) - permit.size_bytes, 0))
    except TimeoutError as error:
        sentence = f"the body did not come within {limits.body_s:g} s, or stopped for {limits.stall_s:g} s"
        raise Refusal(408, f"{sentence}: send it again", field="body", headers={"Connection": "close"}) from error
    return bytes(found)


def _announced(headers: Mapping[str, str], limits: Limits) -> int:
    text = headers.get("content-length", "0")
    if not (text.isascii() and text.isdigit()):  # uvicorn refuses this before the app sees it
        raise Refusal(400, "Content-Length is no number", field="Content-Length")
    if len(text) > 18 or int(text) > limits.body_bytes:
        raise _too_large(limits, "Content-Length")
    return int(text)


def _too_large(limits: Limits, field: str) -> Refusal:
    return Refusal(413, f"the body is larger than {limits.body_bytes:,} bytes: split it", field=field)


async def _more(receive: Receive, found: bytearray, limits: Limits) -> bool:
    """Read the next part; return whether there is another one."""
    async with asyncio.timeout(limits.stall_s):
        message = await receive()
    if message["type"] == "http.disconnect":
        raise Refusal(400, "the body ended before its announced end: send it again", field="body")
    found += message.get("body", b"")
    if len(found) > limits.body_bytes:
        raise _too_large(limits, "body")
    return bool(message.get("more_body", False))
