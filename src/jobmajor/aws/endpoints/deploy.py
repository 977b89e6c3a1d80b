"""Deploy a registered version to staging or production, and roll it back.

Each function first reads what exists, and names what it creates after its content. So each can be killed anywhere and
run again: it continues with what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobmajor.aws import quotas
from jobmajor.aws.api.errors import AwsInputError
from jobmajor.aws.endpoints import approval, model, rollout, scaling
from jobmajor.aws.endpoints import config as configs
from jobmajor.aws.endpoints import endpoint as endpoints
from jobmajor.aws.endpoints.endpoint import DeploymentFailed
from jobmajor.aws.endpoints.plan import PRODUCTION, REAL_TIME, SERVERLESS
from jobmajor.aws.registry import REJECTED, PackageGroup
from jobmajor.errors import PromotionRefused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.endpoints.endpoint import Endpoint
    from jobmajor.aws.endpoints.plan import Plan
    from jobmajor.aws.names import Names
    from jobmajor.aws.registry import Package

_MARGIN_S = 600.0  # added to the time after which the service itself gives up


@dataclass(frozen=True, slots=True)
class Deployment:
    """What an endpoint serves now; `status` is `InService`, or `dry run` if nothing was sent."""

    stage: str
    endpoint: str
    config: str
    version: int
    mode: str
    status: str


def deploy(account: Account, names: Names, plan: Plan) -> Deployment:
    """Deploy the planned version; if it is served already, only alarms and scaling are set again.

    Raises:
        PromotionRefused: The gate didn't pass it, or nobody approved it. NotApproved: Nobody approved what staging
        serves for production. DeploymentFailed: It didn't start, or an alarm rolled it back.
        AwsInputError: The version doesn't exist, the endpoint has another mode, or a quota is too small.
    """
    group = PackageGroup(account, names)
    packages = [group.deployable(number) for number in (plan.version, plan.shadow) if number]
    if plan.stage == PRODUCTION:
        approval.require(account, names, plan.version)
    name = configs.staged(names.endpoint, plan.stage)
    current = endpoints.wait_stable(account, name)
    if current:
        current.require_service()
    before = _described(account, current)
    _require_mode(name, before, plan)
    if plan.has_fleet:
        kind, least = plan.fleet.instance_type, max(1, plan.fleet.least)
        quotas.require(account, [quotas.Need(kind, quotas.ENDPOINT, least * len(packages))])
    wanted = _request(account, names, plan, packages)
    config = configs.ensure(account, wanted)
    rollout.ensure_alarms(account, names, name, plan)
    is_change = current is not None and current.config != config
    configs.write_tags(account, names, config, plan.fleet, current.config if current and is_change else None)
    if current is None:
        account.change("sagemaker", "CreateEndpoint", EndpointName=name, EndpointConfigName=config, Tags=names.tags)
    elif is_change:
        _update(account, current, wanted, before, plan)
    _wait_served(account, names, name, config, plan)
    scaling.ensure(account, names, name, plan.fleet, plan.mode)
    status = "dry run" if account.dry else endpoints.IN_SERVICE
    return Deployment(plan.stage, name, config, plan.version, plan.mode, status)


def _request(account: Account, names: Names, plan: Plan, packages: Sequence[Package]) -> dict[str, Any]:
    """Create the models, and return the parameters of the configuration that names them."""
    is_isolated = plan.mode != SERVERLESS
    champion, *shadow = [model.ensure(account, names, package, is_isolated=is_isolated) for package in packages]
    return configs.request(names, plan, champion, shadow[0] if shadow else None)


def _wait_served(account: Account, names: Names, name: str, config: str, plan: Plan) -> None:
    """Raise DeploymentFailed unless the endpoint serves `config` in the end; one that went back scales as before."""
    if account.dry:
        return
    after = endpoints.wait_stable(account, name, rollout.duration_s(plan) + _MARGIN_S)
    if after and after.status == endpoints.IN_SERVICE and after.config != config:
        _scale(account, names, name, after.config, plan.mode)
    endpoints.require_config(after, name, config)


def _scale(account: Account, names: Names, name: str, config: str, mode: str) -> None:
    """Scale the endpoint as the tags of its configuration say."""
    fleet = configs.fleet(account, names, config)
    if fleet:
        scaling.ensure(account, names, name, fleet, mode)


def _described(account: Account, found: Endpoint | None) -> dict[str, Any]:
    if found is None:
        return {}
    return account.read("sagemaker", "DescribeEndpointConfig", EndpointConfigName=found.config)


def _require_mode(name: str, before: Mapping[str, Any], plan: Plan) -> None:
    mode = configs.mode_of(before) if before else plan.mode
    if mode != plan.mode:
        raise AwsInputError(
            f"endpoint {name} has the mode {mode}, and the service can't change it to {plan.mode}: "
            f"run `jobmajor aws delete --stage {plan.stage}` first, or deploy with --mode {mode}"
        )


def _update(
    account: Account, current: Endpoint, wanted: Mapping[str, Any], before: Mapping[str, Any], plan: Plan
) -> None:
    if _type(before) != _type(wanted):
        scaling.release(account, current.name)
    endpoints.update(account, rollout.update(current.name, wanted["EndpointConfigName"], plan))


def _type(config: Mapping[str, Any]) -> str | None:
    found: str | None = config["ProductionVariants"][0].get("InstanceType")
    return found


def rollback(account: Account, names: Names, stage: str) -> Deployment:
    """Serve the previous configuration again, at once and without alarms.

    Raises:
        DeploymentFailed: There is no endpoint, or no previous configuration. PromotionRefused: The previous version
        was rejected since, or its decision is not passed.
    """
    name = configs.staged(names.endpoint, stage)
    if account.dry:
        endpoints.update(account, rollout.rollback(name, "<EndpointConfigName>", REAL_TIME))
        return Deployment(stage, name, "<EndpointConfigName>", 0, "", "dry run")
    current, is_under_way = _current(account, names, name)
    previous = configs.replaced(account, names, current.config)
    config = account.find("sagemaker", "DescribeEndpointConfig", EndpointConfigName=previous) if previous else None
    if not previous or config is None:
        raise DeploymentFailed(
            f"endpoint {name} has no configuration before {current.config}: deploy a version instead"
        )
    version, mode = _require_version(account, names, config), configs.mode_of(config)
    if not is_under_way:
        if _type(config) != _type(_described(account, current)):
            scaling.release(account, name)
        endpoints.update(account, rollout.rollback(name, previous, mode))
    endpoints.require_config(endpoints.wait_stable(account, name), name, previous)
    _scale(account, names, name, previous, mode)
    return Deployment(stage, name, previous, version, mode, endpoints.IN_SERVICE)


def _current(account: Account, names: Names, name: str) -> tuple[Endpoint, bool]:
    """Return the endpoint, and whether an earlier rollback that was killed is still under way."""
    current = endpoints.find(account, name)
    if current and current.pending and current.pending == configs.replaced(account, names, current.config):
        return current, True
    stable = endpoints.wait_stable(account, name)
    if stable is None:
        raise DeploymentFailed(f"there is no endpoint {name}: deploy a version first")
    return stable, False


def _require_version(account: Account, names: Names, config: Mapping[str, Any]) -> int:
    arn = configs.package_arn(account, config)
    if arn is None:
        raise DeploymentFailed(f"the model of {config['EndpointConfigName']} is gone: deploy a version instead")
    package = PackageGroup(account, names).get(model.version_of(arn))
    package.require_passed()
    if package.status == REJECTED:
        raise PromotionRefused(package.number, ("it was rejected after its deployment: deploy another version",))
    return package.number
