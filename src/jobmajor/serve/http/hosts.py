"""The Host header: exactly one, and one of the names that the service answers to.

A web page of any site can let its name resolve to 127.0.0.1, and then read from a service there with the browser's
consent (DNS rebinding). The browser still sends the site's name as Host. So a service that listens on loopback answers
to the names of loopback only, unless it is told others.

Source: RFC 9112, section 3.2; RFC 6761, section 6.3, for names under localhost.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from jobmajor.serve.messages.refusal import Refusal, shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

ANY = "*"
_AUTHORITY = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[^\[\]:/?#@\s]*)(?::[0-9]*)?")
_ABSOLUTE = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)")
_ONE = "expected exactly one Host header: every HTTP/1.1 client sends it"


def allowed(host: str, names: Iterable[str]) -> frozenset[str] | None:
    """Return the names that a service on `host` answers to beside those of loopback; None for any name.

    >>> allowed("127.0.0.1", ["titles.example.org"])
    frozenset({'titles.example.org'})
    >>> allowed("0.0.0.0", []) is None
    True
    """
    found = frozenset(name.lower().rstrip(".") for name in names)
    if ANY in found or (not found and not _is_loopback(host)):
        return None
    return found


def refusal(
    headers: Iterable[tuple[bytes, bytes]], url: bytes, version: str, names: Collection[str] | None
) -> Refusal | None:
    """Return why a request is refused for its Host; None if it is not. `names` is as `allowed` returns it."""
    given = [value for name, value in headers if name == b"host"]
    if len(given) > 1 or (not given and version != "1.0"):
        return Refusal(400, f"the request has {len(given)} Host headers: {_ONE}", field="Host")
    if names is None:
        return None
    absolute = _ABSOLUTE.match(url)
    for value in [*given, *([absolute[1]] if absolute else [])]:
        fits = _AUTHORITY.fullmatch(value)
        name = fits[1].decode("latin-1").lower().rstrip(".") if fits else ""
        if not (name and (name in names or _is_loopback(name))):
            text = shown(value.decode("latin-1"))
            sentence = f"Host is {text}: this service answers to localhost only, start it with --allow-host NAME"
            return Refusal(421, sentence, field="Host")
    return None


def _is_loopback(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
