"""Find what the service can run and this machine can't, and refuse it by name before anything runs.

Running such a step in another way would give other results than the service.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sagelocal.definition import algorithms, expressions, foreign, graph, paths
from sagelocal.definition.expressions import short
from sagelocal.definition.fields import likely
from sagelocal.definition.language import Scope, resolve
from sagelocal.errors import InputError, UnresolvedValue
from sagelocal.jobs import contracts, models, payloads, tuning
from sagelocal.run import checks, handlers, rules
from sagelocal.storage.address import split

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from sagelocal.definition.steps import Definition, Step
    from sagelocal.run.rules import Rule

_UNKNOWN: Final = object()


def faults(definition: Definition, scope: Scope, handled: Collection[str] = ()) -> tuple[str, ...]:
    """Return `location: problem` for everything that can't run here; values that need a finished step are skipped.

    Args:
        definition: A checked definition.
        scope: The parameters of the execution; no step is finished yet.
        handled: The keys of the handlers: names of steps, ARNs of functions, URLs of queues.
    """
    steps = {step.name: step for step, _ in graph.flatten(definition.steps)}
    found = [
        f"steps[{step.name}].{fault}"
        for step in steps.values()
        for fault in _step_faults(step, scope, (handled, steps))
    ]
    skipped = skipped_checks(definition, scope)
    return (*found, *checks.reference_faults(steps.values(), skipped))


def known_arguments(definition: Definition, scope: Scope) -> dict[str, dict[str, Any]]:
    """Return the Arguments of each step, with an object that means nothing for values that need a finished step."""
    return {step.name: _settled(dict(step.arguments), scope) for step, _ in graph.flatten(definition.steps)}


def skipped_checks(definition: Definition, scope: Scope) -> dict[str, dict[str, Any]]:
    """Return the properties of the checks that are skipped, by the name of their step."""
    found = {}
    for step, _ in graph.flatten(definition.steps):
        settings = _settled(dict(step.settings), scope)
        if step.type in foreign.CHECKS and settings.get("SkipCheck") is True:
            found[step.name] = checks.properties(step.type, _settled(dict(step.arguments), scope), settings)
    return found


def _step_faults(step: Step, scope: Scope, known: tuple[Collection[str], Mapping[str, Step]]) -> Iterator[str]:
    handled, steps = known
    if step.type in foreign.CHECKS:
        yield from checks.faults(step, _settled(dict(step.settings), scope))
    elif step.type in foreign.REASONS:
        yield f"Type: {step.type} steps don't run here, {foreign.REASONS[step.type]}: take the step out for a local run"
    elif handlers.has_none(step, handled):
        yield f"Type: {handlers.missing(step)}"
    elif step.type in handlers.TYPES and not step.target:
        yield f"{handlers.TARGETS[step.type]}: is missing, and a {step.type} step can't do without"
    elif step.type in rules.RULES:
        arguments = _settled(dict(step.arguments), scope)
        found = [*_job_faults(step.type, arguments)]
        if step.type == "Tuning":
            found += _search_faults(arguments)
        if step.type == "Transform":
            found += _transform_faults(arguments, _settled(_model(step, steps), scope))
        yield from (f"Arguments.{fault}" for fault in found)


def _model(step: Step, steps: Mapping[str, Step]) -> dict[str, Any]:
    """Return the Arguments of the Model step that makes a transform's model; empty if there is none."""
    for name in expressions.references(step.arguments.get("ModelName")):
        if steps[name].type == "Model":
            return dict(steps[name].arguments)
    return {}


def _transform_faults(arguments: Any, model: Any) -> Iterator[str]:
    if model and _UNKNOWN not in model.values():
        yield from (f"ModelName: its model's {fault}" for fault in models.faults(model))
    asked = _at(arguments, "DataProcessing")
    if isinstance(asked, dict) and not _has_unknown(arguments):
        try:
            payloads.processing(arguments)
        except InputError as error:
            yield str(error)


def _search_faults(arguments: Any) -> Iterator[str]:
    definition = _at(arguments, "TrainingJobDefinition")
    if isinstance(definition, dict):
        yield from (f"TrainingJobDefinition.{fault}" for fault in _job_faults("Training", tuning.resourced(definition)))
    grid = _at(arguments, f"{rules.CONFIG}Strategy") == "Grid"
    for kind in ("Integer", "Continuous") if grid else ():
        where = f"{rules.CONFIG}ParameterRanges.{kind}ParameterRanges"
        if _list(arguments, where):
            yield f"{where}: a grid has no steps between numbers: use categorical ranges, or another strategy"
    limit = f"{rules.CONFIG}ResourceLimits.MaxNumberOfTrainingJobs"
    if not grid and _at(arguments, limit) is None:
        yield f"{limit}: is missing, and a search ends by number here: give it"
    metric = _at(arguments, f"{rules.CONFIG}HyperParameterTuningJobObjective.MetricName")
    defined = [_at(item, "Name") for item in _list(definition, "AlgorithmSpecification.MetricDefinitions")]
    image = _at(definition, "AlgorithmSpecification.TrainingImage")
    defined += [name for name, _ in algorithms.metrics(str(image), str(metric))]
    if isinstance(metric, str) and metric not in defined and _UNKNOWN not in (image, *defined):
        where = f"{rules.CONFIG}HyperParameterTuningJobObjective.MetricName"
        yield f"{where}: no metric {metric!r} is defined{likely(metric, defined)}"


