"""Scale an endpoint's instances between two bounds, by the load of each.

While Application Auto Scaling has an endpoint registered, the service refuses to change its instance type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws.endpoints.config import VARIANT
from jobmajor.aws.endpoints.plan import ASYNC, SERVERLESS

if TYPE_CHECKING:
    from jobmajor.aws.api.account import Account
    from jobmajor.aws.endpoints.plan import Fleet
    from jobmajor.aws.names import Names

_SERVICE: Final = "application-autoscaling"
_OUT_S, _IN_S = 60, 300  # scale out soon and in late: an instance takes minutes to start
_BACKLOG: Final = "HasBacklogWithoutCapacity"


def target(endpoint: str) -> dict[str, str]:
    """Return the parameters by which every request names the scaled resource."""
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{endpoint}/variant/{VARIANT}",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }


def ensure(account: Account, names: Names, endpoint: str, fleet: Fleet, mode: str) -> None:
    """Scale the endpoint as the fleet says; equal bounds turn scaling off, and serverless never has it."""
    if mode == SERVERLESS:
        return
    if fleet.most <= fleet.least:
        release(account, endpoint)
        return
    bounds = {"MinCapacity": fleet.least, "MaxCapacity": fleet.most}
    account.change(_SERVICE, "RegisterScalableTarget", **target(endpoint), **bounds)
    account.change(_SERVICE, "PutScalingPolicy", **_tracking(endpoint, fleet, mode))
    if fleet.least == 0:
        _wake(account, names, endpoint)


def release(account: Account, endpoint: str) -> None:
    """Turn the endpoint's scaling off: delete the policies, then deregister the target."""
    where = target(endpoint)
    service, resource = where["ServiceNamespace"], where["ResourceId"]
    policies = account.pages(
        _SERVICE, "DescribeScalingPolicies", "ScalingPolicies", ServiceNamespace=service, ResourceId=resource
    )
    for policy in list(policies):
        account.change(_SERVICE, "DeleteScalingPolicy", PolicyName=policy["PolicyName"], **where)
    targets = account.pages(
        _SERVICE, "DescribeScalableTargets", "ScalableTargets", ServiceNamespace=service, ResourceIds=[resource]
    )
    if list(targets):
        account.change(_SERVICE, "DeregisterScalableTarget", **where)


def _tracking(endpoint: str, fleet: Fleet, mode: str) -> dict[str, Any]:
    metric = _backlog(endpoint, fleet) if mode == ASYNC else _invocations(fleet)
    return {
        **target(endpoint),
        "PolicyName": f"{endpoint}-load",
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {
            **metric,
            "ScaleOutCooldown": _OUT_S,
            "ScaleInCooldown": _IN_S,
        },
    }


def _invocations(fleet: Fleet) -> dict[str, Any]:
    metric = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}  # per minute
    return {"TargetValue": float(fleet.invocations_per_minute), "PredefinedMetricSpecification": metric}


def _backlog(endpoint: str, fleet: Fleet) -> dict[str, Any]:
    metric = {
        "MetricName": "ApproximateBacklogSizePerInstance",
        "Namespace": "AWS/SageMaker",
        "Dimensions": [{"Name": "EndpointName", "Value": endpoint}],
        "Statistic": "Average",
    }
    return {"TargetValue": float(fleet.backlog), "CustomizedMetricSpecification": metric}


def _wake(account: Account, names: Names, endpoint: str) -> None:
    """Start one instance as soon as a request waits: without instances, the backlog per instance has no data.

    Source: AWS, SageMaker developer guide, "Autoscale an asynchronous endpoint".
    """
    step = {"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}
    policy = account.change(
        _SERVICE,
        "PutScalingPolicy",
        **target(endpoint),
        PolicyName=f"{endpoint}-wake",
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ChangeInCapacity",
            "MetricAggregationType": "Average",
            "Cooldown": _IN_S,
            "StepAdjustments": [step],
        },
    )
    account.change(
        "cloudwatch",
        "PutMetricAlarm",
        AlarmName=wake_alarm(endpoint),
        AlarmDescription="Requests wait and no instance runs: start one.",
        AlarmActions=[policy["PolicyARN"]],
        Namespace="AWS/SageMaker",
        MetricName=_BACKLOG,
        Dimensions=[{"Name": "EndpointName", "Value": endpoint}],
        Statistic="Average",
        Period=60,
        EvaluationPeriods=2,
        DatapointsToAlarm=2,
        Threshold=1.0,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="missing",
        Tags=names.tags,
    )


def wake_alarm(endpoint: str) -> str:
    """Return the name of the alarm that starts the first instance of an idle async endpoint."""
    return f"{endpoint}-wake"
