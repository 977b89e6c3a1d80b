"""The SageMaker project from both sources; moto has none, so botocore's Stubber answers and checks each request."""

from __future__ import annotations

import dataclasses
import datetime
import json
from typing import TYPE_CHECKING, Any

import pytest

from jobmajor.aws.api.errors import AwsError, AwsInputError, TimedOut
from jobmajor.aws.project import catalog, connection, project
from jobmajor.aws.project.catalog import Catalog
from jobmajor.aws.project.project import ProjectFailed, Repository
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


def found(name: str = catalog.PRODUCT, owner: str = catalog.PROVIDER, number: int = 1) -> dict[str, Any]:
    return {"ProductId": f"prod-{number}", "Name": name, "Owner": owner}


def search(stubbed: Stubbed, *products: dict[str, Any]) -> None:
    answer = {"ProductViewSummaries": [*products]}
    stubbed.expect("servicecatalog", "SearchProducts", answer, Filters={"FullTextSearch": [catalog.PRODUCT]})


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


def paths(stubbed: Stubbed, *names: str) -> None:
    answer = {"LaunchPathSummaries": [{"Id": f"lpv2-{number}", "Name": name} for number, name in enumerate(names, 1)]}
    stubbed.expect("servicecatalog", "ListLaunchPaths", answer, ProductId="prod-1")


def asks(stubbed: Stubbed, *parameters: dict[str, Any], **path: str) -> None:
    given = [{"ParameterKey": name} for name in ("SageMakerProjectName", "SageMakerProjectId")]
    answer = {"ProvisioningArtifactParameters": [*given, *parameters]}
    request = {"ProductId": "prod-1", "ProvisioningArtifactId": "pa-1", **path}
    stubbed.expect("servicecatalog", "DescribeProvisioningParameters", answer, **request)


URL = {"ParameterKey": "CodeRepositoryURL", "Description": "URL of the repository"}
BRANCH = {"ParameterKey": "Branch", "DefaultValue": "main", "ParameterConstraints": {"AllowedValues": ["main", "dev"]}}


def test_catalog_way_takes_the_newest_version_that_is_offered_and_waits(stubbed: Stubbed, names: Names) -> None:
    absent(stubbed)
    search(stubbed, found(owner="Somebody", number=7), found("MLOps template for something", number=8), found())
    newer = artifact(3, 9, "DEPRECATED"), artifact(4, 8, active=False)
    paths(stubbed, "Amazon SageMaker Solutions and ML Ops products")
    versions(stubbed, artifact(5, 1), artifact(1, 5), *newer)
    asks(stubbed)
    origin = {"ProductId": "prod-1", "ProvisioningArtifactId": "pa-1"}
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
        ([found(owner="Amazon SageMaker AI")], "found it of 'Amazon SageMaker AI' only: name the provider"),
        ([found("Another")], "found none, but 'Another': ask an administrator to run `jobmajor aws project catalog`"),
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
    paths(stubbed)
    versions(stubbed, artifact(1, 1, "DEPRECATED"))

    with pytest.raises(AwsInputError, match="no active version with guidance DEFAULT"):
        project.create(stubbed, names, Catalog())


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((), r"requires 1 more \(CodeRepositoryURL: URL of the repository\): give each with -p NAME=VALUE"),
        ((("CodeRepositoryURL", "u"), ("Brnch", "x")), "-p Brnch: the template of .* has CodeRepositoryURL, Branch"),
        ((("CodeRepositoryURL", "u"), ("Branch", "x")), "-p Branch=x: expected one of main, dev"),
    ],
)
def test_parameter_that_the_template_lacks_or_misses_is_refused_by_name(
    stubbed: Stubbed, names: Names, values: tuple[tuple[str, str], ...], words: str
) -> None:
    absent(stubbed)
    search(stubbed, found())
    paths(stubbed)
    versions(stubbed, artifact(1, 1))
    asks(stubbed, URL, BRANCH)

    with pytest.raises(AwsInputError, match=words):
        project.create(stubbed, names, Catalog(values=values))

    assert stubbed.sent == []


def test_given_parameters_and_sagemakers_own_path_are_sent(stubbed: Stubbed, names: Names) -> None:
    search(stubbed, found())
    paths(stubbed, "Ours", "Amazon SageMaker Solutions and ML Ops products")
    versions(stubbed, artifact(1, 1))
    asks(stubbed, URL, BRANCH, PathId="lpv2-2")

    (made,) = catalog.provisioning(stubbed, Catalog(values=(("CodeRepositoryURL", "https://x"),))).values()

    assert made["PathId"] == "lpv2-2"
    assert made["ProvisioningParameters"] == [{"Key": "CodeRepositoryURL", "Value": "https://x"}]


