"""A folder of parts: each part gets codes beside its rows and is published whole, with a record of its origin.

The step `score` runs this in a container, where a job over very many titles may be stopped at any moment. Whoever
starts it again scores only the parts that no record covers. `files` codes files of a user and has other rules; both
score by the same engine (docs/decisions/0016-parts-by-polars.md says why reading and writing differ).
"""

from __future__ import annotations

import json
import logging
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from jobmajor.batch.added import Added
from jobmajor.batch.engine import MEMO_BYTES, Engine
from jobmajor.batch.threads import ReadAhead, WriteBehind
from jobmajor.errors import InputError
from jobmajor.model import classifier, columns
from jobmajor.tables.block import Block
from jobmajor.tables.packed import Packed
from sagelocal.storage import manifest, publish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from jobmajor.soc import Level

TITLE: Final = "title"
COLUMNS: Final = {"code": pl.String, "name": pl.String, "score": pl.Float32, "abstain": pl.Boolean}
RECORDS: Final = "_records"  # Spark, Athena and `parts` read no data from a folder whose name begins so
_READERS: Final[dict[str, Callable[[Path], pl.DataFrame]]] = {
    ".parquet": pl.read_parquet,
    # All columns but the title stay as they are: as text, 007 remains 007.
    ".csv": lambda path: pl.read_csv(path, infer_schema=False),
    ".jsonl": lambda path: pl.read_ndjson(path, infer_schema_length=None),
}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Record:
    """What a finished part was made from, and what it is: hashes of the source, of the model, and of the part."""

    source: str
    model: str
    level: str
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be scored: the folder of parts, the folder for theirs, a model's folder, and the level of codes."""

    source: Path
    target: Path
    model: Path
    level: Level = "major"


def parts(folder: Path) -> tuple[str, ...]:
    """Return the parts below a folder as sorted relative paths.

    Raises:
        InputError: A file is none of the kinds that are read.
    """
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if is_part(name.as_posix()) and path.is_file():
            if name.suffix not in _READERS:
                raise InputError(f"{name}: found {name.suffix or 'no ending'}, expected one of {', '.join(_READERS)}")
            found.append(name.as_posix())
    return tuple(found)


def is_part(name: str) -> bool:
    """Return whether a path, relative to the folder, names data: no part of it begins with a dot or an underscore.

    >>> is_part("2024/part-0.csv"), is_part("_SUCCESS"), is_part("_records/part-0.csv.json")
    (True, False, False)
    """
    return not any(word.startswith((".", "_")) for word in name.split("/"))


def check(frame: pl.DataFrame) -> None:
    """Check that a table has titles, and no column where an answer would go.

    Raises:
        InputError: There is no column of titles, it is no text, or a column has the name of an added one.
    """
    if frame.schema.get(TITLE) not in (pl.String, pl.Null):
        found = frame.schema.get(TITLE, f"only {', '.join(frame.columns[:20])}")
        raise InputError(f"found {found}, expected a column {TITLE!r} of text")
    if taken := [name for name in COLUMNS if name in frame.columns]:
        raise InputError(f"there is a column {taken[0]!r} already, where the answer would go: rename it")


def score(work: Work, threads: int | None = None) -> dict[str, int]:
    """Score the parts that are left, and return the number of rows of each.

    Args:
        work: What to do.
        threads: Threads that score; one for each processor when None.

    Raises:
        InputError: A part can't be used; the error names it. Parts before it may be done.
    """
    digest = manifest.read(work.model).digest
    names = parts(work.source)
    left = [name for name in names if not _is_finished(work, name, digest)]
    _log.info("parts=%d finished=%d", len(names), len(names) - len(left))
    found: dict[str, int] = {}
    if not left:
        return found
    coder = classifier.load(work.model).coder((work.level,))
    added = Added(coder.levels, coder.k, coder.classes, only=tuple(COLUMNS))

    def publish_part(part: tuple[str, pl.DataFrame]) -> None:
        name, frame = part
        _publish(work, name, frame, digest)
        found[name] = len(frame)
        _log.info("scored part=%s rows=%d", name, len(frame))

    behind = WriteBehind(publish_part)
    with Engine(coder, added, None, threads=threads, memo_bytes=MEMO_BYTES) as engine:
        try:
            with closing(ReadAhead(_frames(work, left))) as frames:
                for name, frame in frames:
                    behind.put((name, _scored(frame, engine, added)))
            behind.finish()
        finally:
            behind.stop()
    return found


