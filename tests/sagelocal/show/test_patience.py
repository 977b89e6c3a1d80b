"""A command is never silent on a terminal, and says nothing of that in a pipe."""

from __future__ import annotations

import codecs
import io
import os
import re
import select
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import typer

from sagelocal.show import patience, terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
LIMIT_S = 60.0
NOW = 5.0  # the line's clock stands still, or a busy machine would be at "1 s" when the line is first drawn


class Screen:
    """A terminal whose standard error is ours, and all that was written to it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self._master, slave = os.openpty()
        self.stream = io.TextIOWrapper(os.fdopen(slave, "wb", 0), "utf-8", write_through=True)
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def attach(self) -> None:
        """Make it the terminal of this process; in the test itself, since pytest sets the streams before it."""
        self._patch.setattr(sys, "stderr", self.stream)

    def wait_for(self, text: str) -> str:
        """Return what is written until a text appears, from the end of the last call on."""
        return until(self._master, text, self._decoder)


def until(terminal: int, text: str, decoder: codecs.IncrementalDecoder) -> str:
    """Return what comes from a terminal until a text appears."""
    found, end = "", time.monotonic() + LIMIT_S
    while text not in found and time.monotonic() < end:
        if select.select([terminal], [], [], 1)[0]:
            found += decoder.decode(os.read(terminal, 65536))
    assert text in found
    return found


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    found = Screen(monkeypatch)
    monkeypatch.setattr(patience, "_QUIET_S", 0.0)
    monkeypatch.setattr(patience, "_INTERVAL_S", 0.01)
    monkeypatch.setattr(patience, "time", SimpleNamespace(monotonic=lambda: NOW))
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
            time.sleep(0.05)  # long enough to draw the line
            sys.stderr.write("more\n")
            held = screen.wait_for("more")

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

    assert made.line(NOW) == f"  {'x' * 68} … 0 s"
    made.begin("train", fail)
    assert made.line(NOW + 75) == "  train … 1 min 15 s"


def test_after_the_end_nothing_more_is_drawn(screen: Screen) -> None:
    screen.attach()

    with patience.patience("loading"):
        screen.wait_for("loading")
        patience.end()
        sys.stderr.write("ended\n")
        time.sleep(0.05)  # long enough to draw the line
        sys.stderr.write("open http://127.0.0.1:8080\n")
    screen.stream.write("over\n")

    shown = screen.wait_for("over\r\n")
    assert shown.partition("ended\r\n")[2] == "open http://127.0.0.1:8080\r\nover\r\n"


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


PATIENTLY = str(ROOT / "tools/patiently.py")
# The same with a clock that is a second later each time: the machine's own may have gone on by more than one.
COUNTED = """
import itertools, runpy, subprocess, sys, time
time.monotonic = itertools.count().__next__
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_make_says_for_how_long_a_silent_command_has_been_running() -> None:
    waits = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    master, slave = os.openpty()

    words = [sys.executable, "-c", COUNTED, PATIENTLY, "compiling", *waits]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=slave) as process:
        os.close(slave)
        decoder = codecs.getincrementaldecoder("utf-8")()
        shown = until(master, "  compiling … 1 s", decoder)
        process.communicate()
        shown += rest_of(master, decoder)

    assert shown.endswith("\r\x1b[K")


def rest_of(terminal: int, decoder: codecs.IncrementalDecoder) -> str:
    """Return what comes from a terminal until nobody has its other end open, and close it."""
    found = ""
    with os.fdopen(terminal, "rb", 0) as file, suppress(OSError):  # how Linux says that nobody is at the other end
        while data := file.read(65536):
            found += decoder.decode(data)
    return found


def test_make_says_nothing_in_a_pipe() -> None:
    slow = [sys.executable, "-c", "import time; time.sleep(1.5)"]

    done = subprocess.run([sys.executable, PATIENTLY, "compiling", *slow], capture_output=True, text=True, check=True)

    assert done.stderr == ""


def test_make_passes_on_the_status_of_a_command() -> None:
    script = [sys.executable, PATIENTLY, "x"]

    assert subprocess.run([*script, sys.executable, "-c", "raise SystemExit(7)"], check=False).returncode == 7
    assert subprocess.run([*script, "/no/such/program"], check=False, capture_output=True).returncode == 127
