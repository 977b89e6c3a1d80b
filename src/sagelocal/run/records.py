"""The record of a run, `runs/<id>/run.json`, which is replaced after every step."""

from __future__ import annotations

import dataclasses
import json
import math
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sagelocal.definition.steps import STEP_NAME
from sagelocal.errors import ArtifactError, InputError
from sagelocal.storage import lock, publish, transfer
from sagelocal.storage.manifest import FileRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Outputs = Mapping[str, Mapping[str, FileRecord]]  # the objects of a step by prefix and name

NAME: Final = "run.json"
DEFINITION: Final = "definition.json"
EXECUTING, INTERRUPTED = "Executing", "Interrupted"
_FORMAT = 1
_OUTPUTS: Final = "outputs"  # a folder with one file for each step that has some
_MAX_BYTES: Final = 256 * 2**20
# What a member's annotation accepts in a record that is read.
_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "str": (str,),
    "str | None": (str, NoneType),
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
    "Path": (Path,),
    "Mapping": (dict,),
    "Sequence": (list, tuple),
    "tuple": (list, tuple),
}


@dataclass(frozen=True, slots=True)
class StepRecord:
    """The record of a step.

    `status` is Succeeded, Failed, Skipped (its branch was not taken), Stopped, or Executing while it runs. `properties`
    is the service's Describe… response. For a Condition step, `conditions` holds each evaluated condition with its left
    and right value. `seconds` of a cached step is the time of the lookup. `started` is an ISO 8601 time in UTC, empty
    if nothing was done. `attempts` includes the first one. `taken_from` is the run whose outputs are used for a step
    that was not selected. `notes` are sentences for people, such as what was left out of an output.
    """

    name: str
    type: str
    status: str
    cached: bool = False
    seconds: float = 0.0
    reason: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    conditions: Sequence[Mapping[str, Any]] = ()
    started: str = ""
    attempts: int = 1
    taken_from: str | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Execution:
    """One run of a definition. `steps` has the steps that were reached, in that order.

    `status` is Succeeded, Failed or Stopped; a stored record may also be Executing, or Interrupted if its process died.
    `started` is an ISO 8601 time in UTC, `seconds` the time from then to the last change of the record.
    `selected` are the selected steps, in the order of the definition; empty means all.
    """

    id: str
    status: str
    folder: Path
    definition_digest: str
    pipeline_name: str
    parameters: Mapping[str, Any]
    started: str
    seconds: float = 0.0
    steps: tuple[StepRecord, ...] = ()
    failure: str | None = None
    selected: Sequence[str] = ()

    def step(self, name: str) -> StepRecord:
        """Return the record of a step.

        Raises:
            InputError: There is no such step, or it was not reached.
        """
        for record in self.steps:
            if record.name == name:
                return record
        raise InputError(f"{self.id} did not reach a step {name!r}: expected one of {[s.name for s in self.steps]}")

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, as in run.json, without the folder."""
        body = {item.name: getattr(self, item.name) for item in dataclasses.fields(self) if item.name != "folder"}
        return {"format": _FORMAT, **body, "steps": [dataclasses.asdict(step) for step in self.steps]}


def write(execution: Execution, texts: dict[str, tuple[StepRecord, str]] | None = None) -> None:
    """Write the record of a run atomically.

    Args:
        execution: The run.
        texts: The JSON of steps that were written before, by name; what has changed is renewed. Without it, writing
            the record after every step takes time that grows with the square of their number.
    """
    known = {} if texts is None else texts
    for step in execution.steps:
        if step.name not in known or known[step.name][0] is not step:
            known[step.name] = step, _text(dataclasses.asdict(step)).replace("\n", "\n  ")
    steps = ",\n  ".join(known[step.name][1] for step in execution.steps)
    head = {**dataclasses.replace(execution, steps=()).as_dict(), "steps": _STEPS}
    text = _text(head).replace(json.dumps(_STEPS), f"[\n  {steps}\n ]" if steps else "[]", 1)
    publish.write_file(execution.folder / NAME, text.encode(errors="replace") + b"\n")


_STEPS: Final = "\0steps"  # no value of a record is this text


def _text(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, default=str)


def read(folder: Path) -> Execution:
    """Read the record of the run in `folder`.

    Raises:
        ArtifactError: There is no readable record.
    """
    try:
        body = json.loads(load(folder / NAME))
        if body.pop("format") != _FORMAT:
            raise ArtifactError(f"{folder / NAME} has another format than {_FORMAT}: remove the folder")
        if not isinstance(body["steps"], list) or not all(isinstance(name, str) for name in body.get("selected", ())):
            raise TypeError("steps or names of steps are no list of them")  # noqa: TRY301 - said below
        body["steps"] = tuple(_checked(StepRecord(**step)) for step in body["steps"])
        execution = _checked(Execution(folder=folder, **body))
    except PermissionError as error:
        raise _closed(folder / NAME) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise ArtifactError(f"{folder / NAME} is no record of a run ({error}): remove the folder") from error
    if execution.status == EXECUTING and not lock.is_held(folder):
        return _interrupted(execution)
    return execution


def load(path: Path, max_bytes: int = _MAX_BYTES) -> bytes:
    """Return the content of a file of a run.

    Raises:
        OSError: It can't be read, or is a link or a special file. ValueError: It has more than `max_bytes`.
    """
    with transfer.open_regular(path) as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ValueError(f"over {max_bytes:,} bytes")
    return data


def plain_outputs(outputs: Outputs) -> dict[str, Any]:
    """Return the outputs of a step as plain data."""
    return {
        uri: {name: {"sha256": record.sha256, "size_bytes": record.size_bytes} for name, record in files.items()}
        for uri, files in outputs.items()
    }


def typed_outputs(body: Mapping[str, Any]) -> dict[str, dict[str, FileRecord]]:
    """Return the outputs of a step from plain data; the opposite of `plain_outputs`."""
    return {uri: {name: FileRecord(**record) for name, record in files.items()} for uri, files in body.items()}


def keep_outputs(folder: Path, step: str, outputs: Outputs) -> None:
    """Write which objects a step of a run has, with their digests: a later run may replace the objects themselves."""
    if any(outputs.values()):
        body = {"format": _FORMAT, "outputs": plain_outputs(outputs)}
        publish.write_file(folder / _OUTPUTS / f"{step}.json", json.dumps(body).encode())


def outputs(folder: Path, step: str) -> dict[str, dict[str, FileRecord]]:
    """Return the objects of a step by prefix and name; empty if the run has no record of them.

    Raises:
        ArtifactError: The record can't be read.
    """
    path = folder / _OUTPUTS / f"{step}.json"
    try:
        body = json.loads(load(path))
        found = typed_outputs(body["outputs"])
        for record in (record for files in found.values() for record in files.values()):
            _check_file(record)
    except FileNotFoundError:
        return {}
    except PermissionError as error:
        raise _closed(path) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactError(f"{path} is no record of outputs ({error}): remove it") from error
    return found


def _check_file(record: FileRecord) -> None:
    """Raise TypeError or ValueError for members that no file has."""
    if not isinstance(record.sha256, str) or not isinstance(record.size_bytes, int):
        raise TypeError(f"found {record}")
    if not 0 <= record.size_bytes < 2**63:
        raise ValueError("a size is no number of bytes")


def _closed(path: Path) -> ArtifactError:
    # A record without access may be whole, so that nothing is said of removing it.
    return ArtifactError(f"{path} can't be read (permission denied): give access")


def settle(folder: Path) -> None:
    """Write into the record of a killed run that it was interrupted, for programs that read the file."""
    with suppress(ArtifactError):
        execution = read(folder)
        if execution.status == INTERRUPTED and f'"{INTERRUPTED}"' not in (folder / NAME).read_text("utf-8"):
            write(execution)


_Record = TypeVar("_Record", Execution, StepRecord)


def _checked(record: _Record) -> _Record:
    """Return a record whose members have the kinds that are written; raise TypeError otherwise."""
    for item in dataclasses.fields(record):
        value, kinds = getattr(record, item.name), _KINDS[str(item.type).partition("[")[0]]
        if not isinstance(value, kinds):
            raise TypeError(f"{item.name} is {str(value)[:40]!r}")
    if not math.isfinite(record.seconds):
        raise ValueError(f"seconds is {record.seconds}")
    if record.started:
        datetime.fromisoformat(record.started).astimezone(UTC)
    if isinstance(record, StepRecord):
        _check_step(record)
    return record


def _check_step(record: StepRecord) -> None:
    """Raise TypeError or ValueError for members that can't be shown, and for a name that leads out of a folder."""
    if not all(isinstance(one, dict) and {"text", "passed"} <= one.keys() for one in record.conditions):
        raise TypeError("a condition is no object with text and passed")
    if not all(isinstance(value, int | float) for value in record.metrics.values()):
        raise TypeError("a metric is no number")
    for value in record.metrics.values():
        float(value)  # an integer of JSON may be larger than any float
    if not all(isinstance(note, str) for note in record.notes):
        raise TypeError("a note is no text")
    if not STEP_NAME.fullmatch(record.name):
        raise ValueError(f"the name of a step is {record.name[:40]!r}")


def find(home: Path, execution_id: str) -> Execution:
    """Return the run of that id in a workspace.

    Raises:
        InputError: There is none.
    """
    if execution_id in ids(home):
        return read(home / "runs" / execution_id)
    raise InputError(f"{home} has no run {execution_id[:200]!r}: `sagelocal runs` lists what is there")


def every(home: Path) -> list[Execution]:
    """Return all runs of a workspace, oldest first; folders without a readable record are skipped."""
    found = []
    for execution_id in ids(home):
        with suppress(ArtifactError):
            found.append(read(home / "runs" / execution_id))
    return sorted(found, key=lambda execution: (execution.started, execution.id))


def ids(home: Path) -> list[str]:
    """Return the ids of all runs of a workspace, sorted, also of those without a readable record."""
    runs = home / "runs"
    return sorted(path.name for path in runs.iterdir() if path.is_dir()) if runs.is_dir() else []


def _interrupted(execution: Execution) -> Execution:
    steps = tuple(
        dataclasses.replace(step, status=INTERRUPTED) if step.status == EXECUTING else step for step in execution.steps
    )
    failure = "its process died; a new run goes on from what was finished"
    return dataclasses.replace(execution, status=INTERRUPTED, steps=steps, failure=failure)
