"""References as files: a profile with its statistics and constraints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from jobmajor.errors import InputError
from jobmajor.monitor import profile, statistics
from sagelocal.storage import publish

if TYPE_CHECKING:
    from pathlib import Path

    from jobmajor.monitor.profile import Profile


def save(given: Profile, path: Path) -> list[Path]:
    """Write a profile, to be a reference, and beside it its statistics and constraints; return the paths.

    Of `reference.json` these are `reference.statistics.json` and `reference.constraints.json`.

    Raises:
        InputError: The path is a folder.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder: expected the name of a file for the reference")
    bodies = {
        path: given.to_json(),
        path.with_name(f"{path.stem}.statistics.json"): statistics.statistics(given),
        path.with_name(f"{path.stem}.constraints.json"): statistics.constraints(given),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    for each, body in bodies.items():
        publish.write_file(each, (json.dumps(body, allow_nan=False) + "\n").encode())
    return list(bodies)


def load(path: Path) -> Profile:
    """Read a reference.

    Raises:
        InputError: There is no such file, or it is something else.
    """
    try:
        return profile.from_json(json.loads(path.read_bytes()), path)
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}): expected a reference") from error
    except (ValueError, RecursionError) as error:
        raise profile.no_reference(path, "no JSON") from error
