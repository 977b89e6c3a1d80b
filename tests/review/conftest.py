"""A PostgreSQL server for the tests of the queue, on a socket in a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "p@ss/w%rd"
_ENCODED = "p%40ss%2Fw%25rd"
_TEXT_SORTED_BY_LANGUAGE = ("--encoding=UTF8", "--locale-provider=icu", "--icu-locale=en", "--locale=C.UTF-8")
# Nothing is flushed: a test ends clients and restarts the server, and never the machine.
_SETTINGS = ("fsync=off", "shared_buffers=16MB", "max_connections=40", "synchronous_commit=off")


def _program(name: str) -> str | None:
    """Return a server program: of the path, or of the newest of Debian's packages."""
    packaged = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda each: int(each.parts[-3]))
    return shutil.which(name) or (str(packaged[-1]) if packaged else None)


def _user() -> dict[str, Any]:
    """Return as whom the server runs, which refuses root."""
    return {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}


@dataclass
class Server:
    """A server that can be stopped and started again."""

    folder: Path

    def url(self, database: str = "postgres", password: str = _ENCODED) -> str:
        return f"postgresql://reviewer:{password}@/{database}?host={self.folder}"

    def start(self) -> None:
        settings = [part for each in _SETTINGS for part in ("-c", each)]
        options = ["-o", " ".join([f"-k {self.folder} -h ''", *settings]), "-l", str(self.folder / "log")]
        self._control("start", *options)

    def stop(self) -> None:
        """Stop at once, whoever is connected."""
        self._control("stop", "-m", "fast")

    def _control(self, what: str, *options: str) -> None:
        command = [str(_program("pg_ctl")), "-D", str(self.folder / "data"), "-w", "-s", *options, what]
        subprocess.run(command, check=True, timeout=60, cwd=self.folder, stdout=subprocess.DEVNULL, **_user())

    def forget(self) -> None:
        """Drop what a test made."""
        psycopg = pytest.importorskip("psycopg")
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute("DROP SCHEMA IF EXISTS jobmajor CASCADE")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Server]:
    pytest.importorskip("psycopg", reason="the extra postgres is not installed")
    if not (_program("initdb") and _program("pg_ctl")):
        pytest.skip("no PostgreSQL server is installed: Debian's package postgresql has one")
    with tempfile.TemporaryDirectory(prefix="pg-") as name:  # a socket's path may have 107 characters
        folder = Path(name)
        (folder / "password").write_text(PASSWORD + "\n")
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody", "nogroup")
            shutil.chown(folder / "password", "nobody", "nogroup")
        whose = ("--username=reviewer", "--auth=scram-sha-256", f"--pwfile={folder / 'password'}")
        command = [str(_program("initdb")), "-D", str(folder / "data"), "--no-sync", *whose, *_TEXT_SORTED_BY_LANGUAGE]
        subprocess.run(command, check=True, timeout=120, cwd=folder, stdout=subprocess.DEVNULL, **_user())
        found = Server(folder)
        found.start()
        try:
            yield found
        finally:
            found.stop()


@pytest.fixture
def server(cluster: Server) -> Server:
    cluster.forget()
    return cluster


@pytest.fixture(params=["file", pytest.param("postgres", marks=pytest.mark.xdist_group("postgres"))])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where the queue is: a file, or a database."""
    return tmp_path / "reviews.db" if request.param == "file" else request.getfixturevalue("server").url()
