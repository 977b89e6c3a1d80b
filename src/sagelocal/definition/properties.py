"""Check references to step properties against the shapes of the service's Describe… responses.

`Steps.train.ModelArtifact.S3ModelArtifacts` lacks one letter. Without this check you learn that after the training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sagelocal.definition import algorithms, expressions, graph, paths, service_model
from sagelocal.definition.fields import likely
from sagelocal.definition.language import ITEM_NAMES
from sagelocal.definition.steps import item_names
from sagelocal.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from botocore.model import Shape

    from sagelocal.definition.steps import Definition, Step


def faults(definition: Definition) -> Iterator[str]:
    """Yield `location: problem` for every reference to a property that its step won't have."""
    named = {step.name: step for step, _ in graph.flatten(definition.steps)}
    for step in named.values():
        for location, value in graph.sources(step):
            for where, found in expressions.gets(value, location):
                try:
                    shape(found, named)
                except InputError as error:
                    yield f"{where}: {error}"


def shape(found: expressions.Reference, named: Mapping[str, Step]) -> Shape | None:
    """Return the shape of the property that a reference names, or None if botocore doesn't describe it.

    Raises:
        InputError: The step will have no such property.
    """
    if found.root != "Steps" or found.path[0] == "PropertyFiles":
        return None
    step = named[found.name]
    if step.type == "Fail" or (step.type == "Condition" and found.path != ("Outcome",)):
        raise InputError(f"step {step.name!r} is a {step.type}, which has no property {found.path[0]!r}")
    if step.type in ("Lambda", "Callback"):
        return _output(step, found.path)
    here = service_model.properties(step.type, found.path[0])
    for depth, part in enumerate(found.path):
        if here is None:
            return None
        here = _member(here, part, found.path[:depth], step)
    return here


def _output(step: Step, path: paths.Parts) -> Shape:
    named = {output.name: output for output in step.outputs}
    match path:
        case ("OutputParameters", str(name)) if name in named:
            return service_model.output(named[name])
        case ("OutputParameters", str(name)):
            raise InputError(f"step {step.name!r} has no output {name!r}{likely(name, named)}")
    raise InputError(f"step {step.name!r} is a {step.type}: write Steps.{step.name}.OutputParameters['name']")


def _member(here: Shape, part: str | int, above: paths.Parts, step: Step) -> Shape:
    location = ".".join(("Steps", step.name, *map(str, above)))
    if here.type_name == "structure" and isinstance(part, str):
        if part not in here.members:
            raise InputError(f"{location} has no {part!r}{likely(part, here.members)}")
        return here.members[part]
    if here.type_name == "map" and isinstance(part, str):
        return here.value
    if here.type_name != "list":
        raise InputError(f"{location} is a {here.type_name}, which has no {part!r}")
    if isinstance(part, str):
        _check_item(part, above, step)
    return here.member


def _check_item(name: str, above: paths.Parts, step: Step) -> None:
    key = ITEM_NAMES.get(str(above[-1]))
    if key is None:
        raise InputError(f"{above[-1]} of {step.name!r} has positions, not names like {name!r}")
    path: paths.Parts = above
    # The answer tells the last value of each metric that the request defined.
    if key == "MetricName":
        path, key = ("AlgorithmSpecification", "MetricDefinitions"), "Name"
    known: Any = item_names(step.arguments, path, key)
    if known is not None and path != above:
        known = known | dict(algorithms.metrics(_image(step))).keys()
    if known is not None and name not in known:
        raise InputError(f"step {step.name!r} has no {above[-1]} item {name!r}{likely(name, known)}")


def _image(step: Step) -> str:
    algorithm = step.arguments.get("AlgorithmSpecification")
    return str(algorithm.get("TrainingImage")) if isinstance(algorithm, dict) else ""
