"""The commands for endpoints: exit statuses, one-line refusals and JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from jobmajor.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    from tests.aws.conftest import Versions

REFUSED: dict[str, Any] = {"classification_metrics": {"test_f1": 0.5}, "gate": {"passed": True}}


@pytest.fixture
def run(moto: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """Run `jobmajor aws …` against moto, and return status, standard output and standard error."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.chdir(tmp_path)

    def ran(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main.main(["aws", *arguments])
        found = capsys.readouterr()
        return status, found.out, found.err

    return ran


def test_versions_are_listed_with_what_the_gate_said(run: Any, versions: Versions) -> None:
    versions.register()
    versions.register(REFUSED)
    versions.register(CustomerMetadataProperties={"ExecutionId": "e1"})

    status, out, _ = run("models", "list")

    head, *rows = out.splitlines()
    assert status == 0
    assert head.split()[:3] == ["version", "status", "gate"]
    assert [row.split()[:3] for row in rows] == [
        ["1", "PendingManualApproval", "passed"],
        ["2", "PendingManualApproval", "refused"],
        ["3", "PendingManualApproval", "no"],
    ]


def test_version_is_shown_with_the_reasons_of_its_decision(run: Any, versions: Versions) -> None:
    versions.register(REFUSED)

    status, out, _ = run("models", "show", "1")

    assert status == 0
    shown = json.loads(out)
    assert shown["version"] == 1
    assert shown["decision"]["reasons"] == ["weighted F1 is 0.5000, more than 0.75 is asked"]


def test_approval_of_a_refused_version_ends_in_one_line_and_status_1(run: Any, versions: Versions) -> None:
    versions.register(REFUSED)

    status, out, err = run("models", "approve", "1")

    assert (status, out) == (1, "")
    assert err == "error: version 1 was not promoted: weighted F1 is 0.5000, more than 0.75 is asked\n"


@pytest.mark.slow
def test_approved_version_is_deployed_and_taken_away_again(run: Any, versions: Versions) -> None:
    versions.register()
    assert run("models", "approve", "1", "--note", "looked at it")[0] == 0

    status, out, _ = run("deploy", "1", "--json")
    listed = run("delete", "--stage", "staging")
    deleted = run("delete", "--stage", "staging", "--yes")
    after = run("delete", "--stage", "staging")

    assert status == 0
    assert json.loads(out)["endpoint"] == "test-job-major-clf-endpoint-staging"
    assert listed[1].splitlines()[-1] == "5 would be deleted: add --yes"
    assert deleted[1].splitlines()[-1] == "5 deleted"
    assert after[1] == "there is nothing to delete\n"


def test_deployment_without_a_version_takes_the_newest_approved_one_and_says_which(
    run: Any, versions: Versions
) -> None:
    for status in ("Approved", "Approved", "PendingManualApproval"):
        versions.register(ModelApprovalStatus=status)

    status, out, err = run("deploy", "--json")

    assert (status, json.loads(out)["version"]) == (0, 2)
    assert "version 2, the newest approved one" in err


def test_deployment_without_a_version_needs_an_approved_one(run: Any, versions: Versions) -> None:
    versions.register()

    status, out, err = run("deploy")

    assert (status, out) == (2, "")
    assert "test-job-major-clf-model-group has no approved version: approve one (jobmajor aws models approve)" in err


def test_production_without_staging_is_a_no(run: Any, versions: Versions) -> None:
    versions.register(ModelApprovalStatus="Approved")

    status, _, err = run("deploy", "1", "--stage", "production")

    assert status == 1
    assert "there is no endpoint test-job-major-clf-endpoint-staging; run `jobmajor aws deploy 1" in err


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("deploy", "1", "--mode", "transform"), "a transform needs titles"),
        (
            ("deploy", "1", "--mode", "transform", "--input", "s3://b/t", "--stage", "staging"),
            "a transform has no --stage",
        ),
        (("deploy", "1", "--mode", "transform", "--input", "s3://b/t", "--shadow", "2"), "a transform has no --shadow"),
        (("deploy", "1", "--input", "s3://b/t"), "--input, --output and --content-type belong to a transform"),
        (
            ("deploy", "1", "--instances", "5", "--canary-instances", "3"),
            "--canary-instances: found 3, expected a number from 0 to 2",
        ),
        (("deploy", "1", "--instance-type", "ml.m5.lrge"), "ml.m5.lrge"),
        (("deploy", "0"), "greater than or equal to 1"),
        (("rollback", "--stage", "test"), "--stage: found test, expected staging or production"),
        (("invoke", "--input", "none.txt"), "none.txt can't be read"),
    ],
)
def test_wrong_option_is_refused_in_one_line(run: Any, arguments: tuple[str, ...], fault: str) -> None:
    status, out, err = run(*arguments, "--dry-run")

    assert (status, out) == (2, "")
    assert fault in err
    assert err.count("\n") == 1


def test_production_starts_with_two_instances_so_that_a_canary_can_be_one(run: Any) -> None:
    _, out, _ = run("deploy", "1", "--stage", "production", "--dry-run", "--json")

    calls = {call["operation"]: call["parameters"] for call in json.loads(out)["calls"]}
    assert calls["CreateEndpointConfig"]["ProductionVariants"][0]["InitialInstanceCount"] == 2
    assert calls["RegisterScalableTarget"]["MinCapacity"] == 2


def test_dry_run_says_what_it_would_cost(run: Any) -> None:
    _, out, _ = run("deploy", "1", "--instance-type", "ml.m5.xlarge", "--dry-run", "--json")

    estimate = json.loads(out)["estimate"]
    (endpoint,) = (cost for cost in estimate["costs"] if "ml.m5.xlarge" in cost["what"])
    assert endpoint["per"] == "hour"
    assert endpoint["usd"] > 0


def test_titles_come_from_arguments_and_from_a_file(run: Any, tmp_path: Path) -> None:
    (tmp_path / "titles.txt").write_bytes("\ufeffwelder\r\n\r\nañejador\n".encode())

    _, out, _ = run("invoke", "nurse", "--input", "titles.txt", "--dry-run", "--json")

    (call,) = json.loads(out)["calls"]
    assert json.loads(call["parameters"]["Body"]) == {"instances": ["nurse", "welder", "añejador"]}


def test_file_that_is_no_text_is_refused(run: Any, tmp_path: Path) -> None:
    (tmp_path / "titles.txt").write_bytes(b"\xff\xfe")

    status, _, err = run("invoke", "--input", "titles.txt", "--dry-run")

    assert status == 2
    assert "expected UTF-8 text" in err
