"""Rollout, automatic and manual rollback send exactly these requests, which botocore's Stubber checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from jobmajor.aws.api.errors import AccessDenied, TimedOut
from jobmajor.aws.endpoints import config as endpoint_config
from jobmajor.aws.endpoints import deploy as deploying
from jobmajor.aws.endpoints import model as models
from jobmajor.aws.endpoints import rollout
from jobmajor.aws.endpoints.endpoint import DeploymentFailed
from jobmajor.aws.endpoints.plan import Fleet, Plan, Rollout
from jobmajor.aws.registry import PackageGroup
from jobmajor.errors import PromotionRefused

if TYPE_CHECKING:
    from tests.aws.conftest import Script, Stubbed

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names

ENDPOINT = "test-job-major-clf-endpoint-staging"
TARGET = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": f"endpoint/{ENDPOINT}/variant/champion",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
PLAN = Plan(3, fleet=Fleet(least=2))
KEPT = {
    "RetainAllVariantProperties": True,
    "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DataCaptureConfig"}],
}
CAREFULLY = {
    "BlueGreenUpdatePolicy": {
        "TrafficRoutingConfiguration": {
            "Type": "CANARY",
            "CanarySize": {"Type": "INSTANCE_COUNT", "Value": 1},
            "WaitIntervalInSeconds": 600,
        },
        "TerminationWaitInSeconds": 600,
        "MaximumExecutionTimeoutInSeconds": 3600,
    },
    "AutoRollbackConfiguration": {
        "Alarms": [{"AlarmName": f"{ENDPOINT}-errors"}, {"AlarmName": f"{ENDPOINT}-latency"}]
    },
}
AT_ONCE = {
    "BlueGreenUpdatePolicy": {
        "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0},
        "TerminationWaitInSeconds": 0,
    }
}


@dataclass(frozen=True)
class Scene:
    """Scripts the deployment of PLAN to an endpoint that serves `old`, request by request."""

    script: Script
    model: str
    config: str

    def begins(self, instance_type: str = "ml.m5.large") -> None:
        """Script reads of version, endpoint and configuration, and the creation of the new parts and alarms."""
        self.script.version(3)
        self.script.endpoint(ENDPOINT, "old")
        self.script.config("old", instance_type)
        self.script.model(self.model, 3)
        self.script.absent("DescribeEndpointConfig", "endpoint configuration")
        self.script.answer("CreateEndpointConfig", {"EndpointConfigArn": self.script.config_arn(self.config)})
        for _ in range(2):
            self.script.stubbed.expect("cloudwatch", "PutMetricAlarm", {})

    def remembers(self) -> None:
        """Script the tag that names the replaced configuration; it is written before the endpoint changes."""
        self.writes({"Key": "jobmajor:replaces", "Value": "old"})

    def writes(self, *more: dict[str, str]) -> None:
        """Script the tag with the fleet's scaling."""
        tags = [{"Key": "jobmajor:scaling", "Value": "least=2 most=4 invocations_per_minute=3000 backlog=5"}, *more]
        self.script.answer("AddTags", {"Tags": tags}, ResourceArn=self.script.config_arn(self.config), Tags=tags)

    def updates(self) -> None:
        """Script the change of the endpoint."""
        self.script.answer(
            "UpdateEndpoint",
            {"EndpointArn": self.script.endpoint_arn(ENDPOINT)},
            EndpointName=ENDPOINT,
            EndpointConfigName=self.config,
            DeploymentConfig=CAREFULLY,
            **KEPT,
        )

    def scales(self, **bounds: int) -> None:
        """Script the scaling's bounds and policy, at the end."""
        wanted = {**TARGET, **bounds} if bounds else {}
        self.script.stubbed.expect("application-autoscaling", "RegisterScalableTarget", {}, **wanted)
        self.script.stubbed.expect("application-autoscaling", "PutScalingPolicy", {"PolicyARN": "arn"})


@pytest.fixture
def scene(script: Script, dry_account: Account, names: Names) -> Scene:
    """Return the scene, with the names that follow from PLAN."""
    model: str = models.request(names, PackageGroup(dry_account, names).get(3), is_isolated=True)["ModelName"]
    config: str = endpoint_config.request(names, PLAN, model, None)["EndpointConfigName"]
    return Scene(script, model, config)


# --- Forward


def test_new_version_answers_a_share_first_while_alarms_are_watched(
    stubbed: Stubbed, names: Names, scene: Scene
) -> None:
    scene.begins()
    scene.remembers()
    scene.updates()
    scene.script.endpoint(ENDPOINT, "old", "Updating")
    scene.script.endpoint(ENDPOINT, "old", "Updating")
    scene.script.endpoint(ENDPOINT, scene.config)
    scene.scales()

    made = deploying.deploy(stubbed, names, PLAN)

    assert (made.config, made.status) == (scene.config, "InService")


