"""Titles by the folder: tables in, the same tables with codes out, part by part, however often it is interrupted.

Where titles are counted in billions a job is killed some day. So each part is published whole, with a record of what
it was made from, and whoever starts again does only what no record vouches for.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl
from threadpoolctl import threadpool_limits

from jobmajor import soc
from jobmajor.errors import InputError
from jobmajor.model import classifier, columns
from sagelocal.storage import manifest, publish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from jobmajor.model.classifier import Classifier
    from jobmajor.soc import Level

TITLE: Final = "title"
COLUMNS: Final = {"code": pl.String, "name": pl.String, "score": pl.Float32, "abstain": pl.Boolean}
RECORDS: Final = "_records"  # a folder that Spark, Athena and we don't read as data
_READERS: Final[dict[str, Callable[[Path], pl.DataFrame]]] = {
    ".parquet": pl.read_parquet,
    # All columns but the title go through as they are: as text, 007 stays 007.
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
    """Folders and what is asked: `source` with parts, `target` for theirs, a model's folder and a level."""

    source: Path
    target: Path
    model: Path
    level: Level = "major"


def parts(folder: Path) -> tuple[str, ...]:
    """The parts below a folder as sorted paths; names that begin with a dot or an underscore are no data.

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
    """Whether a path, relative to the folder, is of data.

    >>> is_part("2024/part-0.csv"), is_part("_SUCCESS"), is_part("_records/part-0.csv.json")
    (True, False, False)
    """
    return not any(word.startswith((".", "_")) for word in name.split("/"))


def scored(frame: pl.DataFrame, model: Classifier, wanted: Level) -> pl.DataFrame:
    """The rows with `COLUMNS`, the best answer of each title; an answer to abstain from is there all the same.

    Raises:
        InputError: There is no column of titles, it is no text, or one of ours is there already.
    """
    if frame.schema.get(TITLE) not in (pl.String, pl.Null):
        found = frame.schema.get(TITLE, f"only {', '.join(frame.columns[:20])}")
        raise InputError(f"found {found}, expected a column {TITLE!r} of text")
    if taken := [name for name in COLUMNS if name in frame.columns]:
        raise InputError(f"there is a column {taken[0]!r} already, where the answer would go: rename it")
    coded = best(frame[TITLE], model, wanted)
    texts = (pl.Series(each, dtype=pl.String).gather(coded.places) for each in (coded.codes, coded.names))
    values: Any = zip(COLUMNS.items(), (*texts, coded.scores, coded.abstains), strict=True)
    return frame.with_columns(pl.Series(name, column, kind) for (name, kind), column in values)


@dataclass(frozen=True, slots=True)
class Best:
    """The best answer of each title.

    Attributes:
        codes: Of a level.
        names: Of these.
        places: Which of them each title has.
        scores: Shares, 0 to 1.
        abstains: Whether a person should look at it.
    """

    codes: tuple[str, ...]
    names: tuple[str, ...]
    places: NDArray[np.int16]
    scores: NDArray[np.float32]
    abstains: NDArray[np.bool_]


def best(titles: Any, model: Classifier, wanted: Level) -> Best:
    """The best answers to a column of titles, as arrays."""
    packed, coder = columns.packed(titles), model.coder((wanted,))
    with threadpool_limits(1):  # each processor has a process of its own: a product's threads would fight them
        found = coder.code(packed)
    (codes,) = coder.classes
    places, scores = found.labels[:, 0, 0], found.scores[:, 0, 0]
    return Best(codes, tuple(map(soc.name, codes)), places, scores, found.reasons[:, 0] != 0)


def level(text: str) -> Level:
    """The level of that name.

    Raises:
        InputError: There is none.
    """
    for each in soc.LEVELS:
        if each == text:
            return each
    raise InputError(f"level {text!r}: expected one of {', '.join(soc.LEVELS)}")


def score(work: Work, workers: int | None = None) -> dict[str, int]:
    """The rows of each part that was scored now; finished ones are left alone.

    Args:
        work: What to do.
        workers: Processes, each with a model of its own; one for each processor when None.

    Raises:
        InputError: A part can't be used, which is named; those before it may be done.
    """
    made = manifest.read(work.model).digest
    names = parts(work.source)
    left = [name for name in names if not _is_finished(work, name, made)]
    _log.info("parts=%d finished=%d", len(names), len(names) - len(left))
    count = min(len(left), workers or len(os.sched_getaffinity(0)))
    found = {}
    for name, rows in _all(work, left, count):
        found[name] = rows
        _log.info("scored part=%s rows=%d", name, rows)
    return found


@dataclass(frozen=True, slots=True)
class _Bench:
    """What a process works with: a model takes a second to load, so each does so once."""

    work: Work
    model: Classifier
    digest: str

    @classmethod
    def of(cls, work: Work) -> _Bench:
        return cls(work, classifier.load(work.model), manifest.read(work.model).digest)


def _all(work: Work, names: Sequence[str], workers: int) -> Iterator[tuple[str, int]]:
    if not names:
        return
    if workers <= 1:
        bench = _Bench.of(work)
        yield from ((name, _part(bench, name)) for name in names)
        return
    started = multiprocessing.get_context("spawn")  # after a fork, polars' threads would be missing
    with ProcessPoolExecutor(workers, started, _begin, (work,)) as pool:
        yield from zip(names, pool.map(_next_part, names), strict=True)


_of_worker: dict[str, _Bench] = {}  # of a worker process, which is given nothing but names


def _begin(work: Work) -> None:
    _of_worker["bench"] = _Bench.of(work)


def _next_part(name: str) -> int:
    return _part(_of_worker["bench"], name)


def _part(bench: _Bench, name: str) -> int:
    """Score one part and publish it, the record last; its rows."""
    work = bench.work
    source, target = work.source / name, work.target / name
    try:
        frame = scored(_READERS[source.suffix](source), bench.model, work.level)
    except (pl.exceptions.PolarsError, InputError, OSError) as error:
        raise InputError(f"{name}: {str(error).partition(chr(10))[0]}: mend that part and start again") from None
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = target.with_name(f"{publish.STAGING}{target.name}")
    try:
        _write(frame, staging)
        publish.flush(staging)
        staging.replace(target)
        publish.flush(target.parent)
    finally:
        staging.unlink(missing_ok=True)
    record = Record(manifest.hash_file(source), bench.digest, work.level, len(frame), manifest.hash_file(target))
    publish.write_file(_record(work, name), (json.dumps(asdict(record), indent=1) + "\n").encode())
    return len(frame)


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


def _is_finished(work: Work, name: str, model: str) -> bool:
    """Whether the part is there, made of this source by this model."""
    try:
        there = Record(**json.loads(_record(work, name).read_bytes()))
        wanted = (manifest.hash_file(work.source / name), model, work.level)
        is_whole = there.sha256 == manifest.hash_file(work.target / name)
    except (OSError, ValueError, TypeError):
        return False
    return is_whole and (there.source, there.model, there.level) == wanted
