"""How a cleanup finds and deletes each kind of a project's SageMaker resources.

Some can only be deleted after others, and some not while they change; this module waits for both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws.api.account import token, utc
from jobmajor.aws.cleanup.tagged import Resource, ResourceKind, is_ours, job, plain, sagemaker
from jobmajor.aws.endpoints import config
from jobmajor.aws.endpoints.plan import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names

_LIMIT_S: Final = 1800.0
_PIPELINES: Final = sagemaker("Pipeline", "PipelineSummaries")
_GROUPS: Final = sagemaker("ModelPackageGroup", "ModelPackageGroupSummaryList")
_ENDPOINTS: Final = sagemaker("Endpoint", "Endpoints")


def _find_executions(account: Account, names: Names) -> Iterator[Resource]:
    member = "PipelineExecutionSummaries"
    for pipeline, _ in _PIPELINES.tagged(account, names):
        for item in account.pages("sagemaker", "ListPipelineExecutions", member, PipelineName=pipeline):
            if item["PipelineExecutionStatus"] == "Executing":
                arn = item["PipelineExecutionArn"]
                yield Resource("execution", f"{pipeline}/{arn.rpartition('/')[2]}", "stopped", arn)


def _stop_execution(account: Account, resource: Resource) -> None:
    """Stop an execution, and wait until it no longer starts jobs."""
    request_token = token("stop", resource.arn)
    account.change(
        "sagemaker", "StopPipelineExecution", PipelineExecutionArn=resource.arn, ClientRequestToken=request_token
    )
    account.wait(
        lambda: account.find("sagemaker", "DescribePipelineExecution", PipelineExecutionArn=resource.arn) or {},
        lambda found: found.get("PipelineExecutionStatus") not in ("Executing", "Stopping"),
        describe=f"execution {resource.name} stops",
        limit_s=_LIMIT_S,
    )


def _find_scaling(account: Account, names: Names) -> Iterator[Resource]:
    """Find scaling by its endpoint, because a target may have been registered without a tag."""
    wanted = {name for name, _ in _ENDPOINTS.tagged(account, names)} | set(staged(names))
    targets = account.pages(
        "application-autoscaling", "DescribeScalableTargets", "ScalableTargets", ServiceNamespace="sagemaker"
    )
    for item in targets:
        if item["ResourceId"].split("/")[1] in wanted:
            yield Resource("scaling", item["ResourceId"], item["ScalableDimension"])


def staged(names: Names) -> Iterator[str]:
    """Return the names of the project's endpoints."""
    return (config.staged(names.endpoint, stage) for stage in STAGES)


def _remove_scaling(account: Account, resource: Resource) -> None:
    account.change(
        "application-autoscaling",
        "DeregisterScalableTarget",
        ServiceNamespace="sagemaker",
        ResourceId=resource.name,
        ScalableDimension=resource.detail,
    )


def _find_endpoints(account: Account, names: Names) -> Iterator[Resource]:
    return (Resource("endpoint", name, "", arn) for name, arn in _ENDPOINTS.tagged(account, names))


def _remove_endpoint(account: Account, resource: Resource) -> None:
    """Delete an endpoint once it is stable, and wait until it is gone: until then it costs."""

    def look() -> Mapping[str, Any]:
        return account.find("sagemaker", "DescribeEndpoint", EndpointName=resource.name) or {}

    def settled(found: Mapping[str, Any]) -> bool:
        return found.get("EndpointStatus") in (None, "InService", "OutOfService", "Failed", "UpdateRollbackFailed")

    account.wait(look, settled, describe=f"endpoint {resource.name} is being changed", limit_s=_LIMIT_S)
    account.change("sagemaker", "DeleteEndpoint", EndpointName=resource.name)
    account.wait(look, lambda found: not found, describe=f"endpoint {resource.name} goes", limit_s=_LIMIT_S)


def _find_pipelines(account: Account, names: Names) -> Iterator[Resource]:
    return (Resource("pipeline", name, "", arn) for name, arn in _PIPELINES.tagged(account, names))


