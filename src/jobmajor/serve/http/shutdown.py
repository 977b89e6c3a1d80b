"""How a listening socket is closed without losing whom the kernel let in.

The kernel shakes hands with clients before any program sees them, and a listener that is closed resets all that wait in
it, with their requests. So before the end no new handshake begins, and whoever is in is taken.

Source: Linux, Documentation/networking/filter.rst; a TCP socket's filter sees the segment from its TCP header on, whose
byte 13 has the flags (RFC 9293, section 3.1).
"""

from __future__ import annotations

import ctypes
import select
import socket
import struct
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SO_ATTACH_FILTER = 26
_SYN, _ACK = 0x02, 0x10
_DROPS_SYN = (  # (operation, jump if so, jump if not, value)
    (0x30, 0, 0, 13),  # take the byte of the flags
    (0x54, 0, 0, _SYN | _ACK),
    (0x15, 0, 1, _SYN),  # a first SYN: on to the next line, else over it
    (0x06, 0, 0, 0),  # drop the segment
    (0x06, 0, 0, 0xFFFFFFFF),  # keep it
)


def stop_accepting(listener: socket.socket) -> None:
    """Let no new handshake begin, and those that have begun finish; where that can't be told to the kernel, nothing.

    Whoever comes later is not answered at all, and is refused as soon as the socket is closed.
    """
    if sys.platform != "linux":
        return
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in _DROPS_SYN))
    program = struct.pack("HP", len(_DROPS_SYN), ctypes.addressof(code))
    with suppress(OSError):  # a kernel that allows no filters: what comes within the last milliseconds may be lost
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


def has_pending(listeners: Iterable[socket.socket], connections: Sequence[Any]) -> bool:
    """Whether somebody waits to be taken, or a connection of uvicorn's has something that was not read to its end."""
    waiting = [listener.fileno() for listener in listeners]
    for each in connections:
        if each.transport.is_closing():
            continue
        if each.cycle is None or (each.cycle.response_complete and each.timeout_keep_alive_task is None):
            return True  # one that has asked nothing yet, or has begun to
        if each.cycle.response_complete:
            waiting.append(each.transport.get_extra_info("socket").fileno())
    poll = select.poll()
    for number in waiting:
        poll.register(number, select.POLLIN)
    return bool(poll.poll(0))
