"""How an endpoint moves to a new configuration: a few requests first, alarms that watch, and back by itself.

The service starts the new fleet beside the old one and keeps the old one until the alarms were quiet long enough, so
a bad version costs a share of some minutes' requests and nobody has to be awake.
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
# The scaled count stays as it is, or a fleet that has grown under load would shrink to the configuration's first
# count; what is captured follows the new configuration.
_RETAIN: Final[dict[str, Any]] = {
    "RetainAllVariantProperties": True,
    "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DataCaptureConfig"}],
}


def alarm_names(endpoint: str) -> tuple[str, str]:
    """Of the alarms that call a rollout back: errors, latency."""
    return f"{endpoint}-errors", f"{endpoint}-latency"


def duration_s(plan: Plan) -> int:
    """How long a rollout may take at most, in seconds."""
    return min(28_800, _START_S + 3 * plan.rollout.bake_s)


def update(endpoint: str, config: str, plan: Plan) -> dict[str, Any]:
    """UpdateEndpoint's parameters for a careful change to `config`."""
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
    # The service takes a canary of at most half the fleet, so a single instance has none.
    if plan.rollout.canary_percent == 0 or plan.fleet.least < 2:
        return {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": plan.rollout.bake_s}
    size = {"Type": "CAPACITY_PERCENT", "Value": plan.rollout.canary_percent}
    return {"Type": "CANARY", "CanarySize": size, "WaitIntervalInSeconds": plan.rollout.bake_s}


def back(endpoint: str, config: str, mode: str) -> dict[str, Any]:
    """UpdateEndpoint's parameters for a quick return to `config`, which is of the given mode.

    No alarms watch it: one that already rings, which is why one goes back, would have the service refuse.
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
    """The ARN of the stack's topic, which tells people of alarms."""
    return f"arn:{names.partition}:sns:{names.region}:{names.account_id}:{names.project}-alerts"


def ensure_alarms(account: Account, names: Names, endpoint: str, plan: Plan) -> None:
    """Put the endpoint's alarms where a rollout finds them; quiet ones stay quiet while nobody calls."""
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
        Statistic="Average",  # it has a 0 or a 1 for each request, so this is their share
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
