"""What a run has to say about its files, each thing once, however many files it is true of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class Notes:
    """Collects notes."""

    def __init__(self, said: Iterable[str] = ()) -> None:
        """Begin with what is to be said of the run as a whole."""
        self._said = list(said)
        self._files: dict[str, list[str]] = {}

    def say(self, note: str) -> None:
        """Add what is to be said of the run as a whole."""
        self._said.append(note)

    def add(self, path: Path, notes: Iterable[str]) -> None:
        """Take what is to be said of one file."""
        for note in notes:
            self._files.setdefault(note, []).append(str(path))

    @property
    def lines(self) -> tuple[str, ...]:
        """One line for each note, with the first file that it is true of.

        >>> from pathlib import Path
        >>> notes = Notes()
        >>> notes.add(Path("a.csv"), ["read as Windows-1252"])
        >>> notes.add(Path("b.csv"), ["read as Windows-1252"])
        >>> notes.lines
        ('a.csv and 1 more: read as Windows-1252',)
        """
        of_files = (
            f"{files[0]}{f' and {len(files) - 1} more' if len(files) > 1 else ''}: {note}"
            for note, files in self._files.items()
        )
        return (*self._said, *of_files)
