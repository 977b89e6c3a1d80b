"""Check a request against the service's description before it is sent, and build placeholder answers for dry runs.

botocore checks types and member names only. Without these checks the service reports patterns, enumerations and
maxima minutes later, in the middle of a deployment. Some services' patterns are Java regular expressions that Python
can't read; those are left to the service.
"""

from __future__ import annotations

import datetime
import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import jmespath
from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader
from botocore.model import OperationNotFoundError, ServiceModel
from botocore.validate import ParamValidator

from jobmajor.aws.api.errors import AwsError
from sagelocal.definition import constraints, paths
from sagelocal.definition.fields import likely
from sagelocal.definition.service_model import VERSION
from sagelocal.extras import install_command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from botocore.model import OperationModel, Shape

_PLACEHOLDER: Final = re.compile(r"<[A-Z]\w*>")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")  # Python decodes an argument's invalid UTF-8 bytes to these
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_PLACEHOLDERS: Final[Mapping[str, Any]] = {
    "boolean": False,
    "timestamp": _EPOCH,
    "blob": b"",
    "list": [],
    "map": {},
    "integer": 0,
    "long": 0,
    "float": 0.0,
    "double": 0.0,
}


@cache
def model(service: str) -> ServiceModel:
    """Return a service's model from botocore's files; the first load of SageMaker's takes 0.3 s."""
    loader = Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    return ServiceModel(loader.load_service_model(service, "service-2"), service)


def operation(service: str, name: str) -> OperationModel:
    """Return the description of an operation.

    Raises:
        AwsError: The installed botocore doesn't know it.
    """
    try:
        return model(service).operation_model(name)
    except (OperationNotFoundError, UnknownServiceError) as error:
        raise AwsError(
            f"botocore {VERSION} has no operation {service} {name}: "
            f"install a newer version ({install_command('aws', 'jobmajor')} -U)"
        ) from error


def faults(service: str, name: str, parameters: Mapping[str, Any], *, dry: bool = False) -> tuple[str, ...]:
    """Return everything that the service would refuse in a request, each as `path: fault`.

    Args:
        service: botocore's name for the service.
        name: The operation's name, such as CreateModel.
        parameters: The request's members.
        dry: Whether placeholders such as `<ModelArn>` may replace values that only a real answer provides.
    """
    shape = operation(service, name).input_shape
    if shape is None:
        return tuple(f"{member}: {name} takes no parameters" for member in parameters)
    given = dict(parameters)
    found = tuple(_faults(given, shape, "", dry=dry))
    report = "" if found else ParamValidator().validate(given, shape).generate_report()
    return found or tuple(report.splitlines())


def _faults(value: Any, shape: Shape, place: str, *, dry: bool) -> Iterator[str]:
    if shape.type_name in ("blob", "timestamp") or getattr(shape, "is_document_type", False):
        return  # these have many Python types, which botocore's validator checks
    if dry and isinstance(value, str) and _PLACEHOLDER.search(value):
        return
    own = _own_faults(value, shape)
    yield from (f"{place or 'the request'}: {fault}" for fault in own)
    if not constraints.fits(value, shape):
        return
    for where, item, inner in _items(value, shape, place):
        if inner is None:
            yield f"{where}: is no member of {shape.name}{likely(where.rpartition('.')[2], shape.members)}"
        else:
            yield from _faults(item, inner, where, dry=dry)


def _own_faults(value: Any, shape: Shape) -> list[str]:
    found = []
    try:
        found = list(constraints.faults(value, shape))
    except re.error:
        return found  # a pattern that Python can't read
    if isinstance(value, str) and _SURROGATE.search(value):
        found.append(f"found {value[:60]!a}, expected text that UTF-8 can encode")
    if shape.type_name == "structure" and not found:
        found += [f"{name} is missing, and it is required" for name in shape.required_members if name not in value]
    return found


def _items(value: Any, shape: Shape, place: str) -> Iterator[tuple[str, Any, Shape | None]]:
    """Yield the path, value and shape of each item inside; the shape of an unknown member is None."""
    if shape.type_name == "structure":
        for name, item in value.items():
            yield paths.join(place, name), item, shape.members.get(name)
    elif shape.type_name == "list":
        for index, item in enumerate(value):
            yield paths.join(place, index), item, shape.member
    elif shape.type_name == "map":
        for key, item in value.items():
            yield paths.join(place, key), item, shape.value


def at(path: str, value: Any) -> Any:
    """Return what a JMESPath finds in `value`, or None if it finds nothing."""
    return jmespath.search(path, value)


def placeholder(service: str, name: str) -> dict[str, Any]:
    """Return a placeholder answer: each string is its member's name in angle brackets, and lists are empty."""
    shape = operation(service, name).output_shape
    answer: dict[str, Any] = _placeholder("", shape, ()) if shape is not None else {}
    return answer


def _placeholder(name: str, shape: Shape, above: tuple[str, ...]) -> Any:
    if shape.type_name == "structure":
        inside = (*above, shape.name)
        return {
            member: _placeholder(member, inner, inside)
            for member, inner in shape.members.items()
            if inner.name not in inside  # a shape may contain itself
        }
    if shape.type_name == "string":
        return f"<{name[:1].upper()}{name[1:]}>"
    found = _PLACEHOLDERS[shape.type_name]
    return type(found)(found) if isinstance(found, list | dict) else found
