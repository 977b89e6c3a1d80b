"""A job's addresses are refused before it starts unless the stack's role may use them; its disk fits its share."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from jobmajor.aws.api.errors import AwsInputError
from jobmajor.aws.batch import disk, places
from jobmajor.aws.batch.places import Access
from jobmajor.aws.names import Names
from jobmajor.cli.main import main
from jobmajor.settings import Settings, build

if TYPE_CHECKING:
    from pathlib import Path

REGION, ACCOUNT_ID = "us-east-1", "123456789012"
GB = 10**9


def statements(template: Any, role: str, sid: str) -> set[str]:
    """Return the resources of a statement of the stack, as patterns of `folder` below the prefix."""
    (policy,) = template.resources("AWS::IAM::Role")[role]["Policies"]
    (found,) = (item for item in policy["PolicyDocument"]["Statement"] if item["Sid"] == sid)
    resources = found["Resource"] if isinstance(found["Resource"], list) else [found["Resource"]]
    return {
        item["Fn::Sub"].partition("${BucketName}/${Prefix}/")[2].removesuffix("*").rstrip("/") for item in resources
    }


@pytest.mark.parametrize(
    ("role", "resource", "reads", "writes"),
    [("job", "JobRole", "ReadData", "WriteResults"), ("endpoint", "EndpointRole", "ReadModels", "WriteAnswers")],
)
def test_folders_are_those_that_the_stack_s_roles_may_use(
    template: Any, role: str, resource: str, reads: str, writes: str
) -> None:
    assert statements(template, resource, reads) == set(places.READ)
    assert statements(template, resource, writes) == set(places.WRITTEN[role])


@pytest.mark.parametrize(
    ("source", "target", "fault"),
    [
        ("titles", "runs/scored", ""),
        ("titles", "elsewhere", "--output: found s3://"),
        ("titles", "input", "--output: found s3://"),
        ("s3://lake/titles", "runs/scored", "--input: found s3://lake/titles, expected an address below s3://"),
        ("s3://{bucket}/titles", "runs/scored", "--input: found s3://"),
        ("s3://{bucket}-2/{prefix}/titles", "runs/scored", "--input: found s3://"),
        ("s3://{bucket}/{prefix}-2/titles", "runs/scored", "--input: found s3://"),
    ],
)
def test_address_that_the_role_may_not_use_is_refused_with_what_to_do(
    names: Names, source: str, target: str, fault: str
) -> None:
    texts = (text.format(bucket=names.bucket, prefix=names.prefix) for text in (source, target))
    access = Access("job", *(places.address(names, text) for text in texts))

    if not fault:
        places.require(names, access)
        return
    with pytest.raises(AwsInputError, match=re.escape(fault)) as refused:
        places.require(names, access)
    assert "aws.job_role" in str(refused.value)


def test_role_of_one_s_own_is_not_judged() -> None:
    names = Names.of(build(Settings, {"aws": {"job_role": "lake-reader"}}), REGION, ACCOUNT_ID)

    places.require(names, Access("job", "s3://lake/titles", "s3://lake/answers"))
    with pytest.raises(AwsInputError):
        places.require(names, Access("endpoint", "s3://lake/titles", "s3://lake/answers"))


@pytest.mark.parametrize(
    "words",
    [
        ("batch", "--input", "s3://lake/titles"),
        ("batch", "--input", "titles", "--output", "s3://lake/answers"),
        ("deploy", "3", "--mode", "batch", "--input", "s3://lake/titles.jsonl"),
        ("deploy", "3", "--mode", "batch", "--input", "titles.jsonl", "--output", "runs/answers"),
    ],
)
def test_command_refuses_before_anything_is_asked(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["aws", *words, "--dry-run"]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "expected an address below" in err


@pytest.mark.parametrize(
    "words",
    [("batch", "--input", "titles", "--instances", "8"), ("deploy", "3", "--mode", "batch", "--input", "titles.jsonl")],
)
def test_name_without_a_bucket_is_a_folder_of_the_project(
    words: tuple[str, ...], names: Names, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "s.toml").write_text(f'[aws]\naccount = "{ACCOUNT_ID}"\nregion = "{REGION}"\n', "ascii")

    assert main(["aws", *words, "--dry-run", "--json", "--settings", str(tmp_path / "s.toml")]) == 0

    text = json.dumps(json.loads(capsys.readouterr().out)["calls"])
    assert names.url(words[words.index("--input") + 1]) in text


@pytest.mark.parametrize("text", ["./titles", "/data/titles", "~/titles", "http://x/titles", "", "a b"])
def test_what_is_no_name_stays_and_is_refused_later(names: Names, text: str) -> None:
    assert places.address(names, text) == text


# Disk


@pytest.mark.parametrize(
    ("sizes", "instances", "expected"),
    [
        ([], 1, 30),
        ([1], 1, 30),
        ([30 * GB], 1, 108),  # 30 GB in, 60 GB out, and a fifth
        ([30 * GB] * 4, 2, 216),
        ([30 * GB] * 3, 2, 216),  # one instance gets two parts
        ([30 * GB] * 3, 9, 108),  # no instance gets less than a part
        ([50 * GB, *[GB] * 9], 5, 184),  # the largest share: 51 GB
    ],
)
def test_disk_is_the_largest_share_of_input_and_output_and_a_fifth(
    sizes: list[int], instances: int, expected: int
) -> None:
    assert disk.share_gb(sizes, instances) == expected


def test_share_that_no_disk_holds_is_refused_with_what_to_do() -> None:
    with pytest.raises(AwsInputError, match="use more instances, and more and smaller parts"):
        disk.share_gb([10_000 * GB], 1)
