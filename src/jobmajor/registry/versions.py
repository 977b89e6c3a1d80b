"""The values and rules of the registry: its versions, the champion, and what may become champion.

The files of a version never change, the champion always has a passed decision, and a killed run never leaves half a
version. `mlflow_store` implements this on this machine; another registry has to keep these rules, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from jobmajor.errors import InputError, PromotionHeld, PromotionRefused, RegistryError, SettingError
from jobmajor.evaluation.checks import HOLD, PROMOTE, REFUSE
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
DATA, PREDICTIONS = "data", "predictions"  # the folders of a version's baselines
STATUSES = ("PendingManualApproval", "Approved", "Rejected")  # as SageMaker names them

_DIGEST = re.compile(r"[0-9a-f]{64}")
_LONGEST_NAME, _LONGEST_REASON = 80, 500  # characters; a tag of MLflow holds the whole history


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trained model to register; its values must fit into JSON.

    `model_folder` is unpacked and has a `manifest.json`. `evaluation` is the content of evaluation.json, and `decision`
    that of the gate (`{"passed": bool, "reasons": [...], ...}`), None without a gate. `lineage` tells the origin; its
    `parameters`, a mapping, can be compared in MLflow's pages. `attachments` are files to store with the record.
    `judged_folder` has the model that was evaluated, if the candidate is that model refitted on all rows; None if the
    candidate itself was evaluated. `baselines` has the folders `DATA` and `PREDICTIONS`, each with a manifest; None
    without baselines.

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
    baselines: Path | None = None

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

    @property
    def outcome(self) -> str:
        """Return what the gate said of this version, one of `checks.OUTCOMES`."""
        return outcome(self.decision)

    @property
    def holds(self) -> tuple[str, ...]:
        """Return why a person has to promote this version; nothing if the gate doesn't hold it."""
        if self.decision is None or self.outcome != HOLD:
            return ()
        reasons = self.decision.get("holds")
        return tuple(map(str, reasons if isinstance(reasons, list) and reasons else ["its decision asks for a person"]))

    def require_passed(self) -> None:
        """Raise PromotionRefused, with the gate's reasons, unless the gate passed this version."""
        if self.decision is None:
            raise PromotionRefused(self.number, ())
        if not passed(self.decision):
            reasons = self.decision.get("reasons") or ["its decision is not passed"]
            raise PromotionRefused(self.number, tuple(map(str, reasons)))

    def require_approval(self, approval: Approval | None) -> None:
        """Raise PromotionRefused unless the gate passed this version, PromotionHeld if a person has to say why."""
        self.require_passed()
        if self.holds and not (approval and approval.reason):
            raise PromotionHeld(self.number, self.holds)


def passed(decision: Mapping[str, Any] | None) -> bool:
    """Tell whether a decision passed: only a plain true counts, not 1, not "true", not a missing decision."""
    return decision is not None and decision.get("passed") is True


def outcome(decision: Mapping[str, Any] | None) -> str:
    """Return what a decision says, one of `checks.OUTCOMES`; decisions from before there were three say no `outcome`.

    >>> outcome({"passed": True}), outcome({"passed": True, "outcome": "hold"}), outcome({"outcome": "promote"})
    ('promote', 'hold', 'refuse')
    """
    if decision is None or not passed(decision):
        return REFUSE
    return PROMOTE if decision.get("outcome", PROMOTE) == PROMOTE else HOLD


@dataclass(frozen=True, slots=True)
class Approval:
    """Who changes the champion, and why; an empty `reason` gives none.

    Raises:
        InputError: A text is too long, or has a line break.
    """

    by: str
    reason: str = ""

    def __post_init__(self) -> None:
        for name, text, most in (("name", self.by, _LONGEST_NAME), ("reason", self.reason, _LONGEST_REASON)):
            if len(text) > most or not all(map(str.isprintable, text)):
                raise InputError(f"the {name} has {len(text):,} characters: expected one line of at most {most}")


class Event(NamedTuple):
    """A change of the champion: `verb` is promote, rollback, or found when it was set by hand.

    `at` is ISO 8601 in UTC. `by` and `reason` are empty where nobody said.
    """

    number: int
    verb: str
    at: str
    by: str = ""
    reason: str = ""

    @classmethod
    def now(cls, number: int, verb: str, approval: Approval | None = None) -> Event:
        """Return an event with the present time."""
        told = (approval.by, approval.reason) if approval else ()
        return cls(number, verb, datetime.now(UTC).isoformat(timespec="seconds"), *told)


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

        Then only two things can change: lost or damaged files are restored, and the decision, if the new one passed and
        the old one is missing or didn't, or if the new one rests on an `own_test`.
        """

    def decide(self, number: int, decision: Mapping[str, Any]) -> Version:
        """Replace the decision of a version that the gate passed by one that rests on more checks.

        Raises:
            PromotionRefused: The gate did not pass the version: no later check makes up for that.
        """

    def versions(self) -> tuple[Version, ...]:
        """Return all versions, oldest first."""

    def get(self, number: int) -> Version:
        """Return one version; raise UnknownVersion, which names the known numbers."""

    def champion(self) -> Version | None:
        """Return the version that serves; None before the first promotion."""

    def champions(self) -> list[int]:
        """Return the champions that a rollback can still reach, oldest first, the present one last."""

    def history(self) -> list[Event]:
        """Return the changes of the champion, oldest first, those that were rolled back as well."""

    def writing(self) -> AbstractContextManager[object]:
        """Keep every other writer out during the block, which itself only reads."""

    def candidate(self) -> Version | None:
        """Return the newest version that waits: newer than every champion so far, and not rejected."""

    def promote(self, number: int, approval: Approval | None = None) -> Version:
        """Make the version the champion, with the status Approved; nothing changes for the present champion.

        Args:
            number: The version.
            approval: Who promotes it and why, for the history; None for nobody in particular.

        Raises:
            PromotionRefused: Its decision is missing or not passed.
            PromotionHeld: Its decision asks for a person, and `approval` gives no reason.
            ArtifactError: Its files are missing or not what was registered.
        """

    def rollback(self, approval: Approval | None = None) -> Version:
        """Make the previous champion the champion again; the status of neither changes.

        Args:
            approval: As for `promote`.

        Raises:
            RegistryError: There was none before.
            PromotionRefused: Its decision is not passed; ArtifactError when its files are not intact.
        """

    def verify(self, number: int) -> Manifest:
        """Return the manifest of the version's files; raise ArtifactError if any file was changed."""

    def judged(self, number: int) -> Path:
        """Return the files of the model that was evaluated; raise ArtifactError if they are not as registered."""

    def baseline(self, number: int, name: str = PREDICTIONS) -> Path:
        """Return the folder of a version's baseline, `DATA` or `PREDICTIONS`.

        Raises:
            ArtifactError: It was registered without one, or a file is not as registered.
        """

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
