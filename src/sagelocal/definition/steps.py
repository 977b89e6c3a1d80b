"""Read the steps of a definition from JSON: their structure and members. References are checked later, by `parse`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sagelocal.definition import expressions, foreign, paths, retries
from sagelocal.definition.expressions import short
from sagelocal.definition.fields import Fields, likely
from sagelocal.definition.language import condition_faults

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sagelocal.definition.parameters import Parameter
    from sagelocal.definition.retries import RetryPolicy

EXECUTED: Final = (
    *("Processing", "Training", "Condition", "Fail", "RegisterModel", "Model"),
    *("Transform", "Tuning", "Lambda", "Callback"),
)
NAMED: Final = tuple(foreign.REASONS)
STEP_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MEMBERS: Final = (
    *("Name", "Type", "Arguments", "DependsOn", "PropertyFiles", "CacheConfig", "RetryPolicies"),
    *("DisplayName", "Description"),
)
# Members that steps of one type have beside their Arguments.
_OWN_MEMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    "Lambda": ("FunctionArn", "OutputParameters"),
    "Callback": ("SqsQueueUrl", "OutputParameters"),
}
# Run conditions of the service are Completed, Failed, Stopped and Any.
_COMPLETED: Final = "Completed"
OUTPUT_TYPES: Final = ("String", "Integer", "Boolean", "Float")
# The service retries and caches jobs only; a Condition or Fail step has no result to keep.
_RETRIED: Final = ("Processing", "Training", "RegisterModel", "Model", "Transform", "Tuning", "AutoML")
_NEVER_CACHED: Final = ("Condition", "Fail", "RegisterModel", "Model")
_DURATION: Final = re.compile(
    r"P?(?=\d|T\d)(?:(\d{1,6})Y)?(?:(\d{1,6})M)?(?:(\d{1,6})W)?(?:(\d{1,6})D)?"
    r"(?:T(?=\d)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?",
    re.IGNORECASE | re.ASCII,
)
_SECONDS: Final = (365 * 86400, 30 * 86400, 7 * 86400, 86400, 3600, 60, 1)


@dataclass(frozen=True, slots=True)
class PropertyFile:
    """A JSON file that later steps read; `path` is relative to the processing output that holds it."""

    name: str
    output_name: str
    path: str


@dataclass(frozen=True, slots=True)
class CacheConfig:
    """Whether an equal earlier step may be reused; with `expire_after_s` None it may have any age."""

    enabled: bool
    expire_after_s: float | None


@dataclass(frozen=True, slots=True)
class Output:
    """An output of a Lambda or Callback step; `type` is one of `OUTPUT_TYPES`."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step; `arguments` are as written, with unresolved references.

    Only a Condition step has `conditions`, `if_steps` and `else_steps`: if all conditions hold, `if_steps` run,
    otherwise `else_steps`. Only a Lambda or Callback step has `outputs` and `target`, which is the function's ARN or
    the queue's URL. Only a check has `settings`: the members beside its Arguments, such as SkipCheck.
    """

    name: str
    type: str
    arguments: Mapping[str, Any]
    depends_on: tuple[str, ...]
    property_files: Mapping[str, PropertyFile]
    cache: CacheConfig | None
    conditions: tuple[Mapping[str, Any], ...]
    if_steps: tuple[Step, ...]
    else_steps: tuple[Step, ...]
    retries: tuple[RetryPolicy, ...] = ()
    outputs: tuple[Output, ...] = ()
    target: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Definition:
    """A parsed definition: the given bytes, their sha256, and the steps outside of branches."""

    data: bytes
    digest: str
    parameters: Mapping[str, Parameter]
    steps: tuple[Step, ...]
    raw: Mapping[str, Any]

    @property
    def experiment(self) -> Mapping[str, Any]:
        """The PipelineExperimentConfig as written; empty if there is none."""
        found = self.raw.get(expressions.EXPERIMENT)
        return found if isinstance(found, dict) else {}


def read(raw: list[Any], location: str, faults: list[str]) -> tuple[Step, ...]:
    """Return the steps of one list, and add what is wrong with them to `faults`."""
    if not raw and location == "steps":
        faults.append("steps: found none, expected at least one")
    return tuple(_step(item, f"{location}[{index}]", faults) for index, item in enumerate(raw))


def _step(raw: Any, location: str, faults: list[str]) -> Step:
    fields = Fields(raw, location, faults)
    name = fields.take("Name", str, "", required=True)
    if STEP_NAME.fullmatch(name):
        fields.location = f"steps[{name}]"
    elif "Name" in fields.values:
        fields.refuse("Name", f"found {short(name)}, expected 1 to 64 letters, digits, - and _")
    kind = fields.take("Type", str, "", required=True)
    if kind not in EXECUTED + NAMED:
        fields.refuse("Type", f"found {short(kind)}, expected one of {', '.join(EXECUTED + NAMED)}")
    if kind in EXECUTED:
        fields.only((*_MEMBERS, *_OWN_MEMBERS.get(kind, ())))
    arguments = fields.take("Arguments", dict, {}, required=kind in EXECUTED and kind not in _OWN_MEMBERS)
    branches = _branches(arguments, fields) if kind == "Condition" else ((), (), ())
    if kind == "Fail":
        _read_fail(Fields(arguments, fields.at("Arguments"), faults))
    return Step(
        name,
        kind,
        arguments,
        _depends_on(fields),
        _property_files(fields, kind, arguments),
        _cache(fields, kind),
        *branches,
        _retries(fields, kind),
        *_own(fields, kind),
        {name: value for name, value in fields.values.items() if name not in _MEMBERS and kind in foreign.CHECKS},
    )


def _depends_on(step: Fields) -> tuple[str, ...]:
    """Return the steps that the step waits for; one that runs after a failure is refused by name."""
    found = []
    for index, item in enumerate(step.take("DependsOn", list, [])):
        match item:
            case str(name) | {"Step": str(name), "Trigger": "Completed"}:
                found.append(name)
            case {"Step": str(name), "Trigger": trigger}:
                fault = f"runs if {name!r} ends as {short(trigger)}; steps run after {_COMPLETED} ones alone here"
                step.refuse("DependsOn", f"item {index} {fault}: take the step out for a local run")
            case _:
                step.refuse("DependsOn", f"item {index} is {short(item)}, expected a string")
    return tuple(found)


def _own(step: Fields, kind: str) -> tuple[tuple[Output, ...], str]:
    """Return the outputs and the target of a Lambda or Callback step."""
    if kind not in _OWN_MEMBERS:
        return (), ""
    found: dict[str, Output] = {}
    for index, item in enumerate(step.take("OutputParameters", list, [])):
        fields = Fields(item, f"{step.at('OutputParameters')}[{index}]", step.faults)
        fields.only(("OutputName", "OutputType"))
        name = fields.take("OutputName", str, "", required=True)
        output_type = fields.take("OutputType", str, "String")
        if output_type not in OUTPUT_TYPES:
            fields.refuse("OutputType", f"found {output_type!r}, expected one of {', '.join(OUTPUT_TYPES)}")
        if name in found:
            fields.refuse("OutputName", f"{name!r} is declared twice")
        found[name] = Output(name, output_type)
    target = step.values.get(_OWN_MEMBERS[kind][0])
    return tuple(found.values()), target if isinstance(target, str) else short(target) if target else ""


def _branches(
    arguments: dict[str, Any], outer: Fields
) -> tuple[tuple[Mapping[str, Any], ...], tuple[Step, ...], tuple[Step, ...]]:
    fields = Fields(arguments, outer.at("Arguments"), outer.faults)
    fields.only(("Conditions", "IfSteps", "ElseSteps"))
    conditions = fields.take("Conditions", list, [], required=True)
    if not conditions and "Conditions" in arguments:
        fields.refuse("Conditions", "found none, expected at least one")
    for index, condition in enumerate(conditions):
        fields.faults.extend(condition_faults(condition, f"{fields.at('Conditions')}[{index}]"))
    taken, other = (
        read(fields.take(name, list, []), fields.at(name), fields.faults) for name in ("IfSteps", "ElseSteps")
    )
    return tuple(item for item in conditions if isinstance(item, dict)), taken, other


def _read_fail(fields: Fields) -> None:
    fields.only(("ErrorMessage",))
    message = fields.values.get("ErrorMessage")
    if not isinstance(message, str) and not expressions.expression(message):
        fields.refuse("ErrorMessage", f"found {short(message)}, expected a string or an expression")


def _property_files(step: Fields, kind: str, arguments: Mapping[str, Any]) -> dict[str, PropertyFile]:
    found: dict[str, PropertyFile] = {}
    items = step.take("PropertyFiles", list, [])
    if items and kind in EXECUTED and kind != "Processing":
        step.refuse("PropertyFiles", f"a {kind} step has no outputs to read them from")
    outputs = item_names(arguments, ("ProcessingOutputConfig", "Outputs"), "OutputName")
    for index, item in enumerate(items):
        fields = Fields(item, f"{step.at('PropertyFiles')}[{index}]", step.faults)
        fields.only(("PropertyFileName", "OutputName", "FilePath"))
        name, output, path = (
            fields.take(key, str, "", required=True) for key in ("PropertyFileName", "OutputName", "FilePath")
        )
        if name in found:
            fields.refuse("PropertyFileName", f"{name!r} is declared twice")
        if kind == "Processing" and outputs is not None and output not in outputs:
            fields.refuse("OutputName", f"the step has no output {output!r}{likely(output, outputs)}")
        if path.startswith("/") or ".." in path.split("/"):
            fields.refuse("FilePath", f"found {path!r}, expected a path inside the output")
        found[name] = PropertyFile(name, output, path)
    return found


def _cache(step: Fields, kind: str) -> CacheConfig | None:
    if "CacheConfig" not in step.values:
        return None
    if kind in _NEVER_CACHED:
        step.refuse("CacheConfig", f"a {kind} step is never cached: leave it out")
    fields = Fields(step.values["CacheConfig"], step.at("CacheConfig"), step.faults)
    fields.only(("Enabled", "ExpireAfter"))
    enabled = fields.take("Enabled", bool, default=False, required=True)
    text = fields.take("ExpireAfter", str, "")
    seconds = duration_s(text)
    if seconds is None and "ExpireAfter" in fields.values:
        fields.refuse("ExpireAfter", f"found {text!r}, expected an ISO 8601 duration like P30D, 30d or T1H")
    return CacheConfig(enabled, seconds)


def duration_s(text: str) -> float | None:
    """Return seconds of an ISO 8601 duration in whole units, None when it is none.

    As in AWS's own examples, the P may be left out, and upper and lower case are alike. A month counts 30 days and a
    year 365 days, because there is no date to count from. Source: AWS, SageMaker AI Developer Guide, "Turn on step
    caching".

    >>> duration_s("P1DT1H"), duration_s("30dT5h"), duration_s("T16m")
    (90000.0, 2610000.0, 960.0)
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    return float(sum(int(count or 0) * unit for count, unit in zip(match.groups(), _SECONDS, strict=True)))


def _retries(step: Fields, kind: str) -> tuple[RetryPolicy, ...]:
    policies = step.take("RetryPolicies", list, [])
    if policies and kind in EXECUTED and kind not in _RETRIED:
        step.refuse("RetryPolicies", f"a {kind} step is never retried: leave them out")
    return retries.read(policies, step.at("RetryPolicies"), step.faults, kind)


def item_names(arguments: Mapping[str, Any], path: paths.Parts, key: str) -> set[str] | None:
    """Return the `key` of every item of the list at `path`, or None if one of them is an expression or invalid."""
    here: Any = arguments
    for part in path:
        if not isinstance(here, dict):
            return None
        here = here.get(part, {})
    if here == {}:
        return set()
    items = here if isinstance(here, list) else [None]
    found = [item.get(key) if isinstance(item, dict) else None for item in items]
    names = {name for name in found if isinstance(name, str)}
    return names if all(isinstance(name, str) for name in found) else None
