"""The service's log: one JSON object a line, and never a title, a query, a header or a key in it.

A fault is told by its type and the places in our code that it came through, without its text: that may quote what a
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


class Lines(logging.Formatter):
    """A record as a JSON object; the values of its `event` stand beside the message."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        body: dict[str, object] = {"time": time, "level": record.levelname.lower(), "message": record.getMessage()}
        body |= getattr(record, "event", {})
        if record.exc_info and record.exc_info[1] is not None:
            body |= fault(record.exc_info[1])
        return _ENCODER.encode(body)


def fault(error: BaseException) -> dict[str, object]:
    """An error's type and the places it came through, innermost last."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    return {"fault": type(error).__name__, "places": places[-12:]}


def configure(level: int = logging.INFO) -> None:
    """Write all logs to standard error in this form; uvicorn's own line of each request is left out."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("jobmajor").setLevel(level)
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # no line shows them
    logging.getLogger("uvicorn.access").disabled = True
