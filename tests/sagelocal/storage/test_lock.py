from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from sagelocal.errors import Busy
from sagelocal.storage import lock

if TYPE_CHECKING:
    from pathlib import Path

# Says "held" once it has the lock of argv[1], and keeps it until it is killed.
HOLDER = """
import sys, time
from pathlib import Path
from sagelocal.storage import lock
with lock.wait_for(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_lock_that_is_held_is_refused_with_the_folder_it_protects(tmp_path: Path) -> None:
    path = tmp_path / "home" / ".lock"

    with lock.take(path, busy=tmp_path), pytest.raises(Busy, match=f"another run holds {tmp_path}"):
        lock.take(path, busy=tmp_path).__enter__()

    with lock.take(path, busy=tmp_path):
        pass


def test_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        assert lock.is_held(path)
        holder.kill()

    assert not lock.is_held(path)
    with lock.take(path, busy=tmp_path):
        pass


def test_lock_that_comes_free_in_a_moment_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process that was starting another leaves a copy of the lock, until that one's program runs."""
    with lock.take(tmp_path / "lock", busy=tmp_path) as descriptor:
        left = [os.dup(descriptor)]
    # It goes during the first pause, however long that takes this machine.
    clock = SimpleNamespace(monotonic=lambda: 0.0, sleep=lambda _: os.close(left.pop()))
    monkeypatch.setattr(lock, "time", clock)

    with lock.take(tmp_path / "lock", busy=tmp_path):
        assert left == []


def test_child_that_inherits_the_descriptor_keeps_the_lock(tmp_path: Path) -> None:
    with lock.take(tmp_path / "lock", busy=tmp_path) as descriptor:
        child = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, pass_fds=(descriptor,))

    with child:
        assert lock.is_held(tmp_path / "lock")
    assert not lock.is_held(tmp_path / "lock")


def test_asking_makes_nobody_wait_and_a_folder_can_be_locked(tmp_path: Path) -> None:
    assert not lock.is_held(tmp_path)
    with lock.wait_for(tmp_path):
        assert lock.is_held(tmp_path)
    assert not lock.is_held(tmp_path)


def test_who_waits_for_a_file_that_its_holder_removes_locks_the_new_one(tmp_path: Path) -> None:
    path, waits, done = tmp_path / "work" / "lock", threading.Event(), threading.Event()

    def second() -> None:
        waits.set()
        with lock.wait_for(path):
            assert path.exists()
            assert lock.is_held(path)
            done.set()

    with lock.wait_for(path):
        thread = threading.Thread(target=second)
        thread.start()
        waits.wait()
        shutil.rmtree(path.parent)
    thread.join(30)

    assert done.is_set()
