"""Choose the implementation for a step type: container job, transform or tuning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sagelocal.definition import expressions
from sagelocal.jobs import container, contracts, models, transform, tuning

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sagelocal.definition.steps import Step
    from sagelocal.jobs.container import JobContext, Result
    from sagelocal.jobs.contracts import Job
    from sagelocal.storage.manifest import FileRecord


def job(step_type: str, arguments: Mapping[str, Any], step: str, execution_id: str, workspace: Path) -> Job:
    """Return the job of a step's resolved Arguments.

    Raises:
        InputError: The model of a Transform step doesn't exist, or can't run here.
    """
    if step_type == "Transform":
        name = contracts.job_name(execution_id, step, str(arguments.get("TransformJobName", "")))
        return transform.job(arguments, name, models.find(workspace / models.FOLDER, arguments["ModelName"]))
    if step_type == "Tuning":
        asked = str(arguments.get("HyperParameterTuningJobName", ""))
        return tuning.job(arguments, contracts.job_name(execution_id, step, asked))
    return contracts.job(step_type, arguments, execution_id, step)


def uploads(properties: Mapping[str, Any]) -> list[str]:
    """Return the prefixes that a Processing or Transform step uploaded to, by its properties."""
    outputs = properties.get("ProcessingOutputConfig", {}).get("Outputs", ())
    found = [item["S3Output"]["S3Uri"] for item in outputs]
    return [*found, *filter(None, [properties.get("TransformOutput", {}).get("S3OutputPath")])]


def job_names(step: Step, execution_id: str) -> dict[str, str]:
    """Return the member of Execution that has the name of the step's own job; empty if it starts none."""
    if step.type not in expressions.JOB_NAMES.values():
        return {}
    member = f"{step.type}JobName"
    prefix = step.arguments.get(member, "")
    return {member: contracts.job_name(execution_id, step.name, prefix if isinstance(prefix, str) else "")}


def run(job: Job, context: JobContext, contents: Mapping[str, Mapping[str, FileRecord]]) -> Result:
    """Run the job and publish what it made; see `container.run`."""
    carry_out = {"Transform": transform.run, "Tuning": tuning.run}.get(job.kind, container.run)
    return carry_out(job, context, contents)


def describe(done: Job, result: Result, times: tuple[str, str]) -> dict[str, Any]:
    """Return the Describe… response of the finished job; `times` are its start and end, ISO 8601."""
    if done.kind == "Transform":
        return transform.describe(done, times)
    if done.kind == "Tuning":
        return tuning.describe(done, result.told, times)
    return contracts.describe(done, result.metrics, result.message, times)
