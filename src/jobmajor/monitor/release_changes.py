"""What a release of O*NET says differently from another one: titles and occupations that came, went or moved."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from jobmajor.data import examples
from jobmajor.errors import InputError
from jobmajor.titles import normalise
from sagelocal.storage import publish

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from jobmajor.data.onet import Tables


class Title(NamedTuple):
    """A title as it is written, with the detailed codes that list it before and after; empty where none does."""

    title: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """How two releases differ.

    Attributes:
        releases: The earlier one and the later one.
        titles: How many distinct titles each has. Titles that are cleaned alike are one title.
        added: The titles of the later release only, in alphabetical order; `gone` and `moved` likewise.
        gone: The titles of the earlier release only.
        moved: The titles that other codes list.
        codes_added: The detailed codes with titles in the later release only.
        codes_gone: The detailed codes with titles in the earlier release only.
    """

    releases: tuple[str, str]
    titles: tuple[int, int]
    added: tuple[Title, ...]
    gone: tuple[Title, ...]
    moved: tuple[Title, ...]
    codes_added: tuple[str, ...]
    codes_gone: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the difference as plain data that fits into JSON."""
        lists = {name: [title._asdict() for title in getattr(self, name)] for name in ("added", "gone", "moved")}
        return {
            "releases": list(self.releases),
            "titles": list(self.titles),
            **lists,
            "codes_added": list(self.codes_added),
            "codes_gone": list(self.codes_gone),
        }


def difference(earlier: Tables, later: Tables) -> Difference:
    """Return how the titles of two releases differ."""
    before, after = _listed(earlier), _listed(later)
    codes = [{code for _, found in listed.values() for code in found} for listed in (before, after)]
    shown = {text: (after.get(text) or before[text])[0] for text in before.keys() | after.keys()}
    rows = sorted(
        (Title(title, _codes(before, text), _codes(after, text)) for text, title in shown.items()),
        key=lambda row: (row.title.casefold(), row.title),
    )
    return Difference(
        releases=(earlier.release, later.release),
        titles=(len(before), len(after)),
        added=tuple(row for row in rows if not row.before),
        gone=tuple(row for row in rows if not row.after),
        moved=tuple(row for row in rows if row.before and row.after and row.before != row.after),
        codes_added=tuple(sorted(codes[1] - codes[0])),
        codes_gone=tuple(sorted(codes[0] - codes[1])),
    )


def write(found: Difference, path: Path) -> int:
    """Write the titles that changed as a table, and return how many there are.

    Its columns are title, change (added, gone or moved), before and after. `models.difference` reads it as any table of
    titles: what a model trained on the later release answers differently.

    Raises:
        InputError: The file is there already, or its folder is not.
    """
    if path.exists() or not path.parent.is_dir():
        seen = "there already" if path.exists() else "in no folder"
        raise InputError(f"--output {path}: it is {seen}, expected a new file in a folder: name another one")
    buffer, rows = io.StringIO(newline=""), 0
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("title", "change", "before", "after"))
    for name in ("moved", "added", "gone"):
        for each in getattr(found, name):
            writer.writerow((each.title, name, " ".join(each.before), " ".join(each.after)))
            rows += 1
    publish.write_file(path, buffer.getvalue().encode())
    return rows


def _listed(tables: Tables) -> dict[str, tuple[str, set[str]]]:
    """Return for each normalised title how it is written first, and its detailed codes."""
    found: dict[str, tuple[str, set[str]]] = {}
    for title, code in tables.titles.select("title", "onet_code").iter_rows():
        if text := normalise(title):
            found.setdefault(text, (title, set()))[1].add(examples.detailed(code))
    return found


def _codes(listed: Mapping[str, tuple[str, set[str]]], text: str) -> tuple[str, ...]:
    return tuple(sorted(listed[text][1])) if text in listed else ()
