"""Check every step's Arguments against the request shapes of botocore.

There are three checks: our own (types, members and limits, with the location of each problem), botocore's validator
(what our check doesn't cover), and a few rules of the service that its model leaves out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.validate import ParamValidator

from sagelocal.definition import constraints, expressions, graph, paths, properties, service_model
from sagelocal.definition.expressions import expression, reference
from sagelocal.definition.fields import likely
from sagelocal.definition.language import Scope, resolve
from sagelocal.errors import InputError, UnresolvedValue

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from botocore.model import Shape

    from sagelocal.definition.steps import Definition, Step

# The service names a pipeline's jobs itself, so their requests lack the name that is required elsewhere.
_NAMES: Final = {
    "Processing": {"ProcessingJobName": "job"},
    "Training": {"TrainingJobName": "job"},
    "Tuning": {"HyperParameterTuningJobName": "job"},
    "Model": {"ModelName": "model"},
    "Transform": {"TransformJobName": "job"},
}
# Of what is known only in an execution, these have a form that a pattern or a length can be tried on.
_SAMPLES: Final = {
    "PipelineExecutionId": "a1b2c3d4e5f6",
    "PipelineName": "pipeline",
    **dict.fromkeys(expressions.JOB_NAMES, "pipelines-a1b2c3d4e5f6-step"),
}
# (where, what is needed there, what makes it needless): the newest descriptions call these optional
# only because of the alternatives in the third column.
_NEEDED: Final[Mapping[str, tuple[tuple[paths.Parts, tuple[str, ...], tuple[str, ...]], ...]]] = {
    "Processing": (
        (
            ("ProcessingResources", "ClusterConfig"),
            ("InstanceType", "InstanceCount"),
            ("InstancePreferences",),
        ),
    ),
    "Training": (
        ((), ("AlgorithmSpecification", "ResourceConfig", "StoppingCondition"), ("ServerlessJobConfig",)),
        (
            ("ResourceConfig",),
            ("InstanceType", "InstanceCount"),
            ("InstanceGroups", "InstancePreferences"),
        ),
    ),
    "Tuning": (
        ((), ("TrainingJobDefinition",), ("TrainingJobDefinitions",)),
        (("TrainingJobDefinition",), ("ResourceConfig",), ("HyperParameterTuningResourceConfig",)),
    ),
    "RegisterModel": (((), ("ModelPackageGroupName",), ("ModelPackageName",)),),
    "Model": (((), ("PrimaryContainer",), ("Containers",)), ((), ("ExecutionRoleArn",), ())),
    "Transform": (),
}


@dataclass(frozen=True, slots=True)
class _Check:
    """The state of one check: the values known before a run, and the problems found so far."""

    scope: Scope
    steps: Mapping[str, Step]
    faults: list[str]


def faults(definition: Definition, values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return `location: problem` for everything that the service would refuse in the steps' Arguments.

    Args:
        definition: A parsed definition.
        values: The parameters of the execution, as `bind` gives them.
    """
    scope = Scope(values, _SAMPLES, {}, _no_file, experiment=definition.experiment)
    check = _Check(scope, {step.name: step for step, _ in graph.flatten(definition.steps)}, [])
    for step in check.steps.values():
        shape = service_model.request(step.type)
        if shape is not None:
            _check_step(step, shape, check)
    return tuple(check.faults)


def _no_file(step: str, name: str) -> Any:
    raise UnresolvedValue(f"{step}.PropertyFiles.{name}", "nothing has run yet")


def _check_step(step: Step, shape: Shape, check: _Check) -> None:
    location = f"steps[{step.name}].Arguments"
    before = len(check.faults)
    arguments = {**_NAMES.get(step.type, {}), **step.arguments}
    block = _value(arguments, shape, location, check)
    check.faults.extend(f"{location}{fault}" for fault in _missing(step))
    if len(check.faults) == before:
        report = ParamValidator().validate(block, shape)
        check.faults.extend(f"{location}: {line}" for line in report.generate_report().splitlines())


def _missing(step: Step) -> Iterator[str]:
    for path, needed, instead in _NEEDED[step.type]:
        try:
            here = paths.follow(step.arguments, path)
        except LookupError:
            continue  # its own absence is noted where it is required
        if isinstance(here, dict) and not expression(here) and not here.keys() & set(instead):
            where = "".join(f".{part}" for part in path)
            for name in needed:
                if name not in here:
                    yield f"{where}.{name}: is missing, and a {step.type} step can't do without"


def _value(value: Any, shape: Shape, location: str, check: _Check) -> Any:
    """Return `value` as the service would get it, with a sample where the value is known only in a run."""
    if expression(value):
        try:
            value = resolve(value, check.scope)
        except UnresolvedValue:
            return _stand_in(value, shape, location, check)
    found = list(constraints.faults(value, shape))
    check.faults.extend(f"{location}: {fault}" for fault in found)
    if not constraints.fits(value, shape):
        return _sample(shape)
    if shape.type_name == "structure":
        return _structure(value, shape, location, check)
    if shape.type_name == "list":
        return [_value(item, shape.member, paths.join(location, index), check) for index, item in enumerate(value)]
    if shape.type_name == "map":
        for key in value:
            check.faults.extend(f"{location}: key: {fault}" for fault in constraints.faults(key, shape.key))
        return {key: _value(item, shape.value, paths.join(location, key), check) for key, item in value.items()}
    return value


def _structure(value: dict[str, Any], shape: Shape, location: str, check: _Check) -> dict[str, Any]:
    for name in shape.required_members:
        if name not in value:
            check.faults.append(f"{paths.join(location, name)}: is missing, and it is required")
    found = {}
    for name, item in value.items():
        if name in shape.members:
            found[name] = _value(item, shape.members[name], paths.join(location, name), check)
        else:
            fault = f"is no member of {shape.name}{likely(name, shape.members)}"
            check.faults.append(f"{paths.join(location, name)}: {fault}")
    return found


def _stand_in(value: Any, shape: Shape, location: str, check: _Check) -> Any:
    kind = _type(value, check)
    group = constraints.TYPES[shape.type_name]
    if kind is not None and constraints.TYPES[kind] != group and (kind, shape.type_name) not in _WIDENS:
        check.faults.append(f"{location}: will be {constraints.TYPES[kind][1]}, expected {group[1]}")
    return _sample(shape)


_WIDENS: Final = {(whole, real) for whole in ("integer", "long") for real in ("float", "double")}


def _type(value: Any, check: _Check) -> str | None:
    kind, body = expression(value) or ("", None)
    if kind != "Get":
        return "string" if kind == "Std:Join" else None
    found = reference(body)
    if found.root != "Steps":
        return None if found.root == "Parameters" else "string"  # a parameter that has no value yet may become anything
    try:
        shape = properties.shape(found, check.steps)
    except InputError:
        return None  # `properties.faults` says so
    return shape.type_name if shape is not None else None


def _sample(shape: Shape) -> Any:
    """Return the smallest value of this shape that botocore's validator accepts."""
    least = max(shape.metadata.get("min", 0), 0)
    match shape.type_name:
        case "structure":
            return {name: _sample(shape.members[name]) for name in shape.required_members}
        case "list":
            return [_sample(shape.member)] * least
        case "map":
            return {f"key{index}": _sample(shape.value) for index in range(least)}
        case "string":
            return "x" * max(least, 1)
        case "boolean":
            return True
        case _:
            return least
