"""A line on the terminal that says what a command does and for how long, whenever it was silent for a while.

It is shown on standard error if that is a terminal, and is removed before anything else is written. In a pipe, it is
never shown.
"""

from __future__ import annotations

import io
import logging
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_QUIET_S = 0.7  # without other output, until the line appears
_INTERVAL_S = 0.5
_CLEAR = "\r\x1b[K"
_LONGEST = 76  # characters, so that the line is never broken


class Patience:
    """The line of one command.

    Attributes:
        text: What the command does now.
        detail: Returns what is known of its progress, such as a share or an epoch; called from a thread.
    """

    def __init__(self, stream: TextIO) -> None:
        self.text = ""
        self.detail: Callable[[], str] | None = None
        self._stream, self._is_drawn = stream, False
        self._began = self._last = time.monotonic()
        self._lock, self._ends = threading.RLock(), threading.Event()
        self._held = 0
        self._thread = threading.Thread(target=self._draw, name="patience", daemon=True)

    def start(self) -> None:
        """Begin to wait for silence."""
        self._thread.start()

    def stop(self) -> None:
        """Remove the line, and never show it again."""
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join()
        self.give_way()

    def begin(self, text: str, detail: Callable[[], str] | None = None) -> None:
        """Say what is done from now on."""
        with self._lock:
            self.text, self.detail, self._began = text, detail, time.monotonic()

    def hold(self, by: int) -> None:
        """Show nothing as long as more holds than releases were counted."""
        with self._lock:
            self._held += by
            self.give_way()

    def give_way(self) -> None:
        """Remove the line, because something else is written."""
        with self._lock:
            if self._is_drawn:
                self._is_drawn = False
                with suppress(OSError, ValueError):
                    self._stream.write(_CLEAR)
                    self._stream.flush()
            self._last = time.monotonic()

    def line(self, now: float) -> str:
        """Return the line: what is done, for how long, and how far it is."""
        seconds = int(now - self._began)
        took = f"{seconds} s" if seconds < 60 else f"{seconds // 60} min {seconds % 60:02d} s"
        known = ""
        if self.detail:
            with suppress(Exception):  # a detail is never worth the command
                known = self.detail()
        end = f" … {took}{f', {known}' if known else ''}"
        return f"  {self.text}"[: max(_LONGEST - len(end), 0)] + end[:_LONGEST]

    def _draw(self) -> None:
        while not self._ends.wait(_INTERVAL_S):
            with self._lock:
                now = time.monotonic()
                if self._held or now - self._last < _QUIET_S:
                    continue
                with suppress(OSError, ValueError):
                    self._stream.write(f"{_CLEAR}{self.line(now)}")
                    self._stream.flush()
                    self._is_drawn = True


class _Watched(io.TextIOWrapper):
    """A stream of text that removes the line before it writes."""

    patience: Patience | None = None

    def write(self, text: str) -> int:
        if self.patience:
            self.patience.give_way()
        return super().write(text)


_shown: list[Patience] = []  # of the command that runs in this process, at most one


@contextmanager
def patience(text: str) -> Iterator[None]:
    """Show the line during a command, if standard error is a terminal."""
    if _shown or not _is_terminal(sys.stderr):
        yield
        return
    usual = sys.stdout, sys.stderr
    made = Patience(usual[1])
    made.begin(text)
    watched = [_watch(stream, made) for stream in usual]
    sys.stdout, sys.stderr = watched
    _shown.append(made)
    made.start()
    handlers = [each for each in logging.getLogger().handlers if isinstance(each, logging.StreamHandler)]
    handlers = [each for each in handlers if each.stream is usual[1]]
    for each in handlers:
        each.setStream(watched[1])
    try:
        yield
    finally:
        end()
        for each in handlers:
            each.setStream(usual[1])
        for mine in watched:
            if isinstance(mine, _Watched):
                with suppress(OSError, ValueError):
                    mine.flush()
                mine.detach()
        sys.stdout, sys.stderr = usual


def _is_terminal(stream: Any) -> bool:
    return isinstance(stream, io.TextIOWrapper) and stream.isatty()


def _watch(stream: TextIO, made: Patience) -> TextIO:
    if not _is_terminal(stream):  # what is not shown on the terminal can't spoil it
        return stream
    stream.flush()
    found = _Watched(stream.buffer, stream.encoding, stream.errors, line_buffering=True, write_through=True)
    found.patience = made
    return found


def doing(text: str, detail: Callable[[], str] | None = None) -> None:
    """Say what the command does from now on; without effect where no line is shown."""
    for each in _shown:
        each.begin(text, detail)


@contextmanager
def held() -> Iterator[None]:
    """Show no line during the block, such as while a person is asked."""
    mine = list(_shown)
    for each in mine:
        each.hold(1)
    try:
        yield
    finally:
        for each in mine:
            each.hold(-1)


def end() -> None:
    """Show no line from now on, as before a service begins to run or a process is forked."""
    while _shown:
        _shown.pop().stop()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, _Watched):
            stream.patience = None
