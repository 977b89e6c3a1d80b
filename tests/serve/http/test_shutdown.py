"""The end of a service: whom the kernel has let in is answered, and nobody else gets in."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

import pytest

from jobmajor.serve.http import shutdown
from jobmajor.serve.server import Address, Server, listen

from ..conftest import LIMIT_S, running, until

if TYPE_CHECKING:
    from jobmajor.serve.service.champion import Champion

BODY = b'{"instances": ["nurse"]}'
REQUEST = b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


class Ending(Server):
    """One that is told to end at the moment that a client asks, before it could see that client."""

    client: socket.socket

    async def on_tick(self, counter: int) -> bool:
        """The client is a part of the loop here, so that nothing can come between its request and the end."""
        if counter == 2:
            host, port = self.servers[0].sockets[0].getsockname()
            self.client = socket.create_connection((host, port), LIMIT_S)
            self.client.sendall(REQUEST % len(BODY) + BODY)
            self._service.is_draining = self.should_exit = True
        return await super().on_tick(counter)


def received(client: socket.socket) -> bytes:
    with client:
        return b"".join(iter(lambda: client.recv(65_536), b""))


def test_request_that_the_kernel_took_as_the_listener_was_about_to_close_is_answered(champion: Champion) -> None:
    with running(champion, server_class=Ending) as found:
        assert isinstance(found.server, Ending)
        until(lambda: found.server.should_exit, "the client, and the end")
        raw = received(found.server.client)

    assert raw.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in raw
    assert raw.endswith(b"}")


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels can't be told to let nobody new in")
def test_who_comes_after_the_last_is_not_let_in_and_who_is_in_still_heard() -> None:
    with listen(Address(port=0)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address, LIMIT_S) as early:
            until(lambda: shutdown.has_pending([listener], []), "the handshake's end")
            shutdown.stop_accepting(listener)
            with pytest.raises(TimeoutError):
                socket.create_connection(address, 0.2).close()

            early.sendall(b"early")
            taken, _ = listener.accept()
            with taken:
                assert taken.recv(10) == b"early"


def test_listener_that_somebody_waits_in_is_not_left() -> None:
    with listen(Address(port=0)) as listener:
        assert not shutdown.has_pending([listener], [])

        with socket.create_connection(listener.getsockname(), LIMIT_S):
            until(lambda: shutdown.has_pending([listener], []), "the connection in the queue")
