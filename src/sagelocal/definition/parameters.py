"""Read the parameters of a definition and bind them to the values of one execution.

Parameters hold what differs between environments (bucket, role, instance types). A wrong value is refused before
anything runs.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sagelocal.definition.expressions import short
from sagelocal.definition.fields import Fields, likely
from sagelocal.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

TYPES: Final = ("String", "Integer", "Float", "Boolean")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")  # PipelineParameterName of botocore's model
_WORDS: Final = {
    "String": "a string",
    "Integer": "an integer",
    "Float": "a finite number",
    "Boolean": "true or false",
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A declared parameter.

    Ignore `default` unless `has_default` is true. An empty `enum` allows every value.
    """

    name: str
    type: str
    default: Any | None
    has_default: bool
    enum: tuple[Any, ...]


def read(raw: list[Any], faults: list[str]) -> dict[str, Parameter]:
    """Return the declared parameters by name, and add what is wrong with them to `faults`."""
    found: dict[str, Parameter] = {}
    for index, item in enumerate(raw):
        fields = Fields(item, f"parameters[{index}]", faults)
        name = fields.take("Name", str, "", required=True)
        if not _NAME.fullmatch(name):
            fields.refuse("Name", f"found {short(name)}, expected letters, digits, - and _")
            continue
        fields.location = f"parameters[{name}]"
        if name in found:
            fields.refuse("Name", "is declared twice")
        found[name] = _parameter(fields, name)
    return found


def _parameter(fields: Fields, name: str) -> Parameter:
    fields.only(("Name", "Type", "DefaultValue", "EnumValues"))
    kind = fields.take("Type", str, "", required=True)
    if kind not in TYPES:
        fields.refuse("Type", f"found {short(kind)}, expected one of {', '.join(TYPES)}")
        kind = "String"
    parameter = Parameter(
        name,
        kind,
        fields.values.get("DefaultValue"),
        "DefaultValue" in fields.values,
        tuple(fields.take("EnumValues", list, [])),
    )
    if parameter.has_default:
        fault = _fault(parameter, parameter.default)
        if fault:
            fields.refuse("DefaultValue", fault)
    return parameter


def bind(known: Mapping[str, Parameter], overrides: Mapping[str, Any], *, whole: bool = True) -> dict[str, Any]:
    """Return the value of every parameter in one execution, in the order of their declaration.

    Args:
        known: The declared parameters by name, `Definition.parameters`.
        overrides: Values by name that replace the defaults. A string is converted to the declared type.
        whole: Whether every parameter must have a value, as for a run. Otherwise, those without are left out.

    Raises:
        InputError: A name is unknown, a value is of another type or not among those allowed, or a parameter
            without default has none; one line names every fault.
    """
    faults = [f"parameter {name!r} is unknown{likely(name, known)}" for name in overrides if name not in known]
    values: dict[str, Any] = {}
    for name, parameter in known.items():
        fault = ""
        if name in overrides:
            values[name] = _read(parameter, overrides[name])
            fault = _fault(parameter, values[name])
        elif parameter.has_default:
            values[name] = parameter.default
        elif whole:
            fault = "has no default: give it a value"
        if fault:
            faults.append(f"parameter {name!r}: {fault}")
    if faults:
        raise InputError("; ".join(faults))
    return values


def _read(parameter: Parameter, value: Any) -> Any:
    if not isinstance(value, str) or parameter.type == "String":
        return value
    if parameter.type == "Boolean":
        return {"true": True, "false": False}.get(value.lower(), value)
    try:
        return int(value) if parameter.type == "Integer" else float(value)
    except ValueError:
        return value  # stays a string, which `_fault` then refuses


def _fault(parameter: Parameter, value: Any) -> str:
    match parameter.type, value:
        case ("String", str()) | ("Boolean", bool()):
            fits = True
        case ("Integer" | "Float", bool()):
            fits = False
        case ("Integer", int()) | ("Float", int()):
            fits = True
        case ("Float", float()):
            fits = math.isfinite(value)
        case _:
            fits = False
    if not fits:
        return f"found {short(value)}, expected {_WORDS[parameter.type]}"
    if parameter.enum and value not in parameter.enum:
        return f"found {short(value)}, expected one of {', '.join(map(short, parameter.enum))}"
    return ""
