"""Digests of texts, compiled: what `listed` keeps titles and words by, for large batches.

`hashlib` stays the rule; a test holds this file to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jobmajor.jit import entry, inner

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobmajor.tables.packed import Bytes

    Hashes = NDArray[np.uint64]

# BLAKE2b. Source: RFC 7693, sections 2.6, 2.7, 3.1 and 3.2; the parameters are those of a digest of 8 bytes, no key.
_BLOCK_BYTES, _ROUNDS = 128, 12
_ALL, _PARAMETERS = np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0x01010008)
_START = np.array(
    [
        0x6A09E667F3BCC908,
        0xBB67AE8584CAA73B,
        0x3C6EF372FE94F82B,
        0xA54FF53A5F1D36F1,
        0x510E527FADE682D1,
        0x9B05688C2B3E6C1F,
        0x1F83D9ABFB41BD6B,
        0x5BE0CD19137E2179,
    ],
    np.uint64,
)
_ORDER = np.array(
    [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
        [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
        [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
        [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
        [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
        [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
        [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
        [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
        [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
    ]
)


class Scratch(NamedTuple):
    """Room for one digest at a time."""

    state: Hashes
    block: Hashes


def scratch() -> Scratch:
    """For one thread."""
    return Scratch(np.empty(8, np.uint64), np.empty(16, np.uint64))


@inner
def _turned(value: Any, count: int) -> Any:
    return (value >> np.uint64(count)) | (value << np.uint64(64 - count))


@inner
def _mix(a: Any, b: Any, c: Any, d: Any, added: tuple[Any, Any]) -> Any:
    """The RFC's G."""
    a = a + b + added[0]
    d = _turned(d ^ a, 32)
    c = c + d
    b = _turned(b ^ c, 24)
    a = a + b + added[1]
    d = _turned(d ^ a, 16)
    c = c + d
    return a, _turned(b ^ c, 63), c, d


@inner
def _pair(block: Hashes, turn: int, place: int) -> tuple[Any, Any]:
    return block[_ORDER[turn, 2 * place]], block[_ORDER[turn, 2 * place + 1]]


@inner
def _compress(state: Hashes, block: Hashes, length: int, last: Any) -> None:
    """The RFC's F; `last` has all bits where the block is the last one."""
    v0, v1, v2, v3, v4, v5, v6, v7 = state
    v8, v9, va, vb, vc, vd, ve, vf = _START
    vc, ve = vc ^ np.uint64(length), ve ^ last
    for turn in range(_ROUNDS):
        order = turn % 10
        v0, v4, v8, vc = _mix(v0, v4, v8, vc, _pair(block, order, 0))
        v1, v5, v9, vd = _mix(v1, v5, v9, vd, _pair(block, order, 1))
        v2, v6, va, ve = _mix(v2, v6, va, ve, _pair(block, order, 2))
        v3, v7, vb, vf = _mix(v3, v7, vb, vf, _pair(block, order, 3))
        v0, v5, va, vf = _mix(v0, v5, va, vf, _pair(block, order, 4))
        v1, v6, vb, vc = _mix(v1, v6, vb, vc, _pair(block, order, 5))
        v2, v7, v8, vd = _mix(v2, v7, v8, vd, _pair(block, order, 6))
        v3, v4, v9, ve = _mix(v3, v4, v9, ve, _pair(block, order, 7))
    for place, value in enumerate((v0 ^ v8, v1 ^ v9, v2 ^ va, v3 ^ vb, v4 ^ vc, v5 ^ vd, v6 ^ ve, v7 ^ vf)):
        state[place] ^= value


@inner
def _load(text: Bytes, begin: int, end: int, block: Hashes) -> None:
    """Up to 128 bytes as 16 little-endian words, zeros after them."""
    for word in range(16):
        block[word] = 0
    for place in range(end - begin):
        block[place >> 3] |= np.uint64(text[begin + place]) << np.uint64(8 * (place & 7))


@inner
def _digest(text: Bytes, begin: int, end: int, room: Scratch) -> Any:
    for place in range(8):
        room.state[place] = _START[place]
    room.state[0] ^= _PARAMETERS
    first = begin
    while end - first > _BLOCK_BYTES:
        _load(text, first, first + _BLOCK_BYTES, room.block)
        first += _BLOCK_BYTES
        _compress(room.state, room.block, first - begin, np.uint64(0))
    _load(text, first, end, room.block)
    _compress(room.state, room.block, end - begin, _ALL)
    return room.state[0]


@entry
def _fill(text: Bytes, bounds: NDArray[np.int64], scratch: Any, digests: Hashes) -> None:
    room = Scratch(*scratch)
    for place in range(len(bounds)):
        digests[place] = _digest(text, bounds[place, 0], bounds[place, 1], room)


def fill(text: Bytes, bounds: NDArray[np.int64], room: Scratch, digests: Hashes) -> None:
    """The digest of each `text[begin:end]`; `bounds` has shape (texts, 2), `digests` (texts,)."""
    _fill(text, bounds, tuple(room), digests)
