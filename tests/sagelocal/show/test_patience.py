"""A command is never silent on a terminal, and says nothing of that in a pipe."""

from __future__ import annotations

import io
import os
import re
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer

from sagelocal.show import patience, terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[3]


class Screen:
    """A terminal whose standard error is ours, and all that was written to it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self._master, slave = os.openpty()
        self.stream = io.TextIOWrapper(os.fdopen(slave, "wb", 0), "utf-8", write_through=True)

    def attach(self) -> None:
        """Make it the terminal of this process; in the test itself, since pytest sets the streams before it."""
        self._patch.setattr(sys, "stderr", self.stream)

    def read(self) -> str:
        """Return what was written since the last call."""
        found = b""
        time.sleep(0.05)  # then don't wait for more: the line is drawn again and again
        while select.select([self._master], [], [], 0)[0]:
            found += os.read(self._master, 65536)
        return found.decode()

    def wait_for(self, text: str) -> str:
        """Return what is written until a text appears."""
        found = ""
        for _ in range(400):
            found += self.read()
            if text in found:
                return found
        raise AssertionError(f"{text!r} never came: {found!r}")


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    found = Screen(monkeypatch)
    monkeypatch.setattr(patience, "_QUIET_S", 0.01)
    monkeypatch.setattr(patience, "_INTERVAL_S", 0.01)
    yield found
    found.stream.close()


def test_silence_on_a_terminal_is_filled_with_what_is_done_and_removed_before_other_text(screen: Screen) -> None:
    screen.attach()

    with patience.patience("reading"):
        first = screen.wait_for("reading … 0 s")
        patience.doing("training", lambda: "epoch 3 of 12")
        second = screen.wait_for("training … 0 s, epoch 3 of 12")
        with patience.held():
            sys.stderr.write("done\n")
            held = screen.wait_for("done")

    assert first.startswith("\r\x1b[K  reading")
    assert "reading" not in second.split("training", 1)[1]
    assert re.search(r"\r\x1b\[Kdone\r?\n", second + held)
    assert "…" not in held.split("done")[1]
    assert sys.stderr is screen.stream


def test_nothing_is_written_where_standard_error_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(patience, "_QUIET_S", 0.0)
    monkeypatch.setattr(patience, "_INTERVAL_S", 0.001)

    with patience.patience("reading"):
        time.sleep(0.05)
        patience.doing("training")
        time.sleep(0.05)

    assert capfd.readouterr() == ("", "")


def test_failing_detail_and_long_text_cost_nothing(screen: Screen) -> None:
    def fail() -> str:
        raise OSError("gone")

    made = patience.Patience(screen.stream)
    made.begin("x" * 200, fail)

    assert made.line(time.monotonic()) == f"  {'x' * 68} … 0 s"
    made.begin("train", fail)
    assert made.line(time.monotonic() + 75) == "  train … 1 min 15 s"


def test_after_the_end_nothing_more_is_drawn(screen: Screen) -> None:
    screen.attach()

    with patience.patience("loading"):
        screen.wait_for("loading")
        patience.end()
        screen.read()
        time.sleep(0.05)
        sys.stderr.write("open http://127.0.0.1:8080\n")

    assert screen.read() == "open http://127.0.0.1:8080\r\n"


def test_every_command_has_the_line_with_its_own_name(screen: Screen) -> None:
    screen.attach()
    app, group = typer.Typer(), typer.Typer()
    app.add_typer(group, name="models")

    @group.command("list")
    def list_versions(name: str) -> None:
        screen.wait_for(f"program models list … 0 s{name}")

    @group.command("show")
    def show() -> None:
        """Give the group a second command."""

    assert terminal.edge(app, "program", ["models", "list", ""]) == 0


def in_a_pipe_and_on_a_terminal(command: Sequence[str]) -> tuple[str, str]:
    """Return what a command writes to standard error in both."""
    piped = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    master, slave = os.openpty()
    with subprocess.Popen(command, stderr=slave, stdout=subprocess.DEVNULL) as process:
        os.close(slave)
        process.wait()
        shown = os.read(master, 65536).decode() if select.select([master], [], [], 0)[0] else ""
    os.close(master)
    return piped, shown


def test_make_says_for_how_long_a_silent_command_has_been_running() -> None:
    slow = [sys.executable, "-c", "import time; time.sleep(1.5)"]

    piped, shown = in_a_pipe_and_on_a_terminal([sys.executable, str(ROOT / "tools/patiently.py"), "compiling", *slow])

    assert piped == ""
    assert "  compiling … 1 s" in shown
    assert shown.endswith("\r\x1b[K")


def test_make_passes_on_the_status_of_a_command() -> None:
    script = [sys.executable, str(ROOT / "tools/patiently.py"), "x"]

    assert subprocess.run([*script, sys.executable, "-c", "raise SystemExit(7)"], check=False).returncode == 7
    assert subprocess.run([*script, "/no/such/program"], check=False, capture_output=True).returncode == 127