def test_product_in_portfolios_of_unknown_names_is_refused_with_their_names(stubbed: Stubbed, names: Names) -> None:
    search(stubbed, found())
    paths(stubbed, "Ours", "Theirs")

    with pytest.raises(AwsInputError, match=r"in 2 portfolios \(lpv2-1 \(Ours\), lpv2-2 \(Theirs\)\), expected one"):
        catalog.provisioning(stubbed, Catalog())


# An administrator's steps


ROLE = f"arn:aws:iam::{ACCOUNT_ID}:role/notebook"


def offered(stubbed: Stubbed, status: str, *providers: str) -> None:
    stubbed.expect("sagemaker", "GetSagemakerServicecatalogPortfolioStatus", {"Status": status})
    if status == "Disabled":
        stubbed.expect("sagemaker", "EnableSagemakerServicecatalogPortfolio", {})
    items = [
        {"Id": f"port-{number}", "ProviderName": name, "DisplayName": name} for number, name in enumerate(providers)
    ]
    stubbed.expect("servicecatalog", "ListAcceptedPortfolioShares", {"PortfolioDetails": items})


def test_templates_are_turned_on_and_the_role_gets_their_portfolio_only(stubbed: Stubbed) -> None:
    offered(stubbed, "Disabled", "Somebody", "Amazon SageMaker AI")
    wanted = {"PortfolioId": "port-1", "PrincipalARN": ROLE, "PrincipalType": "IAM"}
    stubbed.expect("servicecatalog", "AssociatePrincipalWithPortfolio", {}, **wanted)
    for _ in range(2):
        stubbed.refuse("iam", "GetRole", "NoSuchEntity", "The role cannot be found.")

    done = catalog.enable(stubbed, ROLE)

    assert (done.was_enabled, done.portfolios) == (False, ("Amazon SageMaker AI",))
    assert [name.removeprefix("AmazonSageMakerServiceCatalogProducts") for name in done.missing_roles] == [
        "LaunchRole",
        "UseRole",
    ]


def test_account_without_sagemakers_portfolio_is_told_what_to_do_instead(stubbed: Stubbed) -> None:
    offered(stubbed, "Enabled", "Somebody")

    with pytest.raises(
        AwsInputError, match=r"lists no portfolio of 'Amazon SageMaker' in us-east-1: .* our own template"
    ):
        catalog.enable(stubbed, ROLE)


def state(stubbed: Stubbed, *statuses: str) -> None:
    for status in statuses:
        stubbed.expect(
            "codeconnections", "GetConnection", {"Connection": {"ConnectionStatus": status}}, ConnectionArn=CONNECTION
        )


def test_connection_is_made_once_and_its_approval_by_a_person_is_waited_for(stubbed: Stubbed, names: Names) -> None:
    other = {"ConnectionName": "other", "ConnectionArn": CONNECTION.replace("/1", "/2")}
    ours = {"ConnectionName": NAME, "ConnectionArn": CONNECTION}
    stubbed.expect("codeconnections", "ListConnections", {"Connections": [other]}, ProviderTypeFilter="GitHub")
    made = {"ConnectionName": NAME, "ProviderType": "GitHub"}
    stubbed.expect("codeconnections", "CreateConnection", {"ConnectionArn": CONNECTION}, **made)
    state(stubbed, "PENDING", "PENDING", "AVAILABLE")
    stubbed.expect("codeconnections", "ListConnections", {"Connections": [other, ours]})
    state(stubbed, "AVAILABLE")
    lines: list[str] = []
    stubbed.tell = lines.append

    first, second = (connection.create(stubbed, names) for _ in range(2))

    assert (first.arn, first.change, second.change) == (CONNECTION, "created", "unchanged")
    (line,) = lines
    assert line.startswith("connection 1 is PENDING: approve it with 'Update pending connection' in https://us-east-1.")


def test_project_waits_for_the_approval_of_its_connection_before_anything_is_made(
    stubbed: Stubbed, names: Names
) -> None:
    absent(stubbed)
    state(stubbed, *["PENDING"] * 7)

    with pytest.raises(TimedOut, match="PENDING: approve it"):
        project.create(stubbed, names, GITHUB, limit_s=60)

    assert stubbed.sent == []


def test_connection_that_failed_or_is_not_there_says_how_to_make_another(stubbed: Stubbed, names: Names) -> None:
    state(stubbed, "ERROR")
    with pytest.raises(AwsError, match="is ERROR, expected AVAILABLE: delete it"):
        connection.wait_available(stubbed, CONNECTION)

    stubbed.refuse("codeconnections", "GetConnection", "ResourceNotFoundException", "Connection not found.")
    with pytest.raises(AwsInputError, match=r"has no connection .* run `jobmajor aws project connect`"):
        connection.wait_available(stubbed, CONNECTION)


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
    with pytest.raises(AwsInputError, match=r"no repository titles: create it .*, or use GitHub"):
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
