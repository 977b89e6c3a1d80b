"""The format of a request's body and of its response, from Content-Type and Accept.

`header=absent` of text/csv says that the body has no header line. A batch transform that splits a file into lines needs
it, since only the first part has the header. If its lines have several fields, `column` is the number of the title's.

Source: RFC 9110, sections 8.3 and 12.5.1; RFC 4180, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from jobmajor.serve.messages.refusal import Refusal, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

JSON, LINES, CSV = "application/json", "application/jsonlines", "text/csv"
WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
KINDS = (JSON, LINES, CSV)
_NAMES = {
    **{kind: kind for kind in KINDS},
    "application/jsonl": LINES,
    "application/ndjson": LINES,
    "application/x-jsonlines": LINES,
    "application/x-ndjson": LINES,
    "application/csv": CSV,
}
_USUAL = 256  # characters of a header whose meaning is kept for the next request; of longer ones it is not
_CHARSETS = ("utf-8", "utf8", "us-ascii")
_EXPECTED = f"expected {JSON}, {LINES} or {CSV}"


@dataclass(frozen=True, slots=True)
class Media:
    """A body's format.

    Attributes:
        kind: One of `KINDS`.
        has_header: Whether the first line of CSV names the columns.
        column: Without a header, which field of a line is the title, from 1; None where each line has only that one.
    """

    kind: str
    has_header: bool = True
    column: int | None = None


def of_request(headers: Mapping[str, str]) -> Media:
    """Return the format of a request's body.

    Raises:
        Refusal: 415 for another format, another character set or a compressed body.
    """
    encoding = headers.get("content-encoding", "identity")
    if encoding.strip().lower() != "identity":
        raise Refusal(415, f"Content-Encoding is {shown(encoding)}: send the body as it is", field="Content-Encoding")
    given = headers.get("content-type")
    if given is None:
        raise Refusal(415, f"Content-Type is missing: {_EXPECTED}", field="Content-Type")
    return _known_media(given) if len(given) <= _USUAL else _media(given)


def _media(given: str) -> Media:
    name, parameters = _parted(given)
    if name not in _NAMES:
        raise Refusal(415, f"Content-Type is {shown(given)}: {_EXPECTED}", field="Content-Type")
    charset = parameters.get("charset", "utf-8")
    if charset not in _CHARSETS:
        raise Refusal(415, f"Content-Type has the charset {shown(charset)}: expected utf-8", field="Content-Type")
    return Media(_NAMES[name], parameters.get("header") != "absent", _number(parameters.get("column")))


_known_media = lru_cache(256)(_media)


def require(headers: Mapping[str, str], kind: str) -> None:
    """Check that a request's body is of the one format that a route reads.

    Raises:
        Refusal: 415, as `of_request`.
    """
    given = headers.get("content-type", "")
    name = _parted(given)[0]
    if _NAMES.get(name, name) != kind:
        found = shown(given) if given else "missing"
        raise Refusal(415, f"Content-Type is {found}: expected {kind}", field="Content-Type")
    if kind in KINDS:
        of_request(headers)


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and int(text)):
        raise Refusal(415, f"Content-Type has the column {shown(text)}: expected 1 to 9999", field="Content-Type")
    return int(text)


def of_answer(accept: str | None, given: str) -> str:
    """Return the format to answer in: the one that the client prefers; among equals, that of its body.

    Raises:
        Refusal: 406 where it accepts none of the three.
    """
    return _known_answer(accept, given) if len(accept or "") <= _USUAL else _answer(accept, given)


def _answer(accept: str | None, given: str) -> str:
    qualities = {kind: _quality(accept or "*/*", kind) for kind in KINDS}
    best = max(KINDS, key=lambda kind: (qualities[kind], kind == given))
    if qualities[best] <= 0:
        raise Refusal(406, f"Accept is {shown(accept or '')}: {_EXPECTED}", field="Accept")
    return best


_known_answer = lru_cache(256)(_answer)


def _quality(accept: str, kind: str) -> float:
    """Return the quality value of the most specific range that a kind falls under, 0 to 1."""
    found = [(range_.count("*"), -quality) for range_, quality in _ranges(accept) if _falls(kind, range_)]
    return -min(found)[1] if found else 0.0


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    for part in accept.split(","):
        name, parameters = _parted(part)
        try:
            quality = min(max(float(parameters.get("q", "1")), 0.0), 1.0)
        except ValueError:
            quality = 0.0
        yield name, quality


def _falls(kind: str, range_: str) -> bool:
    return range_ == "*/*" or range_ == f"{kind.partition('/')[0]}/*" or _NAMES.get(range_) == kind


def _parted(value: str) -> tuple[str, dict[str, str]]:
    """Return a media type and its parameters, in lower case."""
    name, *rest = value.lower().split(";")
    pairs = (part.partition("=") for part in rest)
    return name.strip(), {key.strip(): text.strip().strip('"') for key, _, text in pairs}
