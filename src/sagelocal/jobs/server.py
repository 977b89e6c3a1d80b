"""Start, ping, call and stop the model server of a transform.

If the machine has namespaces, the server listens on port 8080 in its own network namespace, as in a container, and is
reached through a Unix socket (`relay`). Otherwise it has to read SAGEMAKER_BIND_TO_PORT, a free port of the loopback.
Source: AWS, SageMaker AI Developer Guide, "How Amazon SageMaker AI Runs Your Inference Image".
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
_HEALTHY_S: Final = 240.0  # from the start to the first successful ping; one ping may take 2 s
_PING_S: Final = 2.0
_PAUSE_S: Final = 0.05
_GRACE_S: Final = 30.0
_LOOPBACK: Final = "127.0.0.1"


class InvocationError(Exception):
    """The server didn't answer, or not with status 200; with `is_final`, the same request will fail again."""

    def __init__(self, text: str, *, is_final: bool = False) -> None:
        self.is_final = is_final
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class ModelServer:
    """A running model server; `socket_path` is its Unix socket, or None if it listens on `port` of the loopback."""

    context: JobContext
    running: sandbox.Running
    socket_path: Path | None
    port: int

    def parameters(self) -> dict[str, Any]:
        """Return the server's own execution parameters; empty if it has none."""
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
        """Send a request and return the body of the response.

        Raises:
            InvocationError: There is no response, or its status is not 200.
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
        """Return the error to raise, with the end of the server's log."""
        return StepFailed(
            self.context.step,
            f"{why}; its log ends with: {container.last_line(self.context.log) or '(nothing)'}",
            self.context.log,
        )

    def await_health(self) -> None:
        """Wait until the server answers pings.

        Raises:
            StepFailed: It ended, or didn't answer in time.
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
    """Start the model server of a job's image, wait for its health, and stop it when the block ends.

    Raises:
        StepFailed: The image has no server, or it didn't start.
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
    """An HTTP connection through a Unix socket, whose path may have any length."""

    def __init__(self, socket_path: Path, timeout_s: float) -> None:
        super().__init__("localhost", _PORT, timeout=timeout_s)
        self._socket_path = socket_path

    def connect(self) -> None:
        """Connect to the socket."""
        folder = os.open(self._socket_path.parent, os.O_RDONLY | os.O_DIRECTORY)
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(f"/proc/self/fd/{folder}/{self._socket_path.name}")
        finally:
            os.close(folder)
