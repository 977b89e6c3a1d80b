"""The errors of jobmajor, which extend the tree of `sagelocal.errors`.

Error
├── InputError
│   ├── DataError          a data folder, file, table, column or code that can't be used
│   ├── SettingError       jobmajor.toml, an option or a variable
│   ├── MissingExtra       a verb whose extra is not installed
│   └── NoChampion         nothing to predict with yet
├── ArtifactError          (ChecksumMismatch, as there)
├── NotAdapted            a file whose titles don't tell its mix of occupations
└── PipelineError
    ├── Unfinished         a training that was told to stop and goes on when it is started again
    └── RegistryError      the registry can't give or keep what was asked
        ├── UnknownVersion     a version that isn't there; an InputError too, since the caller named it
        └── PromotionRefused   a version without a passed decision
            └── PromotionHeld      a version that a person has to promote
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sagelocal import extras
from sagelocal.errors import (
    ArtifactError,
    Busy,
    ChecksumMismatch,
    DefinitionError,
    Error,
    InputError,
    PipelineError,
    ServiceFault,
    StepFailed,
    UnresolvedValue,
)

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "ArtifactError",
    "Busy",
    "ChecksumMismatch",
    "DataError",
    "DefinitionError",
    "Error",
    "InputError",
    "MissingExtra",
    "NoChampion",
    "NotAdapted",
    "PipelineError",
    "PromotionHeld",
    "PromotionRefused",
    "RegistryError",
    "ServiceFault",
    "SettingError",
    "StepFailed",
    "Unfinished",
    "UnknownVersion",
    "UnresolvedValue",
]

# A traceback shows the name that users of jobmajor import. Without jobmajor, sagelocal's own name stays.
for _shared in (
    ArtifactError,
    Busy,
    ChecksumMismatch,
    DefinitionError,
    Error,
    InputError,
    PipelineError,
    ServiceFault,
    StepFailed,
    UnresolvedValue,
):
    _shared.__module__ = __name__
del _shared


class MissingExtra(extras.MissingExtra):
    """A verb needs packages that the base install of jobmajor leaves out."""

    distribution: ClassVar[str] = "jobmajor"


class DataError(InputError):
    """A data file that can't be used: `where` it is, what was `found`, what was `expected`, what to `do`."""

    def __init__(self, where: Path | str, found: str, expected: str, do: str) -> None:
        self.where, self.found, self.expected, self.do = where, found, expected, do
        super().__init__(f"{where}: found {found}, expected {expected}; {do}")


class SettingError(InputError):
    """A setting that is unknown, missing or out of range, by name."""

    def __init__(self, name: str, found: object, expected: str) -> None:
        self.name, self.found, self.expected = name, found, expected
        super().__init__(f"setting {name!r}: found {found!r}, expected {expected}")


class NoChampion(InputError):
    """The workspace has no champion to predict with."""

    def __init__(self, home: Path) -> None:
        self.home = home
        super().__init__(f"{home} has no champion yet: run `jobmajor run` first, or name another --home")


class NotAdapted(Error):
    """A file's titles don't justify moving answers; `found` says why, `expected` what would."""

    def __init__(self, where: str, found: str, expected: str) -> None:
        self.where, self.found, self.expected = where, found, expected
        super().__init__(f"{where}: found {found}, expected {expected}; use the model as it is, or give a larger file")


class Unfinished(PipelineError):
    """Training was stopped before its end; `step` of `steps` are done and kept in `folder`."""

    def __init__(self, step: int, steps: int, folder: Path) -> None:
        self.step, self.steps, self.folder = step, steps, folder
        super().__init__(
            f"training was stopped after step {step} of at most {steps}, which {folder} holds: start it again with "
            "the same data and settings to go on"
        )


class RegistryError(PipelineError):
    """The registry can't give or keep what was asked."""


class UnknownVersion(RegistryError, InputError):
    """The caller named a version that isn't there; `known` are the newest that are."""

    def __init__(self, home: Path, version: object, known: tuple[int, ...]) -> None:
        self.home, self.version, self.known = home, version, known
        numbers = ", ".join(map(str, known)) or "none yet"
        super().__init__(f"{home} has no version {version!r}: name one of {numbers}")


class PromotionRefused(RegistryError):
    """A version whose decision is missing or not passed can't become the champion."""

    def __init__(self, version: int, reasons: tuple[str, ...]) -> None:
        self.version, self.reasons = version, reasons
        why = "; ".join(reasons) or "it has no recorded decision"
        super().__init__(f"version {version} was not promoted: {why}")


class PromotionHeld(PromotionRefused):
    """A version that the gate holds becomes the champion only if a person says why."""

    def __init__(self, version: int, reasons: tuple[str, ...]) -> None:
        super().__init__(version, reasons)
        why = "; ".join(reasons)
        self.args = (f"version {version} waits for a person, who promotes it with a reason (--reason): {why}",)
