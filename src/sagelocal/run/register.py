"""The default handler of RegisterModel steps: one JSON file for each version, in a folder for each group.

As on the service, each registration makes a new version, even of a registered model. Only a ClientToken that was used
before returns its earlier version.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelocal.errors import InputError, PipelineError
from sagelocal.jobs.contracts import ARN
from sagelocal.storage import publish

if TYPE_CHECKING:
    from sagelocal.storage.store import Store

_GROUP = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")


@dataclass(frozen=True, slots=True)
class RegisterRequest:
    """The request of a RegisterModel step.

    `arguments` are resolved. `execution` has `id`, `pipeline_name`, `definition_digest` and `parameters`. The pair of
    `execution["id"]` and `step` is unique for each registration.
    """

    step: str
    arguments: Mapping[str, Any]
    store: Store
    execution: Mapping[str, Any]


RegisterHandler = Callable[[RegisterRequest], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class FolderRegistry:
    """The default handler of a run; `root` is `<home>/registry`."""

    root: Path

    def __call__(self, request: RegisterRequest) -> Mapping[str, Any]:
        """Register and return what DescribeModelPackage would give.

        Raises:
            InputError: The group name is missing or invalid.
            PipelineError: The ClientToken was used before, with other arguments.
        """
        group = str(request.arguments.get("ModelPackageGroupName", "")).rpartition("/")[2]
        if not _GROUP.fullmatch(group):
            raise InputError(f"ModelPackageGroupName: found {group!r}, expected 1 to 63 letters, digits and -")
        token = request.arguments.get("ClientToken")
        body = {
            "ModelApprovalStatus": "PendingManualApproval",  # the service's default
            **request.arguments,
            "ModelPackageGroupName": group,
            "ModelPackageStatus": "Completed",
            "Execution": dict(request.execution),
        }
        for version in self.versions(group) if token else ():
            if version.get("ClientToken") == token:
                return _again(version, request.arguments, group)
        return self._add(group, body)

    def versions(self, group: str) -> list[dict[str, Any]]:
        """Return the versions of a group, oldest first."""
        folder = self.root / group
        numbers = sorted(int(path.stem) for path in folder.glob("*.json") if path.stem.isdecimal())
        return [json.loads((folder / f"{number}.json").read_bytes()) for number in numbers]

    def _add(self, group: str, body: dict[str, Any]) -> dict[str, Any]:
        folder = self.root / group
        folder.mkdir(parents=True, exist_ok=True)
        number = max((int(path.stem) for path in folder.glob("*.json") if path.stem.isdecimal()), default=0)
        while True:
            number += 1
            arn = f"{ARN}:model-package/{group}/{number}"
            version = {**body, "ModelPackageVersion": number, "ModelPackageArn": arn}
            if _write_new(folder / f"{number}.json", version):
                return version


def _write_new(target: Path, body: dict[str, Any]) -> bool:
    """Write a new file atomically, and return whether it was made; False if another process took the name first."""
    descriptor, name = tempfile.mkstemp(prefix=publish.STAGING, dir=target.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(body, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.link(name, target)
    except FileExistsError:
        return False
    else:
        return True
    finally:
        Path(name).unlink()


def _again(version: dict[str, Any], arguments: Mapping[str, Any], group: str) -> dict[str, Any]:
    asked = {**arguments, "ModelPackageGroupName": group}
    if any(version.get(name) != value for name, value in asked.items()):
        made = version["ModelPackageArn"]
        raise PipelineError(f"ClientToken {asked['ClientToken']!r} made {made} from other arguments: use a new one")
    return version
