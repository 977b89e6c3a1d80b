"""The service's log: one JSON object to a line. It never contains a title, a query, a header or a key.

A fault is logged by its type and the lines of code that it passed through, without its message, which may quote what a
client sent.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

_ENCODER = json.JSONEncoder(default=str)


class JsonFormatter(logging.Formatter):
    """Formats a record as a JSON object, with the values of its `event` beside the message, and the worker's number."""

    worker: int | None = None

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        body: dict[str, object] = {"time": time, "level": record.levelname.lower(), "message": record.getMessage()}
        body |= getattr(record, "event", {})
        if self.worker is not None:
            body["worker"] = self.worker
        if record.exc_info and record.exc_info[1] is not None:
            body |= fault(record.exc_info[1])
        return _ENCODER.encode(body)


def fault(error: BaseException) -> dict[str, object]:
    """Return an error's type and its last twelve stack frames, innermost last."""
    frames = traceback.extract_tb(error.__traceback__)
    locations = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    return {"fault": type(error).__name__, "places": locations[-12:]}


def configure(level: int = logging.INFO) -> None:
    """Write all logs to standard error in this form, without uvicorn's own access log."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("jobmajor").setLevel(level)
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # no log line shows them
    logging._srcfile = None  # nor where it was logged, which takes longest. Source: logging HOWTO, optimization
    logging.getLogger("uvicorn.access").disabled = True


def of_worker(number: int) -> None:
    """Name this worker in each line from now on."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, JsonFormatter):
            handler.formatter.worker = number
