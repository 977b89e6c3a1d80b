"""Serve the pages on loopback until Ctrl-C."""

from __future__ import annotations

import os
import signal
import socket
from typing import TYPE_CHECKING, Final

import uvicorn

from sagelocal.errors import InputError
from sagelocal.ui import site
from sagelocal.ui.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import FrameType

_HOST: Final = "127.0.0.1"
_USUAL: Final = 8787  # the port if it is free
_FINISH_S: Final = 2  # for requests in progress, once it is told to end


class Server(uvicorn.Server):
    """uvicorn's server. Ctrl-C is how it ends, so it is no error."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """End when the requests in progress are answered, or at once on a second signal."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def listen(port: int | None) -> socket.socket:
    """Return a listening socket on loopback; None is 8787, or a free port if that is taken.

    Raises:
        InputError: The port can't be had.
    """
    if port is not None:
        return _bound(port)
    try:
        return _bound(_USUAL)
    except InputError:
        return _bound(0)


def _bound(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # on Windows, the option would let two programs share a port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((_HOST, port))
        bound.listen(128)
    except OSError as error:
        bound.close()
        why = error.strerror or type(error).__name__
        raise InputError(f"can't listen on {_HOST} port {port} ({why}): name another --port, or none") from error
    return bound


def server(home: Path) -> Server:
    """Return a server for a workspace, which doesn't listen yet."""
    return Server(
        uvicorn.Config(
            site.create(Workspace(home)),
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_FINISH_S,
        )
    )


def run(home: Path, port: int | None, say: Callable[[str], None]) -> None:
    """Serve a workspace until SIGINT or SIGTERM.

    Args:
        home: The workspace.
        port: As in `listen`.
        say: Gets the address of the page, once it can be opened.

    Raises:
        InputError: There is no such workspace, or the port can't be had.
    """
    if not home.is_dir():
        raise InputError(f"{home} is no workspace: `sagelocal run` makes one, and --home names another")
    bound = listen(port)
    say(f"http://{_HOST}:{bound.getsockname()[1]}")
    server(home).run(sockets=[bound])
