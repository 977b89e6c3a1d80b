"""The files to read, and the output of each; what can be read only once is copied, since a table is surveyed first."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jobmajor.errors import InputError
from jobmajor.tables import formats

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_STANDARD_INPUT: Final = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
_KINDS: Final = ((b"PK\x03\x04", ".xlsx"), (b"PAR1", ".parquet"), (b"\x1f\x8b", ".csv.gz"), (b"{", ".jsonl"))
_HEAD_BYTES = 512
_MAGIC: Final = frozenset("*?[")
BAD_ENDING: Final = ".bad.csv"
_ABOUT: Final = frozenset({"readme", "license", "licence", "notice", "changelog"})
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Job:
    """One input file, its output, and the format of the output."""

    source: Path
    target: Path
    made: formats.Format

    @property
    def bad(self) -> Path:
        """The side file for its bad rows."""
        return self.target.with_name(f"{self.target.name}{BAD_ENDING}")


def jobs(source: Path, output: Path) -> tuple[tuple[Job, ...], tuple[str, ...]]:
    """Return the files of a path, a folder or a pattern, in the order of their names, and what to say of the others.

    The files of a folder or a pattern go into the folder `output` under the same relative names. Passed over are hidden
    files, lock files of office programs, texts about the folder, and files of no format that is read.

    Raises:
        InputError: There are none, or an output would be an input.
    """
    passed_over: list[str] = []
    if source.is_file():
        target = output / source.name if output.is_dir() else output
        formats.format_of(source)
        found: Sequence[Job] = [Job(source, target, formats.format_of(target))]
    else:
        base, every = _below(source)
        paths = [path for path in every if path.is_file() and is_table(path.relative_to(base))]
        passed_over = _others(base, every, set(paths))
        found = [Job(path, output / path.relative_to(base), formats.format_of(path)) for path in paths]
        if output.is_file():
            raise InputError(f"{output} is a file: name a folder for the {len(found)} files of {source}")
        if source.is_dir() and output.resolve().is_relative_to(source.resolve()):
            raise InputError(f"{output} is in {source}, the input: name a folder elsewhere")
    if not found:
        raise InputError(f"{source} has no file of titles: expected {formats.EXPECTED}")
    inputs = {job.source.resolve() for job in found}
    for job in found:
        if inputs & {job.target.resolve(), job.bad.resolve()}:
            raise InputError(f"{job.target} would be written over what is read: name another output")
    return tuple(found), _said(passed_over)


def _below(source: Path) -> tuple[Path, list[Path]]:
    """Return a folder, and the files in it that a path or a pattern names."""
    if source.is_dir():
        return source, sorted(path for path in source.rglob("*") if not path.is_dir())
    parts = source.parts
    fixed = next((n for n in range(len(parts)) if _MAGIC & set(parts[n]) and not Path(*parts[: n + 1]).exists()), None)
    if fixed is None:
        raise InputError(f"{source} is not there: expected a file, a folder, or a pattern such as 'titles/*.csv'")
    base = Path(*parts[:fixed])
    return base, sorted(base.glob(str(Path(*parts[fixed:]))))


def _others(base: Path, every: Sequence[Path], taken: set[Path]) -> list[str]:
    """Return what is no table: files, and folders that a pattern names without a file of theirs that is taken."""
    above = {folder for path in taken for folder in path.parents}
    left = [path for path in every if path not in taken and path not in above]
    return [f"{path.relative_to(base)}{os.sep if path.is_dir() else ''}" for path in left if path != base]


def is_table(path: Path) -> bool:
    """Return whether a file of a folder, by its path in it, is one to code.

    >>> [is_table(Path(name)) for name in ("a/b.csv", ".c.csv", "~$d.xlsx", "README.txt", "e.pdf", "_SUCCESS")]
    [True, False, False, False, False, False]
    """
    if any(part.startswith((".", "_", "~$")) for part in path.parts) or path.name.endswith(BAD_ENDING):
        return False
    if path.name.partition(".")[0].lower() in _ABOUT:
        return False
    try:
        formats.format_of(path)
    except InputError:
        return False
    return True


def _said(passed_over: Sequence[str]) -> tuple[str, ...]:
    if not passed_over:
        return ()
    more = f" and {len(passed_over) - _SHOWN} more" if len(passed_over) > _SHOWN else ""
    return (f"passed over {', '.join(passed_over[:_SHOWN])}{more}: no tables",)


@contextmanager
def on_disk(source: str | Path) -> Iterator[Path]:
    """Give the path of an input; of standard input, or of a pipe, that of a copy, which is removed at the end.

    Raises:
        InputError: Standard input is closed or empty.
    """
    path = Path(source)
    is_standard = str(source) in _STANDARD_INPUT
    if not is_standard and not path.is_fifo():
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        yield _copied(None if is_standard else path, Path(folder))


def _copied(path: Path | None, folder: Path) -> Path:
    """Copy a pipe, or standard input for None, to a file whose ending says what it holds."""
    name = "standard input" if path is None else path.name
    copy = folder / name
    try:
        with os.fdopen(os.dup(0), "rb") if path is None else path.open("rb") as given, copy.open("wb") as into:
            shutil.copyfileobj(given, into)
    except OSError as error:
        raise InputError(f"{name} can't be read ({error.strerror}): expected a table of titles") from error
    with copy.open("rb") as file:
        head = file.read(_HEAD_BYTES).lstrip()
    if not head:
        raise InputError(f"{name} is empty: expected a table of titles")
    ending = next((ending for magic, ending in _KINDS if head.startswith(magic)), ".csv")
    return copy.rename(folder / f"{name}{ending}")
