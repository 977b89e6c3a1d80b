"""Forward connections on a Unix socket to port 8080 of the loopback in a job's network namespace.

A model server listens on a fixed port. In its own network namespace it conflicts with no other server and can't be
reached over a network. `supervise` starts this file there as a program (standard library only).
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from contextlib import suppress

_PORT = 8080  # Source: AWS, SageMaker AI Developer Guide, "How Containers Serve Requests"
_CHUNK_BYTES = 65536


def main() -> None:
    """Forward every connection to the socket that the first argument names; never returns."""
    folder, name = os.path.split(sys.argv[1])
    os.chdir(folder)  # the path of a Unix socket has at most 107 bytes
    os.umask(0o177)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name)
        listener.listen(64)
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_serve, args=(client,), daemon=True).start()


def _serve(client: socket.socket) -> None:
    with client, suppress(OSError), socket.create_connection(("127.0.0.1", _PORT)) as server:
        back = threading.Thread(target=_pass_on, args=(server, client), daemon=True)
        back.start()
        _pass_on(client, server)
        back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(_CHUNK_BYTES):
            target.sendall(chunk)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    main()
