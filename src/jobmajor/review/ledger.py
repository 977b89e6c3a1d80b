"""The file of the queue: SQLite in the workspace, one transaction at a time, whole after a kill at any moment.

The log is written ahead and flushed at each commit. Decisions are only ever added: triggers refuse to change or delete
one. A connection lasts for one transaction, so that processes and threads share nothing but the file. `postgres` keeps
the same tables on a server.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jobmajor.errors import ArtifactError, InputError, MissingExtra
from jobmajor.review.database import EXPECTED, SCHEMES, TABLES, VERSION
from sagelocal.storage import lock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobmajor.review.database import Database
    from jobmajor.review.postgres import PostgresLedger

_PATIENCE_S: Final = 60
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+]+:", re.IGNORECASE)  # two letters or more: C: is a disk
_TRIGGERS: Final = """
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
                database.executescript(
                    f"BEGIN IMMEDIATE; {TABLES} {_TRIGGERS} PRAGMA user_version = {VERSION}; COMMIT;"
                )
            elif found in _UPDATES:
                database.executescript(f"BEGIN IMMEDIATE; {_UPDATES[found]} PRAGMA user_version = {VERSION}; COMMIT;")
            elif found != VERSION:
                raise ArtifactError(f"{path} is no queue of version {VERSION}: move it away, or use its jobmajor")

    @contextmanager
    def change(self) -> Iterator[Database]:
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
    def read(self) -> Iterator[Database]:
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


def opened(place: Path | str) -> Ledger | PostgresLedger:
    """Return the ledger in a file, or in the database that a URL names.

    Raises:
        ArtifactError: It can't be used. InputError: The URL can't be used, or the path is a folder.
    """
    if not isinstance(place, str) or not _SCHEME.match(place):
        path = Path(place)
        if path.exists() and not path.is_file():
            raise InputError(
                f"{path} is no regular file, expected a file for the queue: name one, such as queue.sqlite"
            )
        return Ledger(path)
    if not place.startswith(SCHEMES):  # before the extra is asked for, which would not help
        raise InputError(EXPECTED)
    try:
        from jobmajor.review.postgres import PostgresLedger  # noqa: PLC0415 - needs the extra `postgres`
    except ImportError as error:  # also where psycopg finds no libpq
        raise MissingExtra("a queue on PostgreSQL", "postgres") from error
    return PostgresLedger(place)
