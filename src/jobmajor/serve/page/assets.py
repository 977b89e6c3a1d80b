"""The page's files: what is served under which path, and what the browser is told of it.

Everything comes from this package and is as it stands there: no build step, nothing from elsewhere. The policy makes
the browser hold us to that.
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
    "reading.js": _SCRIPT,
    "rows.js": _SCRIPT,
    "service.js": _SCRIPT,
    "title.js": _SCRIPT,
    "why.js": _SCRIPT,
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
    """A file's bytes, and the headers that it is sent with; `tag` is its digest, quoted as an ETag is."""

    content: bytes
    tag: str
    headers: dict[str, str]


@cache
def read(path: str) -> Asset:
    """The file that is served under one of `PATHS`.

    It is asked for anew each time, and sent only if it changed: a new version of the package never meets half of an
    old page.
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
    """Whether a browser has the file already, by its header; a weak tag says so as well (RFC 9110, section 13.1.2).

    >>> is_cached('"1f"', 'W/"1f", "2e"')
    True
    """
    known = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
    return tag in known or "*" in known