def _job_faults(kind: str, arguments: Any) -> Iterator[str]:
    for where, why in rules.NEEDED[kind]:
        if _at(arguments, where) is None:
            yield f"{where}: is missing, and {why}: name it in the definition"
    yield from _broken(rules.RULES[kind], arguments, "")
    yield from _empty(arguments)
    for items, address, folder in rules.ADDRESSES[kind]:
        yield from _repeated(_list(arguments, items), items)
        for index, item in enumerate(_list(arguments, items)):
            location = f"{items}[{index}]."
            if not items.endswith("Outputs"):
                yield from _broken(rules.INPUT_RULES[kind], item, location)
            yield from _address_faults(item, address, folder, location)
    for where in rules.ALONE[kind]:
        yield from _refusals(_at(arguments, where), split, where)
    yield from _refusals(_at(arguments, "CheckpointConfig.LocalPath"), _checkpoints, "CheckpointConfig.LocalPath")


def _has_unknown(arguments: Any) -> bool:
    """Return whether a member that filters depend on needs a finished step."""
    places = ("DataProcessing", "TransformInput", "TransformOutput")
    blocks = [_at(arguments, location) for location in places]
    return any(not isinstance(block, dict) or _UNKNOWN in block.values() for block in blocks)


def _empty(arguments: Any) -> Iterator[str]:
    for where in ("ProcessingResources.ClusterConfig.InstanceCount", "ResourceConfig.InstanceCount"):
        if _at(arguments, where) == 0:
            yield f"{where}: found 0; a job has at least one instance"


def _repeated(items: list[Any], location: str) -> Iterator[str]:
    """Yield a problem for each duplicate name: the second item would silently replace the first."""
    names = [_at(item, name) for item in items for name in ("InputName", "OutputName", "ChannelName")]
    known = [name for name in names if isinstance(name, str)]
    for name in sorted({name for name in known if known.count(name) > 1}):
        yield f"{location}: the name {name!r} stands more than once: give each its own"


def _broken(broken: tuple[Rule, ...], value: Any, location: str) -> Iterator[str]:
    for where, allowed, why in broken:
        found = _at(value, where)
        if found is not _UNKNOWN and found is not None and found not in allowed:
            yield f"{location}{where}: found {short(found)}; {why}"


def _address_faults(item: Any, address: str, folder: str, location: str) -> Iterator[str]:
    for where, why in rules.ELSEWHERE.items():
        if _at(item, where) is not None:
            yield f"{location}{where}: {why}"
            return
    uri = _at(item, address)
    if uri is None:
        yield f"{location}{address}: is missing, and only S3 addresses run here"
    for where, check in ((address, split), (folder, _folder)):
        text = _at(item, where) if where else None
        yield from _refusals(text, check, f"{location}{where}")
        if where == folder and where and text is None:
            yield f"{location}{where}: is missing, expected a path that begins with {contracts.PROCESSING}"


def _refusals(text: Any, check: Callable[[str], object], location: str) -> Iterator[str]:
    if isinstance(text, str):
        try:
            check(text)
        except InputError as error:
            yield f"{location}: {error}"


def _folder(text: str) -> str:
    return contracts.local(text, contracts.PROCESSING)


def _checkpoints(text: str) -> str:
    return contracts.local(text, contracts.ML)


def _at(value: Any, where: str) -> Any:
    """Return the value at a path; None if it is absent, `_UNKNOWN` if it needs a finished step."""
    for part in paths.parse(where):
        if value is _UNKNOWN or not isinstance(value, dict):
            return value if value is _UNKNOWN else None
        value = value.get(str(part))
    return value


def _list(arguments: Any, where: str) -> list[Any]:
    found = _at(arguments, where)
    return found if isinstance(found, list) else []


def _settled(value: Any, scope: Scope) -> Any:
    if expressions.expression(value):
        try:
            return resolve(value, scope)
        except UnresolvedValue:
            return _UNKNOWN
    if isinstance(value, dict):
        return {name: _settled(item, scope) for name, item in value.items()}
    return [_settled(item, scope) for item in value] if isinstance(value, list) else value
