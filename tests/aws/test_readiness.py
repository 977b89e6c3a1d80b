"""What an account lacks is said before the first command: credentials, permissions, quotas."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from jobmajor.aws import policy, readiness
from jobmajor.aws.api.errors import NoCredentials, NoRegion, WrongAccount
from jobmajor.aws.names import Names
from jobmajor.cli.main import main
from jobmajor.doctor import finding
from jobmajor.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobmajor.aws.api.account import Account
    from jobmajor.doctor.finding import Finding

    from .conftest import Stubbed

ROLE = "arn:aws:iam::123456789012:role/teams/tester"
WANTED = ["models approve"]


def look(account: Account, wanted: list[str] = WANTED) -> dict[str, Finding]:
    return {each.what: each for each in readiness.findings(lambda: account, Settings(), wanted)}


def simulate(stubbed: Stubbed, decide: Callable[[str], str]) -> list[str]:
    """Script a simulation of all statements of WANTED; return their actions."""
    actions = []
    stubbed.expect("iam", "GetRole", {"Role": role()}, RoleName="tester")
    for each in policy.document(Names.of(Settings(), "us-east-1", "123456789012"), WANTED)["Statement"]:
        results = [{"EvalActionName": name, "EvalDecision": decide(name)} for name in each["Action"]]
        stubbed.expect("iam", "SimulatePrincipalPolicy", {"EvaluationResults": results})
        actions += each["Action"]
    return actions


def role() -> dict[str, Any]:
    return {"Path": "/teams/", "RoleName": "tester", "RoleId": "A" * 16, "Arn": ROLE, "CreateDate": "2026-01-01"}


def quotas(stubbed: Stubbed, value: float) -> None:
    names = {each.quota for each in readiness._needs(Settings())}
    found = [{"QuotaName": name, "QuotaCode": "L-1", "Value": value, "Adjustable": True} for name in names]
    stubbed.expect("service-quotas", "ListServiceQuotas", {"Quotas": found})


def test_account_that_lacks_nothing_is_sound(stubbed: Stubbed) -> None:
    simulate(stubbed, lambda _: "allowed")
    quotas(stubbed, 4)

    found = look(stubbed)

    assert {name: each.status for name, each in found.items()} == dict.fromkeys(
        ("identity", "region", "permissions", "quotas"), finding.OK
    )


def test_denied_action_is_named_with_the_commands_that_would_fail_and_the_policy_to_print(stubbed: Stubbed) -> None:
    actions = simulate(stubbed, lambda name: "implicitDeny" if name == "sagemaker:UpdateModelPackage" else "allowed")
    quotas(stubbed, 4)

    found = look(stubbed)["permissions"]

    assert "sagemaker:UpdateModelPackage" in actions
    assert found.status == finding.FAILED
    assert "1 of " in found.found
    assert "(sagemaker:UpdateModelPackage): models approve would fail" in found.found
    assert found.cure == "jobmajor aws policy --command 'models approve' > policy.json"


def test_one_denied_resource_is_enough(stubbed: Stubbed) -> None:
    stubbed.expect("iam", "GetRole", {"Role": role()})
    for each in policy.document(Names.of(Settings(), "us-east-1", "123456789012"), WANTED)["Statement"]:
        resources = [
            {"EvalResourceName": "a", "EvalResourceDecision": "allowed"},
            {"EvalResourceName": "b", "EvalResourceDecision": "explicitDeny"},
        ]
        answer = {"EvalActionName": each["Action"][0], "EvalDecision": "allowed", "ResourceSpecificResults": resources}
        stubbed.expect("iam", "SimulatePrincipalPolicy", {"EvaluationResults": [answer]})
    quotas(stubbed, 4)

    assert look(stubbed)["permissions"].status == finding.FAILED


def test_what_may_not_be_asked_is_unknown_and_no_failure(stubbed: Stubbed) -> None:
    stubbed.refuse("iam", "GetRole", "AccessDenied")
    stubbed.refuse("iam", "SimulatePrincipalPolicy", "AccessDenied")
    stubbed.refuse("service-quotas", "ListServiceQuotas", "AccessDeniedException")

    found = look(stubbed)

    assert found["permissions"].status == found["quotas"].status == finding.UNKNOWN
    assert "iam:SimulatePrincipalPolicy" in found["permissions"].found
    assert finding.is_sound(found.values())


def test_quota_of_zero_is_a_failure_with_the_request_for_more(stubbed: Stubbed) -> None:
    simulate(stubbed, lambda _: "allowed")
    quotas(stubbed, 0)

    found = look(stubbed)["quotas"]

    assert found.status == finding.FAILED
    assert found.cure.startswith("aws service-quotas request-service-quota-increase --service-code sagemaker")


@pytest.mark.parametrize(
    ("error", "what", "cure"),
    [
        (NoRegion(), "region", "jobmajor doctor --aws --region us-east-1"),
        (NoCredentials("none were found"), "identity", "aws configure"),
        (WrongAccount("1", "2", "arn"), "identity", "jobmajor doctor --aws --profile NAME"),
        (OSError("no network"), "identity", "give access or make room, and look again"),
    ],
    ids=repr,
)
def test_no_account_is_a_failure_with_its_cure(error: Exception, what: str, cure: str) -> None:
    def connect() -> Account:
        raise error

    (found,) = readiness.findings(connect, Settings())

    assert (found.what, found.status, found.cure) == (what, finding.FAILED, cure)


def test_root_is_told_to_use_a_role(stubbed: Stubbed) -> None:
    stubbed.caller = "arn:aws:iam::123456789012:root"
    quotas(stubbed, 4)

    assert look(stubbed)["permissions"].status == finding.NOTE


def test_simulation_takes_the_values_for_which_each_condition_of_the_policy_holds() -> None:
    condition: dict[str, dict[str, Any]] = {
        "StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"},
        "ForAnyValue:StringEquals": {"aws:CalledVia": ["cloudformation.amazonaws.com"]},
    }

    found = readiness._context(condition)

    assert [(each["ContextKeyName"], each["ContextKeyType"]) for each in found] == [
        ("iam:PassedToService", "string"),
        ("aws:CalledVia", "stringList"),
    ]


@pytest.mark.slow
def test_simulated_account_is_looked_at_by_the_command(
    moto: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    monkeypatch.setenv("AWS_REGION", "us-east-1")

    status = main(["doctor", "--aws", "--json", "--home", str(tmp_path), "--command", "models approve"])

    found = {each["what"]: each for each in json.loads(capsys.readouterr().out)}
    assert status == 0
    assert found["identity"]["found"].endswith("account 123456789012")
    assert found["permissions"]["status"] in (finding.UNKNOWN, finding.NOTE)  # moto simulates no policies
    assert found["quotas"]["status"] == finding.UNKNOWN  # nor has it SageMaker's quotas
