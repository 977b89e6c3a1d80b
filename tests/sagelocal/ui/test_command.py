"""`sagelocal ui` begins, says where it is, and ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

import sagelocal
from sagelocal import cli
from sagelocal.ui import hosting

from .conftest import LIMIT_S, ended

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = "import sys; from sagelocal.cli import main; sys.exit(main())"
SOURCES = str(Path(sagelocal.__file__).parents[1])


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which another program listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_page_is_served_until_ctrl_c_and_that_is_no_failure(home: Path) -> None:
    ended(home, "one")
    command = [sys.executable, "-c", PROGRAM, "ui", "--home", str(home), "--port", "0"]
    with subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": SOURCES}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        said = process.stdout.readline()
        url = re.fullmatch(r"(http://127\.0\.0\.1:\d+) shows .*; Ctrl-C ends it\n", said)
        assert url, said
        with httpx.Client(timeout=LIMIT_S) as client:
            assert client.get(url[1]).status_code == 200
            process.send_signal(signal.SIGINT)  # while a connection stays open
            out, err = process.communicate(timeout=LIMIT_S)

    assert (process.returncode, out, err) == (0, "", "")


def test_port_that_is_taken_is_one_line_and_status_2(
    home: Path, taken: int, capsys: pytest.CaptureFixture[str]
) -> None:
    status = cli.main(["ui", "--home", str(home), "--port", str(taken)])

    out, err = capsys.readouterr()
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert f"can't listen on 127.0.0.1 port {taken} (Address already in use)" in err


def test_free_port_is_taken_where_none_is_named(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosting, "_USUAL", taken)

    with hosting.listen(None) as bound:
        host, port = bound.getsockname()

    assert host == "127.0.0.1"
    assert port not in (0, taken)


def test_workspace_that_is_not_there_is_one_line_and_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"

    assert cli.main(["ui", "--home", str(home)]) == 2

    assert f"{home} is no workspace" in capsys.readouterr().err
    assert not home.exists()


@pytest.mark.parametrize("package", ["uvicorn", "starlette", "jinja2"])
def test_without_the_extra_the_command_says_what_to_install(tmp_path: Path, package: str) -> None:
    site = tmp_path / "site" / "sagelocal-9.9.dist-info"
    site.mkdir(parents=True)
    needs = "".join(f"Requires-Dist: {name}; extra == 'ui'\n" for name in ("jinja2", "starlette", "uvicorn"))
    (site / "METADATA").write_text(f"Name: sagelocal\nVersion: 9.9\n{needs}")
    program = f"import sys; sys.modules[{package!r}] = None; {PROGRAM}"
    paths = os.pathsep.join((str(site.parent), SOURCES))

    done = subprocess.run(
        [sys.executable, "-c", program, "ui", "--home", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "sagelocal ui needs the extra 'ui': " in done.stderr
    assert "'sagelocal[ui]'" in done.stderr
