"""Connect to the internet: through the proxy that the environment names, or directly."""

from __future__ import annotations

import base64
import logging
import os
import socket
import ssl
import threading
from typing import Final
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from jobmajor.errors import DataError

_log = logging.getLogger(__name__)
# Other programs of Python read the first two, OpenSSL the last one.
_BUNDLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def _proxy(address: str) -> str | None:
    parts = urlsplit(address)
    named = None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)
    if not named:
        return None
    proxy = named if "://" in named else f"http://{named}"  # as other programs read `proxy:3128`
    try:
        found = urlsplit(proxy)
        fits = found.scheme in ("http", "https") and found.hostname and found.port != 0
    except ValueError:
        fits = False
    if not fits:  # what it is stays unsaid: it may hold a password
        expected = "one like http://host:3128"
        raise DataError(
            f"the proxy for {parts.scheme}", "an address that can't be used", expected, "correct or unset it"
        )
    return proxy


def pool(address: str) -> urllib3.PoolManager:
    """Return the connections to use for an address; `clear` them afterwards.

    Raises:
        DataError: The environment names a proxy or a bundle of certificates that can't be used.
    """
    proxy, trusted = _proxy(address), _trusted()
    if not proxy:
        return urllib3.PoolManager(ssl_context=trusted)
    bare, headers = _signed_in(proxy)
    return urllib3.ProxyManager(bare, proxy_headers=headers, ssl_context=trusted, proxy_ssl_context=trusted)


def _signed_in(proxy: str) -> tuple[str, dict[str, str]]:
    """Return a proxy's address without name and password, and the headers that carry them.

    urllib3 doesn't send what stands in the address, and an address in a message must not hold a password.
    """
    parts = urlsplit(proxy)
    if "@" not in parts.netloc:
        return proxy, {}
    secret = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}".encode()
    bare = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return bare, {"Proxy-Authorization": f"Basic {base64.b64encode(secret).decode()}"}


def _trusted() -> ssl.SSLContext | None:
    """Return a context that trusts the certificates that the environment names; None means those of the system."""
    name = next((name for name in _BUNDLES if os.environ.get(name)), None)
    if name is None:
        return None
    path = os.environ[name]
    try:
        if os.path.isdir(path):  # noqa: PTH112 - a variable's text, which need not be a path
            return ssl.create_default_context(capath=path)
        return ssl.create_default_context(cafile=path)
    except (OSError, ValueError) as error:
        found = f"{path} ({getattr(error, 'reason', None) or getattr(error, 'strerror', None) or error})"
        raise DataError(f"the variable {name}", found, "certificates in PEM", "correct or unset it") from error


def reachable(address: str, within_s: float) -> bool:
    """Tell whether a connection to the address's host, or to the proxy in between, opens in time.

    A lookup of a name can block for much longer than the time limit of a connection. So a thread makes the attempt, and
    is left running when the time is up.

    Raises:
        DataError: The environment names a proxy that can't be used.
    """
    parts = urlsplit(_proxy(address) or address)
    endpoint = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    is_open = threading.Event()

    def connect() -> None:
        try:
            with socket.create_connection(endpoint, timeout=within_s):
                is_open.set()
        except OSError as error:
            _log.info("no connection to %s: %s", endpoint[0], error)

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(within_s)
    return is_open.is_set()
