"""The SageMaker project from both sources; moto has none, so botocore's Stubber answers and checks each request."""

from __future__ import annotations

import dataclasses
import datetime
import json
from typing import TYPE_CHECKING, Any

import pytest

from jobmajor.aws.api.errors import AwsInputError, TimedOut
from jobmajor.aws.project import project
from jobmajor.aws.project.project import Catalog, ProjectFailed, Repository
from jobmajor.cli.main import main
from jobmajor.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.aws.conftest import Stubbed

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names

REGION, ACCOUNT_ID = "us-east-1", "123456789012"
NAME = "test-job-major-clf"
ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT_ID}:project/{NAME}"
CONNECTION = f"arn:aws:codeconnections:{REGION}:{ACCOUNT_ID}:connection/1"
GITHUB = Repository("ann/titles", CONNECTION)
DAY = datetime.datetime(2024, 3, 1, tzinfo=datetime.UTC)


def described(status: str, **more: Any) -> dict[str, Any]:
    return {
        "ProjectArn": ARN,
        "ProjectName": NAME,
        "ProjectId": "p-1",
        "ProjectStatus": status,
        "CreationTime": DAY,
        **more,
    }


def absent(stubbed: Stubbed) -> None:
    stubbed.refuse("sagemaker", "DescribeProject", "ValidationException", f"Project {NAME} does not exist.")


def found(name: str = project.PRODUCT, owner: str = project.PROVIDER, number: int = 1) -> dict[str, Any]:
    return {"ProductId": f"prod-{number}", "Name": name, "Owner": owner}


def search(stubbed: Stubbed, *products: dict[str, Any]) -> None:
    answer = {"ProductViewSummaries": [*products]}
    stubbed.expect("servicecatalog", "SearchProducts", answer, Filters={"FullTextSearch": [project.PRODUCT]})


def artifact(number: int, days: int, guidance: str = "DEFAULT", *, active: bool = True) -> dict[str, Any]:
    made = DAY + datetime.timedelta(days=days)
    return {"Id": f"pa-{number}", "CreatedTime": made, "Guidance": guidance, "Active": active}


def versions(stubbed: Stubbed, *artifacts: dict[str, Any]) -> None:
    stubbed.expect(
        "servicecatalog",
        "ListProvisioningArtifacts",
        {"ProvisioningArtifactDetails": [*artifacts]},
        ProductId="prod-1",
    )


def test_catalog_way_takes_the_newest_version_that_is_offered_and_waits(stubbed: Stubbed, names: Names) -> None:
    absent(stubbed)
    search(stubbed, found(owner="Somebody", number=7), found("MLOps template for something", number=8), found())
    newer = artifact(3, 9, "DEPRECATED"), artifact(4, 8, active=False)
    versions(stubbed, artifact(1, 1), artifact(2, 5), *newer)
    origin = {"ProductId": "prod-1", "ProvisioningArtifactId": "pa-2"}
    answer = {"ProjectArn": ARN, "ProjectId": "p-1"}
    stubbed.expect(
        "sagemaker",
        "CreateProject",
        answer,
        ProjectName=NAME,
        ProjectDescription=f"The pipeline {NAME}-pipeline, made by jobmajor",
        Tags=names.tags,
        ServiceCatalogProvisioningDetails=origin,
    )
    for status in ("Pending", "CreateInProgress", "CreateInProgress", "CreateCompleted"):
        stubbed.expect("sagemaker", "DescribeProject", described(status), ProjectName=NAME)
    lines: list[str] = []
    stubbed.tell = lines.append

    made = project.create(stubbed, names, Catalog())

    assert (made.arn, made.change) == (ARN, "created")
    assert lines == [f"project {NAME}: Pending", f"project {NAME}: CreateInProgress"]


@pytest.mark.parametrize(
    ("products", "words"),
    [
        ([], "Service Catalog product .* of .*: found none: ask"),
        ([found(owner="Somebody")], "Service Catalog product .* of .*: found none: ask"),
        ([found(), found(number=2)], r"found 2 \(prod-1, prod-2\), expected one"),
    ],
)
def test_no_product_or_several_is_one_clear_line_and_nothing_is_made(
    stubbed: Stubbed, names: Names, products: list[dict[str, Any]], words: str
) -> None:
    absent(stubbed)
    search(stubbed, *products)

    with pytest.raises(AwsInputError, match=words):
        project.create(stubbed, names, Catalog())

    assert stubbed.sent == []


def test_product_that_is_found_twice_by_two_paths_is_one_product(stubbed: Stubbed, names: Names) -> None:
    absent(stubbed)
    search(stubbed, found(), found())
    versions(stubbed, artifact(1, 1, "DEPRECATED"))

    with pytest.raises(AwsInputError, match="no active version with guidance DEFAULT"):
        project.create(stubbed, names, Catalog())