def test_version_that_an_alarm_called_back_is_a_no_with_the_reason(
    stubbed: Stubbed, names: Names, scene: Scene
) -> None:
    scene.begins()
    scene.remembers()
    scene.updates()
    scene.script.endpoint(ENDPOINT, "old", "RollingBack")
    scene.script.endpoint(ENDPOINT, "old", reason="alarm errors is in ALARM state")
    written = "least=3 most=9 invocations_per_minute=100 backlog=5"
    scene.script.tags(scene.script.config_arn("old"), jobmajor_scaling=written)
    scene.scales(MinCapacity=3, MaxCapacity=9)

    with pytest.raises(
        DeploymentFailed, match=r"was rolled back to old: alarm errors is in ALARM state; see its alarms"
    ):
        deploying.deploy(stubbed, names, PLAN)


def test_instance_type_changes_only_while_nothing_scales(stubbed: Stubbed, names: Names, scene: Scene) -> None:
    where, scaling = TARGET, "application-autoscaling"
    scene.begins(instance_type="ml.c5.large")
    scene.remembers()
    policy = {**where, "PolicyARN": "a", "PolicyName": "load", "PolicyType": "TargetTrackingScaling"}
    times = {"CreationTime": scene.script.now}
    stubbed.expect(scaling, "DescribeScalingPolicies", {"ScalingPolicies": [{**policy, **times}]})
    stubbed.expect(scaling, "DeleteScalingPolicy", {}, PolicyName="load", **where)
    target = {**where, **times, "MinCapacity": 2, "MaxCapacity": 4, "RoleARN": "r"}
    stubbed.expect(scaling, "DescribeScalableTargets", {"ScalableTargets": [target]})
    stubbed.expect(scaling, "DeregisterScalableTarget", {}, **where)
    scene.updates()
    scene.script.endpoint(ENDPOINT, scene.config)
    scene.scales()

    deploying.deploy(stubbed, names, PLAN)

    released = [
        call.operation for call in stubbed.sent if call.operation in ("DeregisterScalableTarget", "UpdateEndpoint")
    ]
    assert released == ["DeregisterScalableTarget", "UpdateEndpoint"]


def test_change_whose_reply_was_lost_is_waited_for(stubbed: Stubbed, names: Names, scene: Scene) -> None:
    scene.begins()
    scene.remembers()
    stubbed.refuse("sagemaker", "UpdateEndpoint", "ValidationException", "Cannot update in-progress endpoint 'x'.")
    scene.script.endpoint(ENDPOINT, "old", "Updating")
    scene.script.endpoint(ENDPOINT, scene.config)
    scene.scales()

    made = deploying.deploy(stubbed, names, PLAN)

    assert made.config == scene.config


def test_change_that_may_not_be_made_says_what_to_add(stubbed: Stubbed, names: Names, scene: Scene) -> None:
    scene.begins()
    scene.remembers()
    message = (
        "User: arn:aws:sts::123456789012:assumed-role/dev/me is not authorized to perform: sagemaker:UpdateEndpoint "
        "on resource: arn:aws:sagemaker:us-east-1:123456789012:endpoint/x because no identity-based policy allows it"
    )
    stubbed.refuse("sagemaker", "UpdateEndpoint", "AccessDeniedException", message)

    with pytest.raises(AccessDenied, match=r"dev is not allowed to call sagemaker:UpdateEndpoint: add .*endpoint/x"):
        deploying.deploy(stubbed, names, PLAN)


def test_change_of_somebody_else_is_waited_for_first(stubbed: Stubbed, names: Names, scene: Scene) -> None:
    scene.script.version(3)
    for _ in range(3):
        scene.script.endpoint(ENDPOINT, "older", "Updating")
    scene.script.endpoint(ENDPOINT, scene.config)  # it was this very deployment, killed while it waited
    scene.script.config(scene.config)
    scene.script.model(scene.model, 3)
    scene.script.config(scene.config)
    for _ in range(2):
        stubbed.expect("cloudwatch", "PutMetricAlarm", {})
    scene.writes()
    scene.script.endpoint(ENDPOINT, scene.config)
    scene.scales()

    made = deploying.deploy(stubbed, names, PLAN)

    assert made.config == scene.config
    assert "UpdateEndpoint" not in [call.operation for call in stubbed.sent]


def test_endpoint_that_never_rests_is_given_up_with_the_way_on(stubbed: Stubbed, names: Names, scene: Scene) -> None:
    scene.script.version(3)
    for _ in range(271):  # 2,700 s, a look every 10 s
        scene.script.endpoint(ENDPOINT, "old", "Updating")

    with pytest.raises(TimedOut, match=r"Updating: not done within 2,700 s.* run the same command again"):
        deploying.deploy(stubbed, names, PLAN)


