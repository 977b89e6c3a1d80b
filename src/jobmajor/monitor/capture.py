"""Captured traffic: requests as JSON lines in the layout of SageMaker's data capture.

A folder of captures holds files that end in `.jsonl`, at any depth: `<endpoint>/<variant>/2026/11/30/09/<name>.jsonl`.
Each line is one request with its answer. Only the request is read: a check answers the titles again, so that both sides
of a comparison are answers of one model.
Source: "Capture data from real-time endpoint" in the Amazon SageMaker developer guide.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

from jobmajor.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LONGEST: Final = 32 * 2**20  # bytes of a line
_EXPECTED: Final = "lines of captured requests, as an endpoint's data capture writes them"


@dataclass(frozen=True, slots=True)
class Record:
    """A captured request.

    Attributes:
        event: Its identifier.
        at: When it was answered; None where the line doesn't say.
        kind: The content type of the request.
        body: The request's body.
    """

    event: str
    at: datetime | None
    kind: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Period:
    """The first and the last day (UTC) of a period; None leaves a side open."""

    first: date | None = None
    last: date | None = None

    def has(self, at: datetime | None) -> bool:
        """Tell whether a moment is in the period; an unknown one is in the open period alone."""
        if at is None:
            return self.first is None and self.last is None
        day = at.astimezone(UTC).date()
        return (self.first is None or day >= self.first) and (self.last is None or day <= self.last)


def files(folder: Path) -> list[Path]:
    """Return the files of a folder of captures, in the order of their paths.

    Raises:
        DataError: There is none.
    """
    found = sorted(path for path in folder.rglob("*.jsonl") if path.is_file())
    if not found:
        raise DataError(folder, "no file that ends in .jsonl", _EXPECTED, "name another folder")
    return found


def read(folder: Path, period: Period | None = None) -> Iterator[Record]:
    """Yield the requests of a period that a folder holds. The last line of a file may be incomplete: it is left out.

    Raises:
        DataError: A line is something else.
    """
    wanted = period or Period()
    for path in files(folder):
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n") or not line.strip():
                    continue
                record = _record(path, number, line)
                if wanted.has(record.at):
                    yield record


def _record(path: Path, number: int, line: bytes) -> Record:
    try:
        body = json.loads(line) if len(line) <= _LONGEST else {}
        data, about = body["captureData"], body["eventMetadata"]
        sent = data["endpointInput"]
        kind = str(sent.get("observedContentType", ""))
        return Record(str(about["eventId"]), _time(about.get("inferenceTime")), kind, _bytes(sent))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        where = f"{path}, line {number}"
        raise DataError(where, "no captured request", _EXPECTED, "name another folder") from error


def _bytes(part: dict[str, Any]) -> bytes:
    data = part["data"]
    if part.get("encoding") == "BASE64":
        return base64.b64decode(data, validate=True)
    return str(data).encode()


def _time(text: Any) -> datetime | None:
    if text is None:
        return None
    found = datetime.fromisoformat(str(text))
    return found if found.tzinfo else found.replace(tzinfo=UTC)
