"""Parse a pipeline definition and check it before any step runs.

A misspelled reference in the last step must not cost the minutes (or, on AWS, the money) of the steps before it.
The bytes are kept unchanged: what runs here is byte for byte what is sent to the service.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from sagelocal.definition import expressions, graph, parameters, steps
from sagelocal.definition.expressions import short
from sagelocal.definition.fields import Fields, decode, likely
from sagelocal.definition.graph import dependencies, order
from sagelocal.definition.parameters import Parameter, bind
from sagelocal.definition.steps import CacheConfig, Definition, PropertyFile, Step
from sagelocal.errors import DefinitionError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "CacheConfig",
    "Definition",
    "Parameter",
    "PropertyFile",
    "Step",
    "bind",
    "check",
    "dependencies",
    "order",
    "parse",
]

VERSION: Final = "2020-12-01"
_TOP: Final = (
    *("Version", "Metadata", "Parameters", "PipelineExperimentConfig", "Steps"),
    "MlflowConfig",
)


def parse(data: bytes) -> Definition:
    """Return the definition in `data`, after its structure and all its references were checked.

    `check` looks at the Arguments, because that needs the values of the parameters.

    Raises:
        DefinitionError: With every problem found, each as `location: problem`.
    """
    try:
        raw = decode(data)
    except ValueError as error:
        raise DefinitionError([f"definition: {error}: send UTF-8 JSON"]) from error
    faults: list[str] = []
    fields = Fields(raw, "definition", faults)
    _read_top(fields)
    known = parameters.read(fields.take("Parameters", list, []), faults)
    outermost = steps.read(fields.take("Steps", list, [], required=True), "steps", faults)
    digest = hashlib.sha256(data).hexdigest()
    definition = Definition(data, digest, known, outermost, fields.values)
    faults.extend(_step_faults(definition))
    faults.extend(_reference_faults(definition))
    if faults:
        raise DefinitionError(faults)
    return definition


def check(definition: Definition, values: Mapping[str, Any]) -> None:
    """Raise an error unless the service would accept every step's Arguments, as botocore describes its requests.

    Args:
        definition: A parsed definition.
        values: The parameters of the execution, as `bind` gives them.

    Raises:
        DefinitionError: With every problem found, each as `location: problem`.
        InputError: A parameter has no value in `values`, though it has a default.
    """
    unbound = [name for name, item in sorted(definition.parameters.items()) if item.has_default and name not in values]
    if unbound:
        raise InputError(f"no value for parameter {', '.join(unbound)}: give `check` what `bind` returns")
    from sagelocal.definition import properties, shapes  # noqa: PLC0415 - botocore loads only for a check

    faults = (*properties.faults(definition), *shapes.faults(definition, values))
    if faults:
        raise DefinitionError(faults)


def _read_top(fields: Fields) -> None:
    version = fields.take("Version", str, VERSION, required=True)
    if version != VERSION:
        fields.refuse("Version", f"found {short(version)}, expected {VERSION!r}")
    for name in fields.values:
        # SDKs add members as the service grows; only a misspelling of a known one is refused.
        if name not in _TOP and name.lower() in map(str.lower, _TOP):
            fields.refuse(name, f"is no member here{likely(name, _TOP)}")
    for name in ("Metadata", "PipelineExperimentConfig", "MlflowConfig"):
        if fields.values.get(name) is not None:  # SDK v3 writes "MlflowConfig": null
            fields.faults.extend(expressions.faults(fields.take(name, dict, {}), name))


def _step_faults(definition: Definition) -> Iterator[str]:
    names: set[str] = set()
    for step, _ in graph.flatten(definition.steps):
        if step.name in names:
            yield f"steps[{step.name}].Name: another step has this name; a name stands for one step"
        names.add(step.name)
    for step, _ in graph.flatten(definition.steps):
        for needed in step.depends_on:
            if needed not in names:
                yield f"steps[{step.name}].DependsOn: no step {needed!r}{likely(needed, names)}"
    around = graph.cycle(definition.steps)
    if around:
        yield f"steps[{around[0]}]: waits for itself ({' ← '.join(around)}): remove one reference"


def _reference_faults(definition: Definition) -> Iterator[str]:
    known = {step.name: step for step, _ in graph.flatten(definition.steps)}
    for step in known.values():
        for location, value in graph.sources(step):
            yield from expressions.faults(value, location)
            for where, found in expressions.gets(value, location):
                yield from _unknown(definition, known, found, where)
                yield from _misplaced(step, found, where)
    config = definition.raw.get(expressions.EXPERIMENT)
    for where, found in expressions.gets(config, expressions.EXPERIMENT):
        yield from _unknown(definition, known, found, where)
        if found.root in ("Steps", expressions.EXPERIMENT) or found.name in expressions.JOB_NAMES:
            yield f"{where}: refers to {found.root}.{found.name}, but is needed before any step runs"


def _misplaced(step: Step, found: expressions.Reference, location: str) -> Iterator[str]:
    kind = expressions.JOB_NAMES.get(found.name) if found.root == "Execution" else None
    if kind is not None and step.type != kind:
        yield f"{location}: Execution.{found.name} has a value in {kind} steps alone, and this is a {step.type} step"


def _unknown(
    definition: Definition, named: Mapping[str, Step], found: expressions.Reference, location: str
) -> Iterator[str]:
    known = {"Parameters": definition.parameters, "Steps": named}.get(found.root)
    if found.root == expressions.EXPERIMENT and found.name not in definition.experiment:
        yield f"{location}: the definition has no {found.root}.{found.name}: give it one"
    elif known is not None and found.name not in known:
        yield f"{location}: no {found.root[:-1].lower()} {found.name!r}{likely(found.name, known)}"
    elif found.path[:1] == ("PropertyFiles",):
        files = named[found.name].property_files
        if found.path[1:] and found.path[1] not in files:
            name = str(found.path[1])
            yield f"{location}: step {found.name!r} has no property file {name!r}{likely(name, files)}"
