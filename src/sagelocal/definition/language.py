"""Evaluate the expressions of a definition: `Get`, `Std:Join`, `Std:JsonGet` and conditions.

The results must equal those of the service. The checks before a run and the run itself use the same evaluator.
"""

from __future__ import annotations

import json
import math
import operator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sagelocal.definition import paths
from sagelocal.definition.expressions import EXPERIMENT, expression, property_file, reference, references, short
from sagelocal.errors import UnresolvedValue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["Outcome", "Scope", "condition_faults", "holds", "references", "resolve"]

# The member that identifies an item of a list: Outputs['train'] is the one whose OutputName is train.
ITEM_NAMES: Final = {
    "Outputs": "OutputName",
    "ProcessingInputs": "InputName",
    "InputDataConfig": "ChannelName",
    "FinalMetricDataList": "MetricName",
}
_ORDERED: Final[Mapping[str, tuple[str, Callable[[Any, Any], bool]]]] = {
    "GreaterThan": (">", operator.gt),
    "GreaterThanOrEqualTo": (">=", operator.ge),
    "LessThan": ("<", operator.lt),
    "LessThanOrEqualTo": ("<=", operator.le),
}
_MEMBERS: Final = {
    **{name: {"LeftValue", "RightValue"} for name in ("Equals", *_ORDERED)},
    "In": {"QueryValue", "Values"},
    "Not": {"Condition"},
    "Or": {"Conditions"},
}
_OLD_NOT: Final = "the service rejects it, SDKs before 2024 wrote it: write Condition, or compile with a newer SDK"


@dataclass(frozen=True, slots=True)
class Scope:
    """The values that references of one execution resolve to.

    `properties` holds, by step name, what the Describe… call would return. `property_file` returns the parsed JSON of
    (step, property file), `document` that of an `s3://` URI; it is None if no URI can be read. `experiment` is the
    definition's PipelineExperimentConfig as written.
    """

    parameters: Mapping[str, Any]
    execution: Mapping[str, Any]
    properties: Mapping[str, Any]
    property_file: Callable[[str, str], Any]
    document: Callable[[str], Any] | None = None
    experiment: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """An evaluated condition with its values: `text` for people, the rest for the record.

    `left` and `right` are the compared values; for In, `right` is the list. For Not and Or both are None, and `parts`
    holds the inner outcomes.
    """

    text: str
    passed: bool
    type: str
    left: Any = None
    right: Any = None
    parts: tuple[Outcome, ...] = ()


def resolve(value: Any, scope: Scope) -> Any:
    """Return `value` with every expression replaced by its value; plain data is returned unchanged.

    Raises:
        UnresolvedValue: A reference, file or path has no value in `scope`.
    """
    found = expression(value)
    if found:
        kind, body = found
        evaluate = {"Get": _get, "Std:Join": _join, "Std:JsonGet": _json_get}.get(kind)
        if evaluate is None:
            raise UnresolvedValue(kind, "expected Get, Std:Join or Std:JsonGet")
        return evaluate(body, scope)
    if isinstance(value, dict):
        return {key: resolve(item, scope) for key, item in value.items()}
    return [resolve(item, scope) for item in value] if isinstance(value, list) else value


def _get(body: Any, scope: Scope) -> Any:
    found = reference(body)
    known = {
        "Parameters": scope.parameters,
        "Execution": scope.execution,
        "Steps": scope.properties,
        EXPERIMENT: scope.experiment,
    }[found.root]
    try:
        if found.root == EXPERIMENT:
            return resolve(known[found.name], scope)
        return paths.follow(known[found.name], found.path, frozenset(ITEM_NAMES.values()))
    except KeyError as error:
        raise UnresolvedValue(f"Get {body!r}", f"{found.name!r} is not known here") from error
    except LookupError as error:
        raise UnresolvedValue(f"Get {body!r}", str(error)) from error


def _join(body: Any, scope: Scope) -> str:
    return str(body.get("On", "")).join(_text(resolve(item, scope)) for item in body["Values"])


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        raise UnresolvedValue("Std:Join", f"{short(value)} is no text, number or truth value")
    return json.dumps(value)


