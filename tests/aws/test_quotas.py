"""Quotas are read before instances start: a quota of 0 is a sentence with the command that asks for more."""

from __future__ import annotations

import datetime
import json
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from jobmajor.aws import quotas
from jobmajor.aws.api.account import Account
from jobmajor.aws.batch import processing, transform
from jobmajor.aws.endpoints import deploy
from jobmajor.aws.endpoints.plan import Plan
from jobmajor.aws.executions import pipeline as pipelines
from jobmajor.aws.quotas import Need, QuotaTooSmall
from jobmajor.pipeline import definition
from jobmajor.pipeline.requests import Tuning
from jobmajor.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobmajor.aws.names import Names

    from .conftest import Stubbed, Versions

REGION, ACCOUNT_ID = "us-east-1", "123456789012"
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
TITLES = "titles/a.csv"

NEED = Need("ml.m5.large", quotas.ENDPOINT, 2)
APPLIED, DEFAULTS = "ListServiceQuotas", "ListAWSDefaultServiceQuotas"


def quota(name: str, value: float, **more: Any) -> dict[str, Any]:
    return {"QuotaName": name, "QuotaCode": "L-93D182D0", "Value": value, "Adjustable": True, **more}


def answers(account: Stubbed, operation: str, *items: dict[str, Any], **more: Any) -> None:
    account.expect("service-quotas", operation, {"Quotas": list(items), **more})


@pytest.fixture
def told(stubbed: Stubbed) -> list[str]:
    lines: list[str] = []
    stubbed.tell = lines.append
    return lines


def test_quota_of_zero_stops_with_the_link_and_the_command(stubbed: Stubbed) -> None:
    answers(stubbed, APPLIED, quota("ml.m5.large for endpoint usage", 0))

    with pytest.raises(QuotaTooSmall) as refused:
        quotas.require(stubbed, [NEED])

    sentence = str(refused.value)
    command = shlex.split(sentence.partition("`")[2].partition("`")[0])
    assert sentence.startswith("the quota 'ml.m5.large for endpoint usage' in us-east-1 is 0, expected 2 or more: ")
    assert (
        "https://us-east-1.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas/L-93D182D0" in sentence
    )
    assert command == [
        *("aws", "service-quotas", "request-service-quota-increase", "--service-code", "sagemaker"),
        *("--quota-code", "L-93D182D0", "--desired-value", "2", "--region", "us-east-1"),
    ]
    assert "\n" not in sentence


def test_applied_quota_counts_before_the_default(stubbed: Stubbed, told: list[str]) -> None:
    answers(stubbed, APPLIED, quota("ml.m5.large for endpoint usage", 4))

    quotas.require(stubbed, [NEED])

    assert told == []


def test_default_counts_where_no_quota_was_applied(stubbed: Stubbed) -> None:
    answers(stubbed, APPLIED, quota("ml.c5.xlarge for endpoint usage", 9))
    answers(stubbed, DEFAULTS, quota("ml.m5.large for endpoint usage", 0))

    with pytest.raises(QuotaTooSmall):
        quotas.require(stubbed, [NEED])


def test_quota_that_is_listed_nowhere_is_not_checked(stubbed: Stubbed, told: list[str]) -> None:
    answers(stubbed, APPLIED)
    answers(stubbed, DEFAULTS)

    quotas.require(stubbed, [NEED])

    assert told == []


def test_quotas_are_read_from_all_pages_but_no_more_than_needed(stubbed: Stubbed) -> None:
    answers(stubbed, APPLIED, quota("ml.c5.xlarge for endpoint usage", 9), NextToken="more")
    answers(stubbed, APPLIED, quota("ml.m5.large for endpoint usage", 2), NextToken="never asked for")

    quotas.require(stubbed, [NEED])


def test_name_must_be_the_whole_quota_s(stubbed: Stubbed) -> None:
    answers(stubbed, APPLIED, quota("ml.m5.large for endpoint usage with something", 0))
    answers(stubbed, DEFAULTS, quota("other ml.m5.large for endpoint usage", 0))

    quotas.require(stubbed, [NEED])


@pytest.mark.parametrize("code", ["AccessDeniedException", "TooManyRequestsException", "ServiceException"])
def test_quotas_that_can_t_be_read_are_a_warning(stubbed: Stubbed, told: list[str], code: str) -> None:
    stubbed.refuse("service-quotas", APPLIED, code)

    quotas.require(stubbed, [NEED])

    (line,) = told
    assert line.startswith("the quotas were not checked (")


