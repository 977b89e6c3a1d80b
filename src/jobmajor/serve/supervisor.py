"""The parent of several workers: it forks them, replaces those that end, loads new models and passes signals on.

It loads the model before it forks, so that all workers have its arrays in memory once. It answers no request itself, so
it stays alive whatever a request does. It has no threads, since a fork would copy their locks, but not them.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobmajor.errors import Error
from jobmajor.serve import worker
from jobmajor.serve.http import shutdown
from jobmajor.serve.server import FINISH_S, invite, shown
from jobmajor.serve.service import metrics
from jobmajor.serve.service.champion import ModelSource
from jobmajor.serve.service.snapshots import Snapshots
from jobmajor.serve.worker import Post

if TYPE_CHECKING:
    import socket
    from types import FrameType

    from jobmajor.serve.server import Address
    from jobmajor.serve.service.service import Service

_LOOK_S = 0.05
_LASTS_S = 10.0  # a worker that lived that long did not fail at its start
_TRIES = 5  # lives of each worker in a row that ended sooner, after which the service ends
_LONGEST_S = 10.0  # between a worker's end and the next one
_HANGS_S = 30.0  # without a sign of life, after which a worker is killed
_TAKES_S = 60.0  # for a worker to take a new model
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Slot:
    """One worker: its process, 0 while there is none, and how it fares; times are of the monotonic clock."""

    row: int
    pid: int = 0
    began: float = 0.0
    starts_at: float = 0.0
    failures: int = 0
    beats: float = -1.0
    still: int = 0  # looks since its last sign of life


class Supervisor:
    """Runs the workers of a service until it is told to end."""

    def __init__(self, service: Service, address: Address, bound: socket.socket) -> None:
        workers = service.options.workers
        bound.settimeout(0)
        self._service, self._address, self._bound, self._tally = service, address, bound, service.tally
        self._slots = [_Slot(row) for row in range(workers)]
        self._snapshots: Snapshots | None = None
        source = service.champion.source
        if isinstance(source, ModelSource):
            self._snapshots = Snapshots(source)
            service.champion.follow(self._snapshots)
        self._ends_at: float | None = None
        self._looks_at = time.monotonic() + service.options.poll_s
        self._taken_by: float | None = None  # when every worker should have the newest model
        self._is_shown = self._is_closed = False
        self._tally.enter(workers)

    def run(self) -> None:
        """Start the workers, and return when the last one has ended.

        Raises:
            Error: All of them keep ending.
        """
        before = {number: signal.signal(number, self._told) for number in _SIGNALS}
        try:
            while self._ends_at is None or any(slot.pid for slot in self._slots):
                self._look()
                time.sleep(_LOOK_S)
        finally:
            self._kill(signal.SIGKILL)
            for number, handler in before.items():
                signal.signal(number, handler)
            if self._snapshots:
                self._snapshots.close()

    def _look(self) -> None:
        now = time.monotonic()
        self._reap(now)
        if self._ends_at is not None:
            self._end(now)
            return
        for slot in self._slots:
            if not slot.pid and now >= slot.starts_at:
                self._start(slot, now)
            self._check(slot)
        self._tally.set(metrics.WORKERS, sum(slot.pid > 0 for slot in self._slots))
        if not self._is_shown and all(self._tally.of(worker.READY, slot.row) for slot in self._slots):
            self._show()
        self._swap(now)

    def _start(self, slot: _Slot, now: float) -> None:
        """Fork a worker. No signal is handled between the fork and the worker's own handlers."""
        slot.began, slot.beats, slot.still = now, -1.0, 0
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            parent = os.getpid()
            slot.pid = os.fork()
            if not slot.pid:
                self._work(Post(slot.row, len(self._slots), parent))
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    def _work(self, post: Post) -> None:
        """Be a worker; never return."""
        status = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            champion = self._service.champion
            if self._snapshots:
                champion.follow(self._snapshots.followed(champion.served.mark))
            worker.run(self._service, self._address.drain_s, self._bound, post)
            status = 0
        except BaseException as error:  # nothing of the parent's may run in this process
            _log.critical("fault", extra={"event": {"where": "worker"}}, exc_info=error)
        finally:
            sys.stdout.flush()
            os._exit(status)

    def _reap(self, now: float) -> None:
        """Take note of workers that have ended.

        Raises:
            Error: All of them keep ending.
        """
        for slot in self._slots:
            if not slot.pid:
                continue
            ended, status = os.waitpid(slot.pid, os.WNOHANG)
            if ended:
                self._ended(slot, os.waitstatus_to_exitcode(status), now)
        if self._ends_at is None and all(slot.failures >= _TRIES for slot in self._slots):
            raise Error(f"every worker ended within {_LASTS_S:g} s, {_TRIES} times: the log says why")

    def _ended(self, slot: _Slot, status: int, now: float) -> None:
        """Plan the next life of a worker; after a short one it waits, twice as long each time."""
        pid, slot.pid = slot.pid, 0
        if self._ends_at is not None:
            return
        slot.failures = slot.failures + 1 if now - slot.began < _LASTS_S else 0
        pause = min(0.1 * 2**slot.failures, _LONGEST_S) if slot.failures else 0.0
        slot.starts_at = now + pause
        self._tally.add(metrics.RESTARTS)
        event = {"worker": slot.row, "pid": pid, "status": status, "restart_s": pause}
        _log.error("a worker ended", extra={"event": event})

    def _check(self, slot: _Slot) -> None:
        """Kill a worker that shows no sign of life. Looks are counted, since a clock goes on while all are stopped."""
        beats = self._tally.of(worker.BEATS, slot.row)
        slot.still = 0 if beats != slot.beats else slot.still + 1
        slot.beats = beats
        if slot.pid and slot.still * _LOOK_S > _HANGS_S:
            _log.error("a worker hangs", extra={"event": {"worker": slot.row, "pid": slot.pid}})
            slot.still = 0
            os.kill(slot.pid, signal.SIGKILL)

    def _show(self) -> None:
        self._is_shown = True
        digest, drain_s = self._service.champion.served.digest, self._address.drain_s
        event = {"url": shown(self._bound), "model": digest, "drain_s": drain_s, "workers": len(self._slots)}
        _log.info("listening", extra={"event": event})
        invite(self._bound, sys.stdout)

    def _swap(self, now: float) -> None:
        """Load a new model, and remove its copy when all workers have it. A worker that can't take it is replaced."""
        champion = self._service.champion
        if now >= self._looks_at:
            if champion.refresh():
                self._taken_by = time.monotonic() + _TAKES_S
            self._looks_at = time.monotonic() + self._service.options.poll_s
            self._tally.set(metrics.SWAPS, champion.swaps)
            self._tally.set(metrics.FAILURES, champion.failures)
        if self._taken_by is None or not self._snapshots:
            return
        number = self._snapshots.number
        behind = [slot for slot in self._slots if slot.pid and self._tally.of(worker.MODEL, slot.row) < number]
        if not behind:
            self._snapshots.drop()
            self._taken_by = None
        elif now > self._taken_by:
            for slot in behind:
                os.kill(slot.pid, signal.SIGTERM)
            self._taken_by = now + _TAKES_S

    def _told(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a handler's signature
        """Pass a signal on: drain on SIGTERM; end at once on a second one or on SIGINT."""
        is_first = self._ends_at is None
        drain_s = self._address.drain_s if is_first and number == signal.SIGTERM else 0.0
        self._ends_at = time.monotonic() + drain_s
        self._tally.set(worker.ENDS, 1)
        self._kill(signal.SIGTERM if number == signal.SIGTERM else worker.END_NOW)

    def _end(self, now: float) -> None:
        """After the drain, let no new connection in; kill workers that don't end."""
        ends_at = self._ends_at or now
        if now >= ends_at and not self._is_closed:
            self._is_closed = True
            shutdown.stop_accepting(self._bound)
            self._bound.close()
        if now >= ends_at + FINISH_S + _LASTS_S:
            self._kill(signal.SIGKILL)

    def _kill(self, number: Any) -> None:
        for slot in self._slots:
            if slot.pid:
                os.kill(slot.pid, number)
