"""Compare an existing resource with a creation request, so that repeating the request is harmless.

A reply can get lost after the service did its work, and a run can be killed between two requests. The next run must
accept the resource that this leaves behind, and refuse one that somebody else created with other content.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws.api import checks
from jobmajor.aws.api.errors import AlreadyExists, AwsError
from sagelocal.definition import paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from jobmajor.aws.api.request import Call


@dataclass(frozen=True, slots=True)
class _Reading:
    """How to read the resource that a request would create; paths are JMESPath.

    Attributes:
        operation: The operation that reads the resource.
        parameters: Its members, each with the path to its value in the creation request.
        at: The path to the resource in the answer.
        of: The path to the resource in the creation request.
        answer: The path that turns the answer into the creation's answer.
    """

    operation: str
    parameters: Mapping[str, str]
    at: str = "@"
    of: str = "@"
    answer: str = "@"


# Operations whose reading doesn't follow from the pair of Create… and Describe… or Get….
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
# Creations whose resource has no content that could differ.
_NO_CONTENT: Final = {("logs", "CreateLogGroup"), ("logs", "CreateLogStream")}
# Members that no reading returns.
_NOT_RETURNED: Final = {"Tags", "tags", "ClientRequestToken", "ClientToken"}
_REFORMATTED: Final = {"AssumeRolePolicyDocument"}  # is returned with other spaces and escapes


def answer(find: Callable[..., dict[str, Any] | None], call: Call, error: AlreadyExists) -> dict[str, Any]:
    """Return the creation's answer if the existing resource has the requested content, else raise AlreadyExists."""
    if (call.service, call.operation) in _NO_CONTENT:
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
        raise AlreadyExists(call.service, call.operation, error.message, differences)
    return dict(checks.at(reading.answer, found))


def _reading(call: Call) -> _Reading | None:
    """Return how to read a resource: Describe… or Get… for Create…, if the request has all that it requires."""
    known = _READINGS.get((call.service, call.operation))
    if known or not call.operation.startswith("Create"):
        return known
    for verb in ("Describe", "Get"):
        name = verb + call.operation.removeprefix("Create")
        try:
            shape = checks.operation(call.service, name).input_shape
        except AwsError:
            continue
        needed = [member for member in shape.members if member in call.parameters and member not in _NOT_RETURNED]
        if needed and set(shape.required_members) <= set(needed):
            return _Reading(name, {member: member for member in needed})
    return None


def _differences(wanted: Any, there: Any, place: str) -> Iterator[str]:
    """Yield each difference; members that only one side has count as equal."""
    if isinstance(wanted, dict) and isinstance(there, dict):
        for name in wanted.keys() & there.keys() - _NOT_RETURNED - _REFORMATTED:
            yield from _differences(wanted[name], there[name], paths.join(place, name))
    elif isinstance(wanted, list) and isinstance(there, list) and len(wanted) == len(there):
        for index, (item, other) in enumerate(zip(wanted, there, strict=True)):
            yield from _differences(item, other, paths.join(place, index))
    elif wanted != there:
        yield f"{place or 'its content'} (wanted {_short(wanted)}, found {_short(there)})"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
