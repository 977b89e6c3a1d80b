"""The syntax of expressions in a definition (`Get`, `Std:Join`, `Std:JsonGet`), checked before anything runs.

`language` evaluates them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sagelocal.definition import paths
from sagelocal.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

EXECUTION: Final = (
    "PipelineName",
    "PipelineArn",
    "PipelineExecutionId",
    "PipelineExecutionArn",
    "StartDateTime",
    "CurrentDateTime",
    "TrainingJobName",
    "ProcessingJobName",
)
# Members of Execution that only steps of one type have.
JOB_NAMES: Final = {"TrainingJobName": "Training", "ProcessingJobName": "Processing"}
EXPERIMENT: Final = "PipelineExperimentConfig"
_EXPERIMENT_MEMBERS: Final = ("ExperimentName", "TrialName")


@dataclass(frozen=True, slots=True)
class Reference:
    """A `Get`; `root` is Parameters, Execution, PipelineExperimentConfig or Steps.

    `path` is a path in the step's properties; it is empty for the others.
    """

    root: str
    name: str
    path: paths.Parts


def expression(value: Any) -> tuple[str, Any] | None:
    """Return (kind, body) if `value` is an expression, None if it is plain data."""
    if not isinstance(value, dict) or len(value) != 1:
        return None
    ((kind, body),) = value.items()
    return (kind, body) if kind == "Get" or str(kind).startswith("Std:") else None


def reference(text: Any) -> Reference:
    """Return the parts of a `Get`.

    Raises:
        InputError: It is not a reference, or its root is unknown.
    """
    path = paths.parse(text) if isinstance(text, str) else ()
    match path:
        case ("Parameters" | "Execution" as root, str(name)):
            return Reference(root, name, ())
        case (root, ("ExperimentName" | "TrialName") as name) if root == EXPERIMENT:
            return Reference(EXPERIMENT, name, ())
        case ("CurrentItem" | "IterationOutput", *_):
            raise InputError(f"Get {text!r} stands in a ForEach step alone, and one step runs once here")
        case (root, *_) if root == EXPERIMENT:
            raise InputError(f"Get {text!r} is no reference: {EXPERIMENT} has {' and '.join(_EXPERIMENT_MEMBERS)}")
        case ("Steps", str(name), _, *_):
            return Reference("Steps", name, path[2:])
    raise InputError(f"Get {text!r} is no reference: write Parameters.X, Execution.X or Steps.step.Property")


def gets(value: Any, location: str = "") -> Iterator[tuple[str, Reference]]:
    """Yield (location, reference) of every well-formed Get inside `value`, in order."""
    found = expression(value)
    if found and found[0] == "Get":
        try:
            yield location, reference(found[1])
        except InputError:
            return
    elif isinstance(value, dict | list):
        for part, item in _items(value):
            yield from gets(item, paths.join(location, part))


def references(value: Any) -> frozenset[str]:
    """Return the names of the steps that `value` depends on."""
    return frozenset(found.name for _, found in gets(value) if found.root == "Steps")


def _items(value: dict[str, Any] | list[Any]) -> list[tuple[str | int, Any]]:
    return list(value.items()) if isinstance(value, dict) else list(enumerate(value))


def faults(value: Any, location: str) -> Iterator[str]:
    """Yield `location: problem` for every expression inside `value` that no run could evaluate."""
    found = expression(value)
    if found:
        kind, body = found
        check = {"Get": _get_faults, "Std:Join": _join_faults, "Std:JsonGet": _json_faults}.get(kind)
        known = "expected Get, Std:Join or Std:JsonGet"
        where = location if kind == "Get" else paths.join(location, kind)
        yield from check(body, where) if check else (f"{location}: {kind} is no expression, {known}",)
    elif isinstance(value, dict | list):
        for part, item in _items(value):
            if isinstance(part, str) and part.startswith("Std:"):
                yield f"{location}: {part} stands beside other members; an expression stands alone"
            yield from faults(item, paths.join(location, part))


def _get_faults(body: Any, location: str) -> Iterator[str]:
    try:
        found = reference(body)
    except InputError as error:
        yield f"{location}: {error}"
        return
    if found.path[:1] == ("PropertyFiles",):
        yield f"{location}: Get {body!r} is a property file; read it with Std:JsonGet"
    if found.root == "Execution" and found.name not in EXECUTION:
        yield f"{location}: no Execution.{found.name}, expected one of {', '.join(EXECUTION)}"


def _join_faults(body: Any, location: str) -> Iterator[str]:
    match body:
        case {"Values": list(values), **rest} if set(rest) <= {"On"}:
            if not isinstance(rest.get("On", ""), str):
                yield f"{location}: On of Std:Join is {rest['On']!r}, expected a string"
            yield from faults(values, f"{location}.Values")
        case _:
            yield f"{location}: Std:Join is {{On, Values}} with a list of Values, found {short(body)}"


def _json_faults(body: Any, location: str) -> Iterator[str]:
    match body:
        case {"Path": str(path), "PropertyFile": source, **rest} if not rest:
            if property_file(source) is None:
                yield f"{location}.PropertyFile: expected {{Get: Steps.step.PropertyFiles.name}}"
        case {"Path": str(path), "S3Uri": source, **rest} if not rest:
            yield from faults(source, f"{location}.S3Uri")
        case _:
            expected = "{PropertyFile or S3Uri, Path} with a Path that is a string, not a reference"
            yield f"{location}: Std:JsonGet is {expected}, found {short(body)}"
            return
    try:
        paths.parse(path)
    except InputError as error:
        yield f"{location}.Path: {error}"


def property_file(source: Any) -> tuple[str, str] | None:
    """Return (step, property file) of a `{"Get": "Steps.step.PropertyFiles.name"}`, None for all else."""
    match next(gets(source), None):
        case "", Reference("Steps", step, ("PropertyFiles", str(name))):
            return step, name
    return None


def short(value: Any) -> str:
    """Return `value` as JSON, cut to 60 characters, for an error message."""
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 60 else f"{text[:59]}…"