def test_project_that_an_interrupted_run_began_is_waited_for_and_not_made_again(stubbed: Stubbed, names: Names) -> None:
    for status in ("CreateInProgress", "CreateInProgress", "CreateCompleted"):
        stubbed.expect("sagemaker", "DescribeProject", described(status), ProjectName=NAME)

    made = project.create(stubbed, names, GITHUB)

    assert made.change == "unchanged"
    assert stubbed.sent == []


def test_failure_says_the_service_s_reason(stubbed: Stubbed, names: Names) -> None:
    detail = {"TemplateName": "jobmajor", "TemplateURL": "https://b/k", "StackDetail": {"StatusMessage": "No role."}}
    failed = described("CreateFailed", TemplateProviderDetails=[{"CfnTemplateProviderDetail": detail}])
    for _ in range(2):
        stubbed.expect("sagemaker", "DescribeProject", failed)

    with pytest.raises(ProjectFailed, match=r"CreateFailed: No role; fix that, delete the project"):
        project.create(stubbed, names, GITHUB)


def test_waiting_has_a_limit_of_one_line(stubbed: Stubbed, names: Names) -> None:
    for _ in range(8):
        stubbed.expect("sagemaker", "DescribeProject", described("CreateInProgress"))

    with pytest.raises(TimedOut, match="CreateInProgress: not done within 60 s"):
        project.create(stubbed, names, GITHUB, limit_s=60)


def test_name_that_sagemaker_does_not_take_is_refused_before_anything_is_asked(stubbed: Stubbed) -> None:
    settings = Settings()
    long = dataclasses.replace(settings, names=dataclasses.replace(settings.names, project="x" * 33))

    with pytest.raises(AwsInputError, match="expected at most 32 characters"):
        project.create(stubbed, type_of_names().of(long, REGION, ACCOUNT_ID), GITHUB)


def type_of_names() -> type[Names]:
    from jobmajor.aws.names import Names as Table  # noqa: PLC0415 - a type elsewhere in this file

    return Table


def test_own_template_is_put_where_studio_sees_it_and_gets_what_it_asks_for(dry_account: Account, names: Names) -> None:
    project.create(dry_account, names, GITHUB, launch_role=names.roles["ci"])

    put, made = dry_account.sent
    (provider,) = made.parameters["TemplateProviders"]
    origin = provider["CfnTemplateProvider"]
    values = {item["Key"]: item["Value"] for item in origin["Parameters"]}
    assert put.parameters["Tagging"] == "sagemaker:studio-visibility=true"
    assert origin["TemplateURL"].endswith(f"/{put.parameters['Key']}")
    assert values["CiRoleArn"] == origin["RoleARN"] == names.roles["ci"]
    assert (values["Repository"], values["ConnectionArn"]) == (GITHUB.name, CONNECTION)
    asked = parameters_of(project.template())
    assert values.keys() | {"SageMakerProjectName", "SageMakerProjectId"} == asked


def parameters_of(template: str) -> set[str]:
    block = template.partition("\nParameters:\n")[2].partition("\n\n")[0]
    return {line.strip().rstrip(":") for line in block.splitlines() if line[:2] == "  " and line[2] != " "}


@pytest.mark.slow
def test_template_is_put_once_and_is_sound(account: Account, names: Names) -> None:
    cfnlint = pytest.importorskip("cfnlint", reason="needs cfn-lint")
    account.change("s3", "CreateBucket", Bucket=names.bucket)

    first, second = (project._put(account, names) for _ in range(2))

    assert first == second
    assert [call.operation for call in account.sent] == ["CreateBucket", "PutObject"]
    assert cfnlint.api.lint(project.template(), regions=[REGION]) == []


def test_repository_of_codecommit_has_to_be_there(account: Account, names: Names) -> None:
    with pytest.raises(AwsInputError, match="accepts no new customers"):
        project._check_codecommit(account, "titles")

    account.change("codecommit", "CreateRepository", repositoryName="titles")
    project._check_codecommit(account, "titles")


@pytest.mark.parametrize("way", [["--catalog"], ["--codecommit", "titles"]])
def test_dry_run_needs_nothing_and_prints_every_request(
    way: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    status = main(["aws", "project", "create", "--dry-run", "--json", *way])

    calls = [call["operation"] for call in json.loads(capsys.readouterr().out)["calls"]]
    assert status == 0
    assert calls[-1] == "CreateProject"


def test_command_without_a_repository_says_which_setting_is_empty(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    status = main(["aws", "project", "create", "--dry-run"])

    assert status == 2
    assert "the setting aws.github is empty" in capsys.readouterr().err
