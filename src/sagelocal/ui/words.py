"""Values as a person reads them: sizes, times, numbers, states, and the addresses of pages."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

_LONGEST: Final = 400  # characters of a value within a table
# CSS class and symbol of a status: colour is never the only sign.
_STATES: Final = {
    "Succeeded": ("good", "✓"),
    "Failed": ("bad", "✕"),
    "Executing": ("busy", "▶"),
    "Stopped": ("warn", "■"),
    "Interrupted": ("warn", "■"),
}
_QUIET: Final = ("quiet", "○")


def css_class(status: str) -> str:
    """Return the CSS class of a status, of which the first word counts.

    >>> css_class("Succeeded (cached)")
    'good'
    """
    return _STATES.get(status.partition(" ")[0], _QUIET)[0]


def symbol(status: str) -> str:
    """Return the symbol of a status."""
    return _STATES.get(status.partition(" ")[0], _QUIET)[1]


def size(count: int) -> str:
    """Return a number of bytes as text.

    >>> size(999), size(2048)
    ('999 bytes', '2.0 kB')
    """
    if count < 1000:
        return f"{count} bytes"
    units = ("kB", "MB", "GB", "TB")
    power = min((len(str(count)) - 1) // 3, len(units))
    return f"{count / 1000**power:.1f} {units[power - 1]}"


def took(seconds: float) -> str:
    """Return a duration as text.

    >>> took(1.26), took(125), took(7260)
    ('1.3 s', '2 min 05 s', '2 h 01 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def when(started: str) -> str:
    """Return an ISO 8601 time as text, in UTC; empty for an empty one.

    >>> when("2026-11-30T20:48:53.123+00:00")
    '2026-11-30 20:48:53 UTC'
    """
    if not started:
        return ""
    return f"{datetime.fromisoformat(started).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def number(value: float) -> str:
    """Return a number with six digits at most.

    >>> number(0.25), number(3)
    ('0.25', '3')
    """
    return f"{value:g}"


def plain(value: Any) -> str:
    """Return a value in a table: text as it is, everything else as JSON; a long one is cut."""
    text = value if isinstance(value, str) else pretty(value, indent=None)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def pretty(value: Any, indent: int | None = 1) -> str:
    """Return plain data as JSON that is easy to read, or on one line; what is nested too deeply is not shown."""
    try:
        return json.dumps(value, indent=indent, ensure_ascii=False, default=str)
    except RecursionError:
        return "(nested too deeply to be shown)"


def run_url(execution_id: str, page: str = "", **query: str | int) -> str:
    """Return the address of a page of a run.

    >>> run_url("a/b", "step", name="x y")
    '/runs/a%2Fb/step?name=x+y'
    """
    path = f"/runs/{quote(execution_id, safe='', errors='replace')}{'/' if page else ''}{page}"
    return f"{path}?{urlencode(query, errors='replace')}" if query else path


def compare_url(left: str, right: str) -> str:
    """Return the address of two runs side by side."""
    return f"/compare?{urlencode([('run', left), ('run', right)], errors='replace')}"
