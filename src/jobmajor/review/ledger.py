"""The file of the queue: SQLite in the workspace, one transaction at a time, whole after a kill at any moment.

The log is written ahead and flushed at each commit. Decisions are only ever added: triggers refuse to change or delete
one. A connection lasts for one transaction, so that processes and threads share nothing but the file.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

from jobmajor.errors import ArtifactError
from sagelocal.storage import lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSION: Final = 2
_PATIENCE_S: Final = 60
_SCHEMA: Final = """
CREATE TABLE titles (
  family TEXT PRIMARY KEY, title TEXT NOT NULL, rows REAL NOT NULL, reason TEXT NOT NULL,
  uncertainty REAL NOT NULL, novelty REAL NOT NULL, draw REAL NOT NULL, candidates TEXT NOT NULL,
  state TEXT NOT NULL, code TEXT, reviewer TEXT NOT NULL
);
CREATE TABLE spellings (text TEXT PRIMARY KEY, family TEXT NOT NULL REFERENCES titles, title TEXT NOT NULL);
CREATE TABLE rows (text TEXT NOT NULL, source TEXT NOT NULL, rows REAL NOT NULL, PRIMARY KEY (text, source));
CREATE TABLE decisions (
  number INTEGER PRIMARY KEY AUTOINCREMENT, family TEXT NOT NULL REFERENCES titles, texts TEXT NOT NULL, code TEXT,
  reviewer TEXT NOT NULL, at TEXT NOT NULL, is_second INTEGER NOT NULL, undoes INTEGER UNIQUE REFERENCES decisions
);
CREATE TABLE leases (
  family TEXT PRIMARY KEY, reviewer TEXT NOT NULL, until REAL NOT NULL, is_second INTEGER NOT NULL,
  screen TEXT NOT NULL DEFAULT ''
);
CREATE TABLE skips (family TEXT NOT NULL, reviewer TEXT NOT NULL, until REAL NOT NULL,
  PRIMARY KEY (family, reviewer));
CREATE INDEX decisions_of ON decisions (family);
CREATE INDEX spellings_of ON spellings (family);
CREATE INDEX titles_by_state ON titles (state);
CREATE TRIGGER decisions_stay BEFORE UPDATE ON decisions BEGIN SELECT raise(ABORT, 'decisions are only added'); END;
CREATE TRIGGER decisions_last BEFORE DELETE ON decisions BEGIN SELECT raise(ABORT, 'decisions are only added'); END;
"""
_UPDATES: Final = {1: "ALTER TABLE leases ADD COLUMN screen TEXT NOT NULL DEFAULT '';"}  # of files of that version


class Ledger:
    """A file of titles and decisions."""

    def __init__(self, path: Path) -> None:
        """Make the file unless it is there.

        Raises:
            ArtifactError: It is something else, or another version of jobmajor made it.
        """
        self.path = path
        with lock.wait_for(path.with_name(f".{path.name}.lock")), self._errors(), closing(self._open()) as database:
            found = database.execute("PRAGMA user_version").fetchone()[0]
            tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if not found and not tables:
                database.execute("PRAGMA journal_mode = WAL")
                database.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
            elif found in _UPDATES:
                database.executescript(f"BEGIN IMMEDIATE; {_UPDATES[found]} PRAGMA user_version = {VERSION}; COMMIT;")
            elif found != VERSION:
                raise ArtifactError(f"{path} is no queue of version {VERSION}: move it away, or use its jobmajor")

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """Return a connection whose changes are all kept at the end of the block, or none if it raises."""
        with self._errors(), closing(self._open()) as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Return a connection that sees one state of the file throughout the block."""
        with self._errors(), closing(self._open()) as database:
            database.execute("BEGIN")
            yield database

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.path, timeout=_PATIENCE_S, isolation_level=None)
        try:
            database.execute("PRAGMA synchronous = FULL")
            database.execute("PRAGMA foreign_keys = ON")
        except sqlite3.Error:
            database.close()
            raise
        return database

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise ArtifactError(f"{self.path} can't be used ({error}): restore a copy, or move it away") from error