def _remove_pipeline(account: Account, resource: Resource) -> None:
    # The creation time in the token tells a pipeline from an earlier one with the same name.
    found = account.find("sagemaker", "DescribePipeline", PipelineName=resource.name)
    request_token = token("delete", resource.arn, utc(found["CreationTime"]) if found else "")
    account.change("sagemaker", "DeletePipeline", PipelineName=resource.name, ClientRequestToken=request_token)


def _find_packages(account: Account, names: Names) -> Iterator[Resource]:
    for group, _ in _GROUPS.tagged(account, names):
        packages = account.pages(
            "sagemaker", "ListModelPackages", "ModelPackageSummaryList", ModelPackageGroupName=group
        )
        for item in packages:
            arn = item["ModelPackageArn"]
            yield Resource("version", f"{group}/{item['ModelPackageVersion']}", item["ModelApprovalStatus"], arn)


def _remove_package(account: Account, resource: Resource) -> None:
    account.change("sagemaker", "DeleteModelPackage", ModelPackageName=resource.arn)


def _find_experiments(account: Account, names: Names) -> Iterator[Resource]:
    """Find the pipeline's experiment by name: the service creates it without the project's tag."""
    for item in account.pages("sagemaker", "ListExperiments", "ExperimentSummaries"):
        if item["ExperimentName"] == names.pipeline:
            yield Resource("experiment", names.pipeline, "with its trials")


def _remove_experiment(account: Account, resource: Resource) -> None:
    for trial in tuple(account.pages("sagemaker", "ListTrials", "TrialSummaries", ExperimentName=resource.name)):
        name = trial["TrialName"]
        parts = account.pages("sagemaker", "ListTrialComponents", "TrialComponentSummaries", TrialName=name)
        for part in tuple(parts):
            component = part["TrialComponentName"]
            account.change("sagemaker", "DisassociateTrialComponent", TrialComponentName=component, TrialName=name)
            account.change("sagemaker", "DeleteTrialComponent", TrialComponentName=component)
        account.change("sagemaker", "DeleteTrial", TrialName=name)
    account.change("sagemaker", "DeleteExperiment", ExperimentName=resource.name)


def _find_projects(account: Account, names: Names) -> Iterator[Resource]:
    for item in account.pages("sagemaker", "ListProjects", "ProjectSummaryList"):
        is_there = item["ProjectStatus"] != "DeleteCompleted"
        if is_there and is_ours(account, names, "sagemaker", item["ProjectArn"]):
            yield Resource("project", item["ProjectName"], "with what its template made", item["ProjectArn"])


def _remove_project(account: Account, resource: Resource) -> None:
    account.change("sagemaker", "DeleteProject", ProjectName=resource.name)
    account.wait(
        lambda: account.find("sagemaker", "DescribeProject", ProjectName=resource.name) or {},
        lambda found: (
            found.get("ProjectStatus", "DeleteCompleted").startswith("Delete")
            and found.get("ProjectStatus") != "DeleteInProgress"
        ),
        describe=f"project {resource.name} goes",
        limit_s=_LIMIT_S,
    )


KINDS: Final[tuple[ResourceKind, ...]] = (
    plain(
        "monitoring schedule",
        sagemaker("MonitoringSchedule", "MonitoringScheduleSummaries"),
        "DeleteMonitoringSchedule",
    ),
    ResourceKind("execution", _find_executions, _stop_execution),
    job("HyperParameterTuningJob", "tuning job"),
    job("TrainingJob", "training job"),
    job("ProcessingJob", "processing job"),
    job("TransformJob", "transform job"),
    ResourceKind("scaling", _find_scaling, _remove_scaling),
    ResourceKind("endpoint", _find_endpoints, _remove_endpoint),
    plain("endpoint config", sagemaker("EndpointConfig", "EndpointConfigs"), "DeleteEndpointConfig"),
    plain("model", sagemaker("Model", "Models"), "DeleteModel"),
    ResourceKind("pipeline", _find_pipelines, _remove_pipeline),
    ResourceKind("version", _find_packages, _remove_package),
    plain("model group", _GROUPS, "DeleteModelPackageGroup"),
    ResourceKind("experiment", _find_experiments, _remove_experiment),
    ResourceKind("project", _find_projects, _remove_project),
)
