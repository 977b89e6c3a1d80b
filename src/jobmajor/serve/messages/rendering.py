"""Render answers as response bodies in each of the three formats, slice by slice as they are scored."""

from __future__ import annotations

import csv
import io
import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobmajor.serve.messages.media import CSV, JSON

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

    from jobmajor.model.answers import Coded
    from jobmajor.serve.messages.parameters import RequestParameters

SCHEMA = 1  # of the answers; it changes when a field is renamed or removed
CHUNK_BYTES = 2**18  # sent at a time, so that a response that nobody reads doesn't fill memory
_SMALL_BYTES = 2**14  # of a part that isn't compressed: that of a usual request
_DIGITS = 6  # of a score: more than are significant, fewer than a 32-bit float prints
# json.dumps would create one for each call.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
_ONCE, _RANKED = ("confidence", "level", "abstain", "reason", "source"), ("code", "name", "score")


def rows(answers: Sequence[Sequence[Coded]], parameters: RequestParameters, kind: str, model: str) -> bytes:
    """Return the rendered answers to some titles of a request; `answers` has a list for each level of `parameters`."""
    by_title = list(zip(*answers, strict=True))
    if kind == CSV:
        return _written([_cells(each, parameters) for each in by_title])
    items = [_items(each, parameters) for each in by_title]
    if kind == JSON:
        return _dumped(items)[1:-1]
    return b"".join(_dumped({"predictions": each, "model": model, "schema": SCHEMA}) + b"\n" for each in items)


@dataclass(frozen=True, slots=True)
class Packed:
    """A compressed part of a response: answers shrink to a tenth. `size` is its length unpacked, in bytes."""

    data: bytes
    size: int

    def __len__(self) -> int:
        return self.size

    def pieces(self) -> Iterator[bytes]:
        """Unpack piece by piece, so that a slow reader costs no more memory than one."""
        unpacker, rest = zlib.decompressobj(), self.data
        while piece := unpacker.decompress(rest, CHUNK_BYTES):
            rest = unpacker.unconsumed_tail
            yield piece


def packed(part: bytes) -> bytes | Packed:
    """Return a part as it is to wait for its client: compressed, unless it is small."""
    return part if len(part) < _SMALL_BYTES else Packed(zlib.compress(part, 1), len(part))


def unpacked(part: bytes | Packed) -> Iterable[bytes]:
    """Return the pieces of a part."""
    return part.pieces() if isinstance(part, Packed) else (part,)


def framed(
    parts: Sequence[bytes | Packed], parameters: RequestParameters, kind: str, *, model: str, has_header: bool
) -> list[bytes | Packed]:
    """Return the parts of the whole body of a response."""
    if kind == JSON:
        rest = [each for part in parts for each in (b",", part)]
        return [b'{"predictions":[', *rest[1:], b'],"model":%s,"schema":%d}' % (_dumped(model), SCHEMA)]
    head = [_written([columns(parameters)])] if kind == CSV and has_header else []
    return [*head, *parts]


def columns(parameters: RequestParameters) -> list[str]:
    """Return the columns of a CSV response. The second code and later ones have a rank, several levels a prefix each.

    >>> columns(RequestParameters(top_k=2))
    ['code', 'name', 'score', 'confidence', 'level', 'abstain', 'reason', 'source', 'code_2', 'name_2', 'score_2']
    """
    found = [*_RANKED, *_ONCE, *(["ambiguous"] if parameters.target else [])]
    found += [f"{name}_{rank}" for rank in range(2, parameters.top_k + 1) for name in _RANKED]
    if len(parameters.level_names) == 1:
        return found
    return [f"{prefix}_{name}" for prefix in parameters.prefixes for name in found]


def _items(coded: Sequence[Coded], parameters: RequestParameters) -> list[dict[str, Any]]:
    return [
        {
            "label": item.label,
            "code": item.label,
            "name": item.name,
            "score": round(item.score, _DIGITS),
            "confidence": round(each.confidence, _DIGITS),
            "level": each.level or level,
            "abstain": each.abstain,
            "reason": each.reason,
            "source": each.source,
            **({"ambiguous": each.ambiguous} if parameters.target else {}),
        }
        for level, each in zip(parameters.level_names, coded, strict=True)
        for item in each.answers
    ]


def _cells(coded: Sequence[Coded], parameters: RequestParameters) -> list[str]:
    found: list[str] = []
    for level, each in zip(parameters.level_names, coded, strict=True):
        ranked = [(item.label, item.name, f"{item.score:.{_DIGITS}f}") for item in each.answers[: parameters.top_k]]
        ranked += [("", "", "")] * (parameters.top_k - len(ranked))
        found += [*ranked[0], f"{each.confidence:.{_DIGITS}f}", each.level or level]
        found += [str(each.abstain).lower(), each.reason, each.source]
        found += [str(each.ambiguous).lower()] if parameters.target else []
        found += [cell for item in ranked[1:] for cell in item]
    return found


def _written(lines: Sequence[Sequence[str]]) -> bytes:
    target = io.StringIO()
    csv.writer(target, lineterminator="\n").writerows(lines)
    return target.getvalue().encode()


def _dumped(value: Any) -> bytes:
    return _ENCODER.encode(value).encode()


async def chunks(parts: Sequence[bytes | Packed]) -> AsyncIterator[bytes]:
    """Yield a large response in chunks; of one that nobody reads, no more than a chunk is in memory unpacked."""
    waiting = b""
    for part in parts:
        for piece in unpacked(part):
            waiting += piece
            while len(waiting) >= CHUNK_BYTES:
                yield waiting[:CHUNK_BYTES]
                waiting = waiting[CHUNK_BYTES:]
    if waiting:
        yield waiting
