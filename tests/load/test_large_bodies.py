"""Three hundred megabytes, announced or not: a clear no, and memory stays."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from tools.load.service import Place, started

if TYPE_CHECKING:
    from pathlib import Path

LIMIT_S = 60.0
SIZE, PIECE = 300_000_000, b" " * 1_000_000
HEAD = b"POST /invocations HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
ANNOUNCED = HEAD + b"content-length: %d\r\n\r\n" % SIZE


def answer(port: int, head: bytes) -> tuple[int, str]:
    """Status and sentence for a body that is sent whatever comes back."""
    with socket.create_connection(("127.0.0.1", port), LIMIT_S) as client:
        sending = threading.Thread(target=send, args=(client, head))
        sending.start()
        raw = b""
        with suppress(ConnectionResetError):
            while part := client.recv(65_536):
                raw += part
        sending.join()
    return int(raw.split(b" ", 2)[1]), json.loads(raw.partition(b"\r\n\r\n")[2])["detail"]


def send(client: socket.socket, head: bytes) -> None:
    """All of it, or as much as the other side takes."""
    piece = b"%x\r\n" % len(PIECE) + PIECE + b"\r\n" if head == CHUNKED else PIECE
    with suppress(OSError):
        client.sendall(head)
        for _ in range(SIZE // len(PIECE)):
            client.sendall(piece)


@pytest.mark.slow
@pytest.mark.parametrize("head", [ANNOUNCED, CHUNKED], ids=["announced", "chunked"])
def test_300_megabytes_are_413_and_never_in_memory(model_folder: Path, head: bytes) -> None:
    with started(Place(model_folder, drain_s=0.0)) as process:
        before = process.peak_memory_mb()
        status, sentence = answer(process.port, head)
        grown = process.peak_memory_mb() - before

    assert (status, "larger than 6,291,456 bytes" in sentence) == (413, True)
    assert grown < 60
