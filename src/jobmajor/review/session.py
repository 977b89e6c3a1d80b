"""A review in a terminal: one title after another, a key for each choice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from jobmajor import soc
from jobmajor.model.rules.overrides import NOT_A_JOB
from jobmajor.review import taxonomy
from sagelocal.show.terminal import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobmajor.review.choices import Choices
    from jobmajor.review.doubtful import DoubtfulTitle

KEYS = "1-5 pick   / search   n not a job   s skip   u undo   q quit"
_QUIT, _SKIP, _UNDO, _NONE, _SEARCH = "q", "s", "u", "n", "/"
_ENDS = ("\x03", "\x04", _QUIT)  # Ctrl-C, Ctrl-D


class Terminal(Protocol):
    """Where the review is shown and keys come from."""

    def show(self, text: str) -> None:
        """Write a line."""

    def key(self) -> str:
        """Return the next key."""

    def line(self, prompt: str) -> str:
        """Return a line of text."""


def review(titles: Sequence[DoubtfulTitle], choices: Choices, terminal: Terminal) -> float:
    """Show each title until all have been seen or the person quits; return the rows of the titles with a choice."""
    chosen: list[int] = []  # indices of titles with a choice, in order
    index: int | None = 0
    while index is not None and index < len(titles):
        _show(terminal, titles[index], (index + 1, len(titles)))
        index = _next(titles, index, chosen, choices, terminal)
    return sum(titles[each].rows for each in chosen)


def _next(
    titles: Sequence[DoubtfulTitle], index: int, chosen: list[int], choices: Choices, terminal: Terminal
) -> int | None:
    """Take keys until one decides, and return the index of the title to show next; None to quit."""
    codes = [answer.label for answer in titles[index].candidates]
    while (key := terminal.key()) not in _ENDS:
        if key == _SKIP:
            return index + 1
        if key == _UNDO and chosen:
            choices.undo()
            return chosen.pop()
        if key == _SEARCH:
            codes = _search(terminal) or codes
        elif code := _picked(key, codes):
            choices.put(titles[index].title, code)
            chosen.append(index)
            return index + 1
        else:
            terminal.show(KEYS)
    return None


def _picked(key: str, codes: Sequence[str]) -> str | None:
    if key == _NONE:
        return NOT_A_JOB
    return codes[int(key) - 1] if key.isdecimal() and 0 < int(key) <= len(codes) else None


def _show(terminal: Terminal, title: DoubtfulTitle, place: tuple[int, int]) -> None:
    number, count = place
    rows = "1 row" if title.rows == 1 else f"{title.rows:,g} rows"
    terminal.show(f"\n{number} of {count}: {one_line(title.title)} ({rows}, {title.reason})")
    for index, answer in enumerate(title.candidates, start=1):
        terminal.show(f"  {index}  {answer.label}  {answer.name}  {answer.score:.3f}")
    terminal.show(KEYS)


def _search(terminal: Terminal) -> list[str]:
    found = taxonomy.search(terminal.line("words or digits of a code: "))
    for index, code in enumerate(found, start=1):
        terminal.show(f"  {index}  {code}  {soc.name(code)}")
    if not found:
        terminal.show("  nothing has these words")
    return found
