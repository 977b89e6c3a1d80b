"""Move an endpoint to a new configuration: a canary first, watched by alarms, with automatic rollback.

The service starts the new fleet beside the old one and keeps the old one until the alarms were quiet long enough. So a
bad version affects only a share of some minutes' requests, and nobody has to intervene.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws.endpoints.config import VARIANT
from jobmajor.aws.endpoints.plan import REAL_TIME, SERVERLESS

if TYPE_CHECKING:
    from jobmajor.aws.api.account import Account
    from jobmajor.aws.endpoints.plan import Plan
    from jobmajor.aws.names import Names

_START_S: Final = 1800  # for instances to start, download the image and load the model
_MICROSECONDS_PER_MS: Final = 1000
# The current number of instances is retained, or a fleet that has grown under load would shrink to the configuration's
# initial count. Data capture follows the new configuration.
_RETAIN: Final[dict[str, Any]] = {
    "RetainAllVariantProperties": True,
    "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DataCaptureConfig"}],
}


def alarm_names(endpoint: str) -> tuple[str, str]:
    """Return the names of the alarms that roll a deployment back: errors, latency."""
    return f"{endpoint}-errors", f"{endpoint}-latency"


def duration_s(plan: Plan) -> int:
    """Return the maximum duration of a rollout in seconds."""
    return min(28_800, _START_S + 3 * plan.rollout.bake_s)


def update(endpoint: str, config: str, plan: Plan) -> dict[str, Any]:
    """Return UpdateEndpoint's parameters for a gradual change to `config`, with alarms."""
    request: dict[str, Any] = {"EndpointName": endpoint, "EndpointConfigName": config}
    if plan.mode == REAL_TIME:
        request |= _RETAIN
    if plan.has_fleet:
        request["DeploymentConfig"] = {
            "BlueGreenUpdatePolicy": {
                "TrafficRoutingConfiguration": _routing(plan),
                "TerminationWaitInSeconds": plan.rollout.bake_s,
                "MaximumExecutionTimeoutInSeconds": duration_s(plan),
            },
            "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name} for name in alarm_names(endpoint)]},
        }
    return request


def _routing(plan: Plan) -> dict[str, Any]:
    # The service takes a canary of at most half the fleet, so a single instance can't have one.
    if plan.rollout.canary_instances == 0 or plan.fleet.least < 2:
        return {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": plan.rollout.bake_s}
    # As instances: ten per cent of two instances would be less than one.
    size = {"Type": "INSTANCE_COUNT", "Value": plan.rollout.canary_instances}
    return {"Type": "CANARY", "CanarySize": size, "WaitIntervalInSeconds": plan.rollout.bake_s}


def rollback(endpoint: str, config: str, mode: str) -> dict[str, Any]:
    """Return UpdateEndpoint's parameters for an immediate rollback to `config`, which has the given mode.

    The change has no alarms: the service would refuse it while one is on, which is the usual reason for a rollback.
    """
    request: dict[str, Any] = {"EndpointName": endpoint, "EndpointConfigName": config}
    if mode == REAL_TIME:
        request |= _RETAIN
    if mode != SERVERLESS:
        routing = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
        policy = {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": 0}
        request["DeploymentConfig"] = {"BlueGreenUpdatePolicy": policy}
    return request


def topic(names: Names) -> str:
    """Return the ARN of the stack's topic, which notifies people of alarms."""
    return f"arn:{names.partition}:sns:{names.region}:{names.account_id}:{names.project}-alerts"


def ensure_alarms(account: Account, names: Names, endpoint: str, plan: Plan) -> None:
    """Create or update the endpoint's alarms; missing data never sets them off."""
    errors, latency = alarm_names(endpoint)
    shared = {
        "Namespace": "AWS/SageMaker",
        "Dimensions": [
            {"Name": "EndpointName", "Value": endpoint},
            {"Name": "VariantName", "Value": VARIANT},
        ],
        "Period": 60,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        "AlarmActions": [topic(names)],
        "Tags": names.tags,
    }
    account.change(
        "cloudwatch",
        "PutMetricAlarm",
        AlarmName=errors,
        AlarmDescription="Too many requests end in an error of ours.",
        MetricName="Invocation5XXErrors",
        Statistic="Average",  # the metric is 0 or 1 for each request, so the average is the share of errors
        Threshold=plan.rollout.max_error_share,
        EvaluationPeriods=2,
        DatapointsToAlarm=2,
        **shared,
    )
    account.change(
        "cloudwatch",
        "PutMetricAlarm",
        AlarmName=latency,
        AlarmDescription="The model takes too long.",
        MetricName="ModelLatency",
        ExtendedStatistic="p99",
        Threshold=float(plan.rollout.max_latency_ms * _MICROSECONDS_PER_MS),
        EvaluationPeriods=3,
        DatapointsToAlarm=3,
        **shared,
    )
