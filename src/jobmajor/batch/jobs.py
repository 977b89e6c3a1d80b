"""The files to read, and the output of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jobmajor.errors import InputError
from jobmajor.tables import formats

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_MAGIC: Final = frozenset("*?[")
BAD_ENDING: Final = ".bad.csv"


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


def jobs(source: Path, output: Path) -> tuple[Job, ...]:
    """Return the files of a path, a folder or a pattern, in the order of their names.

    The files of a folder or a pattern go into the folder `output` under the same relative names. Names that begin with
    a dot or an underscore are skipped.

    Raises:
        InputError: There are none, one is of no format that is read, or an output would be an input.
    """
    if source.is_file():
        target = output / source.name if output.is_dir() else output
        formats.format_of(source)
        found: Sequence[Job] = [Job(source, target, formats.format_of(target))]
    else:
        base, paths = _below(source)
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
    return tuple(found)


def _below(source: Path) -> tuple[Path, Iterable[Path]]:
    """Return a folder, and the data files in it that a path or a pattern names."""
    if source.is_dir():
        return source, _data(source, source.rglob("*"))
    parts = source.parts
    fixed = next((index for index, part in enumerate(parts) if _MAGIC & set(part)), None)
    if fixed is None:
        raise InputError(f"{source} is not there: expected a file, a folder, or a pattern such as 'titles/*.csv'")
    base = Path(*parts[:fixed])
    return base, _data(base, base.glob(str(Path(*parts[fixed:]))))


def _data(base: Path, paths: Iterable[Path]) -> Iterator[Path]:
    for path in sorted(paths):
        hidden = any(part.startswith((".", "_")) for part in path.relative_to(base).parts)
        if path.is_file() and not hidden:
            yield path
