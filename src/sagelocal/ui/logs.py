"""The logs of a step: which there are, and a part of one, as text that steers no terminal and no browser."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sagelocal.storage import transfer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PART_BYTES: Final = 64 * 2**10
_ATTEMPT: Final = re.compile(r"\.attempt-(\d+)")
_COLOURS: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")  # Source: ECMA-48, 5.4
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Log:
    """A log file; `attempt` is empty for that of the last one, and `name` is its path below the run's steps."""

    name: str
    title: str
    path: Path
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a log: its text, and the offsets in bytes where it begins and ends."""

    text: str
    start: int
    end: int
    size_bytes: int


def find(folder: Path, step: str) -> list[Log]:
    """Return the logs of a step of the run in `folder`: those of the last attempt first; links are left out."""
    return [log for attempt in _folders(folder / "steps", step) for log in _in(*attempt)]


def _folders(steps: Path, step: str) -> list[tuple[Path, str]]:
    """Return the folders of the attempts, the last one first, each with what it is called."""
    if steps.is_symlink() or not steps.is_dir():
        return []
    earlier = {path: _ATTEMPT.fullmatch(path.name.removeprefix(step)) for path in steps.glob(f"{step}.attempt-*")}
    numbers = {path: int(match[1]) for path, match in earlier.items() if match and len(match[1]) < 10}
    found = [(path, f"attempt {numbers[path]}: ") for path in sorted(numbers, key=numbers.__getitem__, reverse=True)]
    return [(steps / step, ""), *found]


def _in(folder: Path, attempt: str) -> Iterator[Log]:
    files = [(name, path) for name, path in transfer.regular_files(folder) if name.endswith(".txt")]
    for name, path in sorted(files, key=lambda item: (item[0] != "log.txt", item[0])):
        if name.isprintable():  # sagelocal writes no other
            yield Log(f"{folder.name}/{name}", f"{attempt}{name}", path, path.stat().st_size)


def read(log: Log, *, before: int | None = None, after: int | None = None) -> Part:
    """Return a part of a log of at most 64 KiB and of whole lines: its end, or what is before or after an offset."""
    with transfer.open_regular(log.path) as file:
        size = file.seek(0, os.SEEK_END)
        if after is None:
            end = size if before is None else max(0, min(before, size))
            start = max(0, end - PART_BYTES)
        else:
            start = max(0, min(after, size))
            end = min(start + PART_BYTES, size)
        file.seek(start)
        data = file.read(end - start)
    if after is None and start and (cut := data.find(b"\n") + 1) and cut < len(data):
        data, start = data[cut:], start + cut
    elif after is not None and start + len(data) < size and (cut := data.rfind(b"\n") + 1):
        data = data[:cut]
    return Part(shown(data.decode("utf-8", "replace")), start, start + len(data), size)


def shown(text: str) -> str:
    r"""Return the text without colours, with control characters as escapes; of a line that was overwritten, its end.

    >>> shown("10 %\r20 %\n\x1b[31mred\x1b[0m\x07")
    '20 %\nred\\x07'
    """
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in _COLOURS.sub("", text).split("\n"))
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", "\n".join(lines))
