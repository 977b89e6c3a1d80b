"""References as files: a profile with its statistics and constraints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jobmajor.errors import InputError
from jobmajor.monitor import profile, statistics
from sagelocal.storage import publish

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from jobmajor.monitor.profile import Profile


REFERENCE, STATISTICS, CONSTRAINTS = "reference.json", "statistics.json", "constraints.json"


def write_baseline(given: Profile, folder: Path, scores: Mapping[str, float] | None = None) -> None:
    """Write the baseline of a pipeline's step into a folder: statistics, constraints, and of answers a reference.

    Args:
        given: What `profile.data_baseline` or `flags.prediction_baseline` returned.
        folder: The folder.
        scores: How right the answers are, an evaluation's `classification_metrics`; None for a data baseline.
    """
    more = statistics.quality(scores) if scores else ({}, {})
    bodies = {
        STATISTICS: {**statistics.statistics(given), **more[0]},
        CONSTRAINTS: {**statistics.constraints(given), **more[1]},
        **({REFERENCE: given.to_json()} if scores else {}),
    }
    for name, body in bodies.items():
        publish.write_file(folder / name, _json(body))


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
        publish.write_file(each, _json(body))
    return list(bodies)


def _json(body: Any) -> bytes:
    return (json.dumps(body, allow_nan=False) + "\n").encode()


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