def test_quota_that_nobody_can_raise_names_no_command(stubbed: Stubbed) -> None:
    answers(stubbed, APPLIED, quota("ml.m5.large for endpoint usage", 1, Adjustable=False))

    with pytest.raises(QuotaTooSmall, match=r"expected 2 or more: name another instance type$"):
        quotas.require(stubbed, [NEED])


def test_link_leads_to_the_partition_s_own_console() -> None:
    assert quotas.link("cn-north-1", "L-1").startswith("https://cn-north-1.console.amazonaws.cn/")
    assert quotas.link("us-gov-west-1", "L-1").startswith("https://console.amazonaws-us-gov.com/")


def test_needs_of_a_definition_are_those_of_all_its_steps_with_the_values_that_are_given() -> None:
    body = json.loads(definition.to_bytes(Settings()))

    found = set(quotas.of_definition(body, {"TrainingInstanceType": "ml.g5.xlarge", "TrainingInstanceCount": "2"}))

    assert found == {
        Need("ml.c5.xlarge", quotas.PROCESSING, 1),
        Need("ml.g5.xlarge", quotas.TRAINING, 2),
    }
    steps = list(quotas.of_definition(body, {}))
    assert len(steps) == 4  # prepare, train, evaluate, and refit within the condition


def test_search_needs_the_instances_of_all_trainings_that_run_at_a_time() -> None:
    ranges = {"ContinuousParameterRanges": [{"Name": "rate", "MinValue": "0.001", "MaxValue": "0.01"}]}
    body = definition.build(Settings(), Tuning(ranges, parallel=3))

    found = list(quotas.of_definition(body, {"TrainingInstanceCount": 2}))

    assert Need("ml.m5.xlarge", quotas.TRAINING, 6) in found


@pytest.fixture
def without_quota(moto_client: Callable[[str], Any], stubbed: Stubbed, versions: Versions) -> Callable[[Need], Account]:
    """Return a function to an account in moto with an approved version, in which the quota of a need is 0."""
    versions.register(ModelApprovalStatus="Approved")
    versions.account.change("s3", "PutObject", Bucket=versions.names.bucket, Key=TITLES, Body=b"title\n")

    def of(need: Need) -> Account:
        answers(stubbed, APPLIED, quota(need.quota, 0))
        scripted = {"service-quotas": stubbed.client}
        return Account(REGION, ACCOUNT_ID, lambda service: scripted.get(service, moto_client)(service))

    return of


def test_endpoint_job_and_transform_are_refused_before_anything_is_made(
    without_quota: Callable[[Need], Account], names: Names
) -> None:
    source, target = f"s3://{names.bucket}/titles", names.url("runs", "scored")
    score, transformed = processing.ScoringRequest(1, source, target), transform.TransformRequest(1, source, target)
    ways: list[tuple[Need, Callable[[Account], object]]] = [
        (Need("ml.m5.large", quotas.ENDPOINT), lambda account: deploy.deploy(account, names, Plan(1))),
        (Need("ml.c5.9xlarge", quotas.PROCESSING), lambda account: processing.start(account, names, score)),
        (Need("ml.m5.large", quotas.TRANSFORM), lambda account: transform.start(account, names, transformed)),
    ]
    for need, start in ways:
        account = without_quota(need)
        with pytest.raises(QuotaTooSmall, match=need.quota):
            start(account)
        assert account.sent == []


def test_pipeline_is_refused_before_it_starts(stubbed: Stubbed, names: Names) -> None:
    arn = f"arn:aws:sagemaker:us-east-1:123456789012:pipeline/{names.pipeline}"
    there = {"PipelineArn": arn, "PipelineDefinition": definition.to_bytes(Settings()).decode()}
    stubbed.expect("sagemaker", "DescribePipeline", {**there, "LastModifiedTime": NOW})
    stubbed.expect("sagemaker", "ListPipelineExecutions", {"PipelineExecutionSummaries": []})
    answers(stubbed, APPLIED, quota("ml.m5.xlarge for training job usage", 0))
    answers(stubbed, DEFAULTS, quota("ml.c5.xlarge for processing job usage", 4))

    with pytest.raises(QuotaTooSmall, match=r"ml\.m5\.xlarge for training job usage"):
        pipelines.start(stubbed, names, {})
