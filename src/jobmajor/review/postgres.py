"""The queue in a PostgreSQL database: the tables of the file, in a schema of their own, for reviewers on many machines.

Changes happen one after another, under an advisory lock that ends with its transaction. A connection lasts for one
transaction, so that a restart of the server costs a command at most. No message shows the URL: it may hold a password.
"""

from __future__ import annotations

import re
from contextlib import closing, contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from jobmajor.errors import ArtifactError, InputError
from jobmajor.review.database import EXPECTED, TABLES, VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from jobmajor.review.database import Database, Rows

# A server that doesn't answer is an error after a minute or so, not a command that hangs.
_DEFAULTS: Final = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    "fallback_application_name": "jobmajor",
}
_READ: Final = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = jobmajor;"
# The lock's number means nothing; every change of a queue takes it, and waits for it as long as SQLite would.
_CHANGE: Final = b"""
BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL search_path = jobmajor; SET LOCAL lock_timeout = '60s';
SET LOCAL idle_in_transaction_session_timeout = '60s';
SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off';
SELECT pg_advisory_xact_lock(7310562848139174);
"""
# SQLite's types as PostgreSQL has them, and the order of bytes for texts.
_TYPES: Final = {
    "INTEGER PRIMARY KEY AUTOINCREMENT": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    "INTEGER": "BIGINT",
    "REAL": "DOUBLE PRECISION",
    "TEXT": 'TEXT COLLATE "C"',
}
_TRIGGERS: Final = """
CREATE FUNCTION decisions_stay() RETURNS trigger LANGUAGE plpgsql
  AS 'BEGIN RAISE EXCEPTION ''decisions are only added''; END';
CREATE TRIGGER decisions_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON decisions EXECUTE FUNCTION decisions_stay();
"""


class PostgresLedger:
    """A database of titles and decisions."""

    def __init__(self, url: str) -> None:
        """Make the tables unless they are there.

        Raises:
            InputError: The URL can't be used. ArtifactError: The server or the database can't.
        """
        self._settings = _parsed(url)
        self.name = _shown(self._settings)
        with self._errors():
            with self._begun(_READ) as database:
                found = _version(database)
            if found is None:
                with self._begun(_CHANGE) as database:
                    found = _version(database) or self._make(database)
        if found != VERSION:
            raise ArtifactError(
                f"{self.name} has a queue of version {found}, expected {VERSION}: use another database, or its jobmajor"
            )

    @contextmanager
    def change(self) -> Iterator[Database]:
        """Return a connection whose changes are all kept at the end of the block, or none if it raises."""
        with self._errors(), self._begun(_CHANGE) as database:
            yield database

    @contextmanager
    def read(self) -> Iterator[Database]:
        """Return a connection that sees one state of the database throughout the block."""
        with self._errors(), self._begun(_READ) as database:
            yield database

    @contextmanager
    def _begun(self, begin: bytes) -> Iterator[Database]:
        """Open a connection and begin a transaction, which is committed at the end and otherwise undone."""
        with closing(psycopg.connect(**self._settings, autocommit=True, cursor_factory=psycopg.ClientCursor)) as opened:
            opened.execute(begin)
            yield _Connection(opened)
            opened.execute("COMMIT")

    def _make(self, database: Database) -> int:
        encoding = database.execute("SELECT current_setting('server_encoding')").fetchone()[0]
        if encoding != "UTF8":
            raise ArtifactError(f"{self.name} has the encoding {encoding}, expected UTF8: createdb --encoding UTF8")
        if not database.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'jobmajor'").fetchone():
            database.execute("CREATE SCHEMA jobmajor")
        tables = TABLES
        for name, mine in _TYPES.items():
            tables = tables.replace(name, mine)
        database.execute(f"{tables} {_TRIGGERS} CREATE TABLE version (number INTEGER NOT NULL);")
        database.execute("INSERT INTO version VALUES (?)", (VERSION,))
        return VERSION

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            said = " ".join(str(error).strip().partition("\n")[0].split())
            for name in ("password", "sslpassword"):
                if secret := str(self._settings.get(name) or ""):
                    said = said.replace(secret, "***")
            raise ArtifactError(
                f"the queue in {self.name} can't be used ({said}): see that the server runs, and that the user may "
                "make and change tables in its schema jobmajor; then repeat what you did"
            ) from error


class _Connection:
    """A connection that takes statements as SQLite does."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def execute(self, statement: str, parameters: Sequence[Any] | Mapping[str, Any] = (), /) -> Rows:
        """Execute a statement with its values: `?` in their order, or `:name`."""
        if isinstance(parameters, dict):
            values: Any = {name: _value(each) for name, each in parameters.items()}
        else:
            values = [_value(each) for each in parameters]
        found: Rows = self._connection.execute(_translated(statement), values)
        return found

    def executemany(self, statement: str, parameters: Iterable[Sequence[Any]], /) -> None:
        """Execute a statement once for each row of values."""
        for each in parameters:
            self.execute(statement, each)


@lru_cache
def _translated(statement: str) -> bytes:
    """Return a statement with the placeholders of psycopg.

    >>> _translated("SELECT ? FROM leases WHERE until > :now")
    b'SELECT %s FROM leases WHERE until > %(now)s'
    """
    found = re.sub(r"\?|:(\w+)", lambda it: f"%({it[1]})s" if it[1] else "%s", statement.replace("%", "%%"))
    return found.encode()


def _value(value: Any) -> Any:
    """Return a value as PostgreSQL can keep it: whether something is so as 0 or 1, and texts without NUL."""
    if isinstance(value, bool):
        return int(value)
    return value.replace("\0", " ") if isinstance(value, str) else value


def _version(database: Database) -> int | None:
    """Return the version of the tables, 0 if it isn't recorded; None where there are none."""
    if database.execute("SELECT to_regclass('jobmajor.version')").fetchone()[0] is None:
        return None
    row = database.execute("SELECT number FROM version").fetchone()
    return int(row[0]) if row else 0


def _parsed(url: str) -> dict[str, Any]:
    """Return what a URL says, and defaults for the rest.

    Raises:
        InputError: It is no URL of PostgreSQL, or its parts are not where they seem to be. The message shows none.
    """
    try:
        found = conninfo_to_dict(url)
    except psycopg.Error as error:
        raise InputError(EXPECTED) from error
    # What follows a bare @ or / in a password ends up in these.
    places = [str(found.get(name) or "") for name in ("host", "dbname")]
    if any("@" in each[1:] for each in places) or re.search(r"[^\d,]", str(found.get("port") or "")):
        raise InputError(EXPECTED)
    return {**_DEFAULTS, **found}


def _shown(settings: Mapping[str, Any]) -> str:
    """Return the name of a database for messages.

    >>> _shown({"host": "db", "port": "5433", "dbname": "soc", "user": "ann", "password": "secret"})
    'postgresql://db:5433/soc'
    """
    port = f":{settings['port']}" if settings.get("port") else ""
    return f"postgresql://{settings.get('host') or ''}{port}/{settings.get('dbname') or ''}"
