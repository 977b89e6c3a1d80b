"""Versions and events as MLflow's tags hold them; a damaged tag is refused in one line that names the version.

Anyone can change a tag in MLflow's pages, and a disk can lose a part of the database. So each value is checked for its
kind before the rest of the program relies on it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

from jobmajor.errors import ArtifactError, RegistryError
from jobmajor.registry.versions import DATA, DIGEST, JUDGED, PREDICTIONS, STATUSES, Event, Version, folder_of
from sagelocal.storage import manifest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mlflow.entities.model_registry import ModelVersion

    from jobmajor.registry.mlflow_database import Row
    from jobmajor.registry.versions import Candidate

BASELINES = "baselines"  # the key in a lineage, and the folder beside a record
HISTORY = "champions"  # the registered model's tag that holds the events
_MAX_HISTORY = 90_000  # characters; MLflow holds 100,000 in a tag


def version(record: ModelVersion | Row, home: Path) -> Version:
    """Return the version of a record in the workspace `home`.

    Raises:
        RegistryError: A tag is missing, or has another kind of value than jobmajor writes.
    """
    tags, where = record.tags, f"version {record.version} in {home}"
    digest = tags.get(DIGEST)
    folder = folder_of(home, digest)  # first: a version without a digest was not made by jobmajor
    decision = _parsed(tags, "decision", where, (dict, type(None)))
    if decision and not isinstance(decision.get("reasons", []), list):
        _refuse(where, "a decision without a list of reasons", "the gate's decision")
    lineage = _parsed(tags, "lineage", where, (dict,))
    if not isinstance(lineage.get("source", {}), dict):
        _refuse(where, "a lineage without a source", "an object")
    metrics = _parsed(tags, "metrics", where, (dict,))
    if not all(isinstance(value, int | float) for value in metrics.values()):
        _refuse(where, "metrics that are no numbers", "numbers")
    if tags.get("status") not in STATUSES:
        _refuse(where, f"the status {tags.get('status')!r}", f"one of {', '.join(STATUSES)}")
    try:
        created = datetime.fromtimestamp(record.creation_timestamp / 1000, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        _refuse(where, f"the time {str(record.creation_timestamp)[:40]!r}", "milliseconds since 1970")
    return Version(
        number=int(record.version),
        folder=folder,
        digest=str(digest),
        status=tags["status"],
        aliases=tuple(sorted(map(str, record.aliases))),
        created=created.isoformat(timespec="milliseconds"),
        metrics=metrics,
        decision=decision,
        lineage=lineage,
    )


def events(tags: Mapping[str, str], home: Path) -> list[Event]:
    """Return the changes of the champion, oldest first.

    Raises:
        RegistryError: The tag is not what jobmajor writes.
    """
    where = f"the history of champions in {home}"
    found = _parsed({HISTORY: "[]", **tags}, HISTORY, where, (list,))
    for event in found:
        kinds = [type(part) for part in event] if isinstance(event, list) else []
        if kinds not in ([int, str, str], [int, str, str, str, str]):  # the shorter one is of earlier versions
            _refuse(where, f"{str(event)[:40]}", "a version, a verb and a time")
    return [Event(*event) for event in found]


def lineage_text(candidate: Candidate, digest: str, judged: str) -> str:
    """Return the content of the tag of a candidate's lineage, with the digests of what is kept beside it."""
    more: dict[str, Any] = {JUDGED: judged} if judged != digest else {}
    if folder := candidate.baselines:
        more[BASELINES] = {name: manifest.verify(folder / name).digest for name in (DATA, PREDICTIONS)}
    return text({**candidate.lineage, **more})


def baseline_digest(version: Version, name: str) -> str:
    """Return the digest of a version's baseline; raise ArtifactError if it was registered without."""
    known = version.lineage.get(BASELINES)
    digest = known.get(name) if isinstance(known, dict) else None
    if not isinstance(digest, str):
        do = "run the pipeline again"
        raise ArtifactError(f"version {version.number} has no baseline of its {name}: it was registered without, {do}")
    return digest


def history_text(history: Sequence[Event]) -> str:
    """Return the content of the tag of events, without the oldest ones if there are too many for a tag."""
    kept = list(history)
    while len(text(kept)) > _MAX_HISTORY:
        del kept[: len(kept) // 10 + 1]
    return text(kept)


def text(value: object) -> str:
    """Return the content of a tag."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise RegistryError(f"a registry's record holds {type(value).__name__}, expected what JSON can hold: convert it")


def _parsed(tags: Mapping[str, str], name: str, where: str, kinds: tuple[type, ...]) -> Any:
    written = tags.get(name)
    if written is None:
        _refuse(where, f"no {name}", "the one that was registered")
    try:
        found = json.loads(written)
    except (ValueError, TypeError, RecursionError):
        _refuse(where, f"a {name} that is no JSON", "what was registered")
    if not isinstance(found, kinds):
        _refuse(where, f"a {name} that is {json.dumps(found)[:40]}", "an object" if dict in kinds else "a list")
    return found


def _refuse(where: str, found: str, expected: str) -> NoReturn:
    raise RegistryError(f"{where} is damaged: found {found}, expected {expected}; restore mlflow.db from a backup")
