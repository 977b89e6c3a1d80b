"""Whether what stands under a taken name is what was to be made: then a repeated request has nothing left to do.

A reply can get lost after the service did its work, and a run can be killed between two requests. Both leave a thing
that the next try must take as its own, and never one that somebody else made differently.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws.api import checks
from jobmajor.aws.api.errors import AlreadyThere, AwsError
from sagelocal.definition import paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from jobmajor.aws.api.request import Call


@dataclass(frozen=True, slots=True)
class _Reading:
    """How to read what a request would have made.

    Attributes:
        operation: The reading's.
        parameters: Its members, each with the path to its value in the request.
        at: Where in its answer the thing stands.
        of: Where in the request.
        answer: The creation's answer, made of the reading's.
    """

    operation: str
    parameters: Mapping[str, str]
    at: str = "@"
    of: str = "@"
    answer: str = "@"


# Where the pair of Create… and Describe… or Get… doesn't tell all.
_READINGS: Final[Mapping[tuple[str, str], _Reading]] = {
    ("codebuild", "CreateProject"): _Reading(
        "BatchGetProjects", {"names": "[name]"}, "projects[0]", answer="{project: projects[0]}"
    ),
    ("codecommit", "CreateRepository"): _Reading(
        "GetRepository", {"repositoryName": "repositoryName"}, "repositoryMetadata"
    ),
    ("codepipeline", "CreatePipeline"): _Reading(
        "GetPipeline", {"name": "pipeline.name"}, "pipeline", "pipeline", "{pipeline: pipeline}"
    ),
    ("ecr", "CreateRepository"): _Reading(
        "DescribeRepositories",
        {"repositoryNames": "[repositoryName]"},
        "repositories[0]",
        answer="{repository: repositories[0]}",
    ),
    ("iam", "CreateRole"): _Reading("GetRole", {"RoleName": "RoleName"}, "Role"),
    ("scheduler", "CreateSchedule"): _Reading(
        "GetSchedule", {"Name": "Name", "GroupName": "GroupName || 'default'"}, answer="{ScheduleArn: Arn}"
    ),
}
# Made at most once, and with nothing in it that could differ.
_PLAIN: Final = {("logs", "CreateLogGroup"), ("logs", "CreateLogStream")}
# What a reading never gives back.
_UNSEEN: Final = {"Tags", "tags", "ClientRequestToken", "ClientToken"}
_WRITTEN: Final = {"AssumeRolePolicyDocument"}  # comes back with other spaces and escapes


def answer(find: Callable[..., dict[str, Any] | None], call: Call, error: AlreadyThere) -> dict[str, Any]:
    """What the creation would have answered, if what has the name is what was to be made; else raises."""
    if (call.service, call.operation) in _PLAIN:
        return {}
    reading = _reading(call)
    if reading is None:
        raise error
    request = dict(call.parameters)
    parameters = {name: checks.at(path, request) for name, path in reading.parameters.items()}
    found = find(call.service, reading.operation, **parameters)
    there = checks.at(reading.at, found) if found else None
    if there is None:
        raise error
    differences = tuple(_differences(checks.at(reading.of, request), there, ""))
    if differences:
        raise AlreadyThere(call.service, call.operation, error.message, differences)
    return dict(checks.at(reading.answer, found))


def _reading(call: Call) -> _Reading | None:
    """Describe<Thing> or Get<Thing> of a Create<Thing> that needs nothing which the request doesn't have."""
    known = _READINGS.get((call.service, call.operation))
    if known or not call.operation.startswith("Create"):
        return known
    for verb in ("Describe", "Get"):
        name = verb + call.operation.removeprefix("Create")
        try:
            shape = checks.operation(call.service, name).input_shape
        except AwsError:
            continue
        needed = [member for member in shape.members if member in call.parameters and member not in _UNSEEN]
        if needed and set(shape.required_members) <= set(needed):
            return _Reading(name, {member: member for member in needed})
    return None


def _differences(wanted: Any, there: Any, place: str) -> Iterator[str]:
    """Where what is there says something else; what it doesn't speak of counts as equal."""
    if isinstance(wanted, dict) and isinstance(there, dict):
        for name in wanted.keys() & there.keys() - _UNSEEN - _WRITTEN:
            yield from _differences(wanted[name], there[name], paths.join(place, name))
    elif isinstance(wanted, list) and isinstance(there, list) and len(wanted) == len(there):
        for index, (item, other) in enumerate(zip(wanted, there, strict=True)):
            yield from _differences(item, other, paths.join(place, index))
    elif wanted != there:
        yield f"{place or 'its content'} (asked for {_short(wanted)}, there is {_short(there)})"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
