"""The step `monitor`: compare an endpoint's captured traffic with a reference, and say in the log what was found.

The job has no network. So its log is its voice: filters of the log turn the lines below into metrics, and alarms watch
these. A violation completes the job; only a check that could not be made fails it. No line holds a title.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobmajor.errors import DataError
from jobmajor.lineage import MONITOR, code_version
from jobmajor.monitor import check, page, violations
from jobmajor.monitor import reference as references
from jobmajor.monitor.observe import NO_ROW, Capture, Observer
from jobmajor.registry import artifact
from jobmajor.serve.messages.captured import titles
from sagelocal.storage import manifest

if TYPE_CHECKING:
    from pathlib import Path

    from jobmajor.monitor.traffic.capture import Period

# Begin a line of the log, followed by `project=NAME `; the filters in monitor.yaml look for them.
ENDED, VIOLATION = "jobmajor_monitor_ended", "jobmajor_monitor_violation"
REFERENCE: Final = "reference.json"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Check:
    """What is checked: for which project, which days, and when a difference is a violation."""

    project: str
    period: Period
    limits: check.Limits


def run_monitor(root: Path, wanted: Check) -> None:
    """Compare `processing/capture` with `processing/reference`, by the answers of `processing/model`.

    Writes `processing/output/monitor`; nothing where the period has no traffic.
    """
    inputs, target = root / "processing", root / "processing" / "output" / "monitor"
    target.mkdir(parents=True, exist_ok=True)
    reference = references.load(inputs / "reference" / REFERENCE)
    observer = Observer.load(inputs / "model" / artifact.MODEL)
    try:
        found = observer.observe(Capture(inputs / "capture", titles, wanted.period))
    except DataError as error:
        if error.found != NO_ROW:
            raise
        _log.info("%s project=%s rows=0: the period has no traffic", ENDED, wanted.project)
        return
    finding = check.check(reference, found, observer.flags.all, wanted.limits)
    violations.write(finding, target, page.render(finding))
    manifest.write(target, rows={"checked": found.total}, code_version=code_version(MONITOR))
    if finding.is_violated:
        _log.warning("%s project=%s %s", VIOLATION, wanted.project, finding.verdict)
    _log.info("%s project=%s rows=%d: %s", ENDED, wanted.project, found.total, finding.verdict)
