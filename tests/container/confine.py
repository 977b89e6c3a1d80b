"""Run a program as a container would: read-only files, one writable temporary folder, no /dev/shm, another user.

Runs in a mount namespace of its own: `unshare --mount python confine.py TEMPORARY USER PROGRAM …`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

DEVICES = ("null", "zero", "full", "random", "urandom")
VIRTUAL = ("/proc", "/sys", "/dev")


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)  # noqa: S607 - where the system has it


def hide_shared_memory(folder: Path) -> None:
    """Replace /dev by one that has no shm."""
    folder.mkdir()
    mount("-t", "tmpfs", "tmpfs", str(folder))
    for name in DEVICES:
        (folder / name).touch()
        mount("--bind", f"/dev/{name}", str(folder / name))
    (folder / "fd").symlink_to("/proc/self/fd")
    mount("--move", str(folder), "/dev")
    mount("-o", "remount,ro", "/dev")


def reveal(folder: Path, aside: Path) -> None:
    """Make a folder reachable for every user where a parent is closed, such as /root; hide the rest of that parent."""
    closed = next((path for path in reversed(folder.parents) if not path.stat().st_mode & 0o001), None)
    if closed:
        aside.mkdir()
        mount("--bind", str(folder), str(aside))
        mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", str(closed))
        folder.mkdir(parents=True)
        mount("--move", str(aside), str(folder))
        aside.rmdir()


def mounted() -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
    return [line.split()[4] for line in lines]


def main() -> None:
    temporary, user, *program = sys.argv[1:]
    hide_shared_memory(Path(temporary) / "dev")
    (Path(temporary) / "dev").rmdir()
    reveal(Path(sys.base_prefix), Path(temporary) / "python")
    mount("--bind", temporary, temporary)
    for place in {*mounted()} - {temporary}:
        if not place.startswith(VIRTUAL):
            mount("-o", "remount,bind,ro", place)
    if int(user) != os.getuid():
        os.setgroups([])
        os.setgid(int(user))
        os.setuid(int(user))
    os.execvp(program[0], program)  # noqa: S606 - no shell


main()