def _json_get(body: Any, scope: Scope) -> Any:
    if "S3Uri" in body:
        if scope.document is None:
            raise UnresolvedValue("Std:JsonGet", "this run reads property files only, not an S3Uri")
        source = str(resolve(body["S3Uri"], scope))
        document = scope.document(source)
    else:
        step, name = property_file(body["PropertyFile"]) or ("", "")
        source, document = f"{step}.PropertyFiles.{name}", scope.property_file(step, name)
    try:
        return paths.follow(document, paths.parse(body["Path"]))
    except LookupError as error:
        raise UnresolvedValue(f"{body['Path']!r} in {source}", str(error)) from error


def condition_faults(condition: Any, location: str) -> Iterator[str]:
    """Yield `location: problem` for the syntax of a condition; expressions inside it are not checked."""
    kind = condition.get("Type") if isinstance(condition, dict) else None
    expected = _MEMBERS.get(kind) if isinstance(kind, str) else None
    if kind == "Not" and "Condition" not in condition and "Expression" in condition:
        yield f"{location}.Expression: {_OLD_NOT}"
    elif expected is None:
        yield f"{location}.Type: found {short(kind)}, expected one of {', '.join(_MEMBERS)}"
    else:
        yield from _member_faults(condition, str(kind), location)


def _member_faults(condition: Mapping[str, Any], kind: str, location: str) -> Iterator[str]:
    expected = _MEMBERS[kind]
    for name in sorted(expected ^ (condition.keys() - {"Type"})):
        yield f"{location}: {name!r} is {'missing' if name in expected else 'no member'} of {kind}"
    if kind == "In" and not isinstance(condition.get("Values"), list):
        yield f"{location}.Values: found {short(condition.get('Values'))}, expected a list"
    if kind == "Not":
        yield from condition_faults(condition.get("Condition"), f"{location}.Condition")
    if kind == "Or":
        parts = condition.get("Conditions")
        if not isinstance(parts, list) or not parts:
            yield f"{location}.Conditions: found {short(parts)}, expected a list of conditions"
            return
        for index, part in enumerate(parts):
            yield from condition_faults(part, f"{location}.Conditions[{index}]")


def holds(condition: Mapping[str, Any], scope: Scope) -> Outcome:
    """Evaluate a condition in `scope`; all parts are evaluated, because Or doesn't short-circuit.

    Raises:
        UnresolvedValue: A value is missing, the two can't be compared (a string and a number), or
            a number is not finite: NaN passes no threshold, and under Not it would.
    """
    kind = condition["Type"]
    if kind == "Not":
        part = holds(condition["Condition"], scope)
        return Outcome(f"not ({part.text})", not part.passed, kind, parts=(part,))
    if kind == "Or":
        parts = tuple(holds(part, scope) for part in condition["Conditions"])
        text = " or ".join(part.text for part in parts)
        return Outcome(f"({text})", any(part.passed for part in parts), kind, parts=parts)
    if kind == "In":
        left, among = resolve(condition["QueryValue"], scope), resolve(condition["Values"], scope)
        passed = any(_kind(left) == _kind(item) and left == item for item in among)
        return Outcome(f"{short(left)} in {short(among)}", passed, kind, left, among)
    left, right = (resolve(condition[side], scope) for side in ("LeftValue", "RightValue"))
    return _compared(kind, left, right)


def _compared(kind: str, left: Any, right: Any) -> Outcome:
    sign, compare = _ORDERED.get(kind, ("==", operator.eq))
    text = f"{short(left)} {sign} {short(right)}"
    kinds = {_kind(left), _kind(right)}
    if len(kinds) > 1 and not (kind == "Equals" and "null" in kinds):
        raise UnresolvedValue(text, f"a {_kind(left)} and a {_kind(right)} can't be compared")
    if kind in _ORDERED and not kinds <= {"number", "string"}:
        raise UnresolvedValue(text, f"a {_kind(left)} has no order")
    if any(isinstance(value, float) and not math.isfinite(value) for value in (left, right)):
        raise UnresolvedValue(text, "a number that is not finite can't be compared")
    return Outcome(text, bool(compare(left, right)), kind, left, right)


def _kind(value: Any) -> str:
    kinds = {bool: "truth value", str: "string", dict: "object", list: "list", type(None): "null"}
    return kinds.get(type(value), "number")
