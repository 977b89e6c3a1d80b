"""One address on loopback for all services: the listening socket, the key, and the variables that lead SDKs there."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sagelocal.loopback.wire import LOOPBACK, Answer, new_key, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sagelocal.loopback.wire import Request


def listen() -> socket.socket:
    """Return a socket that listens on a free port of the loopback."""
    found = socket.create_server((LOOPBACK, 0))
    found.listen(64)
    return found


def variables(port: int, key: str, region: str, *, in_path: bool = True) -> dict[str, str]:
    """Return the environment variables of a program whose SDK calls this machine and nothing else.

    With `in_path`, the address carries the key, so that credentials of the program's own are served, too.
    """
    return {
        "AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{port}{f'/{key}' if in_path else ''}",
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
    }


@contextmanager
def serve(
    listener: socket.socket,
    key: str,
    services: Mapping[str, Callable[[Request], Answer]],
    other: Callable[[Request], Answer],
) -> Iterator[None]:
    """Answer for several services during the block.

    Args:
        listener: A listening socket.
        key: What a request has to carry.
        services: Answers by the name that a request is signed for.
        other: Answers all other requests.
    """

    def answer(request: Request) -> Answer:
        return services.get(request.service, other)(request)

    with serving(listener, key, answer):
        yield


__all__ = ["listen", "new_key", "serve", "variables"]
