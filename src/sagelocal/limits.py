"""What the service can run and this machine can't, found before anything runs and refused by name.

To run such a step in some other way would give results that the service would not give.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sagelocal import contracts, expressions, graph, paths
from sagelocal.errors import InputError, UnresolvedValue
from sagelocal.expressions import short
from sagelocal.language import Scope, resolve
from sagelocal.steps import EXECUTED
from sagelocal.store import split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sagelocal.definition import Definition

# (where below the step's Arguments, what runs here, why); absent always runs.
_Rule = tuple[str, tuple[Any, ...], str]
_ONE: Final = "jobs run on one instance here: set it to 1, or give the parameter behind it the value 1"
_FILES: Final = "inputs are copied as plain files before the job starts: use File"
_PLAIN: Final = "inputs are not unpacked: store them unpacked, or let the step unpack them"
_PREFIX: Final = "inputs are prefixes or objects: use S3Prefix"
_MANAGED: Final = "the executor copies inputs and outputs, never the application: use false"

_RULES: Final[Mapping[str, tuple[_Rule, ...]]] = {
    "Processing": (("ProcessingResources.ClusterConfig.InstanceCount", (1,), _ONE),),
    "Training": (
        ("ResourceConfig.InstanceCount", (1,), _ONE),
        ("ResourceConfig.InstanceGroups", ([],), _ONE),
        ("AlgorithmSpecification.TrainingInputMode", ("File", "FastFile"), _FILES),
    ),
}
_INPUT_RULES: Final[Mapping[str, tuple[_Rule, ...]]] = {
    "Processing": (
        ("AppManaged", (False,), _MANAGED),
        ("S3Input.S3InputMode", ("File",), _FILES),
        ("S3Input.S3DataType", ("S3Prefix",), _PREFIX),
        ("S3Input.S3CompressionType", ("None",), _PLAIN),
    ),
    "Training": (
        ("InputMode", ("File", "FastFile"), _FILES),
        ("DataSource.S3DataSource.S3DataType", ("S3Prefix",), _PREFIX),
        ("CompressionType", ("None",), _PLAIN),
        ("RecordWrapperType", ("None",), "records are not wrapped here: use None"),
    ),
}
_NEEDED: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "Processing": (("AppSpecification.ContainerEntrypoint", "no image is at hand that could name one"),),
    "Training": (
        ("AlgorithmSpecification.TrainingImage", "no algorithm of the service runs here"),
        ("ResourceConfig", "no serverless job runs here"),
    ),
}
_ADDRESSES: Final[Mapping[str, tuple[tuple[str, str, str], ...]]] = {
    # (list, address, container folder): where each item's bytes are
    "Processing": (
        ("ProcessingInputs", "S3Input.S3Uri", "S3Input.LocalPath"),
        ("ProcessingOutputConfig.Outputs", "S3Output.S3Uri", "S3Output.LocalPath"),
    ),
    "Training": (("InputDataConfig", "DataSource.S3DataSource.S3Uri", ""),),
}
# The addresses of a Training job that stand alone; what is absent here is required, if at all, by the shapes.
_ALONE: Final[Mapping[str, tuple[str, ...]]] = {
    "Processing": (),
    "Training": ("OutputDataConfig.S3OutputPath", "CheckpointConfig.S3Uri"),
}
_UNKNOWN: Final = object()


def faults(definition: Definition, scope: Scope) -> tuple[str, ...]:
    """Every `place: fault` of what can't run here; values that need a finished step are not looked at.

    Args:
        definition: A checked definition.
        scope: With the parameters of the execution; no step is finished yet.
    """
    found: list[str] = []
    for step, _ in graph.flatten(definition.steps):
        place = f"steps[{step.name}]"
        if step.type not in EXECUTED:
            found.append(f"{place}.Type: {step.type} steps don't run here, only {', '.join(EXECUTED)}")
        elif step.type in _RULES:
            arguments = _settled(dict(step.arguments), scope)
            found += (f"{place}.Arguments.{fault}" for fault in _job_faults(step.type, arguments))
    return tuple(found)


def _job_faults(kind: str, arguments: Any) -> Iterator[str]:
    for where, why in _NEEDED[kind]:
        if _at(arguments, where) is None:
            yield f"{where}: is missing, and {why}: name it in the definition"
    yield from _broken(_RULES[kind], arguments, "")
    for items, address, folder in _ADDRESSES[kind]:
        yield from _repeated(_list(arguments, items), items)
        for index, item in enumerate(_list(arguments, items)):
            place = f"{items}[{index}]."
            if not items.endswith("Outputs"):
                yield from _broken(_INPUT_RULES[kind], item, place)
            yield from _address_faults(item, address, folder, place)
    for where in _ALONE[kind]:
        yield from _refusals(_at(arguments, where), split, where)
    yield from _refusals(_at(arguments, "CheckpointConfig.LocalPath"), _checkpoints, "CheckpointConfig.LocalPath")


def _repeated(items: list[Any], place: str) -> Iterator[str]:
    """Names that stand twice: the second would silently take the place of the first."""
    names = [_at(item, name) for item in items for name in ("InputName", "OutputName", "ChannelName")]
    known = [name for name in names if isinstance(name, str)]
    for name in sorted({name for name in known if known.count(name) > 1}):
        yield f"{place}: the name {name!r} stands more than once: give each its own"


def _broken(rules: tuple[_Rule, ...], value: Any, place: str) -> Iterator[str]:
    for where, allowed, why in rules:
        found = _at(value, where)
        if found is not _UNKNOWN and found is not None and found not in allowed:
            yield f"{place}{where}: found {short(found)}; {why}"


def _address_faults(item: Any, address: str, folder: str, place: str) -> Iterator[str]:
    uri = _at(item, address)
    if uri is None:
        yield f"{place}{address}: is missing, and only S3 addresses run here"
    for where, check in ((address, split), (folder, _folder)):
        text = _at(item, where) if where else None
        yield from _refusals(text, check, f"{place}{where}")
        if where == folder and where and text is None:
            yield f"{place}{where}: is missing, expected a path that begins with {contracts.PROCESSING}"


def _refusals(text: Any, check: Callable[[str], object], place: str) -> Iterator[str]:
    if isinstance(text, str):
        try:
            check(text)
        except InputError as error:
            yield f"{place}: {error}"


def _folder(text: str) -> str:
    return contracts.local(text, contracts.PROCESSING)


def _checkpoints(text: str) -> str:
    return contracts.local(text, contracts.ML)


def _at(value: Any, where: str) -> Any:
    """What stands there; None when absent, `_UNKNOWN` when only a finished step can tell."""
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
