"""Names follow from the project, the account and the region, and are printed as they are used."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from jobmajor.aws.names import ROLES, URLS, Names
from jobmajor.cli import main
from jobmajor.errors import SettingError
from jobmajor.pipeline import definition
from jobmajor.settings import Settings, build

if TYPE_CHECKING:
    from pathlib import Path

REGION, ACCOUNT_ID = "us-east-1", "123456789012"


def named(region: str = REGION, **aws: object) -> Names:
    return Names.of(build(Settings, {"aws": aws}), region, ACCOUNT_ID)


def test_defaults_are_the_tutorials_constants(names: Names) -> None:
    assert (names.prefix, names.project, names.pipeline) == (
        *("job-major-clf", "test-job-major-clf"),
        "test-job-major-clf-pipeline",
    )
    assert (names.model, names.group) == ("test-job-major-clf-model", "test-job-major-clf-model-group")
    assert (names.endpoint_config, names.endpoint) == (
        *("test-job-major-clf-endpoint-config",),
        "test-job-major-clf-endpoint",
    )
    assert set(names.urls) == set(URLS)
    assert all(url == f"s3://{names.bucket}/job-major-clf/{name}" for name, url in names.urls.items())


def test_bucket_says_account_and_region_unless_one_is_named() -> None:
    assert named().bucket == f"test-job-major-clf-{ACCOUNT_ID}-us-east-1"
    assert named(bucket="mine").bucket == "mine"


def test_role_is_the_stacks_or_the_named_one_by_name_or_arn() -> None:
    given = "arn:aws:iam::000000000001:role/path/theirs"
    found = named(job_role="mine", ci_role=given)

    assert found.roles == {
        "pipeline": f"arn:aws:iam::{ACCOUNT_ID}:role/test-job-major-clf-pipeline-us-east-1",
        "job": f"arn:aws:iam::{ACCOUNT_ID}:role/mine",
        "endpoint": f"arn:aws:iam::{ACCOUNT_ID}:role/test-job-major-clf-endpoint-us-east-1",
        "ci": given,
    }
    assert (found.role_names["job"], found.role_names["ci"]) == ("mine", "theirs")


@pytest.mark.parametrize(
    ("region", "partition", "host"),
    [
        ("eu-central-1", "aws", "amazonaws.com"),
        ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
        ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
    ],
)
def test_arns_and_addresses_are_of_the_regions_part_of_the_world(region: str, partition: str, host: str) -> None:
    found = named(region)

    assert all(arn.startswith(f"arn:{partition}:iam::") for arn in found.roles.values())
    assert found.image_repository == f"{ACCOUNT_ID}.dkr.ecr.{region}.{host}/test-job-major-clf"


def test_tags_hold_the_project_and_those_of_the_settings_in_every_form() -> None:
    found = named(tags=["team=data", "cost=a=b"])

    assert found.tag_map == {"jobmajor:project": "test-job-major-clf", "team": "data", "cost": "a=b"}
    assert found.tags[1] == {"Key": "team", "Value": "data"}
    assert found.lowercase_tags[2] == {"key": "cost", "value": "a=b"}


@pytest.mark.parametrize("tags", [["team"], ["=x"], ["a=1", "a=2"], ["jobmajor:project=other"]])
def test_tag_that_is_none_or_taken_is_refused_by_name(tags: list[str]) -> None:
    with pytest.raises(SettingError, match=r"aws\.tags"):
        assert named(tags=tags).tag_map


@pytest.mark.parametrize("project", ["p" * 60, "p" * 41])
def test_project_whose_names_are_too_long_for_aws_is_refused(project: str) -> None:
    with pytest.raises(SettingError, match=r"names\.project.*a shorter name"):
        Names.of(build(Settings, {"names": {"project": project}}), REGION, ACCOUNT_ID)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("region", "moon"),
        ("account", "12345678901"),
        ("bucket", "UPPER"),
        ("job_role", "a b"),
        ("schedule", "daily"),
        ("github", "owner"),
        ("connection", "arn:aws:iam::1:role/x"),
        ("email", "ann"),
        ("budget_usd", -1),
        ("log_days", 0),
        ("tags", "team=data"),
        ("branch", ""),
        ("regoin", "us-east-1"),
    ],
)
def test_setting_of_aws_that_can_not_be_is_refused_by_name(key: str, value: object) -> None:
    with pytest.raises(SettingError, match=rf"'aws\.{key}'"):
        build(Settings, {"aws": {key: value}})


def test_show_prints_every_name_as_a_table_and_as_json(
    names: Names, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["aws", "show", "--account", ACCOUNT_ID, "--region", REGION]

    statuses = [main.main(words), main.main([*words, "--json"])]

    text, _, body = capsys.readouterr().out.partition("{")
    assert statuses == [0, 0]
    assert json.loads("{" + body) == names.to_dict()
    lines = [line.split() for line in text.splitlines()[1:]]
    assert [names.endpoint] in [line[1:] for line in lines if line[0] == "endpoint"]
    assert all([f"roles.{role}", names.roles[role]] in lines for role in ROLES)


def test_show_says_that_the_account_is_a_placeholder(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")

    status = main.main(["aws", "show"])

    said = capsys.readouterr()
    assert (status, "eu-west-1" in said.out) == (0, True)
    assert "the account is a placeholder" in said.err


def test_settings_of_aws_have_no_effect_on_the_pipelines_definition() -> None:
    mine = build(Settings, {"aws": {"region": "eu-west-1", "email": "ann@example.org"}})

    assert definition.to_bytes(mine) == definition.to_bytes(Settings())
