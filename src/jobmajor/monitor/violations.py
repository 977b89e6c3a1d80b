"""What a check leaves in its folder: `violations.json`, `drift.html` and `metrics.prom`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from jobmajor.errors import DataError
from jobmajor.monitor import compare
from jobmajor.monitor.check import Quality, named
from jobmajor.monitor.shape import is_group
from sagelocal.storage import publish

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from jobmajor.monitor.check import Finding
    from jobmajor.monitor.profile import Profile


def violations(finding: Finding) -> dict[str, Any]:
    """Return the violations in the layout of Model Monitor's `constraint_violations.json`, with what we add."""
    rows = [
        {
            "feature_name": "code" if is_group(change.flag.name) else change.flag.name,
            "constraint_check_type": "completeness_check" if change.flag.name == "empty" else "baseline_drift_check",
            "description": f"{named(change)} ({change.flag.meaning}; p = {change.p:.4f})",
        }
        for change in finding.alarms
    ]
    if (found := finding.quality) and found.alarm:
        text = f"{found.precision:.3f} of the sure answers are right, {found.promised} are promised (p = {found.p:.4f})"
        rows.append({"feature_name": "precision", "constraint_check_type": "LessThanThreshold", "description": text})
    return {
        "violations": rows,
        "verdict": finding.verdict,
        "note": finding.note,
        "reference": about(finding.reference),
        "checked": about(finding.found),
        "limits": {"false_alarms": finding.limits.alarms, "least_change": finding.limits.least},
        "changes": [compare.as_json(each, finding.limits.alarms, finding.limits.least) for each in finding.changes],
        "titles": [
            {"title": each.title, "code": each.code, "reference": each.reference, "found": each.found}
            for each in finding.moved
        ],
        "quality": _quality(finding.quality),
    }


def not_a_check(path: Path) -> DataError:
    """Return the error for a file that is no check's `violations.json`."""
    expected = "violations.json that `jobmajor monitor check` wrote"
    return DataError(path, "no check's violations", expected, "name another file")


def about(given: Profile) -> dict[str, Any]:
    """Return what the rows of a profile are."""
    return {**given.about, "rows": given.total, "units": int(given.units.sum())}


def _quality(found: Quality | None) -> dict[str, Any] | None:
    return None if found is None else {name: getattr(found, name) for name in Quality.__slots__}


def gauges(finding: Finding) -> str:
    """Return the check's figures in the text format of Prometheus, for its node exporter's folder of text files."""
    lines = [
        "# HELP jobmajor_monitor_time_seconds When the latest check ended.",
        "# TYPE jobmajor_monitor_time_seconds gauge",
        f"jobmajor_monitor_time_seconds {time.time():.0f}",
        "# HELP jobmajor_monitor_violations Violations that the latest check found.",
        "# TYPE jobmajor_monitor_violations gauge",
        f"jobmajor_monitor_violations {len(violations(finding)['violations'])}",
        "# HELP jobmajor_monitor_rows Rows that the latest check read.",
        "# TYPE jobmajor_monitor_rows gauge",
        f"jobmajor_monitor_rows {finding.found.total}",
    ]
    for name, text in (("share", "Share of rows"), ("difference", "Difference of the share from the reference")):
        lines += [f"# HELP jobmajor_monitor_{name} {text}.", f"# TYPE jobmajor_monitor_{name} gauge"]
        for change in sorted(finding.changes, key=lambda each: each.flag.name):
            value = change.found if name == "share" else change.difference
            lines.append(f'jobmajor_monitor_{name}{{flag="{change.flag.name}"}} {value:.6f}')
    return "\n".join(lines) + "\n"


def write(finding: Finding, folder: Path, page: str) -> Mapping[str, Path]:
    """Write `violations.json`, `drift.html` and `metrics.prom` into a folder, and return their paths by name."""
    folder.mkdir(parents=True, exist_ok=True)
    bodies = {
        "violations.json": json.dumps(violations(finding), indent=1, allow_nan=False) + "\n",
        "drift.html": page,
        "metrics.prom": gauges(finding),
    }
    for name, body in bodies.items():
        publish.write_file(folder / name, body.encode())
    return {name: folder / name for name in bodies}
