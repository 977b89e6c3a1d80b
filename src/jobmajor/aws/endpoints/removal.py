"""Delete an endpoint with everything that was created for it, so that nothing of it costs money.

What the endpoint depends on is deleted last, so a removal that was killed can be run again and finds what is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobmajor.aws.endpoints import config as configs
from jobmajor.aws.endpoints import endpoint as endpoints
from jobmajor.aws.endpoints import rollout, scaling
from jobmajor.aws.endpoints.plan import STAGES
from jobmajor.aws.names import name_stem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names


def contents(account: Account, names: Names, stage: str) -> tuple[str, ...]:
    """Return what `remove` would delete, each as `kind name`."""
    endpoint = configs.staged(names.endpoint, stage)
    found = [f"endpoint {endpoint}"] if endpoints.find(account, endpoint) else []
    found += [f"endpoint-config {name}" for name in _configs(account, names, stage)]
    found += [f"model {name}" for name in sorted(_models(account, names, stage))]
    return (*found, *(f"alarm {name}" for name in _alarms(account, endpoint)))


def remove(account: Account, names: Names, stage: str) -> tuple[str, ...]:
    """Delete the endpoint, its scaling, configurations, alarms, and models that no other stage uses.

    Returns what was deleted, each as `kind name`.
    """
    listed = contents(account, names, stage)
    endpoint = configs.staged(names.endpoint, stage)
    scaling.release(account, endpoint)
    unused = _models(account, names, stage)
    if endpoints.wait_stable(account, endpoint) is not None or account.dry:
        account.change("sagemaker", "DeleteEndpoint", EndpointName=endpoint)
        endpoints.wait_stable(account, endpoint)
    alarms = _alarms(account, endpoint)
    if alarms:
        account.change("cloudwatch", "DeleteAlarms", AlarmNames=list(alarms))
    for name in sorted(unused):
        account.change("sagemaker", "DeleteModel", ModelName=name)
    for name in _configs(account, names, stage):
        account.change("sagemaker", "DeleteEndpointConfig", EndpointConfigName=name)
    return listed


def _configs(account: Account, names: Names, stage: str) -> tuple[str, ...]:
    """Return the names of the stage's configurations."""
    start = f"{name_stem(configs.staged(names.endpoint_config, stage))}-v"
    items = account.pages("sagemaker", "ListEndpointConfigs", "EndpointConfigs", NameContains=start)
    return tuple(item["EndpointConfigName"] for item in items if item["EndpointConfigName"].startswith(start))


def _models(account: Account, names: Names, stage: str) -> set[str]:
    """Return the models that only this stage's configurations use."""
    own, *others = [
        {model for name in _configs(account, names, each) for model in _named(account, name)}
        for each in (stage, *(other for other in STAGES if other != stage))
    ]
    return own.difference(*others)


def _named(account: Account, config: str) -> Iterator[str]:
    found = account.find("sagemaker", "DescribeEndpointConfig", EndpointConfigName=config) or {}
    for variant in (*found.get("ProductionVariants", ()), *found.get("ShadowProductionVariants", ())):
        if account.find("sagemaker", "DescribeModel", ModelName=variant["ModelName"]):
            yield variant["ModelName"]


def _alarms(account: Account, endpoint: str) -> tuple[str, ...]:
    wanted = [*rollout.alarm_names(endpoint), scaling.wake_alarm(endpoint)]
    found = account.pages("cloudwatch", "DescribeAlarms", "MetricAlarms", AlarmNames=wanted)
    return tuple(item["AlarmName"] for item in found)
