"""The two programs that a project made from AWS's template calls, with the options that it passes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from jobmajor.aws.project import build_template
from jobmajor.errors import InputError
from jobmajor.pipeline import definition
from jobmajor.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names

MODULE = "pipelines.jobmajorclf.pipeline"
KWARGS = {  # the tutorial's
    "region": "us-east-1",
    "sagemaker_project_arn": "arn:aws:sagemaker:us-east-1:123456789012:project/p",
    "role": "arn:aws:iam::123456789012:role/sm",
    "default_bucket": "own-bucket",
    "input_data_url": "s3://own-bucket/job-major-clf/input/abc",
}
TAGS = [{"Key": "sagemaker:project-name", "Value": "p"}]
ROLE = "arn:aws:iam::123456789012:role/pipeline"
HARM = "__import__('pathlib').Path('harm').write_text('x')"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_values_are_read_as_json_and_as_python_s_literals() -> None:
    forms = [json.dumps(KWARGS), repr(KWARGS), f" {KWARGS!r}\n"]

    found = [build_template.read(MODULE, text, repr(TAGS)) for text in forms]

    assert [request.values for request in found] == [KWARGS] * 3
    assert found[0].tags == TAGS


@pytest.mark.parametrize("text", [HARM, "{'a': open('x')}", "{'a':", "[" * 10_000, "1 + 1", "{**{}}"])
def test_what_is_no_literal_is_refused_and_nothing_runs(text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--kwargs is neither JSON nor a Python literal|expected dict"):
        build_template.read(MODULE, text)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kwargs", "tags", "fault"),
    [
        ('{"rigion": "us-east-1"}', None, "'rigion' is unknown"),
        ('{"region": 1}', None, "expected text"),
        ('{"model_package_group_name": "other"}', None, r"change names\.project"),
        ("[]", None, "found list, expected dict"),
        ("{}", '[{"Key": "a"}]', "expected items with Key and Value"),
        ("{}", '{"Key": "a"}', "found dict, expected list"),
    ],
)
def test_value_that_means_nothing_here_is_refused_by_name(kwargs: str, tags: str | None, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        build_template.read(MODULE, kwargs, tags)


@pytest.mark.parametrize("module", ["pipelines.abalone.pipeline", "os", "jobmajor", "x; jobmajor.pipeline"])
def test_module_that_is_not_ours_is_refused(module: str) -> None:
    with pytest.raises(InputError, match=r"expected pipelines\.jobmajorclf\.pipeline"):
        build_template.read(module, None)


def test_template_s_own_values_are_taken_where_they_agree_with_the_settings() -> None:
    names = Settings().names
    kwargs = {"pipeline_name": names.pipeline, "model_package_group_name": names.group, "base_job_prefix": "x"}

    assert build_template.read("jobmajor.pipeline", json.dumps(kwargs)).values == kwargs


def test_definition_is_printed_or_put_into_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    printed = build_template.definition(["-n", MODULE, "--kwargs", json.dumps(KWARGS)])
    out = capsys.readouterr().out
    written = build_template.definition(["--module-name", MODULE, "-f", "definition.json"])

    assert (printed, written) == (0, 0)
    assert out.encode() == definition.to_bytes(Settings())
    assert (tmp_path / "definition.json").read_bytes() == out.encode()


@pytest.mark.parametrize("words", [["-n", "os"], ["-n", MODULE, "--kwargs", HARM]])
def test_refusal_is_one_line_and_status_2(words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    status = build_template.definition(words)

    said = capsys.readouterr()
    assert (status, said.out) == (2, "")
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith("error: ")


def test_run_without_credentials_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)

    status = build_template.run(["-n", MODULE, "-role-arn", ROLE, "--kwargs", json.dumps(KWARGS)])

    assert status == 2
    assert "no usable credentials" in capsys.readouterr().err


def sent(account: Account) -> dict[str, dict[str, Any]]:
    return {call.operation: dict(call.parameters) for call in account.sent}


def test_run_upserts_with_role_and_tags_and_starts_on_the_data_that_was_named(
    dry_account: Account, names: Names, capsys: pytest.CaptureFixture[str]
) -> None:
    request = build_template.read(MODULE, json.dumps(KWARGS), json.dumps(TAGS))
    own = type(names).of(request.chosen, names.region, names.account_id)

    arn = build_template.send(dry_account, own, request, ROLE)

    found = sent(dry_account)
    assert list(found) == ["CreatePipeline", "PutObject", "StartPipelineExecution"]
    assert found["CreatePipeline"]["RoleArn"] == ROLE
    assert TAGS[0] in found["CreatePipeline"]["Tags"]
    assert found["CreatePipeline"]["PipelineDefinition"].encode() == definition.to_bytes(Settings())
    values = {item["Name"]: item["Value"] for item in found["StartPipelineExecution"]["PipelineParameters"]}
    assert values["InputDataUrl"] == KWARGS["input_data_url"]
    assert (values["Bucket"], values["RoleArn"]) == ("own-bucket", KWARGS["role"])
    assert values["ChampionModelUrl"] == "s3://own-bucket/job-major-clf/champion/none"
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"###### Execution started with PipelineExecutionArn: {arn}"
