"""The tables of the queue, and how statements are given to a database: in the SQL that SQLite and PostgreSQL share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

VERSION: Final = 2  # of the tables
SCHEMES: Final = ("postgresql://", "postgres://")  # of a database's address
EXPECTED: Final = (
    "the queue's address can't be used: expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with %40 for @ and %2F "
    "for / in a name or a password"
)
TABLES: Final = """
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
"""


class Rows(Protocol):
    """What a statement found or changed."""

    @property
    def rowcount(self) -> int:
        """How many rows were changed."""

    def fetchone(self) -> Any:
        """Return the next row; None after the last."""

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""

    def __iter__(self) -> Iterator[Any]: ...


class Database(Protocol):
    """A connection within a transaction: statements in the SQL that SQLite and PostgreSQL share."""

    def execute(self, statement: str, parameters: Sequence[Any] | Mapping[str, Any] = ..., /) -> Rows:
        """Execute a statement with its values: `?` in their order, or `:name`."""

    def executemany(self, statement: str, parameters: Iterable[Sequence[Any]], /) -> object:
        """Execute a statement once for each row of values."""
