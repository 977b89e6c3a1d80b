"""Codes for titles in a data lake: a Spark data frame in, the same rows with codes out, without a copy in between.

Each of Spark's Python workers loads the model once and scores whole Arrow batches. The model's folder must be readable
under the same path on every machine, and jobmajor must be installed there.
"""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from threadpoolctl import threadpool_limits

from jobmajor import arguments, soc
from jobmajor.batch.added import Added
from jobmajor.errors import InputError, MissingExtra
from jobmajor.model import classifier, columns
from jobmajor.registry import loading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from jobmajor.model.coder import Coder
    from jobmajor.soc import Level

COLUMNS: Final = {"code": "string", "name": "string", "score": "float", "abstain": "boolean"}


def score(frame: Any, column: str, model_folder: Path | str, level: Level = "major") -> Any:
    """Return the rows, lazily, with four more columns for each title's best answer.

    The columns are code, name, score (0 to 1) and abstain.

    Args:
        frame: A data frame of Spark, 3.4 or later.
        column: The column of titles, of text; null counts as an empty title.
        model_folder: The folder of a model, the same on every machine.
        level: The level of the codes.

    Raises:
        InputError: There is no such column, it is no text, a column has the name of an added one, or there is no such
            level, model or frame.
        MissingExtra: pyspark is not installed.
    """
    if importlib.util.find_spec("pyspark") is None:
        raise MissingExtra("jobmajor.batch.spark", "spark")
    from pyspark.sql import types  # noqa: PLC0415 - heavy, and only here

    soc.parse_level(level)
    if not hasattr(frame, "mapInArrow"):
        raise InputError(f"frame is {arguments.shown(frame)}: expected a data frame of Spark, 3.4 or later")
    if column not in frame.columns or not isinstance(frame.schema[column].dataType, types.StringType):
        raise InputError(f"found no column {column!r} of text in {', '.join(frame.columns)}")
    if taken := [name for name in COLUMNS if name in frame.columns]:
        raise InputError(f"there is a column {taken[0]!r} already, where the answer would go: rename it")
    folder = loading.find(arguments.path("model_folder", model_folder), Path())
    wanted = types.StructType([*frame.schema.fields])
    for name, kind in COLUMNS.items():
        wanted = wanted.add(name, kind)
    return frame.mapInArrow(_mapper(column, str(folder), level), wanted)


def _mapper(column: str, folder: str, level: Level) -> Callable[[Iterable[Any]], Iterator[Any]]:
    """Return the function that a worker applies to its batches."""

    def score_batches(batches: Iterable[Any]) -> Iterator[Any]:
        coder = _coder(folder, level)
        for each in batches:
            yield _scored(each, column, coder)

    return score_batches


@functools.cache
def _coder(folder: str, level: Level) -> Coder:
    """Load the model once in a worker, which Spark keeps for many partitions."""
    return classifier.load(Path(folder)).coder((level,))


def _scored(table: Any, column: str, coder: Coder) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - comes with the extra

    added = Added(coder.levels, coder.k, coder.classes, only=tuple(COLUMNS))
    answers = np.zeros(len(table), added.record)
    with threadpool_limits(1):  # Spark starts a worker for each processor
        added.store(coder.code(columns.packed(table.column(column))), answers)
    more = [
        pa.array(each.texts, pa.string()).take(pa.array(values, mask=values < 0))
        if each.texts
        else pa.array(values, mask=np.isnan(values))
        for each, values in zip(added.columns, added.values(answers), strict=True)
    ]
    return pa.RecordBatch.from_arrays([*table.columns, *more], names=[*table.schema.names, *COLUMNS])
