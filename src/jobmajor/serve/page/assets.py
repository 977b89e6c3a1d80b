"""The page's files: their paths, media types and response headers.

All files come from this package and are served unchanged: there is no build step, and nothing comes from elsewhere. The
content security policy makes the browser enforce that.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

_FOLDER = "web"
_HTML, _CSS, _SCRIPT, _IMAGE = "text/html", "text/css", "text/javascript", "image/svg+xml"
_INDEX = "index.html"
_TYPES = {
    _INDEX: _HTML,
    "page.css": _CSS,
    "icon.svg": _IMAGE,
    "app.js": _SCRIPT,
    "chart.js": _SCRIPT,
    "coding.js": _SCRIPT,
    "csv.js": _SCRIPT,
    "dom.js": _SCRIPT,
    "file.js": _SCRIPT,
    "filereview.js": _SCRIPT,
    "lineage.js": _SCRIPT,
    "queue.js": _SCRIPT,
    "queuereview.js": _SCRIPT,
    "reading.js": _SCRIPT,
    "review.js": _SCRIPT,
    "rows.js": _SCRIPT,
    "service.js": _SCRIPT,
    "title.js": _SCRIPT,
    "why.js": _SCRIPT,
    "words.js": _SCRIPT,
    "workbook.js": _SCRIPT,
    "worker.js": _SCRIPT,
}
PATHS = MappingProxyType({"/" if name == _INDEX else f"/{_FOLDER}/{name}": name for name in _TYPES})
_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)


@dataclass(frozen=True, slots=True)
class Asset:
    """A file's bytes and response headers; `tag` is its ETag, a quoted digest."""

    content: bytes
    tag: str
    headers: dict[str, str]


@cache
def read(path: str) -> Asset:
    """Return the file that is served under one of `PATHS`.

    A browser asks for it on each visit, and it is sent only if it changed. So a page never mixes files of two versions
    of the package.
    """
    name = PATHS[path]
    content = resources.files(__package__).joinpath(_FOLDER, name).read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    kind = _TYPES[name]
    headers = {
        "content-type": kind if kind == _IMAGE else f"{kind}; charset=utf-8",
        "content-security-policy": _POLICY,
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cache-control": "no-cache",
        "etag": tag,
    }
    return Asset(content, tag, headers)


def is_cached(tag: str, if_none_match: str) -> bool:
    """Return whether If-None-Match names the file; a weak tag counts as well (RFC 9110, section 13.1.2).

    >>> is_cached('"1f"', 'W/"1f", "2e"')
    True
    """
    tags = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
    return tag in tags or "*" in tags
