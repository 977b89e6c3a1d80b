"""Connections that wait for a request: one address may hold only so many.

An attacker who opens connections and sends nothing would use up the descriptors of the process, and then nobody could
connect. Refusing a new connection would also refuse the clients behind a proxy; so the longest waiting are closed.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from jobmajor.serve.service.admission import network

if TYPE_CHECKING:
    from collections.abc import Iterable

_JUST_NOW_S = 1.0  # a client that has just got an answer may be sending its next request


def surplus(connections: Iterable[Any], most: int, now: float) -> list[Any]:
    """Return the connections to close, so that no address holds more than `most` that wait.

    Args:
        connections: Those of `protocol.Protocol`.
        most: How many connections of one address may wait.
        now: On the clock of the event loop; those that began to wait in the last second are left open.
    """
    waiting: defaultdict[str, list[Any]] = defaultdict(list)
    for each in connections:
        if each.is_waiting and each.client:
            waiting[network(each.client[0])].append(each)
    found = []
    for held in waiting.values():
        if len(held) > most:
            held.sort(key=lambda each: each.waits_since)
            found += [each for each in held[: len(held) - most] if now - each.waits_since >= _JUST_NOW_S]
    return found
