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
    from jobmajor.review.queue import Queue
    from jobmajor.review.records import Waiting

KEYS = "1-5 pick   / search   n not a job   s skip   u undo   q quit"
_QUIT, _SKIP, _UNDO, _NONE, _SEARCH = "q", "s", "u", "n", "/"
_SPELLINGS = 5
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
    index = 0
    while index < len(titles):
        _show(terminal, titles[index], f"{index + 1} of {len(titles)}")
        said = _ask(titles[index], terminal, can_undo=bool(chosen))
        if said == _QUIT:
            break
        if said == _UNDO:
            choices.undo()
            index = chosen.pop()
            continue
        if said != _SKIP:
            choices.put(titles[index].title, said)
            chosen.append(index)
        index += 1
    return sum(titles[each].rows for each in chosen)


def review_queue(queue: Queue, terminal: Terminal, reviewer: str, *, order: str, most: int) -> int:
    """Show titles of a queue until none waits, so many have been seen or the person quits; return the decisions."""
    seen = decided = 0
    again: Waiting | None = None  # the title of a decision that was taken back
    while seen < most and (lent := [again] if again else queue.take(reviewer, 1, order=order)):
        (waiting,), again = lent, None
        _show(terminal, waiting.title, f"title {seen + 1}")
        if waiting.spellings:
            terminal.show(f"  also: {', '.join(map(one_line, waiting.spellings[:_SPELLINGS]))}")
        for name, code in waiting.said:
            terminal.show(f"  {one_line(name)} said {_named(code)}")
        said = _ask(waiting.title, terminal, can_undo=decided > 0)
        if said == _QUIT:
            break
        if said == _UNDO:
            undone = queue.undo(reviewer)
            again = queue.find(undone) if undone else None
            seen, decided = seen - 1, decided - 1
            continue
        if said == _SKIP:
            queue.skip(waiting.title.title, reviewer)
        else:
            queue.decide(waiting.title.title, said, reviewer)
            decided += 1
        seen += 1
    return decided


def _named(code: str) -> str:
    return code if code == NOT_A_JOB else f"{code} {soc.name(code)}"


def _ask(title: DoubtfulTitle, terminal: Terminal, *, can_undo: bool) -> str:
    """Take keys until one decides: return a code or `NOT_A_JOB`, or the key to skip, undo or quit."""
    codes = [answer.label for answer in title.candidates]
    while (key := terminal.key()) not in _ENDS:
        if key == _SKIP or (key == _UNDO and can_undo):
            return key
        if key == _SEARCH:
            codes = _search(terminal) or codes
        elif code := _picked(key, codes):
            return code
        else:
            terminal.show(KEYS)
    return _QUIT


def _picked(key: str, codes: Sequence[str]) -> str | None:
    if key == _NONE:
        return NOT_A_JOB
    return codes[int(key) - 1] if key.isdecimal() and 0 < int(key) <= len(codes) else None


def _show(terminal: Terminal, title: DoubtfulTitle, place: str) -> None:
    rows = "1 row" if title.rows == 1 else f"{title.rows:,g} rows"
    terminal.show(f"\n{place}: {one_line(title.title)} ({rows}, {title.reason or 'moved'})")
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
