"""Production accepts only the configuration that staging serves and a person approved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobmajor.aws.endpoints import approval
from jobmajor.aws.endpoints import deploy as deploying
from jobmajor.aws.endpoints.approval import NotApproved
from jobmajor.aws.endpoints.plan import Plan
from jobmajor.errors import InputError

if TYPE_CHECKING:
    from tests.aws.conftest import Script, Stubbed, Versions

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names

STAGED = "test-job-major-clf-endpoint-staging"
PRODUCTION = Plan(3, stage="production")


def staging_serves(script: Script, number: int, config: str = "staged") -> None:
    script.endpoint(STAGED, config)
    script.config(config, model=f"model-{number}")
    script.model(f"model-{number}", number)


def refused(stubbed: Stubbed, names: Names, reason: str) -> None:
    with pytest.raises(NotApproved, match=reason) as caught:
        deploying.deploy(stubbed, names, PRODUCTION)

    assert not isinstance(caught.value, InputError)  # status 1: the answer is no
    assert stubbed.sent == []


def test_production_without_staging_is_refused(stubbed: Stubbed, names: Names, script: Script) -> None:
    script.version(3)
    script.absent("DescribeEndpoint", "endpoint")

    refused(stubbed, names, rf"no endpoint {STAGED}; run `jobmajor aws deploy 3 --stage staging` first")


@pytest.mark.parametrize("status", ["Creating", "Updating", "RollingBack", "Failed"])
def test_staging_that_does_not_serve_is_no_proof(stubbed: Stubbed, names: Names, script: Script, status: str) -> None:
    script.version(3)
    script.endpoint(STAGED, "staged", status)

    refused(stubbed, names, f"is {status}")


def test_staging_with_another_version_is_no_proof(stubbed: Stubbed, names: Names, script: Script) -> None:
    script.version(3)
    staging_serves(script, 2)

    refused(stubbed, names, "serves version 2; run")


def test_staging_whose_model_is_gone_is_no_proof(stubbed: Stubbed, names: Names, script: Script) -> None:
    script.version(3)
    script.endpoint(STAGED, "staged")
    script.config("staged", model="gone")
    script.absent("DescribeModel", "model")

    refused(stubbed, names, "serves version unknown")


def test_staging_that_nobody_approved_is_not_enough(stubbed: Stubbed, names: Names, script: Script) -> None:
    script.version(3)
    staging_serves(script, 3)
    script.tags(script.endpoint_arn(STAGED))

    refused(stubbed, names, r"nobody approved staged.*`jobmajor aws approve-deployment 3`")


def test_approval_of_what_staging_served_before_is_worthless(stubbed: Stubbed, names: Names, script: Script) -> None:
    script.version(3)
    staging_serves(script, 3, "staged-now")
    script.tags(script.endpoint_arn(STAGED), jobmajor_approved_config="staged-before")

    refused(stubbed, names, "nobody approved staged-now")


def test_approval_is_noted_on_staging_with_the_approver(stubbed: Stubbed, names: Names, script: Script) -> None:
    staging_serves(script, 3)
    tags = [
        {"Key": "jobmajor:approved-config", "Value": "staged"},
        {"Key": "jobmajor:approved-by", "Value": "arn:aws:sts::123456789012:assumed-role/tester/test"},
    ]
    script.answer("AddTags", {"Tags": tags}, ResourceArn=script.endpoint_arn(STAGED), Tags=tags)

    assert approval.approve(stubbed, names, 3) == tags[1]["Value"]


def test_approval_of_a_version_that_staging_does_not_serve_is_refused(
    stubbed: Stubbed, names: Names, script: Script
) -> None:
    staging_serves(script, 2)

    with pytest.raises(NotApproved, match="serves version 2"):
        approval.approve(stubbed, names, 3)


def test_staging_then_word_then_production(versions: Versions, names: Names) -> None:
    account = versions.account
    versions.register(ModelApprovalStatus="Approved")
    deploying.deploy(account, names, Plan(1))
    with pytest.raises(NotApproved, match="nobody approved"):
        deploying.deploy(account, names, Plan(1, stage="production"))

    approval.approve(account, names, 1)
    made = deploying.deploy(account, names, Plan(1, stage="production"))

    assert made.endpoint == "test-job-major-clf-endpoint"
    assert "-staging" not in made.config


def test_dry_run_shows_production_without_asking_staging(dry_account: Account, names: Names) -> None:
    deploying.deploy(dry_account, names, PRODUCTION)

    made = {call.operation: call.parameters for call in dry_account.sent}
    assert made["CreateEndpoint"]["EndpointName"] == "test-job-major-clf-endpoint"
