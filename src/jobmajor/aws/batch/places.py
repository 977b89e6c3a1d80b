"""The S3 folders that the stack's roles may read and write, checked before a job starts.

A job that may not read its titles fails after its instances have started. The folders are those of the statements
`ReadData`, `WriteResults`, `ReadModels` and `WriteAnswers` in stack.yaml; a test compares them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobmajor.aws.api.errors import AwsInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobmajor.aws.names import Names

READ: Final = ("",)  # the whole prefix
WRITTEN: Final = {"job": ("runs", "checkpoints"), "endpoint": ("batch", "capture", "async", "async_failures")}
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_.-]+)*/?")


@dataclass(frozen=True, slots=True)
class Access:
    """What a job needs: `source` to read and `target` to write, with the role `job` or `endpoint`."""

    role: str
    source: str
    target: str


def address(names: Names, text: str) -> str:
    """Return the S3 address that an option names: itself, or that of a folder or file below the project's prefix.

    A text that is neither stays as it is, and is refused where the request is made.
    """
    return names.url(text.rstrip("/")) if _NAME.fullmatch(text) else text


def require(names: Names, access: Access) -> None:
    """Raise AwsInputError unless the stack's role may read and write there; a role of your own isn't checked."""
    if getattr(names.settings.aws, f"{access.role}_role"):
        return
    _require(names, access, "--input", access.source, READ)
    _require(names, access, "--output", access.target, WRITTEN[access.role])


def _require(names: Names, access: Access, option: str, found: str, folders: Sequence[str]) -> None:
    allowed = [names.url(folder) if folder else f"s3://{names.bucket}/{names.prefix}" for folder in folders]
    if any(found == place or found.startswith(f"{place}/") for place in allowed):
        return
    verb, copy = ("read", "copy them there (aws s3 cp --recursive)") if option == "--input" else ("write", "choose one")
    raise AwsInputError(
        f"{option}: found {found}, expected an address below {' or '.join(allowed)}, where the role "
        f"{names.role_names[access.role]} may {verb}: {copy}, or name a role of your own (the setting "
        f"aws.{access.role}_role)"
    )
