"""Start the service as one process, or as several workers on one socket.

One process is enough for most uses. Python uses one processor, so a machine with more of them needs a worker for each.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

from jobmajor.errors import InputError
from jobmajor.native import library
from jobmajor.serve import server
from jobmajor.serve.supervisor import Supervisor

if TYPE_CHECKING:
    from jobmajor.serve.server import Address
    from jobmajor.serve.service.service import Service

AUTO = "auto"
_MOST = 64
_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # Source: Linux, Documentation/admin-guide/cgroup-v2.rst
_SWITCH_S = 0.0001  # how long the batcher's thread may hold the interpreter while the event loop waits for it
_log = logging.getLogger(__name__)


def workers(text: str) -> int:
    """Return how many processes answer; "auto" is one for each processor that this process may use.

    Raises:
        InputError: It is no number from 1 to 64, or above 1 where processes can't be forked.
    """
    if text != AUTO and not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= _MOST):
        raise InputError(f"the number of workers is {text!r}: expected 1 to {_MOST}, or {AUTO}")
    if hasattr(os, "fork"):
        return min(processors(), _MOST) if text == AUTO else int(text)
    if text not in (AUTO, "1"):
        raise InputError(f"the number of workers is {text}, but this system can't fork processes: leave it at 1")
    return 1


def processors(quota: Path = _QUOTA) -> int:
    """Return how many processors this process may use, with the limit of its container; at least 1."""
    count = library.cores()
    try:
        most, period = quota.read_text("ascii").split()
        return max(min(count, int(most) // int(period)), 1)
    except (OSError, ValueError):  # no such file, or "max": no limit
        return count


def run(service: Service, address: Address) -> None:
    """Serve until SIGTERM or SIGINT, and return when the requests in progress are answered.

    Raises:
        InputError: As `server.listen`.
        Error: All of several workers keep ending.
    """
    bound = server.listen(address)
    host = bound.getsockname()[0]
    if host not in ("127.0.0.1", "::1") and not len(service.keys):
        _log.warning("anyone who reaches this machine can send requests: --keys FILE limits that to known keys")
    if plan := service.options.capture:
        event = {"folder": str(plan.folder), "share": plan.share, "titles": plan.note}
        _log.warning("requests are captured", extra={"event": event})
    if hidden := service.options.shadow:
        event = {"version": hidden.version, "folder": str(hidden.folder), "share": hidden.share}
        _log.warning("a candidate answers in the shadow", extra={"event": event})
    sys.setswitchinterval(_SWITCH_S)
    gc.freeze()  # the model stays for good: no collection needs to look at it
    with threadpool_limits(1):  # for a few titles, threads cost more than they save: they spin while they wait
        if service.options.workers > 1:
            Supervisor(service, address, bound).run()
        else:
            server.Server(service, address.drain_s).run(sockets=[bound])
    _log.info("ended")
