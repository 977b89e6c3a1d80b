"""Recorded traffic: writes requests with their answers to files, in the layout of SageMaker's data capture.

The files lie in `<folder>/2026/11/30/09/`, by the hour (UTC), and `capture` reads them. Each writer has a file of its
own. A line is written by one call, and a file is never written again by another process, so a killed writer leaves at
most one incomplete line, at the end of its file, which has no newline and which readers leave out.

The folder is bounded: the oldest files are removed when all of them exceed the cap or are older than the retention.
Only files with a name that this module gives are ever removed.
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from jobmajor.errors import InputError
from jobmajor.monitor.traffic.capture import HASHED, MARK, PLAIN, TITLES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FILE_BYTES: Final = 16 * 2**20  # of a file, after which the next one begins
_FILES: Final = 4  # that each writer may have within the cap
_NAME: Final = re.compile(r"\d{4}/\d\d/\d\d/\d\d/\d\d-\d\d-\d{3}-w\d+-[0-9a-f]{12}\.jsonl")
_PRIVATE, _PRIVATE_FOLDER = 0o600, 0o700  # the files hold what people typed
_TEXT: Final = re.compile(r"(application/[\w.+-]*(json|jsonl|jsonlines)|text/csv|application/csv)\b")


@dataclass(frozen=True, slots=True)
class Event:
    """A request with its answer.

    Attributes:
        at: When it was answered.
        kind: The content type of the request.
        body: The request's body.
        answer_kind: The content type of the answer.
        answer: The answer's body; None leaves it out.
        attributes: The header for custom attributes; empty without one.
        is_hashed: Whether titles stand as hashes.
    """

    at: datetime
    kind: str
    body: bytes
    answer_kind: str
    answer: bytes | None
    attributes: str = ""
    is_hashed: bool = False

    def line(self) -> bytes:
        """Return the event as a line of a capture, with its newline."""
        data = {"endpointInput": _part("INPUT", self.kind, self.body)}
        if self.answer is not None:
            data["endpointOutput"] = _part("OUTPUT", self.answer_kind, self.answer)
        about: dict[str, Any] = {"eventId": secrets.token_hex(16), "inferenceTime": f"{self.at:%Y-%m-%dT%H:%M:%SZ}"}
        if self.attributes:
            about["customAttributes"] = [self.attributes]
        mark = {TITLES: HASHED if self.is_hashed else PLAIN}
        body = {"captureData": data, "eventMetadata": about, "eventVersion": "0", MARK: mark}
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _part(mode: str, kind: str, body: bytes) -> dict[str, str]:
    found = {"observedContentType": kind, "mode": mode}
    with suppress(UnicodeDecodeError):
        if _TEXT.match(kind.lower()):
            return {**found, "data": body.decode(), "encoding": "CSV" if "csv" in kind.lower() else "JSON"}
    return {**found, "data": base64.b64encode(body).decode(), "encoding": "BASE64"}


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a folder of captures may hold.

    Attributes:
        total_bytes: Of all its files.
        days: For which a file is kept.
        writers: How many processes write to it.
    """

    total_bytes: int = 1000 * 2**20
    days: int = 30
    writers: int = 1

    @property
    def file_bytes(self) -> int:
        """The size of a file, and of the longest line."""
        return min(_FILE_BYTES, self.total_bytes // (_FILES * self.writers))


def prepare(folder: Path, option: str) -> Path:
    """Make a folder for captures if there is none, and return its absolute path.

    Raises:
        InputError: It can't be written to; `option` is what named it.
    """
    probe = folder / f".probe-{secrets.token_hex(6)}"
    try:
        folder.mkdir(_PRIVATE_FOLDER, parents=True, exist_ok=True)
        probe.touch(_PRIVATE)
        probe.unlink()
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise InputError(f"{option} {folder}: no folder to write to ({why}): name another one") from error
    return folder.absolute()


class Recorder:
    """Writes lines to a folder, as one of its writers; used by one thread."""

    def __init__(self, folder: Path, bounds: Bounds, number: int = 0) -> None:
        """`number` is the writer's among those of a service."""
        self._folder, self._bounds, self._number = folder, bounds, number
        self._file: int | None = None
        self._hour, self._size = "", 0

    def fits(self, line: bytes) -> bool:
        """Tell whether a line is short enough to be written."""
        return len(line) <= self._bounds.file_bytes

    def write(self, line: bytes, at: datetime) -> None:
        """Write a line to the file of its hour.

        Raises:
            OSError: It can't be written; no part of it stays.
        """
        if not self._is_right(f"{at:%Y/%m/%d/%H}", len(line)):
            self._open(at)
        left = memoryview(line)
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            self.close()
            raise
        self._size += len(line)

    @property
    def _descriptor(self) -> int:
        if self._file is None:
            raise ValueError("the recorder has no open file")
        return self._file

    def _is_right(self, hour: str, size: int) -> bool:
        """Tell whether the open file is that of an hour, has room, and was not removed meanwhile."""
        if self._file is None or hour != self._hour or self._size + size > self._bounds.file_bytes:
            return False
        return os.fstat(self._file).st_nlink > 0

    def _open(self, at: datetime) -> None:
        self.close()
        self.prune(at)
        hour = f"{at:%Y/%m/%d/%H}"
        folder = self._folder / hour
        for part in (hour[:4], hour[:7], hour[:10], hour):
            (self._folder / part).mkdir(_PRIVATE_FOLDER, parents=True, exist_ok=True)
        name = f"{at:%M-%S}-{at.microsecond // 1000:03}-w{self._number}-{secrets.token_hex(6)}.jsonl"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._file = os.open(folder / name, flags, _PRIVATE)
        self._hour, self._size = hour, 0

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with suppress(OSError):
                os.close(self._file)
        self._file = None

    def prune(self, now: datetime) -> None:
        """Remove files that are too old, and the oldest ones beyond the cap.

        The cap leaves room for a whole file of each writer, so that the folder never exceeds it.
        """
        oldest = f"{now.astimezone(UTC) - timedelta(days=self._bounds.days):%Y/%m/%d/%H}"
        kept = [path for path in recorded(self._folder) if not (_hour(path, self._folder) < oldest and _removed(path))]
        sizes = {path: _size(path) for path in kept}
        room = self._bounds.total_bytes - self._bounds.writers * self._bounds.file_bytes
        total = sum(sizes.values())
        for path, size in sizes.items():
            if total <= room:
                break
            total -= size if _removed(path) else 0


def recorded(folder: Path) -> Iterator[Path]:
    """Yield the files that recorders wrote to a folder, the oldest first."""
    for path in sorted(folder.glob("[0-9]*/[0-9]*/[0-9]*/[0-9]*/*.jsonl")):
        if _NAME.fullmatch(path.relative_to(folder).as_posix()) and path.is_file() and not path.is_symlink():
            yield path


def _hour(path: Path, folder: Path) -> str:
    return path.parent.relative_to(folder).as_posix()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # another writer removed it
        return 0


def _removed(path: Path) -> bool:
    """Remove a file and the folders that it leaves empty; return whether it is gone."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return False
    with suppress(OSError):  # a folder is not empty
        for folder in list(path.parents)[:4]:
            folder.rmdir()
    return True
