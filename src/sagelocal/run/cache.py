"""The cache of finished steps: a step is reused if its arguments and the content of its inputs are equal.

The service's cache key has addresses, so overwritten data gives a wrong hit there. Here the key has the content;
addresses, times and job names don't count. An entry is used only while its outputs are unchanged.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sagelocal.run import records
from sagelocal.storage import publish, transfer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sagelocal.jobs.contracts import Job
    from sagelocal.storage.manifest import FileRecord
    from sagelocal.storage.store import Store

_FORMAT = 1
# Members that don't change the result: output addresses, roles, names, monitoring.
_LEFT_OUT: Final = (
    *("ProcessingOutputConfig", "OutputDataConfig", "CheckpointConfig"),
    *("ProcessingJobName", "TrainingJobName", "Tags", "RoleArn", "ExperimentConfig"),
    *("DebugHookConfig", "ProfilerConfig", "ProfilerRuleConfigurations", "DebugRuleConfigurations"),
    *("TensorBoardOutputConfig", "ProcessingInputs", "InputDataConfig"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A finished step: `outputs` are its objects by prefix, `created` is in seconds since 1970."""

    key: str
    created: float
    properties: Mapping[str, Any]
    outputs: Mapping[str, Mapping[str, FileRecord]]
    metrics: Mapping[str, float]
    notes: Sequence[str] = ()


def key(job: Job, contents: Mapping[str, Mapping[str, FileRecord]], environment: str) -> str:
    """Return the cache key of a job, a sha256.

    Args:
        job: The job to run.
        contents: The objects of every input, by the input's name.
        environment: The digest of the environment that runs it.
    """
    asked = {name: value for name, value in (job.key_arguments or job.arguments).items() if name not in _LEFT_OUT}
    body = {
        "format": _FORMAT,
        "arguments": asked,
        "inputs": sorted([item.name, item.folder, transfer.digest(contents[item.name])] for item in job.inputs),
        "channels": [_without_address(item) for item in job.arguments.get("InputDataConfig", ())],
        "outputs": sorted([item.name, item.folder] for item in job.outputs),
        "packed": job.packed,
        "environment": environment,
    }
    sharded = sorted(item.name for item in job.inputs if item.sharded)
    if sharded:
        body["sharded"] = sharded
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _without_address(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name != "DataSource"}


def keep(folder: Path, entry: Entry) -> None:
    """Write an entry; from then on, the step's outputs may be reused."""
    fields = {item.name: getattr(entry, item.name) for item in dataclasses.fields(entry)}
    body = json.dumps({**fields, "outputs": records.plain_outputs(entry.outputs)}, sort_keys=True)
    seal = hashlib.sha256(body.encode()).hexdigest()
    publish.write_file(_path(folder, entry.key), f"{seal}\n{body}\n".encode())


def find(folder: Path, wanted: str, store: Store, not_before: float) -> Entry | None:
    """Return the entry of that key if all its outputs are stored exactly as recorded, else None.

    Args:
        folder: The folder of the entries.
        wanted: A key.
        store: The store of the outputs.
        not_before: An entry created earlier (seconds since 1970) has expired.
    """
    entry = _read(_path(folder, wanted))
    if entry is None or entry.key != wanted or entry.created < not_before:
        return None
    for uri, files in entry.outputs.items():
        found = store.listing(uri)
        if any(found.get(name) != record for name, record in files.items()):
            return None
    return entry


def _path(folder: Path, wanted: str) -> Path:
    return folder / f"{wanted}.json"


def _read(path: Path) -> Entry | None:
    """Return an entry, or None if it is missing or damaged; then the step runs again and replaces it."""
    try:
        seal, body, rest = path.read_bytes().split(b"\n")
        if hashlib.sha256(body).hexdigest().encode() != seal or rest:
            return None
        fields = json.loads(body)
        return Entry(**{**fields, "outputs": records.typed_outputs(fields["outputs"])})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
