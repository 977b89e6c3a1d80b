"""A model's own server while a transform lasts: started, asked whether it is well, spoken to, stopped.

Where the machine has namespaces, the server listens on port 8080 of a network of its own, as in a container, and is
reached through a Unix socket (`relay`). Elsewhere it has to read SAGEMAKER_BIND_TO_PORT, which names a free port of
the loopback. Source: AWS, SageMaker AI Developer Guide, "How Amazon SageMaker AI Runs Your Inference Image".
"""

from __future__ import annotations

import dataclasses
import http.client
import json
import os
import socket
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sagelocal.errors import StepFailed
from sagelocal.jobs import container, sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sagelocal.jobs.container import JobContext
    from sagelocal.jobs.contracts import Job

_PORT: Final = 8080
_HEALTHY_S: Final = 240.0  # from start to the first good answer to a ping; one ping may take 2 s
_PING_S: Final = 2.0
_PAUSE_S: Final = 0.05
_GRACE_S: Final = 30.0
_LOOPBACK: Final = "127.0.0.1"


class InvocationError(Exception):
    """The server did not answer, or not well; `is_final` says that asking the same again makes no sense."""

    def __init__(self, text: str, *, is_final: bool = False) -> None:
        self.is_final = is_final
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class ModelServer:
    """A server that runs; `socket_path` is its Unix socket, or None where it listens on `port` of this machine."""

    context: JobContext
    running: sandbox.Running
    socket_path: Path | None
    port: int

    def parameters(self) -> dict[str, Any]:
        """Return what it says of how it wants to be asked; nothing where it doesn't say."""
        try:
            found = json.loads(self.ask("GET", "/execution-parameters", timeout_s=_PING_S))
        except (InvocationError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        timeout_s: float,
    ) -> bytes:
        """Return the body of its answer.

        Raises:
            InvocationError: There was none, or its status is not 200.
        """
        connection = (
            _UnixConnection(self.socket_path, timeout_s)
            if self.socket_path
            else http.client.HTTPConnection(_LOOPBACK, self.port, timeout_s)
        )
        try:
            chunked = "Transfer-Encoding" in (headers or {})
            content = iter([body]) if chunked and body else body
            connection.request(method, path, content, dict(headers or {}), encode_chunked=chunked)
            answer = connection.getresponse()
            found = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise InvocationError(f"{method} {path}: no answer ({error or type(error).__name__})") from error
        finally:
            connection.close()
        if answer.status != http.client.OK:
            said = found.decode(errors="replace").strip()[:200]
            text = f"{method} {path}: status {answer.status}, expected 200; it says: {said or '(nothing)'}"
            raise InvocationError(text, is_final=answer.status < http.client.INTERNAL_SERVER_ERROR)
        return found

    def fail(self, why: str) -> StepFailed:
        """Return the failure to raise, with the end of the server's log."""
        return StepFailed(
            self.context.step,
            f"{why}; its log ends with: {container.last_line(self.context.log) or '(nothing)'}",
            self.context.log,
        )

    def await_health(self) -> None:
        """Return when it answers pings.

        Raises:
            StepFailed: It ended, or was not well in time.
        """
        deadline = time.monotonic() + _HEALTHY_S
        while True:
            try:
                self.ask("GET", "/ping", timeout_s=_PING_S)
            except InvocationError as error:
                if self.running.ends_within(_PAUSE_S):
                    raise self.fail("the model's server ended before it answered GET /ping") from error
                if time.monotonic() > deadline:
                    raise self.fail(f"the model's server is not well after {_HEALTHY_S:g} s: {error}") from error
            else:
                return


@contextmanager
def started(job: Job, context: JobContext, *, own_network: bool) -> Iterator[ModelServer]:
    """The server of a job's image, well; it is stopped when the block ends.

    Raises:
        StepFailed: The image has none, or it did not start.
    """
    path = container.program(job, context, "serve", "a transform asks the model's own server")
    mounted = not context.environment.honours_root
    if mounted and (why := sandbox.refusal()):
        raise StepFailed(context.step, container.NO_NAMESPACE.format(why=why))
    socket_path, port = (context.folder / "socket", _PORT) if own_network else (None, _free_port())
    command = container.command(job, context, (path,), mounted=mounted)
    variables = {**command.variables, "SAGEMAKER_BIND_TO_PORT": str(port)}
    grace_s = min(context.grace_s, _GRACE_S)
    command = dataclasses.replace(command, variables=variables, socket_path=socket_path, grace_s=grace_s)
    with sandbox.Running(command) as running:
        server = ModelServer(context, running, socket_path, port)
        server.await_health()
        yield server
        running.stop()
        running.wait()


def _free_port() -> int:
    with socket.create_server((_LOOPBACK, 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


class _UnixConnection(http.client.HTTPConnection):
    """A connection through a Unix socket, whatever the length of its path."""

    def __init__(self, socket_path: Path, timeout_s: float) -> None:
        super().__init__("localhost", _PORT, timeout=timeout_s)
        self._socket_path = socket_path

    def connect(self) -> None:
        """Open it."""
        folder = os.open(self._socket_path.parent, os.O_RDONLY | os.O_DIRECTORY)
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(f"/proc/self/fd/{folder}/{self._socket_path.name}")
        finally:
            os.close(folder)
