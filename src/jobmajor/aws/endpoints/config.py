"""An endpoint's configuration: the models, the instances, and the capture of traffic.

Configurations can't be changed, only replaced. Tags on each one name the configuration that it replaced, to which a
rollback returns, and how its fleet scales. The tags are written before the endpoint uses the configuration, so they
are right wherever a deployment is killed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws.endpoints import model as models
from jobmajor.aws.endpoints.plan import ASYNC, PRODUCTION, REAL_TIME, SERVERLESS, Fleet
from jobmajor.aws.names import derived_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.endpoints.plan import Plan
    from jobmajor.aws.names import Names

VARIANT: Final = "champion"  # must not change, or the service shifts all traffic at once
SHADOW: Final = "shadow"
REPLACES, SCALING = "jobmajor:replaces", "jobmajor:scaling"
_SCALED: Final = ("least", "most", "invocations_per_minute", "backlog")
_JSON: Final = ["application/json", "application/jsonlines"]
_CSV: Final = ["text/csv"]
_ASYNC_CONCURRENCY: Final = 4  # requests from the queue that one instance handles at a time


def staged(name: str, stage: str) -> str:
    """Return the name for a stage: unchanged in production, with a suffix in staging.

    >>> staged("test-endpoint", "staging")
    'test-endpoint-staging'
    """
    return name if stage == PRODUCTION else f"{name}-{stage}"


def request(names: Names, plan: Plan, model: str, shadow: str | None) -> dict[str, Any]:
    """Return CreateEndpointConfig's parameters, including the name.

    Args:
        names: The names in this account.
        plan: The deployment.
        model: The Model's name.
        shadow: The name of the Model that gets a copy of each request, or None.
    """
    endpoint = staged(names.endpoint, plan.stage)
    key = {"KmsKeyId": names.settings.jobs.kms_key} if names.settings.jobs.kms_key else {}
    body: dict[str, Any] = {"ProductionVariants": [_variant(plan, VARIANT, model)]}
    if shadow:
        body["ShadowProductionVariants"] = [_variant(plan, SHADOW, shadow)]
    if plan.captures:
        body["DataCaptureConfig"] = {**_capture(names, plan, endpoint), **key}
    if plan.mode == ASYNC:
        body["AsyncInferenceConfig"] = _async(names, endpoint, key)
    if plan.has_fleet and names.settings.jobs.volume_kms_key:
        body["KmsKeyId"] = names.settings.jobs.volume_kms_key
    name = derived_name(staged(names.endpoint_config, plan.stage), plan.version, body)
    return {"EndpointConfigName": name, **body, "Tags": names.tags}


def _variant(plan: Plan, name: str, model: str) -> dict[str, Any]:
    head = {"VariantName": name, "ModelName": model}
    if plan.mode == SERVERLESS:
        size = {"MemorySizeInMB": plan.serverless.memory_mb, "MaxConcurrency": plan.serverless.concurrency}
        return {**head, "ServerlessConfig": size}
    fleet = {"InstanceType": plan.fleet.instance_type, "InitialInstanceCount": max(1, plan.fleet.least)}
    return {**head, **fleet, "InitialVariantWeight": 1.0}


def _capture(names: Names, plan: Plan, endpoint: str) -> dict[str, Any]:
    return {
        "EnableCapture": True,
        "InitialSamplingPercentage": plan.capture_percent,
        "DestinationS3Uri": names.url("capture", endpoint),
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        # Other content types are captured as base64, which no monitor reads.
        "CaptureContentTypeHeader": {"CsvContentTypes": _CSV, "JsonContentTypes": _JSON},
    }


def _async(names: Names, endpoint: str, key: Mapping[str, str]) -> dict[str, Any]:
    output = {"S3OutputPath": names.url("async", endpoint), "S3FailurePath": names.url("async_failures", endpoint)}
    return {
        "ClientConfig": {"MaxConcurrentInvocationsPerInstance": _ASYNC_CONCURRENCY},
        "OutputConfig": {**output, **key},
    }


def ensure(account: Account, wanted: Mapping[str, Any]) -> str:
    """Create the configuration unless it exists, and return its name."""
    name: str = wanted["EndpointConfigName"]
    if account.find("sagemaker", "DescribeEndpointConfig", EndpointConfigName=name) is None:
        account.change("sagemaker", "CreateEndpointConfig", **wanted)
    return name


def mode_of(config: Mapping[str, Any]) -> str:
    """Return the mode of a described configuration."""
    if config.get("AsyncInferenceConfig"):
        return ASYNC
    return SERVERLESS if config["ProductionVariants"][0].get("ServerlessConfig") else REAL_TIME


def package_arn(account: Account, config: Mapping[str, Any]) -> str | None:
    """Return the ARN of the version that a described configuration serves; None if its Model is gone."""
    return models.package_arn(account, config["ProductionVariants"][0]["ModelName"])


def arn(names: Names, config: str) -> str:
    """Return a configuration's ARN."""
    return f"arn:{names.partition}:sagemaker:{names.region}:{names.account_id}:endpoint-config/{config}"


def write_tags(account: Account, names: Names, config: str, fleet: Fleet, replaced: str | None) -> None:
    """Tag a configuration with its fleet's scaling, and with the configuration that it replaces, if any."""
    scaling = " ".join(f"{name}={getattr(fleet, name)}" for name in _SCALED)
    tags = [{"Key": SCALING, "Value": scaling}]
    if replaced:
        tags.append({"Key": REPLACES, "Value": replaced})
    account.change("sagemaker", "AddTags", ResourceArn=arn(names, config), Tags=tags)


def replaced(account: Account, names: Names, config: str) -> str | None:
    """Return the name of the configuration that this one replaced; None for an endpoint's first."""
    return tags(account, arn(names, config)).get(REPLACES)


def fleet(account: Account, names: Names, config: str) -> Fleet | None:
    """Return the fleet from a configuration's tags; None without such a tag."""
    written = tags(account, arn(names, config)).get(SCALING)
    values = dict(item.split("=", 1) for item in (written or "").split())
    if not values.keys() >= set(_SCALED):
        return None
    numbers: dict[str, Any] = {name: int(values[name]) for name in _SCALED}
    return Fleet(**numbers)


def tags(account: Account, resource: str) -> dict[str, str]:
    """Return a SageMaker resource's tags."""
    found = account.pages("sagemaker", "ListTags", "Tags", ResourceArn=resource)
    return {tag["Key"]: tag["Value"] for tag in found}
