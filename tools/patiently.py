"""Run a command; on a terminal, say for how long it has been running, whenever it writes nothing itself.

Only the standard library is used, because `make` runs this before anything is installed.
"""

from __future__ import annotations

import subprocess
import sys
import time


def main(arguments: list[str]) -> int:
    """Run the command behind the first argument, which says what it does, and return its exit status."""
    text, *command = arguments
    try:
        with subprocess.Popen(command) as process:
            return _wait(process, text) if sys.stderr.isatty() else process.wait()
    except OSError as error:
        sys.stderr.write(f"{command[0]} can't be run ({error.strerror})\n")
        return 127


def _wait(process: subprocess.Popen[bytes], text: str) -> int:
    began, is_drawn = time.monotonic(), False
    try:
        while True:
            try:
                return process.wait(1)
            except subprocess.TimeoutExpired:
                is_drawn = True
                sys.stderr.write(f"\r\x1b[K  {text} … {time.monotonic() - began:.0f} s")
                sys.stderr.flush()
    finally:
        if is_drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
