"""What stands between uvicorn and a connection's transport: reading that waits, and heads sent with their bodies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.http.flow_control import FlowControl

if TYPE_CHECKING:
    import asyncio


class HeldFlow(FlowControl):
    """Flow control that reads nothing as long as bytes wait to be parsed, whoever wants to read on."""

    _is_held = False

    def hold(self, *, is_held: bool) -> None:
        """Stop to read, or read on."""
        if is_held:
            self.pause_reading()
        was_held, self._is_held = self._is_held, is_held
        if was_held and not is_held:
            self.resume_reading()

    def resume_reading(self) -> None:
        """Read on, unless bytes wait."""
        if not self._is_held:
            super().resume_reading()


class CoalescingTransport:
    """A transport that sends a response's head together with its body, if the body comes in the same loop iteration."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._head: bytes | None = b""
        self._later: asyncio.Handle | None = None

    def write(self, data: bytes) -> None:
        """Send, or keep a response's head until its body comes."""
        if self._later is None and self._head is not None:
            self._head, self._later = data, self._loop.call_soon(self._flush)
            return
        self._flush(data)

    def _flush(self, more: bytes = b"") -> None:
        if self._later is not None:
            self._later.cancel()
        head, self._head, self._later = self._head or b"", None, None
        self._transport.write(head + more)

    def close(self) -> None:
        """Send what is kept, and close."""
        if self._later is not None:
            self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Return whether the connection is closing or closed."""
        return self._transport.is_closing()
