"""Close a listening socket without losing connections that the kernel has accepted.

The kernel completes TCP handshakes before any program sees them. Closing a listener resets all connections that wait in
its queue, with their requests. So before it closes, no new handshake begins, and every queued connection is accepted.

Source: Linux, Documentation/networking/filter.rst; a TCP socket's filter sees the segment from its TCP header on, whose
byte 13 has the flags (RFC 9293, section 3.1).
"""

from __future__ import annotations

import ctypes
import selectors
import socket
import struct
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Windows has no `poll`; `select` takes no descriptors above 1,023.
_SELECTOR: type[selectors.BaseSelector] = getattr(selectors, "PollSelector", selectors.SelectSelector)
_SO_ATTACH_FILTER = 26
_SYN, _ACK = 0x02, 0x10
_DROPS_SYN = (  # (operation, jump if so, jump if not, value)
    (0x30, 0, 0, 13),  # load the byte of the flags
    (0x54, 0, 0, _SYN | _ACK),
    (0x15, 0, 1, _SYN),  # a first SYN: go to the next line, else skip it
    (0x06, 0, 0, 0),  # drop the segment
    (0x06, 0, 0, 0xFFFFFFFF),  # keep it
)


def stop_accepting(listener: socket.socket) -> None:
    """Let no new handshake begin, and let those that have begun finish.

    A later client gets no reply, and is refused as soon as the socket is closed. Does nothing outside Linux, or where
    the kernel allows no socket filters.
    """
    if sys.platform != "linux":
        return
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in _DROPS_SYN))
    program = struct.pack("HP", len(_DROPS_SYN), ctypes.addressof(code))
    with suppress(OSError):  # no filters allowed: a connection of the last milliseconds may be lost
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


def has_pending(listeners: Iterable[socket.socket], connections: Sequence[Any]) -> bool:
    """Return whether a connection waits to be accepted, or a connection of uvicorn's has a request to read."""
    waiting = [listener.fileno() for listener in listeners]
    for each in connections:
        if each.transport.is_closing():
            continue
        if each.cycle is None or (each.cycle.response_complete and each.timeout_keep_alive_task is None):
            return True  # no request yet, or one that has begun
        if each.cycle.response_complete:
            waiting.append(each.transport.get_extra_info("socket").fileno())
    with _SELECTOR() as selector:
        for number in {*waiting}:
            selector.register(number, selectors.EVENT_READ)
        return bool(selector.select(0))
