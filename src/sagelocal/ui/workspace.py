"""The runs of a workspace, read again only when their records change. Nothing is written, and no lock is held."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sagelocal.definition.parse import parse
from sagelocal.errors import ArtifactError, Error
from sagelocal.run import records

if TYPE_CHECKING:
    from pathlib import Path

    from sagelocal.definition.steps import Definition
    from sagelocal.run.records import Execution

_CHANGES = (records.EXECUTING, records.INTERRUPTED)  # these depend on a lock, too, not on the record alone


@dataclass(slots=True)
class Workspace:
    """The folder of `--home`."""

    home: Path
    _known: dict[str, tuple[tuple[int, ...], Execution]] = field(default_factory=dict)

    def every(self) -> tuple[list[Execution], dict[str, str]]:
        """Return all runs, newest first, and for each one without a readable record the reason, by its id."""
        found, faults = [], {}
        for execution_id in records.ids(self.home):
            try:
                found.append(self._read(execution_id))
            except ArtifactError as error:
                faults[execution_id] = str(error)
        return sorted(found, key=lambda run: (run.started, run.id), reverse=True), faults

    def find(self, execution_id: str) -> Execution:
        """Return a run.

        Raises:
            InputError: There is none. ArtifactError: Its record can't be read.
        """
        if execution_id in records.ids(self.home):
            return self._read(execution_id)
        return records.find(self.home, execution_id)

    def _read(self, execution_id: str) -> Execution:
        folder = self.home / "runs" / execution_id
        try:
            status = (folder / records.NAME).stat()
        except OSError:
            return records.read(folder)
        stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        known = self._known.get(execution_id)
        if known is None or known[0] != stamp or known[1].status in _CHANGES:
            # The page is about the folder: one that was copied holds the id of another.
            known = self._known[execution_id] = stamp, replace(records.read(folder), id=execution_id)
        return known[1]


def definition(execution: Execution) -> Definition | None:
    """Return the definition of a run, or None if it can't be read."""
    try:
        return parse(records.load(execution.folder / records.DEFINITION))
    except (OSError, ValueError, RecursionError, Error):
        return None
