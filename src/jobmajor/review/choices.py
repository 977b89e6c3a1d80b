"""What a person said of titles: a file that `--overrides` reads, which is whole after every choice."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from jobmajor import soc
from jobmajor.errors import DataError, InputError
from jobmajor.model.rules import overrides
from jobmajor.model.rules.overrides import CODE, NOT_A_JOB, TITLE
from jobmajor.tables import formats
from jobmajor.titles import normalise
from sagelocal.storage import publish

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from jobmajor.model.rules.overrides import Overrides
    from jobmajor.review.doubtful import DoubtfulTitle

_SHEET = ("title", "rows", "reason", "code", "candidate_1", "candidate_2", "candidate_3")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run a cell that begins so


class Choices:
    """Titles with the codes that a person gave them, kept in a file with the columns `title` and `code`.

    The file may exist; its other titles stay as they are. Two choices for one title leave the last one. Without any
    choice there is no file.
    """

    def __init__(self, path: Path) -> None:
        """Read the file if there is one.

        Raises:
            DataError: It can't be used, or has shares: one title with several codes is written by hand.
        """
        self._path, self._codes = path, dict[str, tuple[str, str]]()  # by normalised title: as written, code
        self._before: list[tuple[str, tuple[str, str] | None]] = []
        if path.exists():
            for text, codes in overrides.read(path).codes.items():
                if len(codes) > 1:
                    found = f"{text!r} with {len(codes)} codes"
                    raise DataError(path, found, "one code for each title", "review into another file")
                self._codes[text] = text, next(iter(codes), NOT_A_JOB)

    def __len__(self) -> int:
        return len(self._codes)

    def code(self, title: str) -> str | None:
        """Return the code of a title, or `NOT_A_JOB`; None if it has no choice."""
        found = self._codes.get(normalise(title))
        return found[1] if found else None

    @property
    def overrides(self) -> Overrides:
        """Return the choices as `Classifier.answer` takes them."""
        return overrides.Overrides(
            {text: {} if code == NOT_A_JOB else {code: 1.0} for text, (_, code) in self._codes.items()}
        )

    def put(self, title: str, code: str) -> None:
        """Give a title a code of any level, or `NOT_A_JOB`, and write the file.

        Raises:
            InputError: The title has no word, or there is no such code.
        """
        self._put(title, code)
        self._write()

    def put_all(self, rows: Iterable[tuple[str, str]]) -> int:
        """Give several titles their codes, write the file once, and return how many there were."""
        given = list(rows)
        for title, code in given:
            self._put(title, code)
        if given:
            self._write()
        return len(given)

    def remove(self, title: str) -> None:
        """Take the choice of a title back, if it has one, and write the file."""
        if self._codes.pop(normalise(title), None):
            self._write()

    def undo(self) -> str | None:
        """Take the last choice back, and return its title; None if there is none of this session."""
        if not self._before:
            return None
        text, before = self._before.pop()
        title, _ = self._codes.pop(text)
        if before:
            self._codes[text] = before
        self._write()
        return title

    def _put(self, title: str, code: str) -> None:
        text = normalise(title)
        if not text:
            raise InputError(f"the title {title[:40]!r} has no letter or digit: expected one that has")
        if code != NOT_A_JOB:
            soc.parse(code)
        self._before.append((text, self._codes.get(text)))
        self._codes[text] = title, code

    def _write(self) -> None:
        if not self._codes:  # a file without rows is refused where it is read
            self._path.unlink(missing_ok=True)
            return
        publish.write_file(self._path, _rows(self._codes.values()))


def write_labels(path: Path, labels: Mapping[str, str]) -> None:
    """Write titles with their codes as a file of overrides.

    Raises:
        InputError: There is none: such a file would be refused where it is read.
    """
    if not labels:
        raise InputError("there is no label yet: expected decisions, so review some titles")
    publish.write_file(path, _rows(sorted(labels.items())))


def _rows(codes: Iterable[tuple[str, str]]) -> bytes:
    return _table((TITLE, CODE), [(_safe(title), code) for title, code in codes])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return buffer.getvalue().encode("utf-8", "replace")


def _safe(title: str) -> str:
    """Put an apostrophe, which the normaliser leaves out, before a title that a spreadsheet would run as a formula."""
    return f"'{title}" if title.startswith(_FORMULA) else title


def write_sheet(path: Path, titles: Sequence[DoubtfulTitle]) -> None:
    """Write titles as CSV for a spreadsheet, with an empty column `code` to fill in; `read_sheet` reads it again.

    A byte order mark lets spreadsheets read UTF-8.
    """
    rows = []
    for each in titles:
        shown = [f"{answer.label} {answer.name}" for answer in each.candidates[:3]]
        rows.append((_safe(each.title), f"{each.rows:g}", each.reason, "", *shown, *[""] * (3 - len(shown))))
    publish.write_file(path, b"\xef\xbb\xbf" + _table(_SHEET, rows))


def read_sheet(path: Path) -> list[tuple[str, str]]:
    """Return the titles of a filled-in sheet, in any format of `code_file`, with their codes.

    A code may be followed by its name, as in the columns of candidates. Rows without a code are left out.

    Raises:
        InputError: The table lacks a column, or a cell is no code; names the title.
    """
    found: list[tuple[str, str]] = []
    for block in formats.rows(path, [TITLE, CODE]):
        for title, cell in block.cells:
            if code := cell.strip():
                found.append((title, _code(path, title, code)))
    if not found:
        raise DataError(path, "no row with a code", "codes in the column 'code'", "fill some in")
    return found


def _code(path: Path, title: str, cell: str) -> str:
    if cell.casefold() == NOT_A_JOB:
        return NOT_A_JOB
    code = cell.split(maxsplit=1)[0]
    if code not in soc.table():
        found = f"the code {cell[:40]!r} of the title {title[:40]!r}"
        raise DataError(path, found, f"a code of SOC 2018 such as '29-1141', or {NOT_A_JOB!r}", "correct the cell")
    return code
