"""Why a container failed: one line for the log, and for the file in which SageMaker looks for a reason.

It imports the standard library only, apart from `errors`, so it can also report an installation that can't be imported.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from pathlib import Path

from jobmajor.errors import Error

_REASON_BYTES = 1024  # what the service keeps of a reason
_TRAINING, _PROCESSING = "failure", "message"  # the files below `output` that it reads, by the kind of job


def reason(error: BaseException, root: Path) -> str:
    """Return one line that says what went wrong: the sentence of our own errors, else type, message and line of code.

    Args:
        error: What ended the program.
        root: The folder that the container sees as `/opt/ml`.
    """
    said = " ".join(str(error).split())
    if isinstance(error, Error):
        return said
    named = f"{type(error).__name__}: {said}" if said else type(error).__name__
    if isinstance(error, PermissionError) and str(error.filename).startswith(str(root)) and _user():
        return (
            f"{named}: the program runs as user {_user()}, and SageMaker's folders belong to root: build the image "
            "without --build-arg RUN_AS"
        )
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{named}{where}"


def leave(root: Path, step: str, why: str) -> OSError | None:
    """Write a reason where the service looks for it; return the fault if it can't be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     leave(Path(folder), "train", "no rows")
    ...     (Path(folder) / "output" / "failure").read_text()
    'no rows'
    """
    path = root / "output" / (_TRAINING if step == "train" else _PROCESSING)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(why.encode("utf-8", "replace")[:_REASON_BYTES])
    except OSError as fault:
        return fault
    return None


def left(root: Path, step: str) -> str:
    """Return the reason that another process of the same job left, or "" if there is none."""
    path = root / "output" / (_TRAINING if step == "train" else _PROCESSING)
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def require_writable(root: Path, step: str) -> None:
    """Raise PermissionError before the work begins if a step can't write its results."""
    target = root / "model" if step == "train" else root / "processing" / "output"
    found = next(path for path in (target, *target.parents) if path.exists())
    # SageMaker mounts a folder for each output of a processing job.
    mounted = [path for path in target.iterdir() if path.is_dir()] if found == target else []
    for path in mounted or [found]:
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def report(error: BaseException, root: Path, step: str) -> None:
    """Write an error's reason to the service's file, and then as the last line of standard output."""
    why = reason(error, root)
    if not isinstance(error, Error):
        traceback.print_exception(error, file=sys.stdout)
    if fault := leave(root, step, why):
        sys.stdout.write(f"WARNING jobmajor.steps: can't write the reason to {fault.filename} ({fault.strerror})\n")
    sys.stdout.write(f"ERROR jobmajor.steps: {why}\n")
    sys.stdout.flush()


def _user() -> int:
    """Return the number of the user that the program runs as; 0 for root, and where there are no numbers."""
    return os.geteuid() if hasattr(os, "geteuid") else 0
