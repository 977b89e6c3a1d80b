"""MLflow on one SQLite file, without log messages and telemetry; the file is complete or absent.

MLflow's first start runs dozens of schema migrations, each in a transaction. If it was killed between two of them,
every later start would refuse the file. So the file is created elsewhere and moved when it is complete.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import tempfile
import warnings
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jobmajor.errors import Error, RegistryError
from jobmajor.registry.versions import CHAMPION, DIGEST, MODEL_NAME
from sagelocal.storage import publish

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow.tracking import MlflowClient

_CHAMPIONS_DIGEST = """
    SELECT tag.value FROM registered_model_aliases AS alias
    LEFT JOIN model_version_tags AS tag
        ON tag.name = alias.name AND tag.version = alias.version AND tag.key = ?
    WHERE alias.name = ? AND alias.alias = ?
"""
_VERSION = """
    SELECT version.version, version.creation_time FROM model_version_tags AS tag
    JOIN model_versions AS version ON version.name = tag.name AND version.version = tag.version
    WHERE tag.name = ? AND tag.key = ? AND tag.value = ? ORDER BY version.version DESC
"""
_TAGS = "SELECT key, value FROM model_version_tags WHERE name = ? AND version = ?"
_ALIASES = "SELECT alias FROM registered_model_aliases WHERE name = ? AND version = ?"
_OF_MODEL = "SELECT key, value FROM registered_model_tags WHERE name = ?"
_MLFLOWS = ("mlflow.", "sqlalchemy.", "alembic.")
_PATIENCE_S = 20.0  # with a database that another program is writing to
_NO_LOADER = "The ``noload`` loader strategy is deprecated"


def create(database: Path, folder: Path) -> None:
    """Make the file in about two seconds, with temporary files in `folder`."""
    with tempfile.TemporaryDirectory(prefix=publish.STAGING, dir=folder) as staging:
        _connect(Path(staging, database.name))
        publish.write_file(database, Path(staging, database.name).read_bytes())


def client(database: Path) -> MlflowClient:
    """Return MLflow's client for an existing file; the first in a process costs one to two seconds of imports.

    Raises:
        RegistryError: The file can't be read. MLflow itself would try it ten times over, for 100 s.
    """
    try:
        address = f"{database.as_uri()}?mode=rw"
        with closing(sqlite3.connect(address, uri=True, timeout=_PATIENCE_S)) as connection:
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    except sqlite3.Error as error:
        is_held = getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        do = "end the program that holds it" if is_held else "restore it, or move it away to begin anew"
        raise RegistryError(f"{database} can't be read ({error}): {do}") from error
    if not tables:  # what a disk leaves of a file; MLflow would begin anew and forget every version
        raise RegistryError(f"{database} is empty, expected MLflow's tables: restore it, or move it away to begin anew")
    return _connect(database)


def champions_digest(database: Path) -> tuple[str | None] | None:
    """Read the row that MLflow's alias of the champion is, read-only and without importing MLflow.

    Returns:
        The digest, alone in a tuple, None in it for a version that was not made by jobmajor; None without a champion.

    Raises:
        sqlite3.Error: The database can't be read like this: a later MLflow's other tables, or the journal of a killed
            writer, which only a writer may roll back. Ask MLflow itself.
    """
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=_PATIENCE_S)) as connection:
        row: tuple[str | None] | None = connection.execute(_CHAMPIONS_DIGEST, (DIGEST, MODEL_NAME, CHAMPION)).fetchone()
    return row


@dataclass(frozen=True, slots=True)
class Row:
    """A version's row, with the names of MLflow's own class; `of_model` are the tags of the registered model."""

    version: int
    creation_timestamp: int
    aliases: tuple[str, ...]
    tags: dict[str, str]
    of_model: dict[str, str]


def row(database: Path, digest: str) -> Row | None:
    """Read the version with this digest, read-only and without importing MLflow; None if there is none.

    Raises:
        sqlite3.Error: As `champions_digest`.
    """
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=_PATIENCE_S)) as connection:
        connection.execute("BEGIN")  # one state of the file
        found = connection.execute(_VERSION, (MODEL_NAME, DIGEST, digest)).fetchone()
        if found is None:
            return None
        of_version = (MODEL_NAME, found[0])
        tags = dict(connection.execute(_TAGS, of_version).fetchall())
        aliases = tuple(alias for (alias,) in connection.execute(_ALIASES, of_version))
        of_model = dict(connection.execute(_OF_MODEL, (MODEL_NAME,)).fetchall())
    number, created = found
    return Row(number, created, aliases, tags, of_model)


@contextmanager
def one_line() -> Iterator[None]:
    """Turn errors of MLflow or its database within the block into a RegistryError of one line.

    A record that is damaged can break MLflow's own code, so an error of any class counts if MLflow raised it.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, Error) or not _is_of_mlflow(error):
            raise
        first = " ".join(f"{error}".split("\n", 1)[0].split()) or type(error).__name__
        if "disk is full" in first or "disk I/O error" in first:
            first += "; make room for mlflow.db, and run again"
        raise RegistryError(f"MLflow's registry refused: {first[:300]}") from error


def _is_of_mlflow(error: Exception) -> bool:
    names = [type(error).__module__]
    trace = error.__traceback__
    while trace:
        if not trace.tb_next:
            names.append(str(trace.tb_frame.f_globals.get("__name__")))
        trace = trace.tb_next
    return any(name.startswith(_MLFLOWS) for name in names)


def _connect(database: Path) -> MlflowClient:
    """Return a client; keep what the process has already chosen for MLflow's log and connections."""
    os.environ["DO_NOT_TRACK"] = "1"
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "false")
    # A pooled connection would outlive its file (ours moves once) and would cross a fork.
    os.environ.setdefault("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")
    for name in ("mlflow", "alembic"):
        if logging.getLogger(name).level == logging.NOTSET:
            # MLflow logs an error with its trace and then raises it; `one_line` says it.
            logging.getLogger(name).setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        # The tables of MLflow 3.17 use what SQLAlchemy 2.1 deprecates; we can't change that.
        warnings.filterwarnings("ignore", _NO_LOADER, DeprecationWarning)
        from mlflow.tracking import MlflowClient  # noqa: PLC0415 - costs over a second

        address = f"sqlite:///{database}"
        return MlflowClient(address, address)