def test_endpoint_that_failed_is_left_alone(stubbed: Stubbed, names: Names, scene: Scene) -> None:
    scene.script.version(3)
    scene.script.endpoint(ENDPOINT, "old", "Failed", "the container did not pass the ping health check")

    with pytest.raises(
        DeploymentFailed, match=r"is Failed: the container did not pass .* run `jobmajor aws delete`, then deploy again"
    ):
        deploying.deploy(stubbed, names, PLAN)


def test_first_endpoint_that_does_not_start_is_a_no_with_the_reason(
    stubbed: Stubbed, names: Names, scene: Scene
) -> None:
    scene.script.version(3)
    scene.script.absent("DescribeEndpoint", "endpoint")
    scene.script.model(scene.model, 3)
    scene.script.config(scene.config)
    for _ in range(2):
        stubbed.expect("cloudwatch", "PutMetricAlarm", {})
    scene.writes()
    scene.script.answer("CreateEndpoint", {"EndpointArn": scene.script.endpoint_arn(ENDPOINT)})
    scene.script.endpoint(ENDPOINT, scene.config, "Creating")
    scene.script.endpoint(ENDPOINT, scene.config, "Failed", "no capacity")

    with pytest.raises(DeploymentFailed, match="is Failed: no capacity"):
        deploying.deploy(stubbed, names, PLAN)


def test_model_that_a_lost_reply_hid_is_taken_as_made(stubbed: Stubbed, names: Names, scene: Scene) -> None:
    scene.script.version(3)
    scene.script.absent("DescribeEndpoint", "endpoint")
    scene.script.absent("DescribeModel", "model")
    stubbed.refuse("sagemaker", "CreateModel", "ValidationException", "Cannot create already existing model 'x'.")
    scene.script.model(scene.model, 3)
    scene.script.config(scene.config)
    for _ in range(2):
        stubbed.expect("cloudwatch", "PutMetricAlarm", {})
    scene.writes()
    taken = "Cannot create already existing endpoint 'x'."
    stubbed.refuse("sagemaker", "CreateEndpoint", "ValidationException", taken)
    for _ in range(2):
        scene.script.endpoint(ENDPOINT, scene.config)
    scene.scales()

    made = deploying.deploy(stubbed, names, PLAN)

    assert made.status == "InService"


# --- How


@pytest.mark.parametrize(
    ("plan", "routing"),
    [
        (Plan(1, fleet=Fleet(least=1)), {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 600}),
        (Plan(1, fleet=Fleet(least=2), rollout=Rollout(0, 60)), {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 60}),
        (
            Plan(1, fleet=Fleet(least=6, most=6), rollout=Rollout(3, 0)),
            {
                "Type": "CANARY",
                "CanarySize": {"Type": "INSTANCE_COUNT", "Value": 3},
                "WaitIntervalInSeconds": 0,
            },
        ),
    ],
)
def test_canary_needs_two_instances_and_can_be_left_out(plan: Plan, routing: dict[str, Any]) -> None:
    policy = rollout.update("e", "c", plan)["DeploymentConfig"]["BlueGreenUpdatePolicy"]

    assert policy["TrafficRoutingConfiguration"] == routing


def test_serverless_endpoint_changes_without_a_policy_since_it_has_no_fleets() -> None:
    found = rollout.update("e", "c", Plan(1, "serverless"))

    assert found == {"EndpointName": "e", "EndpointConfigName": "c"}


def test_alarms_watch_the_share_of_errors_and_the_slowest_answers(dry_account: Account, names: Names) -> None:
    rollout.ensure_alarms(
        dry_account, names, ENDPOINT, Plan(1, rollout=Rollout(max_error_share=0.02, max_latency_ms=250))
    )

    errors, latency = (call.parameters for call in dry_account.sent)
    assert (errors["MetricName"], errors["Statistic"], errors["Threshold"]) == ("Invocation5XXErrors", "Average", 0.02)
    assert (latency["MetricName"], latency["ExtendedStatistic"]) == ("ModelLatency", "p99")
    assert latency["Threshold"] == 250_000.0  # microseconds
    for alarm in (errors, latency):
        assert alarm["TreatMissingData"] == "notBreaching"
        assert alarm["AlarmActions"] == ["arn:aws:sns:us-east-1:123456789012:test-job-major-clf-alerts"]
        assert {item["Name"]: item["Value"] for item in alarm["Dimensions"]} == {
            "EndpointName": ENDPOINT,
            "VariantName": "champion",
        }


# --- Back


