"""QualityCheck and ClarifyCheck steps whose SkipCheck is true: they check nothing and give the addresses of baselines.

On the service the step's job still calculates a baseline. Its image runs nowhere else, so that the addresses of the
calculated baseline have no objects here. Source: AWS, SageMaker AI Developer Guide, "Baseline calculation, drift
detection and lifecycle with ClarifyCheck and QualityCheck steps in Amazon SageMaker Pipelines".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sagelocal.definition import expressions, foreign, graph
from sagelocal.definition.fields import likely
from sagelocal.storage.address import join

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sagelocal.definition.steps import Step

# Documents of a baseline, and their names in the output of the job.
_FILES: Final = {
    "QualityCheck": {"Statistics": "statistics.json", "Constraints": "constraints.json"},
    "ClarifyCheck": {"Constraints": "analysis.json"},
}
_CALCULATED, _USED, _SUPPLIED = "CalculatedBaseline", "BaselineUsedForDriftCheck", "SuppliedBaseline"


def faults(step: Step, settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield `member: problem` unless the step skips its check; `settings` are its members as far as they are known."""
    skip = settings.get("SkipCheck", False)
    if skip is True:
        return
    reason = f"{step.type} steps don't run here, {foreign.REASONS[step.type]}"
    if isinstance(skip, bool):
        yield f"Type: {reason}: set SkipCheck to true, or take the step out for a local run"
    else:
        yield f"SkipCheck: {reason}, and only true, or a parameter that is true, skips it before anything runs"


def properties(step_type: str, arguments: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties of a skipped check: addresses of baselines.

    The baseline that is used is the calculated one with RegisterNewBaseline, otherwise the supplied one. Without both,
    the service looks for it in a registry, and the property is missing here.
    """
    uri, found = _output(arguments), dict[str, Any]()
    for document, name in _FILES[step_type].items():
        calculated = join(uri, name) if isinstance(uri, str) else uri
        is_new = settings.get("RegisterNewBaseline") is True
        used = calculated if is_new else settings.get(f"{_SUPPLIED}{document}")
        found |= {f"{_CALCULATED}{document}": calculated, f"{_USED}{document}": used}
    return {name: value for name, value in found.items() if value is not None}


def _output(arguments: Any) -> Any:
    try:
        return arguments["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"]
    except (LookupError, TypeError):
        return None


def reference_faults(steps: Iterable[Step], skipped: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield `location: problem` for each reference to a property that a skipped check doesn't have.

    Args:
        steps: All steps.
        skipped: The properties of the skipped checks, by the name of the step.
    """
    for step in steps:
        for location, value in graph.sources(step):
            for where, found in expressions.gets(value, location):
                known = skipped.get(found.name) if found.root == "Steps" else None
                if known is not None and found.path[0] not in known:
                    name = str(found.path[0])
                    advice = likely(name, known)[2:]
                    if name.startswith(_USED):
                        advice = f"give the step its {_SUPPLIED}…"
                    yield f"{where}: the skipped check {found.name!r} has no {name}: {advice}"


def warnings(skipped: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for each skipped check, by the name of its step."""
    for name in skipped:
        yield f"step {name!r} skips its check: the addresses of its calculated baseline have no objects here"
