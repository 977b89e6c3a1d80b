"""A deployment creates each resource once, wherever it is killed and whichever reply is lost; moto keeps the state."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from jobmajor.aws.api.errors import AwsInputError
from jobmajor.aws.endpoints import config as endpoint_config
from jobmajor.aws.endpoints import deploy as deploying
from jobmajor.aws.endpoints import model as models
from jobmajor.aws.endpoints import removal
from jobmajor.aws.endpoints.plan import Fleet, Plan, Serverless
from jobmajor.aws.registry import PackageGroup
from jobmajor.errors import PromotionRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.aws.conftest import Versions

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names

SAGEMAKER, SCALING, ALARMS = "sagemaker", "application-autoscaling", "cloudwatch"


def operations(account: Account) -> list[str]:
    return [call.operation for call in account.sent]


def parameters(account: Account, operation: str) -> Any:
    (found,) = (call.parameters for call in account.sent if call.operation == operation)
    return found


@pytest.fixture
def approved(versions: Versions) -> Account:
    """Return an account with one approved version and an empty list of changes."""
    versions.register(ModelApprovalStatus="Approved")
    versions.account.sent.clear()
    return versions.account


def state(account: Account) -> dict[str, Any]:
    """Return the names of everything that a deployment creates."""
    configs = [
        item["EndpointConfigName"] for item in account.pages(SAGEMAKER, "ListEndpointConfigs", "EndpointConfigs")
    ]
    endpoints = [item["EndpointName"] for item in account.pages(SAGEMAKER, "ListEndpoints", "Endpoints")]
    targets = account.pages(SCALING, "DescribeScalableTargets", "ScalableTargets", ServiceNamespace="sagemaker")
    policies = account.pages(SCALING, "DescribeScalingPolicies", "ScalingPolicies", ServiceNamespace="sagemaker")
    return {
        "models": sorted(item["ModelName"] for item in account.pages(SAGEMAKER, "ListModels", "Models")),
        "configs": sorted(configs),
        "endpoints": sorted(endpoints),
        "alarms": sorted(item["AlarmName"] for item in account.pages(ALARMS, "DescribeAlarms", "MetricAlarms")),
        "targets": [(item["ResourceId"], item["MinCapacity"], item["MaxCapacity"]) for item in targets],
        "policies": [(item["PolicyName"], item["PolicyType"]) for item in policies],
    }


NOTHING: dict[str, Any] = {"models": [], "configs": [], "endpoints": [], "alarms": [], "targets": [], "policies": []}


# --- What is made


def test_dry_run_shows_all_that_a_first_deployment_makes(dry_account: Account, names: Names) -> None:
    deploying.deploy(dry_account, names, Plan(3))

    assert operations(dry_account) == [
        "CreateModel",
        "CreateEndpointConfig",
        "PutMetricAlarm",
        "PutMetricAlarm",
        "AddTags",
        "CreateEndpoint",
        "RegisterScalableTarget",
        "PutScalingPolicy",
    ]


def test_model_names_the_package_so_that_the_service_checks_its_approval(dry_account: Account, names: Names) -> None:
    deploying.deploy(dry_account, names, Plan(3))

    made = parameters(dry_account, "CreateModel")
    assert made["ModelName"].startswith("test-job-major-clf-model-v3-")
    assert {**made, "ModelName": ""} == {
        "ModelName": "",
        "Containers": [{"ModelPackageName": _arn(names, 3)}],
        "ExecutionRoleArn": "arn:aws:iam::123456789012:role/test-job-major-clf-endpoint-us-east-1",
        "EnableNetworkIsolation": True,
        "Tags": [{"Key": "jobmajor:project", "Value": "test-job-major-clf"}],
    }


def _arn(names: Names, number: int) -> str:
    return f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{names.group}/{number}"


def test_real_time_configuration_captures_both_ways_in_readable_form(dry_account: Account, names: Names) -> None:
    deploying.deploy(dry_account, names, Plan(3, fleet=Fleet("ml.c5.large", 2, 6), capture_percent=25))

    made = parameters(dry_account, "CreateEndpointConfig")
    assert made["EndpointConfigName"].startswith("test-job-major-clf-endpoint-config-staging-v3-")
    assert made["ProductionVariants"] == [
        {
            "VariantName": "champion",
            "ModelName": parameters(dry_account, "CreateModel")["ModelName"],
            "InstanceType": "ml.c5.large",
            "InitialInstanceCount": 2,
            "InitialVariantWeight": 1.0,
        }
    ]
    assert made["DataCaptureConfig"] == {
        "EnableCapture": True,
        "InitialSamplingPercentage": 25,
        "DestinationS3Uri": names.url("capture", "test-job-major-clf-endpoint-staging"),
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {
            "CsvContentTypes": ["text/csv"],
            "JsonContentTypes": ["application/json", "application/jsonlines"],
        },
    }


def test_fleet_scales_by_the_requests_of_each_instance(dry_account: Account, names: Names) -> None:
    deploying.deploy(dry_account, names, Plan(3, fleet=Fleet("ml.c5.large", 2, 6, invocations_per_minute=900)))

    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/test-job-major-clf-endpoint-staging/variant/champion",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    assert parameters(dry_account, "RegisterScalableTarget") == {**target, "MinCapacity": 2, "MaxCapacity": 6}
    assert parameters(dry_account, "PutScalingPolicy") == {
        **target,
        "PolicyName": "test-job-major-clf-endpoint-staging-load",
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {
            "TargetValue": 900.0,
            "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
            "ScaleOutCooldown": 60,
            "ScaleInCooldown": 300,
        },
    }


def test_serverless_endpoint_has_nothing_that_the_service_refuses_there(dry_account: Account, names: Names) -> None:
    deploying.deploy(dry_account, names, Plan(3, "serverless", serverless=Serverless(4096, 7)))

    made = parameters(dry_account, "CreateEndpointConfig")
    assert made["ProductionVariants"] == [
        {
            "VariantName": "champion",
            "ModelName": parameters(dry_account, "CreateModel")["ModelName"],
            "ServerlessConfig": {"MemorySizeInMB": 4096, "MaxConcurrency": 7},
        }
    ]
    assert "DataCaptureConfig" not in made
    assert parameters(dry_account, "CreateModel")["EnableNetworkIsolation"] is False
    assert "RegisterScalableTarget" not in operations(dry_account)


def test_async_endpoint_may_sleep_and_wakes_at_the_first_request(dry_account: Account, names: Names) -> None:
    deploying.deploy(dry_account, names, Plan(3, "async", fleet=Fleet("ml.m5.large", 0, 2, backlog=9)))

    made = parameters(dry_account, "CreateEndpointConfig")
    name = "test-job-major-clf-endpoint-staging"
    assert made["AsyncInferenceConfig"]["OutputConfig"] == {
        "S3OutputPath": names.url("async", name),
        "S3FailurePath": names.url("async_failures", name),
    }
    assert made["ProductionVariants"][0]["InitialInstanceCount"] == 1
    load, wake = (call.parameters for call in dry_account.sent if call.operation == "PutScalingPolicy")
    assert load["TargetTrackingScalingPolicyConfiguration"]["CustomizedMetricSpecification"] == {
        "MetricName": "ApproximateBacklogSizePerInstance",
        "Namespace": "AWS/SageMaker",
        "Dimensions": [{"Name": "EndpointName", "Value": name}],
        "Statistic": "Average",
    }
    assert wake["StepScalingPolicyConfiguration"]["StepAdjustments"] == [
        {"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}
    ]
    alarm = dry_account.sent[-1].parameters
    assert (alarm["MetricName"], alarm["AlarmActions"]) == ("HasBacklogWithoutCapacity", ["<PolicyARN>"])


def test_shadow_gets_its_own_variant_and_model(dry_account: Account, names: Names) -> None:
    deploying.deploy(dry_account, names, Plan(3, shadow=4))

    made = parameters(dry_account, "CreateEndpointConfig")
    (champion,), (shadow,) = made["ProductionVariants"], made["ShadowProductionVariants"]
    assert champion["ModelName"].startswith("test-job-major-clf-model-v3-")
    assert shadow["ModelName"].startswith("test-job-major-clf-model-v4-")
    assert shadow["VariantName"] == "shadow"


def test_moto_keeps_what_a_deployment_makes(approved: Account, names: Names) -> None:
    made = deploying.deploy(approved, names, Plan(1))

    stored = approved.read(SAGEMAKER, "DescribeEndpointConfig", EndpointConfigName=made.config)
    assert stored["DataCaptureConfig"]["EnableCapture"] is True
    model = approved.read(SAGEMAKER, "DescribeModel", ModelName=stored["ProductionVariants"][0]["ModelName"])
    assert model["Containers"][0]["ModelPackageName"] == _arn(names, 1)
    assert models.version_of(_arn(names, 1)) == 1
    found = state(approved)
    assert found["alarms"] == [f"{made.endpoint}-errors", f"{made.endpoint}-latency"]
    assert found["targets"] == [(f"endpoint/{made.endpoint}/variant/champion", 1, 4)]
    assert found["policies"] == [(f"{made.endpoint}-load", "TargetTrackingScaling")]


def test_configuration_says_how_its_fleet_scales(approved: Account, names: Names) -> None:
    fleet = Fleet("ml.m5.large", 2, 7, 123, 9)

    made = deploying.deploy(approved, names, Plan(1, fleet=fleet))

    assert endpoint_config.fleet(approved, names, made.config) == fleet
    assert endpoint_config.replaced(approved, names, made.config) is None


# --- What is refused


@pytest.mark.parametrize(
    ("status", "content", "reason"),
    [
        ("PendingManualApproval", None, "approve it first"),
        ("Rejected", None, "its status is Rejected"),
        ("Approved", {}, "missing or no number"),
    ],
)
def test_version_that_may_not_serve_leaves_the_account_as_it_was(
    versions: Versions, names: Names, status: str, content: dict[str, Any] | None, reason: str
) -> None:
    versions.register(content, ModelApprovalStatus=status)
    versions.account.sent.clear()

    with pytest.raises(PromotionRefused, match=reason):
        deploying.deploy(versions.account, names, Plan(1))

    assert versions.account.sent == []


def test_shadow_that_may_not_serve_is_refused_too(approved: Account, versions: Versions, names: Names) -> None:
    versions.register()
    approved.sent.clear()

    with pytest.raises(PromotionRefused, match="version 2 was not promoted"):
        deploying.deploy(approved, names, Plan(1, shadow=2))

    assert approved.sent == []


def test_another_mode_is_refused_since_the_service_cannot_change_it(approved: Account, names: Names) -> None:
    deploying.deploy(approved, names, Plan(1))
    approved.sent.clear()

    with pytest.raises(
        AwsInputError, match=r"has the mode real-time, and the service can't change it to serverless: .* delete"
    ):
        deploying.deploy(approved, names, Plan(1, "serverless"))

    assert approved.sent == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"version": 0}, "version: found 0"),
        ({"mode": "batch"}, "--mode: found batch, expected one of real-time, serverless, async"),
        ({"stage": "test"}, "--stage: found test, expected one of staging, production"),
        ({"fleet": Fleet(least=0)}, "--instances: found 0"),
        ({"fleet": Fleet(least=5, most=4)}, "--max-instances: found 4, expected a number from 5"),
        ({"serverless": Serverless(2000)}, "--memory: found 2000"),
        ({"capture_percent": 101}, "--capture-percent: found 101"),
        ({"mode": "async", "shadow": 2}, "--shadow: found async"),
        ({"mode": "serverless", "shadow": 2}, "--shadow: found serverless"),
        ({"shadow": 1}, "--shadow: found 1, expected another version"),
    ],
)
def test_plan_that_the_service_would_refuse_is_refused_at_once(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(AwsInputError, match=fault):
        Plan(**{"version": 1, **changes})


# --- Once, whatever happens


def test_deploying_twice_makes_nothing_twice(approved: Account, names: Names) -> None:
    deploying.deploy(approved, names, Plan(1))
    before = state(approved)
    approved.sent.clear()

    deploying.deploy(approved, names, Plan(1))

    assert state(approved) == before
    assert [name for name in operations(approved) if name.startswith(("Create", "Update"))] == []


class Killed(BaseException):
    """Stands for a killed process; no code of ours may catch it."""


def die(account: Account, monkeypatch: pytest.MonkeyPatch, at: int, *, after: bool) -> None:
    """Raise Killed at the change number `at`, before it is sent or after it took effect."""
    change = type(account).change

    def dying(self: Account, service: str, operation: str, /, **given: Any) -> dict[str, Any]:
        if len(self.sent) == at and not after:
            raise Killed
        answer = change(self, service, operation, **given)
        if len(self.sent) > at:
            raise Killed
        return answer

    monkeypatch.setattr(type(account), "change", dying)


@pytest.mark.long
@pytest.mark.parametrize("after", [False, True])
def test_deployment_that_is_killed_anywhere_goes_on_to_the_same_end(
    approved: Account, names: Names, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    plan = Plan(1, "async", fleet=Fleet(least=0, most=3))
    deploying.deploy(approved, names, plan)
    whole, changes = state(approved), len(approved.sent)
    removal.remove(approved, names, "staging")

    for at in range(changes):
        approved.sent.clear()
        with monkeypatch.context() as patch:
            die(approved, patch, at, after=after)
            with pytest.raises(Killed):
                deploying.deploy(approved, names, plan)
        deploying.deploy(approved, names, plan)
        assert state(approved) == whole
        removal.remove(approved, names, "staging")

    assert changes == 10
    assert state(approved) == NOTHING


@pytest.mark.slow
def test_lost_replies_make_nothing_twice(approved: Account, names: Names) -> None:
    with first_replies_lost(approved) as lost:
        deploying.deploy(approved, names, Plan(1))

    made = {"CreateModel", "CreateEndpointConfig", "CreateEndpoint", "PutMetricAlarm", "PutScalingPolicy"}
    assert made <= set(lost)
    assert {name: len(items) for name, items in state(approved).items()} == {
        "models": 1,
        "configs": 1,
        "endpoints": 1,
        "alarms": 2,
        "targets": 1,
        "policies": 1,
    }


@contextmanager
def first_replies_lost(account: Account) -> Iterator[list[str]]:
    """Send every request twice, as botocore does after a lost reply; yield the operations whose reply was lost.

    The clients are shared by all tests of the process, so they must not go on sending twice.
    """
    lost: list[str] = []

    def again(attempts: int, operation: Any, **_: Any) -> float | None:
        if attempts > 1:
            return None
        lost.append(operation.name)
        return 0.0

    events = [account.client(service).meta.events for service in (SAGEMAKER, SCALING, ALARMS)]
    for each in events:
        each.register_first("needs-retry.*", again)
    try:
        yield lost
    finally:
        for each in events:
            each.unregister("needs-retry.*", again)


# --- Away again


def test_removal_leaves_nothing(approved: Account, names: Names) -> None:
    deploying.deploy(approved, names, Plan(1))

    listed = removal.contents(approved, names, "staging")
    removed = removal.remove(approved, names, "staging")

    assert state(approved) == NOTHING
    assert removed == listed
    assert {line.split()[0] for line in listed} == {"endpoint", "endpoint-config", "model", "alarm"}
    assert removal.contents(approved, names, "staging") == ()


def test_removal_of_one_stage_leaves_the_other_with_its_model(approved: Account, names: Names) -> None:
    deploying.deploy(approved, names, Plan(1))
    tag = {"Key": "jobmajor:approved-config", "Value": deploying.deploy(approved, names, Plan(1)).config}
    arn = f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{names.endpoint}-staging"
    approved.change(SAGEMAKER, "AddTags", ResourceArn=arn, Tags=[tag])
    served = deploying.deploy(approved, names, Plan(1, stage="production"))

    removal.remove(approved, names, "staging")

    left = state(approved)
    assert left["endpoints"] == [served.endpoint] == [names.endpoint]
    assert left["configs"] == [served.config]
    assert len(left["models"]) == 1


@pytest.mark.long
def test_removal_that_is_killed_anywhere_can_be_run_again(
    approved: Account, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploying.deploy(approved, names, Plan(1))
    approved.sent.clear()
    removal.remove(approved, names, "staging")

    for at in range(len(approved.sent)):
        deploying.deploy(approved, names, Plan(1))
        approved.sent.clear()
        with monkeypatch.context() as patch:
            die(approved, patch, at, after=True)
            with pytest.raises(Killed):
                removal.remove(approved, names, "staging")
        removal.remove(approved, names, "staging")
        assert state(approved) == NOTHING


def test_same_plan_has_the_same_names_and_another_has_others(names: Names, dry_account: Account) -> None:
    package = PackageGroup(dry_account, names).get(3)
    model = models.request(names, package, is_isolated=True)["ModelName"]

    def name(plan: Plan) -> str:
        config: str = endpoint_config.request(names, plan, model, None)["EndpointConfigName"]
        return config

    plans: list[Callable[[], Plan]] = [
        lambda: Plan(3),
        lambda: Plan(3, fleet=Fleet("ml.c5.large")),
        lambda: Plan(3, capture_percent=0),
        lambda: Plan(3, stage="production"),
        lambda: Plan(3, "serverless"),
    ]
    assert len({name(plan()) for plan in plans}) == len(plans)
    assert [name(plan()) for plan in plans] == [name(plan()) for plan in plans]
    assert models.request(names, package, is_isolated=False)["ModelName"] != model
