"""Read the account's quotas before instances are started, so that a quota of 0 is a sentence and not a failed job.

New accounts have a quota of 0 for some instance types. The service refuses such a request only when it starts the
instances, after a pipeline has waited for its retries. Names of quotas, such as `ml.m5.large for endpoint usage`, are
as the Service Quotas console shows them. Source: AWS, Service Quotas API Reference, ListServiceQuotas,
ListAWSDefaultServiceQuotas; Amazon SageMaker AI Developer Guide, "Supported Regions and Quotas".
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws.api.errors import AccessDenied, AwsError, AwsInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from jobmajor.aws.api.account import Account

ENDPOINT, TRAINING, PROCESSING, TRANSFORM = "endpoint", "training job", "processing job", "transform job"
_SERVICE: Final = "sagemaker"
_CONSOLE: Final = {"aws": "console.aws.amazon.com", "aws-cn": "console.amazonaws.cn"}
_GOV_CONSOLE: Final = "console.amazonaws-us-gov.com"


@dataclass(frozen=True, slots=True)
class Need:
    """Instances of one type for one use: `ENDPOINT`, `TRAINING`, `PROCESSING` or `TRANSFORM`."""

    instance_type: str
    usage: str
    count: int = 1

    @property
    def quota(self) -> str:
        """Return the quota's name.

        >>> Need("ml.m5.large", ENDPOINT).quota
        'ml.m5.large for endpoint usage'
        """
        return f"{self.instance_type} for {self.usage} usage"


@dataclass(frozen=True, slots=True)
class Quota:
    """A quota's code and value, and whether a larger value can be requested."""

    name: str
    code: str
    value: float
    is_adjustable: bool


class QuotaTooSmall(AwsInputError):
    """The account's quota doesn't allow the instances that were asked for; AWS raises it on request."""

    def __init__(self, need: Need, quota: Quota, region: str) -> None:
        self.need, self.quota, self.region = need, quota, region
        more = f"request more ({link(region, quota.code)}) with `{self.ask}`, or " if quota.is_adjustable else ""
        found = f"the quota {quota.name!r} in {region} is {quota.value:g}"
        super().__init__(f"{found}, expected {need.count} or more: {more}name another instance type")

    @property
    def ask(self) -> str:
        """Return the command that requests a larger quota."""
        words = ("aws", "service-quotas", "request-service-quota-increase", "--service-code", _SERVICE)
        more = ("--quota-code", self.quota.code, "--desired-value", str(self.need.count), "--region", self.region)
        return shlex.join([*words, *more])


def link(region: str, code: str) -> str:
    """Return the console's address of a quota, where one can request more of it.

    >>> link("us-east-1", "L-1")
    'https://us-east-1.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas/L-1'
    """
    partition = "aws-cn" if region.startswith("cn-") else "aws"
    host = _GOV_CONSOLE if region.startswith("us-gov-") else f"{region}.{_CONSOLE[partition]}"
    return f"https://{host}/servicequotas/home/services/{_SERVICE}/quotas/{code}"


def require(account: Account, needs: Iterable[Need]) -> None:
    """Raise QuotaTooSmall for the first need that the account's quota doesn't allow.

    Applied quotas count, else AWS's defaults; a quota that neither lists is not checked. What other jobs and endpoints
    use already isn't known here. Where the quotas can't be read, this warns and returns.
    """
    try:
        found = shortfalls(account, needs)
    except AwsError as error:
        why = "a policy denies it" if isinstance(error, AccessDenied) else str(error)
        account.tell(f"the quotas were not checked ({why}): a quota of 0 would show only when an instance starts")
        return
    if found:
        raise found[0]


def shortfalls(account: Account, needs: Iterable[Need]) -> list[QuotaTooSmall]:
    """Return an error for each need that the account's quota doesn't allow; quotas count as in `require`.

    Raises:
        AwsError: The quotas can't be read.
    """
    wanted = _largest(needs)
    found = _read(account, wanted) if wanted else {}
    return [
        QuotaTooSmall(need, found[name], account.region)
        for name, need in wanted.items()
        if name in found and found[name].value < need.count
    ]


def of_definition(definition: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Need]:
    """Yield the instances that each step of a pipeline's definition starts, with these values of its parameters."""
    known = {item["Name"]: item.get("DefaultValue") for item in definition.get("Parameters", ())}
    yield from _of_steps(definition.get("Steps", ()), {**known, **values})


def _of_steps(steps: Iterable[Mapping[str, Any]], values: Mapping[str, Any]) -> Iterator[Need]:
    for step in steps:
        arguments = step.get("Arguments", {})
        parallel = 1
        if step["Type"] == "Tuning":
            parallel = arguments["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxParallelTrainingJobs"]
            arguments = arguments["TrainingJobDefinition"]
        if step["Type"] == "Processing":
            yield _need(arguments["ProcessingResources"]["ClusterConfig"], PROCESSING, values)
        elif step["Type"] in ("Training", "Tuning"):
            yield _need(arguments["ResourceConfig"], TRAINING, values, int(parallel))
        yield from _of_steps((*arguments.get("IfSteps", ()), *arguments.get("ElseSteps", ())), values)


def _need(cluster: Mapping[str, Any], usage: str, values: Mapping[str, Any], times: int = 1) -> Need:
    kind, count = (_value(cluster[name], values) for name in ("InstanceType", "InstanceCount"))
    return Need(str(kind), usage, int(count) * times)


def _value(value: Any, values: Mapping[str, Any]) -> Any:
    name = str(value["Get"]).removeprefix("Parameters.") if isinstance(value, dict) and "Get" in value else ""
    return values[name] if name else value


def _largest(needs: Iterable[Need]) -> dict[str, Need]:
    """Return the largest need of each quota, by the quota's name."""
    found: dict[str, Need] = {}
    for need in needs:
        if need.quota not in found or need.count > found[need.quota].count:
            found[need.quota] = need
    return found


def _read(account: Account, wanted: Mapping[str, Need]) -> dict[str, Quota]:
    applied = account.pages("service-quotas", "ListServiceQuotas", "Quotas", ServiceCode=_SERVICE)
    found = _named(applied, tuple(wanted))
    left = [name for name in wanted if name not in found]
    if not left:
        return found
    defaults = account.pages("service-quotas", "ListAWSDefaultServiceQuotas", "Quotas", ServiceCode=_SERVICE)
    return {**found, **_named(defaults, left)}


def _named(items: Iterable[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Quota]:
    """Return the quotas of these names; reads no more pages than are needed: SageMaker has thousands of quotas."""
    found: dict[str, Quota] = {}
    for item in items:
        if item.get("QuotaName") in names:
            name = item["QuotaName"]
            found[name] = Quota(name, item["QuotaCode"], float(item["Value"]), bool(item.get("Adjustable", True)))
            if len(found) == len(names):
                break
    return found
