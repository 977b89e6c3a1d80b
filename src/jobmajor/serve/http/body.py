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
    began = asyncio.get_running_loop().time()
    if permit.is_whole:  # nothing to wait for
        await _receive(receive, found, limits)
        permit.take_bytes(max(len(found) - permit.size_bytes, 0))
        return bytes(found)
    try:
        with permit.reading():
            while await _more(receive, found, limits, began + limits.upload_s(len(found))):
                permit.take_bytes(max(len(found) - permit.size_bytes, 0))
    except TimeoutError as error:
        raise too_slow(limits) from error
    return bytes(found)


def too_slow(limits: Limits) -> Refusal:
    """Return the refusal of a body that comes too slowly."""
    sentence = f"the body did not come within {limits.body_s:g} s, or stopped for {limits.stall_s:g} s"
    sentence += f", or came at less than {limits.upload_bytes_s:,} bytes a second"
    return Refusal(408, f"{sentence}: send it again", field="body", headers={"Connection": "close"})


def _announced(headers: Mapping[str, str], limits: Limits) -> int:
    text = headers.get("content-length", "0")
    if not (text.isascii() and text.isdigit()):  # uvicorn refuses this before the app sees it
        raise Refusal(400, "Content-Length is no number", field="Content-Length")
    if len(text) > 18 or int(text) > limits.body_bytes:
        raise _too_large(limits, "Content-Length")
    return int(text)


def _too_large(limits: Limits, field: str) -> Refusal:
    return Refusal(413, f"the body is larger than {limits.body_bytes:,} bytes: split it", field=field)


async def _more(receive: Receive, found: bytearray, limits: Limits, ends_at: float) -> bool:
    """Read the next part; return whether there is another one."""
    now = asyncio.get_running_loop().time()
    async with asyncio.timeout_at(min(now + limits.stall_s, ends_at)):
        return await _receive(receive, found, limits)


async def _receive(receive: Receive, found: bytearray, limits: Limits) -> bool:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Refusal(400, "the body ended before its announced end: send it again", field="body")
    found += message.get("body", b"")
    if len(found) > limits.body_bytes:
        raise _too_large(limits, "body")
    return bool(message.get("more_body", False))
