from __future__ import annotations

import asyncio
import json

from jobmajor.serve.messages import rendering
from jobmajor.serve.messages.media import JSON
from jobmajor.serve.messages.parameters import RequestParameters

LARGE = json.dumps([{"label": "29-0000", "name": "Healthcare", "score": number} for number in range(200_000)]).encode()


async def _collected(parts: list[bytes | rendering.Packed]) -> list[bytes]:
    return [chunk async for chunk in rendering.chunks(parts)]


def test_large_part_waits_compressed_and_leaves_as_it_was() -> None:
    part = rendering.packed(LARGE)

    chunks = asyncio.run(_collected([b"[", part, b"]"]))

    assert isinstance(part, rendering.Packed)
    assert len(part) == len(LARGE)
    assert len(part.data) < len(LARGE) / 5
    assert b"".join(chunks) == b"[" + LARGE + b"]"


def test_only_a_chunk_of_a_part_is_unpacked_at_a_time() -> None:
    part = rendering.packed(LARGE)

    assert isinstance(part, rendering.Packed)
    assert max(map(len, part.pieces())) <= rendering.CHUNK_BYTES
    assert max(map(len, asyncio.run(_collected([part, part])))) <= rendering.CHUNK_BYTES


def test_small_part_is_kept_as_it_is() -> None:
    assert rendering.packed(b"[1]") == b"[1]"


def test_parts_are_framed_as_one_json_object() -> None:
    parts: list[bytes | rendering.Packed] = [b"[1]", rendering.packed(LARGE), b"[2]"]

    framed = rendering.framed(parts, RequestParameters(), JSON, model="m", has_header=True)

    found = json.loads(b"".join(asyncio.run(_collected(framed))))
    assert (found["predictions"][0], found["predictions"][2], found["model"]) == ([1], [2], "m")
    assert sum(map(len, framed)) == len(b"".join(asyncio.run(_collected(framed))))
    no_titles = rendering.framed([], RequestParameters(), JSON, model="m", has_header=True)
    assert json.loads(b"".join(asyncio.run(_collected(no_titles))))["predictions"] == []
