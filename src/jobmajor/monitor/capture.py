"""Captured traffic: requests and answers as JSON lines in the layout of SageMaker's data capture.

A folder of captures holds files that end in `.jsonl`, at any depth: `<endpoint>/<variant>/2026/11/30/09/<name>.jsonl`.
Each line is one request with its answer. The service of jobmajor writes the same layout, so one reader serves both.
Source: "Capture data from real-time endpoint" in the Amazon SageMaker developer guide.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

from jobmajor.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HASHED: Final = "sha256:"  # before a title that was hashed
_LONGEST: Final = 32 * 2**20  # bytes of a line
_EXPECTED: Final = "lines of captured requests, such as `serve --capture` or an endpoint's data capture writes"


@dataclass(frozen=True, slots=True)
class Record:
    """A captured request.

    Attributes:
        event: Its identifier.
        at: When it was answered; None where the line doesn't say.
        kind: The content type of the request.
        body: The request's body.
        answer: The response's body; empty where only requests are captured.
        answer_kind: The content type of the response.
    """

    event: str
    at: datetime | None
    kind: str
    body: bytes
    answer: bytes
    answer_kind: str


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
        sent, answered = data["endpointInput"], data.get("endpointOutput")
        kinds = [str((each or {}).get("observedContentType", "")) for each in (sent, answered)]
        at = _time(about.get("inferenceTime"))
        return Record(str(about["eventId"]), at, kinds[0], _bytes(sent), _bytes(answered), kinds[1])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        found = f"no captured request ({type(error).__name__}: {error})"
        raise DataError(f"{path}, line {number}", found, _EXPECTED, "name another folder") from error


def _bytes(part: dict[str, Any] | None) -> bytes:
    if part is None:
        return b""
    data = part["data"]
    if part.get("encoding") == "BASE64":
        try:
            return base64.b64decode(data, validate=True)
        except binascii.Error as error:
            raise ValueError(f"data that is not base64 ({error})") from error
    return str(data).encode()


def _time(text: Any) -> datetime | None:
    if text is None:
        return None
    found = datetime.fromisoformat(str(text))
    return found if found.tzinfo else found.replace(tzinfo=UTC)
