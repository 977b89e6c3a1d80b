"""Captured traffic: requests as JSON lines in the layout of SageMaker's data capture.

A folder of captures holds files that end in `.jsonl`, at any depth: `<endpoint>/<variant>/2026/11/30/09/<name>.jsonl`.
Each line is one request with its answer. A check reads the request and answers the titles again, so that both sides of
a comparison are answers of one model. Where the service recorded hashes instead of titles, the line says so, and a
check can only count the answers.
Source: "Capture data from real-time endpoint" in the Amazon SageMaker developer guide.
"""

from __future__ import annotations

import base64
import json
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from jobmajor.errors import DataError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MARK, TITLES, PLAIN, HASHED = "jobmajor", "titles", "plain", "hashed"  # what our own lines add to the layout
PERIODS: Final = "all, a day (2026-11-30, yesterday, today), a month (2026-11), 2026-11-01..2026-11-30, or 7d"
_LONGEST: Final = 32 * 2**20  # bytes of a line
_HOUR: Final = re.compile(r"(\d{4})/(\d\d)/(\d\d)/\d\d$")
_EXPECTED: Final = "lines of captured requests, as an endpoint's data capture writes them"


@dataclass(frozen=True, slots=True)
class Record:
    """A captured request.

    Attributes:
        event: Its identifier.
        at: When it was answered; None where the line doesn't say.
        kind: The content type of the request.
        body: The request's body.
        answer: The answer's body; empty where it was left out.
        is_hashed: Whether hashes stand for the titles.
    """

    event: str
    at: datetime | None
    kind: str
    body: bytes
    answer: bytes = b""
    is_hashed: bool = False


@dataclass(frozen=True, slots=True)
class Period:
    """The first and the last day (UTC) of a period; None leaves a side open. `7d` are the seven days before today."""

    first: date | None = None
    last: date | None = None

    @classmethod
    def parse(cls, text: str, today: date | None = None) -> Period:
        """Return the period of a text; `today` is by the clock, in UTC, unless it is given.

        Raises:
            InputError: It is none.

        >>> Period.parse("2026-02")
        Period(first=datetime.date(2026, 2, 1), last=datetime.date(2026, 2, 28))
        >>> Period.parse("7d", date(2026, 11, 30))
        Period(first=datetime.date(2026, 11, 23), last=datetime.date(2026, 11, 29))
        """
        if text == "all":
            return cls()
        now = today or datetime.now(UTC).date()
        names = {"today": now, "yesterday": now - timedelta(days=1)}
        try:
            if found := re.fullmatch(r"([1-9]\d{0,3})d", text, re.ASCII):
                return cls(now - timedelta(days=int(found[1])), now - timedelta(days=1))
            if re.fullmatch(r"\d{4}-\d\d", text, re.ASCII):
                first = date.fromisoformat(f"{text}-01")
                return cls(first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1))
            begin, dots, end = text.partition("..")
            days = [names.get(part) or date.fromisoformat(part) for part in (begin, end if dots else begin)]
        except (ValueError, OverflowError) as error:
            raise InputError(f"the period is {text[:40]!r}: expected {PERIODS}") from error
        if days[0] > days[1]:
            raise InputError(f"the period {text[:40]} ends before it begins: swap its days")
        return cls(*days)

    def has(self, at: datetime | None) -> bool:
        """Tell whether a moment is in the period; an unknown one is in the open period alone."""
        if at is None:
            return self.first is None and self.last is None
        day = at.astimezone(UTC).date()
        return (self.first is None or day >= self.first) and (self.last is None or day <= self.last)

    def may_have(self, path: Path) -> bool:
        """Tell whether a file may hold a moment of the period: one in the folder of an hour a day off at most."""
        if not (found := _HOUR.search(path.parent.as_posix())):
            return True
        try:
            day = date(*map(int, found.groups()))
            before, after = day - timedelta(days=1), day + timedelta(days=1)
        except (ValueError, OverflowError):  # no day of the calendar
            return True
        return (self.first is None or after >= self.first) and (self.last is None or before <= self.last)


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

    A service may remove its oldest files meanwhile: they are left out.

    Raises:
        DataError: A line is something else.
    """
    wanted = period or Period()
    for path in filter(wanted.may_have, files(folder)):
        with suppress(FileNotFoundError), path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n") or not line.strip():
                    continue
                record = _record(path, number, line)
                if wanted.has(record.at):
                    yield record


def is_hashed(folder: Path, period: Period | None = None) -> bool:
    """Tell whether the first request of a period holds hashes instead of titles.

    Raises:
        DataError: As `read`.
    """
    return any(record.is_hashed for record in islice(read(folder, period), 1))


def _record(path: Path, number: int, line: bytes) -> Record:
    try:
        body = json.loads(line) if len(line) <= _LONGEST else {}
        data, about = body["captureData"], body["eventMetadata"]
        sent = data["endpointInput"]
        kind = str(sent.get("observedContentType", ""))
        answer = _bytes(data["endpointOutput"]) if data.get("endpointOutput") else b""
        is_hashed = body.get(MARK, {}).get(TITLES, PLAIN) != PLAIN
        return Record(str(about["eventId"]), _time(about.get("inferenceTime")), kind, _bytes(sent), answer, is_hashed)
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
