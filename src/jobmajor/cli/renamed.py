"""Options of 0.1 that have another name now: the old spelling still works, and no help shows it.

One thing has one name in all commands; `tests/cli/test_words.py` holds the table of names.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# By command: the old name, and the new one.
_OPTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "pipeline show": {"--tuning": "--tune"},
    "monitor check": {"--labels": "--labelled"},
    "aws deploy": {"--instance": "--instance-type"},
    "aws invoke": {"--file": "--input"},
    "aws prices refresh": {"--file": "--input"},
    "aws models list": {"--newest": "--most"},
    "aws pipeline list": {"--newest": "--most"},
    "aws pipeline start": {"--hours": "--minutes"},
    "aws pipeline status": {"--hours": "--minutes"},
    "aws bootstrap": {"--limit": "--minutes"},
}


def _in_minutes(hours: str) -> str:
    with suppress(ValueError):
        return f"{60 * float(hours):g}"
    return hours


_VALUES: Final[Mapping[tuple[str, str], Callable[[str], str]]] = {
    ("aws pipeline start", "--hours"): _in_minutes,
    ("aws pipeline status", "--hours"): _in_minutes,
    ("aws deploy", "--mode"): lambda mode: "transform" if mode == "batch" else mode,
}


def current(arguments: Sequence[str]) -> list[str]:
    """Return the words of a command line with the names of today.

    >>> current(["aws", "pipeline", "start", "--hours=2", "--wait"])
    ['aws', 'pipeline', 'start', '--minutes=120', '--wait']
    """
    found = list(arguments)
    command = next((name for name in _commands() if found[: len(name.split())] == name.split()), None)
    if command is None:
        return found
    options = _OPTIONS.get(command, {})
    for index, word in enumerate(found):
        if word == "--":
            break
        name, sign, value = word.partition("=")
        change = _VALUES.get((command, name))
        if change and sign:
            value = change(value)
        elif change and index + 1 < len(found):
            found[index + 1] = change(found[index + 1])
        found[index] = f"{options.get(name, name)}{sign}{value}"
    return found


def _commands() -> list[str]:
    return list(dict.fromkeys([*_OPTIONS, *(command for command, _ in _VALUES)]))
