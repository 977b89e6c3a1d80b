"""Requests and answers as they are recorded where no title may be kept: hashes, and the best code of each.

A hash is keyed, so nobody without the key can find a title by hashing all titles that there are.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from typing import TYPE_CHECKING, Any, Final

from jobmajor.serve.messages import rendering
from jobmajor.serve.messages.media import CSV, JSON

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jobmajor.serve.messages.parameters import RequestParameters

_BYTES: Final = 12  # of a hash
_KEPT: Final = ("code", "score", "confidence", "level", "abstain", "reason", "source")


def request(titles: Sequence[str], key: bytes) -> bytes:
    """Return a body in JSON with a hash for each title; an empty title stays empty.

    >>> request(["", "nurse"], b"k") == request(["", "nurse"], b"k")
    True
    """
    return json.dumps({"instances": [_hash(title, key) if title.strip() else "" for title in titles]}).encode()


def _hash(title: str, key: bytes) -> str:
    return hashlib.blake2b(title.encode(), digest_size=_BYTES, key=key).hexdigest()


def answer(
    parts: Sequence[bytes | rendering.Packed], parameters: RequestParameters, kind: str, digest: str
) -> bytes | None:
    """Return a body in JSON with the best code of each title at the first level, from the rendered parts of an answer.

    None stands for codes of another classification than SOC 2018, which can't be compared.
    """
    if parameters.target:
        return None
    found = [item for part in parts for item in _best(b"".join(rendering.unpacked(part)), parameters, kind)]
    return json.dumps({"predictions": found, "model": digest, "schema": rendering.SCHEMA}).encode()


def _best(part: bytes, parameters: RequestParameters, kind: str) -> Iterator[list[dict[str, Any]]]:
    """Yield a list with the best code of each title, as in a JSON answer."""
    if kind == CSV:
        names = rendering.columns(parameters)
        for row in csv.reader(io.StringIO(part.decode(), newline="")):
            # The first columns are those of the first level; with several levels, its prefix is before their names.
            cells = {name.partition("_")[2] or name: cell for name, cell in zip(names[:8], row, strict=False)}
            yield [_typed(cells)]
        return
    texts = [b"[%s]" % part] if kind == JSON else part.splitlines()
    for text in texts:
        loaded = json.loads(text)
        for items in loaded if kind == JSON else [loaded["predictions"]]:
            yield [{name: items[0][name] for name in _KEPT}] if items else []


def _typed(cells: dict[str, str]) -> dict[str, Any]:
    numbers = {name: float(cells[name] or 0) for name in ("score", "confidence")}
    found = {**cells, **numbers, "abstain": cells["abstain"] == "true"}
    return {name: found[name] for name in _KEPT}