def until_back(script: Script) -> None:
    """Script an endpoint that serves `new`, which replaced `old`; `old` serves version 2."""
    for _ in range(2):
        script.endpoint(ENDPOINT, "new")
    script.tags(script.config_arn("new"), jobmajor_replaces="old")
    script.config("old", model="model-2")
    script.model("model-2", 2)


def test_rollback_goes_to_the_configuration_before_at_once_and_unwatched(
    stubbed: Stubbed, names: Names, script: Script
) -> None:
    until_back(script)
    script.version(2)
    script.config("new")
    arn = {"EndpointArn": script.endpoint_arn(ENDPOINT)}
    script.answer(
        "UpdateEndpoint", arn, EndpointName=ENDPOINT, EndpointConfigName="old", DeploymentConfig=AT_ONCE, **KEPT
    )
    script.endpoint(ENDPOINT, "new", "Updating")
    script.endpoint(ENDPOINT, "old")
    script.tags(script.config_arn("old"))

    found = deploying.rollback(stubbed, names, "staging")

    assert (found.config, found.version, found.mode) == ("old", 2, "real-time")


@pytest.mark.parametrize(
    ("decided", "reason"),
    [(("Rejected", True), "was rejected after its deployment"), (("Approved", False), "weakest class")],
)
def test_rollback_to_a_version_that_may_not_serve_any_more_is_refused(
    stubbed: Stubbed, names: Names, script: Script, decided: tuple[str, bool], reason: str
) -> None:
    status, passed = decided
    until_back(script)
    script.version(2, status, passed=passed)

    with pytest.raises(PromotionRefused, match=reason):
        deploying.rollback(stubbed, names, "staging")

    assert stubbed.sent == []


def test_first_deployment_has_nothing_to_go_back_to(stubbed: Stubbed, names: Names, script: Script) -> None:
    for _ in range(2):
        script.endpoint(ENDPOINT, "first")
    script.tags(script.config_arn("first"))

    with pytest.raises(DeploymentFailed, match="has no configuration before first"):
        deploying.rollback(stubbed, names, "staging")


def test_rollback_without_an_endpoint_is_a_no(stubbed: Stubbed, names: Names, script: Script) -> None:
    for _ in range(2):
        script.absent("DescribeEndpoint", "endpoint")

    with pytest.raises(DeploymentFailed, match=f"there is no endpoint {ENDPOINT}"):
        deploying.rollback(stubbed, names, "staging")


def test_rollback_that_was_killed_is_waited_for_and_not_made_twice(
    stubbed: Stubbed, names: Names, script: Script
) -> None:
    script.endpoint(ENDPOINT, "new", "Updating", pending="old")
    for _ in range(2):
        script.tags(script.config_arn("new"), jobmajor_replaces="old")
    script.config("old", model="model-2")
    script.model("model-2", 2)
    script.version(2)
    script.endpoint(ENDPOINT, "new", "Updating", pending="old")
    script.endpoint(ENDPOINT, "old")
    script.tags(script.config_arn("old"))

    found = deploying.rollback(stubbed, names, "staging")

    assert (found.config, stubbed.sent) == ("old", [])


def test_rollback_waits_until_another_change_has_come_to_rest(stubbed: Stubbed, names: Names, script: Script) -> None:
    script.endpoint(ENDPOINT, "first", "Updating", pending="second")
    script.tags(script.config_arn("first"))
    script.endpoint(ENDPOINT, "first", "Updating", pending="second")
    script.endpoint(ENDPOINT, "second")
    script.tags(script.config_arn("second"))

    with pytest.raises(DeploymentFailed, match="has no configuration before second"):
        deploying.rollback(stubbed, names, "staging")


def test_rollback_to_another_instance_type_scales_as_was_written_then(
    stubbed: Stubbed, names: Names, script: Script
) -> None:
    scaling = "application-autoscaling"
    until_back(script)
    script.version(2)
    script.config("new", "ml.c5.xlarge")
    stubbed.expect(scaling, "DescribeScalingPolicies", {"ScalingPolicies": []})
    stubbed.expect(scaling, "DescribeScalableTargets", {"ScalableTargets": []})
    script.answer("UpdateEndpoint", {"EndpointArn": script.endpoint_arn(ENDPOINT)})
    script.endpoint(ENDPOINT, "old")
    written = "least=3 most=9 invocations_per_minute=100 backlog=5"
    script.tags(script.config_arn("old"), jobmajor_scaling=written)
    stubbed.expect(scaling, "RegisterScalableTarget", {}, **TARGET, MinCapacity=3, MaxCapacity=9)
    stubbed.expect(scaling, "PutScalingPolicy", {"PolicyARN": "arn"})

    assert deploying.rollback(stubbed, names, "staging").config == "old"
