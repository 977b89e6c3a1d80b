"""The models that Model steps create: one JSON record each in the workspace, which Transform steps read.

A transform names its model, as on the service; the model may come from an earlier run.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sagelocal.definition.expressions import short
from sagelocal.errors import InputError
from sagelocal.jobs.contracts import ARN
from sagelocal.storage import publish

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FOLDER: Final = "models"  # of a workspace
_NAME: Final = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")


@dataclass(frozen=True, slots=True)
class Model:
    """One container and its artifact; `data_uri` is empty if there is none, `packed` says that it is a tar.gz."""

    name: str
    image: str
    data_uri: str
    packed: bool
    variables: Mapping[str, str]


def create(folder: Path, name: str, arguments: Mapping[str, Any], now: str) -> dict[str, Any]:
    """Write the record and return what DescribeModel would give; a model of that name is replaced.

    Args:
        folder: `<workspace>/models`.
        name: The name of the model.
        arguments: The resolved Arguments of the step.
        now: The current time, ISO 8601.
    """
    _check_name(name)
    body = {**arguments, "ModelName": name, "ModelArn": f"{ARN}:model/{name}", "CreationTime": now}
    publish.write_file(folder / f"{name}.json", json.dumps(body, indent=1).encode())
    return body


def find(folder: Path, name: str) -> Model:
    """Return the model of that name.

    Raises:
        InputError: There is none, or it can't run here.
    """
    _check_name(name)
    try:
        arguments = json.loads((folder / f"{name}.json").read_bytes())
    except FileNotFoundError as error:
        raise InputError(
            f"no model {name!r} in {folder}: a Model step has to make it, in this run or before"
        ) from error
    fault = next(faults(arguments), None)
    if fault:
        raise InputError(f"model {name!r} can't serve here: {fault}")
    container = _containers(arguments)[0]
    uri, packed = _artifact(container)
    return Model(name, container["Image"], uri, packed, container.get("Environment", {}))


def faults(arguments: Mapping[str, Any]) -> Iterator[str]:
    """Yield `location: problem` for everything that the service can serve and this machine can't."""
    containers = _containers(arguments)
    if len(containers) != 1:
        yield f"Containers: found {len(containers)}; requests go to one container here: name one"
    for container in containers[:1]:
        source = container.get("ModelDataSource", {}).get("S3DataSource", {})
        if "Image" not in container:
            yield "Image: is missing; a model package's image is not looked up here: name the image"
        if container.get("Mode", "SingleModel") != "SingleModel":
            yield f"Mode: found {short(container['Mode'])}; one model is loaded here: use SingleModel"
        if source.get("ManifestS3Uri"):
            yield "ModelDataSource.S3DataSource.ManifestS3Uri: manifests are not read here: name a prefix"


def _containers(arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
    primary = arguments.get("PrimaryContainer")
    return [primary] if primary else list(arguments.get("Containers", ()))


def _artifact(container: Mapping[str, Any]) -> tuple[str, bool]:
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    if source:
        return source["S3Uri"], source["CompressionType"] == "Gzip"
    return container.get("ModelDataUrl", ""), True


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InputError(f"ModelName: found {short(name)}, expected 1 to 63 letters, digits and -")
