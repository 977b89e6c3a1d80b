"""The values and rules of the registry: its versions, the champion, and what may become champion.

The files of a version never change, the champion always has a passed decision, and a killed run never leaves half a
version. `mlflow_store` implements this on this machine; another registry has to keep these rules, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from jobmajor.errors import InputError, PromotionRefused, RegistryError, SettingError
from jobmajor.home import Workspace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sagelocal.storage.manifest import Manifest

MODEL_NAME = "job-major-clf"
CHAMPION = "champion"
DIGEST = "digest"
JUDGED = "judged"  # the key of a version's lineage for the digest of the model that was evaluated
STATUSES = ("PendingManualApproval", "Approved", "Rejected")  # as SageMaker names them

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trained model to register; its values must fit into JSON.

    `model_folder` is unpacked and has a `manifest.json`. `evaluation` is the content of evaluation.json, and `decision`
    that of the gate (`{"passed": bool, "reasons": [...], ...}`), None without a gate. `lineage` tells the origin; its
    `parameters`, a mapping, can be compared in MLflow's pages. `attachments` are files to store with the record.
    `judged_folder` has the model that was evaluated, if the candidate is that model refitted on all rows; None if the
    candidate itself was evaluated.

    Raises:
        SettingError: `status` is none of `STATUSES`; InputError when an attachment is no file.
    """

    model_folder: Path
    evaluation: Mapping[str, Any]
    decision: Mapping[str, Any] | None
    status: str
    lineage: Mapping[str, Any]
    attachments: tuple[Path, ...] = ()
    judged_folder: Path | None = None

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise SettingError("ModelApprovalStatus", self.status, f"one of {', '.join(STATUSES)}")
        for path in self.attachments:
            if not path.is_file():
                raise InputError(f"the attachment {path} is no file: write it first, or leave it out")


@dataclass(frozen=True, slots=True)
class Version:
    """A registered model: `folder` has its files, and `digest` is the digest of their manifest.

    `created` is ISO 8601 in UTC. `metrics` are the finite numbers directly below the evaluation's
    `classification_metrics`.
    """

    number: int
    digest: str
    status: str
    aliases: tuple[str, ...]
    created: str
    metrics: Mapping[str, float]
    decision: Mapping[str, Any] | None
    lineage: Mapping[str, Any]
    folder: Path

    @property
    def judged(self) -> str:
        """Return the digest of the model that was evaluated: of this version, unless it was refitted on all rows."""
        return str(self.lineage.get(JUDGED, self.digest))

    def require_passed(self) -> None:
        """Raise PromotionRefused, with the gate's reasons, unless the gate passed this version."""
        if self.decision is None:
            raise PromotionRefused(self.number, ())
        if not passed(self.decision):
            reasons = self.decision.get("reasons") or ["its decision is not passed"]
            raise PromotionRefused(self.number, tuple(map(str, reasons)))


def passed(decision: Mapping[str, Any] | None) -> bool:
    """Tell whether a decision passed: only a plain true counts, not 1, not "true", not a missing decision."""
    return decision is not None and decision.get("passed") is True


class Event(NamedTuple):
    """A change of the champion: `verb` is promote, rollback, or found when it was set by hand."""

    number: int
    verb: str
    at: str

    @classmethod
    def now(cls, number: int, verb: str) -> Event:
        """Return an event with the present time, ISO 8601 in UTC."""
        return cls(number, verb, datetime.now(UTC).isoformat(timespec="seconds"))


def succession(events: Sequence[Event]) -> list[int]:
    """Return the champions that a rollback can still reach, oldest first, the present one last.

    >>> succession([Event(1, "promote", ""), Event(4, "promote", ""), Event(1, "rollback", "")])
    [1]
    """
    numbers: list[int] = []
    for event in events:
        if event.verb == "rollback" and numbers:
            numbers.pop()
        if numbers[-1:] != [event.number]:
            numbers.append(event.number)
    return numbers


def settled(events: Sequence[Event], champion: int | None) -> list[Event]:
    """Return the events that led to `champion`.

    An event is announced before it happens, so a kill can leave one too many: it is dropped. A
    champion that still doesn't fit was set by hand, which is an event too.
    """
    for history in (list(events), list(events[:-1])):
        if succession(history)[-1:] == ([] if champion is None else [champion]):
            return history
    return list(events) if champion is None else [*events, Event.now(champion, "found")]


class Registry(Protocol):
    """Versions, numbered from 1 without gaps, and at most one champion among them."""

    def register(self, candidate: Candidate) -> Version:
        """Register the candidate as a version; for files that are registered already, return the version that has them.

        Then only two things can change: lost or damaged files are restored, and a passed decision
        replaces one that is missing or not passed.
        """

    def versions(self) -> tuple[Version, ...]:
        """Return all versions, oldest first."""

    def get(self, number: int) -> Version:
        """Return one version; raise UnknownVersion, which names the known numbers."""

    def champion(self) -> Version | None:
        """Return the version that serves; None before the first promotion."""

    def champions(self) -> list[int]:
        """Return the champions that a rollback can still reach, oldest first, the present one last."""

    def writing(self) -> AbstractContextManager[object]:
        """Keep every other writer out during the block, which itself only reads."""

    def candidate(self) -> Version | None:
        """Return the newest version that waits: newer than every champion so far, and not rejected."""

    def promote(self, number: int) -> Version:
        """Make the version the champion, with the status Approved; nothing changes for the present champion.

        Raises:
            PromotionRefused: Its decision is missing or not passed.
            ArtifactError: Its files are missing or not what was registered.
        """

    def rollback(self) -> Version:
        """Make the previous champion the champion again; the status of neither changes.

        Raises:
            RegistryError: There was none before.
            PromotionRefused: Its decision is not passed; ArtifactError when its files are not intact.
        """

    def verify(self, number: int) -> Manifest:
        """Return the manifest of the version's files; raise ArtifactError if any file was changed."""

    def judged(self, number: int) -> Path:
        """Return the files of the model that was evaluated; raise ArtifactError if they are not as registered."""

    def sweep(self) -> int:
        """Close registrations of killed processes, as `register` does, and return how many there were."""


def folder_of(home: Path, digest: str | None) -> Path:
    """Return the folder of the files with this manifest digest, always directly below the workspace's `models`.

    Raises:
        RegistryError: `digest` is not 64 hex digits.
    """
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):  # a damaged database can hold bytes
        raise RegistryError(
            f"a version in {home} has the digest {digest!r}, expected 64 hex digits: "
            f"it was not made by jobmajor, delete it or give its alias to another"
        )
    return Workspace(home).models / digest
