"""Connect to the internet: through the proxy that the environment names, or directly."""

from __future__ import annotations

import logging
import socket
import threading
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from jobmajor.errors import DataError

_log = logging.getLogger(__name__)


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
        DataError: The environment names a proxy that can't be used.
    """
    proxy = _proxy(address)
    return urllib3.ProxyManager(proxy) if proxy else urllib3.PoolManager()


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
