"""One request to AWS as a value: checked when it is made, and ready to be printed."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws.api import checks
from jobmajor.aws.api.errors import BadCall

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHOWN_BYTES: Final = 200
_DATA: Final = (str, int, float, dict, list, tuple, datetime.datetime, type(None))


@dataclass(frozen=True, slots=True)
class Call:
    """One request, checked against botocore's shapes when it is constructed.

    Attributes:
        service: botocore's name for the service: sagemaker, s3, …
        operation: The API's name, such as CreateModel.
        parameters: The request's members; a body may be bytes.
        dry: Whether placeholders such as `<ModelArn>` may replace values that only a real answer provides.

    Raises:
        BadCall: The service would refuse the request.
    """

    service: str
    operation: str
    parameters: Mapping[str, Any]
    dry: bool = False

    def __post_init__(self) -> None:
        problems = checks.faults(self.service, self.operation, self.parameters, dry=self.dry)
        if problems:
            raise BadCall(self.service, self.operation, problems)

    def without_bodies(self) -> Call:
        """Return the request with each long body replaced by its length, so that a list of requests stays small."""
        light = {name: _light(value) for name, value in self.parameters.items()}
        return replace(self, parameters=light)

    def to_dict(self) -> dict[str, Any]:
        """Return the request as plain data for JSON, with long bodies replaced by their length."""
        return {"service": self.service, "operation": self.operation, "parameters": _plain(dict(self.parameters))}


def _light(value: Any) -> Any:
    is_short = isinstance(value, bytes) and len(value) <= _SHOWN_BYTES
    return value if is_short or isinstance(value, _DATA) else _plain(value)


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case datetime.datetime():
            return value.isoformat()
        case bytes() | bytearray():
            short = len(value) <= _SHOWN_BYTES
            return bytes(value).decode("utf-8", "backslashreplace") if short else f"{len(value):,} bytes"
        case str() | int() | float() | None:
            return value
        case _:
            return f"a {type(value).__name__}"  # a body that is streamed
