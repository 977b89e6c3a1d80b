"""Refuse every connection beyond one address on loopback, in the process that compiles a script and in those it starts.

`script` puts this file on the path as `sitecustomize`, so that it runs before anything else and in child processes,
too. It uses the standard library only and must work on every Python that an SDK works on. A network namespace, where
the machine has it, holds what is not Python as well; without one, other programs are refused.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

_SPEC = json.loads(os.environ.get("SAGELOCAL_GUARD", "null"))
_LOCAL = ("", "localhost", "0.0.0.0", "::", "::1")  # noqa: S104 - compared, never bound
_CONNECTING = ("socket.connect", "socket.sendto", "socket.sendmsg")
_NAMING = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
_STARTING = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn")


def _note(what: str) -> None:
    with open(_SPEC["refused"], "a", encoding="utf-8") as file:  # noqa: PTH123 - start-up time
        file.write(what + "\n")


def _refuse(what: str) -> None:
    _note(what)
    raise PermissionError(f"sagelocal compile lets no call leave this machine: {what} is refused")


def _is_local(host: Any) -> bool:
    name = host.decode(errors="replace") if isinstance(host, bytes) else str(host or "")
    return name in _LOCAL or name.startswith("127.")


def _look_at_address(address: Any) -> None:
    if isinstance(address, (str, bytes)):
        path = os.path.realpath(os.fsdecode(address))
        if address and not path.startswith(_SPEC["folder"] + os.sep):
            _refuse("the Unix socket " + path)
    elif isinstance(address, tuple) and address and (not _is_local(address[0]) or not _is_own(address)):
        _refuse("{}:{}".format(*address[:2]))


def _is_own(address: Any) -> bool:
    # In a namespace of its own, all ports are the script's own. Elsewhere, a port may lead out of this machine.
    return _SPEC["port"] is None or address[1] == _SPEC["port"]


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _CONNECTING:
        if arguments[1] is not None:
            _look_at_address(arguments[1])
    elif event in _NAMING:
        if not _is_local(arguments[0]):
            _refuse(str(arguments[0]))
    elif event in _STARTING and _SPEC["port"] is not None:
        _refuse("the program " + str(arguments[0]))


if _SPEC is not None:
    sys.addaudithook(_hook)
