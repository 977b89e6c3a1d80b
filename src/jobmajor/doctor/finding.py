"""One thing that was looked at, and how it is; a check that breaks is a finding, too.

Whoever asks what is wrong has something broken already, so no check may end the others.
"""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from jobmajor.errors import Error
from sagelocal import extras

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

DISTRIBUTION: Final = "jobmajor"
OK: Final = "ok"
NOTE: Final = "note"  # fine as it is; worth knowing, such as an extra that isn't installed
UNKNOWN: Final = "unknown"  # it could not be found out
FAILED: Final = "failed"
_ISSUES: Final = "https://github.com/jobmajor/jobmajor/issues"
STATUSES: Final = (OK, NOTE, UNKNOWN, FAILED)


@dataclass(frozen=True, slots=True)
class Finding:
    """How one thing is: `what` it is, one of `STATUSES`, what was `found`, and the `cure`, a command or a sentence.

    `cure` is empty where nothing has to be done.
    """

    what: str
    status: str
    found: str
    cure: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return its fields as plain data."""
        return asdict(self)


def is_sound(findings: Iterable[Finding]) -> bool:
    """Return whether nothing failed; what is unknown is no failure.

    >>> is_sound([Finding("disk", OK, "9 GB free"), Finding("identity", UNKNOWN, "no answer")])
    True
    """
    return all(each.status != FAILED for each in findings)


def guarded(what: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Yield what a check finds; if it breaks, that is the last finding, about `what`."""
    try:
        yield from look()
    except Exception as error:
        yield broken(what, error)


def broken(what: str, error: Exception) -> Finding:
    """Return the finding of a check that an error ended: one of ours has its cure, and so has a missing package."""
    if isinstance(error, extras.MissingExtra):
        return Finding(
            what, UNKNOWN, f"needs the extra {error.extra!r}", extras.install_command(error.extra, error.distribution)
        )
    if isinstance(error, ModuleNotFoundError):
        return _missing(what, (error.name or "").partition(".")[0])
    if isinstance(error, Error):
        return Finding(what, FAILED, str(error))
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return Finding(what, FAILED, f"{where}{error.strerror or error}", "give access or make room, and look again")
    first = str(error).partition("\n")[0]
    return Finding(what, FAILED, f"this check ended with {type(error).__name__}: {first}", f"report it: {_ISSUES}")


def _missing(what: str, module: str) -> Finding:
    extra = extras.extra_of(module, "", DISTRIBUTION)
    if extra:
        return Finding(what, UNKNOWN, f"{module} is not installed", extras.install_command(extra, DISTRIBUTION))
    return Finding(what, FAILED, f"{module} is not installed", reinstall(module))


def reinstall(*packages: str) -> str:
    """Return the command that installs packages of the base installation again."""
    return shlex.join([*extras.installer(DISTRIBUTION), "--force-reinstall", *packages])
