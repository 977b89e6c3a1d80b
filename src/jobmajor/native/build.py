"""Compile the C files beside this module: one library for each level of the processor.

The hook of the build backend calls this file by its path when a wheel is built or a checkout installed, so it imports
nothing of the package. In a checkout whose C files changed, run it: `python -m jobmajor.native.build`.

The compiler is the first of: the command in `CC`, `cc`, `gcc`, `clang`, and that of the package `ziglang`, which comes
from the package index as a wheel and also compiles for other systems.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FOLDER = Path(__file__).parent
FILES = (
    *("append.c", "blend.c", "clean.c", "evidence.c", "judge.c", "level.c", "memo.c", "mend.c", "pieces.c", "rank.c"),
    *("scan.c", "sums.c", "kernels.h", "sums.h"),
)
ZIG = "0.15.2"  # the version of ziglang that the locks and the build backend install
SKIPPED = "no"  # the value of JOBMAJOR_COMPILED that leaves compiled code out, here and when the package runs
SUFFIXES = {"darwin": ".dylib", "windows": ".dll"}
# Numbers may be summed in any order, and none is NaN or infinite. Otherwise, no sum and no maximum is vectorised.
_FLAGS = (
    *("-std=gnu11", "-O3", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra"),
    *("-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math", "-ffinite-math-only"),
    *("-ffp-contract=fast", "-g0"),  # zig would add debug information, which names folders of this machine
)
_LEVELS = {"x86_64": (1, 3)}  # see `level.c`; other processors have one library
# Wheels for other systems: their tag, and the target by ziglang's name.
TARGETS = {
    "manylinux_2_17_x86_64": "x86_64-linux-gnu.2.17",
    "manylinux_2_17_aarch64": "aarch64-linux-gnu.2.17",
    "macosx_11_0_x86_64": "x86_64-macos.11.0",
    "macosx_11_0_arm64": "aarch64-macos.11.0",
    "win_amd64": "x86_64-windows-gnu",
}


class BuildError(Exception):
    """The C files can't be compiled here; the text says what is missing and how to go on."""


def is_wanted() -> bool:
    """Return whether compiled code is wanted: it is, unless JOBMAJOR_COMPILED says no."""
    return os.environ.get("JOBMAJOR_COMPILED", "").lower() not in {SKIPPED, "0", "false"}


def digest() -> str:
    """Return 16 hexadecimal digits of the sha256 of all C files; a checkout's line ends don't count."""
    found = hashlib.sha256()
    for name in FILES:
        found.update(name.encode() + b"\0" + (FOLDER / name).read_bytes().replace(b"\r\n", b"\n"))
    return found.hexdigest()[:16]


def refresh() -> None:
    """Compile the libraries beside this module, unless they are there and of these sources, or not wanted.

    Raises:
        BuildError: As `build`.
    """
    made = [FOLDER / name for name in names(*here()).values()]
    if is_wanted() and not all(path.exists() and sources_of(path) == int(digest(), 16) for path in made):
        build(FOLDER)


def sources_of(path: Path) -> int:
    """Return the digest of the sources that a library was built from, as a number.

    Raises:
        OSError: It can't be loaded.
    """
    function = ctypes.CDLL(str(path)).jm_sources
    function.restype = ctypes.c_uint64
    return int(function())


def compiler() -> list[str] | None:
    """Return the command that compiles for this machine, None if there is none."""
    for command in (shlex.split(os.environ.get("CC", "")), ["cc"], ["gcc"], ["clang"]):
        if command and shutil.which(command[0]):
            return command
    return _zig() if importlib.util.find_spec("ziglang") else None


def _zig() -> list[str]:
    return [sys.executable, "-m", "ziglang", "cc"]


def names(system: str, machine: str) -> dict[int, str]:
    """Return the file name of the library for each level of a processor; level 0 where there is one library.

    >>> names("linux", "aarch64")
    {0: 'kernels.so'}
    """
    suffix = SUFFIXES.get(system, ".so")
    levels = _LEVELS.get(machine)
    return {level: f"kernels-v{level}{suffix}" for level in levels} if levels else {0: f"kernels{suffix}"}


def here() -> tuple[str, str]:
    """Return this system and processor, as `names` takes them."""
    machine = platform.machine().lower()
    return platform.system().lower(), {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)


def build(into: Path, target: str | None = None) -> list[Path]:
    """Compile the libraries into a folder, and return their paths; those that are already there are replaced.

    Args:
        into: An existing folder.
        target: A value of `TARGETS`; None means this machine.

    Raises:
        BuildError: There is no compiler, or it failed.
    """
    command = compiler() if target is None else [*_zig(), f"--target={target}"]
    if command is None:
        raise BuildError(f"found no C compiler (cc, gcc, clang): install one, or run `pip install ziglang`, {_WITHOUT}")
    system, machine = here() if target is None else _system_of(target)
    levels = names(system, machine)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return list(threads.map(lambda level: _compile(command, system, level, into / levels[level]), levels))


_WITHOUT = f"or set JOBMAJOR_COMPILED={SKIPPED} to go on without compiled code (files are coded many times slower)"


def _system_of(target: str) -> tuple[str, str]:
    machine, system = target.split("-")[:2]
    return {"macos": "darwin"}.get(system.split(".")[0], system.split(".")[0]), machine


def _compile(command: list[str], system: str, level: int, path: Path) -> Path:
    is_zig = "ziglang" in command
    march = ["-march=x86_64_v3" if is_zig else "-march=x86-64-v3"] if level == 3 else []
    position = [] if system == "windows" else ["-fPIC"]
    # A library of macOS holds its name, which would be that of a temporary folder.
    position += [f"-Wl,-install_name,@rpath/{path.name}"] if system == "darwin" else []
    files = [str(FOLDER / name) for name in FILES if name.endswith(".c")]
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / path.name  # moved when it is whole: several builds may run, and the old one may be in use
        arguments = [
            *command,
            *_FLAGS,
            *position,
            *march,
            f"-DSOURCES=0x{digest()}ULL",
            "-o",
            str(made),
            *files,
        ]
        try:
            subprocess.run([*arguments, "-lm"], check=True, capture_output=True, text=True)
        except OSError as error:
            raise BuildError(
                f"{command[0]} can't be run ({error.strerror}): name a C compiler in CC, {_WITHOUT}"
            ) from error
        except subprocess.CalledProcessError as error:
            reason = next((line for line in error.stderr.splitlines() if "error" in line), error.stderr[-200:]).strip()
            raise BuildError(
                f"{shlex.join(command)} failed ({reason}): mend it, name another in CC, {_WITHOUT}"
            ) from error
        made.replace(path)
    return path


def main() -> None:
    """Compile the libraries of this checkout, where they are missing or of other sources."""
    if "--needs-zig" in sys.argv[1:]:
        sys.exit(0 if is_wanted() and compiler() is None else 1)
    try:
        refresh()
    except BuildError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