def _frames(work: Work, names: Sequence[str]) -> Iterator[tuple[str, pl.DataFrame]]:
    for name in names:
        path = work.source / name
        try:
            frame = _READERS[path.suffix](path)
            check(frame)
        except (pl.exceptions.PolarsError, InputError, OSError) as error:
            raise InputError(f"{name}: {str(error).partition(chr(10))[0]}: mend that part and start again") from None
        yield name, frame


def _scored(frame: pl.DataFrame, engine: Engine, added: Added) -> pl.DataFrame:
    """Return the rows with `COLUMNS`; the best code is there even where the answer abstains, unless it is no title."""
    titles, step = columns.packed(frame[TITLE]), engine.block_rows
    pieces = []
    for first in range(0, len(frame), step):
        rows = frame.slice(first, step)
        block = Block(Packed(titles.data, titles.starts[first : first + len(rows) + 1]), _Frame(rows))
        values = added.values(engine.answers(block))
        series = [
            _series(column.texts, each).alias(column.name) for column, each in zip(added.columns, values, strict=True)
        ]
        pieces.append(pl.DataFrame(series))
    return frame.hstack(pl.concat(pieces).rechunk() if pieces else pl.DataFrame(schema=COLUMNS))


def _series(texts: tuple[str, ...], values: Any) -> pl.Series:
    """Return texts by their indices, or numbers; null for an index below 0 and for NaN: there is none."""
    found = pl.Series(values)
    if texts:
        return pl.Series(texts, dtype=pl.String).gather(found.set(found < 0, None))
    return found.fill_nan(None) if found.dtype.is_float() else found


@dataclass(frozen=True, slots=True)
class _Frame:
    """The rows of a block as polars has them."""

    rows: pl.DataFrame

    def columns(self) -> list[list[Any]]:
        """Return the cells, column by column."""
        return [column.to_list() for column in self.rows.get_columns()]


def _publish(work: Work, name: str, frame: pl.DataFrame, digest: str) -> None:
    """Write a part under a temporary name, give it its own once it is safe on disk, and write its record last."""
    source, target = work.source / name, work.target / name
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = target.with_name(f"{publish.STAGING}{target.name}")
    try:
        _write(frame, staging)
        publish.flush(staging)
        staging.replace(target)
        publish.flush(target.parent)
    finally:
        staging.unlink(missing_ok=True)
    record = Record(manifest.hash_file(source), digest, work.level, len(frame), manifest.hash_file(target))
    publish.write_file(_record(work, name), (json.dumps(asdict(record), indent=1) + "\n").encode())


def _write(frame: pl.DataFrame, path: Path) -> None:
    match path.suffix:
        case ".parquet":
            frame.write_parquet(path, compression="zstd")
        case ".csv":
            frame.write_csv(path)
        case _:
            frame.write_ndjson(path)


def _record(work: Work, name: str) -> Path:
    return work.target / RECORDS / f"{name}.json"


def _is_finished(work: Work, name: str, digest: str) -> bool:
    """Return whether the part is there, made of this source by this model."""
    try:
        there = Record(**json.loads(_record(work, name).read_bytes()))
        wanted = (manifest.hash_file(work.source / name), digest, work.level)
        is_whole = there.sha256 == manifest.hash_file(work.target / name)
    except (OSError, ValueError, TypeError):
        return False
    return is_whole and (there.source, there.model, there.level) == wanted
