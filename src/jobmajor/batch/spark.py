"""Codes for titles that live in a lake: a Spark data frame in, the same with codes out, nothing copied in between.

Each of Spark's Python workers loads the model once and scores whole Arrow batches; the model's folder has to be
readable on every machine under the same path, and jobmajor installed there.
"""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jobmajor.batch import parts
from jobmajor.errors import InputError, MissingExtra
from jobmajor.model import classifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from jobmajor.model.classifier import Classifier
    from jobmajor.soc import Level

COLUMNS: Final = {"code": "string", "name": "string", "score": "float", "abstain": "boolean"}


def score(frame: Any, column: str, model_folder: Path | str, level: Level = "major") -> Any:
    """The rows with four more columns, lazily: code, name, score (0 to 1) and abstain of each title's best answer.

    Args:
        frame: A data frame of Spark, 3.4 or later.
        column: Of text: the titles; null counts as an empty one.
        model_folder: A model's, on every machine.
        level: Of the codes.

    Raises:
        InputError: There is no such column, it is no text, one of ours is there already, or no such level.
        MissingExtra: pyspark isn't installed.
    """
    if importlib.util.find_spec("pyspark") is None:
        raise MissingExtra("jobmajor.batch.spark", "spark")
    from pyspark.sql import types  # noqa: PLC0415 - heavy, and only here

    parts.level(level)
    if column not in frame.columns or not isinstance(frame.schema[column].dataType, types.StringType):
        raise InputError(f"found no column {column!r} of text in {', '.join(frame.columns)}")
    if taken := [name for name in COLUMNS if name in frame.columns]:
        raise InputError(f"there is a column {taken[0]!r} already, where the answer would go: rename it")
    wanted = types.StructType([*frame.schema.fields])
    for name, kind in COLUMNS.items():
        wanted = wanted.add(name, kind)
    return frame.mapInArrow(_mapper(column, str(model_folder), level), wanted)


def _mapper(column: str, folder: str, level: Level) -> Callable[[Iterable[Any]], Iterator[Any]]:
    """What a worker does with its batches."""

    def score_batches(batches: Iterable[Any]) -> Iterator[Any]:
        model = _model(folder)
        for each in batches:
            yield _scored(each, column, model, level)

    return score_batches


@functools.cache
def _model(folder: str) -> Classifier:
    """Once in a worker, which Spark keeps for many partitions."""
    return classifier.load(Path(folder))


def _scored(table: Any, column: str, model: Classifier, level: Level) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - comes with the extra

    found = parts.best(table.column(column), model, level)
    more = [
        pa.array(found.codes, pa.string()).take(pa.array(found.places)),
        pa.array(found.names, pa.string()).take(pa.array(found.places)),
        pa.array(found.scores),
        pa.array(found.abstains),
    ]
    return pa.RecordBatch.from_arrays([*table.columns, *more], names=[*table.schema.names, *COLUMNS])
