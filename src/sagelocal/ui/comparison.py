"""Two runs side by side: parameters, steps, metrics, and the outputs that differ by content."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from sagelocal.errors import ArtifactError
from sagelocal.run import records
from sagelocal.ui import files

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from sagelocal.run.records import Execution, StepRecord
    from sagelocal.storage.manifest import FileRecord

    Pair = tuple[Execution, Execution]

_Value = TypeVar("_Value")
_WORD: Final = re.compile(r"[A-Za-z0-9]+")
_RUN: Final = "{run}"  # stands for the id of a run in an address


@dataclass(frozen=True, slots=True)
class Row(Generic[_Value]):
    """Something of both runs; None where a run has it not. `step` is empty for what belongs to the run as a whole."""

    step: str
    name: str
    left: _Value | None
    right: _Value | None

    @property
    def differs(self) -> bool:
        """Whether the two are unequal."""
        return self.left != self.right


def parameters(pair: Pair) -> list[Row[Any]]:
    """Return all parameters, in the order of the first run."""
    return [Row("", *row) for row in _join(pair[0].parameters, pair[1].parameters)]


def steps(pair: Pair) -> list[Row[StepRecord]]:
    """Return the steps that either run reached."""
    left, right = ({step.name: step for step in execution.steps} for execution in pair)
    return [Row(name, name, one, other) for name, one, other in _join(left, right)]


def metrics(pair: Pair) -> list[Row[float]]:
    """Return the metrics of all steps."""
    found = []
    for row in steps(pair):
        both = (step.metrics if step else {} for step in (row.left, row.right))
        found += [Row(row.name, *metric) for metric in _join(*both)]
    return found


def outputs(pair: Pair, home: Path) -> list[Row[FileRecord]]:
    """Return the output files of all steps; in their addresses, `{run}` stands for the id of a run.

    A step whose outputs can't be read has none here.
    """
    known = {*records.ids(home), *(execution.id for execution in pair)}
    found = []
    for row in steps(pair):
        sides = zip(pair, (row.left, row.right), strict=True)
        both = (_files(home, execution, step, known) for execution, step in sides)
        found += [Row(row.name, *each) for each in _join(*both)]
    return found


def _files(home: Path, execution: Execution, step: StepRecord | None, known: Collection[str]) -> dict[str, FileRecord]:
    if step is None:
        return {}
    try:
        found = files.recorded(home, execution, step)
    except ArtifactError:
        return {}
    return {
        _WORD.sub(lambda word: _RUN if word[0] in known else word[0], output.address): output.record for output in found
    }


def definitions(pair: Pair) -> list[str] | None:
    """Return the names of the top-level steps that the two definitions have not in common; None if one can't be read.

    Branches belong to their Condition.
    """
    if pair[0].definition_digest == pair[1].definition_digest:
        return []
    try:
        left, right = (_definition_steps(execution.folder / records.DEFINITION) for execution in pair)
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    return [name for name, one, other in _join(left, right) if one != other]


def _definition_steps(path: Path) -> dict[str, Any]:
    return {str(step["Name"]): step for step in json.loads(records.load(path))["Steps"]}


def _join(left: Mapping[str, Any], right: Mapping[str, Any]) -> Iterable[tuple[str, Any, Any]]:
    for name in dict.fromkeys((*left, *right)):
        yield name, left.get(name), right.get(name)
