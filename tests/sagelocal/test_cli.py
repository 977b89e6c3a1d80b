"""What a person and a script get from the command line: results, one-line errors, a status."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import sagelocal
from sagelocal import cli
from sagelocal.definition import parse as definitions
from sagelocal.jobs import environment
from sagelocal.run import executor

if TYPE_CHECKING:
    from collections.abc import Mapping


def pipeline(message: str = "no") -> dict[str, Any]:
    """A definition without a job: a choice between a registration and a failure."""
    condition = {
        "Type": "GreaterThan",
        "LeftValue": {"Get": "Parameters.Score"},
        "RightValue": 0.5,
    }
    model = {
        "ModelPackageGroupName": "group",
        "InferenceSpecification": {
            "Containers": [{"Image": "image", "ModelDataUrl": "s3://bkt/model.tar.gz"}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    }
    return {
        "Version": "2020-12-01",
        "Parameters": [{"Name": "Score", "Type": "Float", "DefaultValue": 0.75}],
        "Steps": [
            {
                "Name": "check",
                "Type": "Condition",
                "Arguments": {
                    "Conditions": [condition],
                    "IfSteps": [{"Name": "register", "Type": "RegisterModel", "Arguments": model}],
                    "ElseSteps": [{"Name": "fail", "Type": "Fail", "Arguments": {"ErrorMessage": message}}],
                },
            }
        ],
    }


def write(folder: Path, body: Mapping[str, Any]) -> str:
    path = folder / "pipeline.json"
    path.write_text(json.dumps(body))
    return str(path)


@pytest.fixture
def home(tmp_path: Path) -> str:
    return str(tmp_path / "home")


def test_run_prints_its_steps_and_ends_with_0(tmp_path: Path, home: str, capsys: pytest.CaptureFixture[str]) -> None:
    status = cli.main(["run", write(tmp_path, pipeline()), "--home", home])

    out, err = capsys.readouterr()
    assert status == 0
    assert "check     Condition      Succeeded" in out
    assert "0.75 > 0.5: yes" in out
    assert err == ""  # progress is for terminals


def test_execution_that_fails_ends_with_1_and_its_reason_on_one_line(
    tmp_path: Path, home: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = cli.main(["run", write(tmp_path, pipeline("too\nlow")), "--home", home, "-p", "Score=0.5"])

    assert status == 1
    assert "failure: step 'fail' failed: too low" in capsys.readouterr().out.splitlines()


def test_folder_of_a_run_is_printed_as_seen_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    definition = write(tmp_path, pipeline())
    (tmp_path / "below").mkdir()

    for folder, expected in ((tmp_path, "(own/runs/"), (tmp_path / "below", f"({tmp_path}/own/runs/")):
        monkeypatch.chdir(folder)
        cli.main(["run", definition, "--home", str(tmp_path / "own")])

        assert expected in capsys.readouterr().out


def test_json_of_a_run_and_of_its_record_agree(tmp_path: Path, home: str, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["run", write(tmp_path, pipeline()), "--home", home, "--json", "--name", "own"])
    ran = json.loads(capsys.readouterr().out)

    cli.main(["runs", ran["id"], "--home", home, "--json"])
    shown = json.loads(capsys.readouterr().out)

    assert shown == ran
    assert (ran["status"], ran["pipeline_name"], ran["parameters"]) == ("Succeeded", "own", {"Score": 0.75})
    assert [step["status"] for step in ran["steps"]] == ["Succeeded", "Skipped", "Succeeded"]


def test_runs_lists_the_oldest_first(tmp_path: Path, home: str, capsys: pytest.CaptureFixture[str]) -> None:
    definition = definitions.parse(json.dumps(pipeline()).encode())
    made = [
        executor.run(definition, Path(home), executor.RunOptions(now=lambda at=at: at)).id  # type: ignore[misc]  # bound now
        for at in (2.0, 1.0)
    ]

    cli.main(["runs", "--home", home, "--json"])
    listed = json.loads(capsys.readouterr().out)
    status = cli.main(["runs", "--home", home])

    assert status == 0
    assert [run["id"] for run in listed] == made[::-1]
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["run", *made[::-1]]


def test_validate_names_the_steps_in_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, pipeline())

    status = cli.main(["validate", path, "--json"])

    told = json.loads(capsys.readouterr().out)
    assert status == 0
    assert told["valid"] is True
    assert told["steps"] == ["check", "register", "fail"]
    assert told["digest"] == definitions.parse(Path(path).read_bytes()).digest


def test_definition_is_valid_before_its_parameters_have_values_and_a_run_asks_for_them(
    tmp_path: Path, home: str, capsys: pytest.CaptureFixture[str]
) -> None:
    body = pipeline()
    body["Parameters"] += [{"Name": "Where", "Type": "String"}, {"Name": "Machines", "Type": "Integer"}]
    place = {"S3Uri": {"Get": "Parameters.Where"}, "LocalPath": "/opt/ml/processing/out", "S3UploadMode": "EndOfJob"}
    outputs = [{"OutputName": "out", "S3Output": place}]
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": {"Get": "Parameters.Machines"}, "VolumeSizeInGB": 1}
    arguments = {
        "AppSpecification": {"ImageUri": "image", "ContainerEntrypoint": ["true"]},
        "ProcessingResources": {"ClusterConfig": cluster},
        "ProcessingOutputConfig": {"Outputs": outputs},
        "RoleArn": "arn:aws:iam::000000000000:role/role",
    }
    body["Steps"].append({"Name": "count", "Type": "Processing", "Arguments": arguments})
    path = write(tmp_path, body)

    valid = cli.main(["validate", path])
    told = capsys.readouterr().err
    ran = cli.main(["run", path, "--home", home])

    assert (valid, ran) == (0, 2)
    assert "parameter 'Where' has no default: a run needs -p Where=VALUE" in told
    assert "parameter 'Machines': has no default: give it a value" in capsys.readouterr().err


def test_validate_lists_every_problem_and_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = pipeline()
    for name in ("one", "two"):
        body["Steps"].append({"Name": name, "Type": "Lambda", "Arguments": {}})

    status = cli.main(["validate", write(tmp_path, body)])

    out, err = capsys.readouterr()
    assert status == 2
    assert [line.split(":")[0] for line in out.splitlines()] == ["steps[one].Type", "steps[two].Type"]
    assert err.startswith("error: the definition can't run: steps[one].Type")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["run", "FILE", "-p", "Score"], "expected NAME=VALUE"),
        (["run", "FILE", "-p", "Scor=1"], "'Scor' is unknown"),
        (["run", "FILE", "-p", "Score=high"], "'Score'"),
        (["run", "FILE", "--image", "image=/nowhere"], "/nowhere is no environment"),
        (["run", "FILE", "--name", "a b"], "'a b'"),
        (["run", "missing.json"], "missing.json: No such file"),
        (["run", "FILE", "--bad"], "--bad"),
        (["runs", "nothing", "--home", "nowhere"], "no run 'nothing'"),
        (["runs", "..", "--home", "."], "no run '..'"),
        (["frobnicate"], "frobnicate"),
        ([], "Missing command"),
    ],
)
def test_input_that_cannot_be_used_is_one_line_and_status_2(
    tmp_path: Path,
    arguments: list[str],
    named: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, pipeline())

    status = cli.main(["pipeline.json" if text == "FILE" else text for text in arguments])

    out, err = capsys.readouterr()
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert named in err
    assert [path.name for path in tmp_path.iterdir()] == ["pipeline.json"]


@pytest.mark.parametrize("command", ["run", "validate", "runs"])
def test_every_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command, "--help"]) == 0
    assert f"Example: sagelocal {command}" in capsys.readouterr().out


def test_importing_the_command_line_loads_nothing_heavy() -> None:
    heavy = ("rich", "botocore", "numpy", "polars", "mlflow")
    program = f"import sys, sagelocal.cli; print([name for name in {heavy} if name in sys.modules])"
    source = str(Path(sagelocal.__file__).parents[1])

    told = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": source},
        capture_output=True,
        text=True,
        check=True,
    )

    assert told.stdout.strip() == "[]"


def test_environment_moved_elsewhere_is_the_same_and_another_package_makes_another(tmp_path: Path) -> None:
    digests = []
    for name, package in (("one", "a-1.0"), ("two", "a-1.0"), ("three", "a-1.1")):
        (tmp_path / name / "bin").mkdir(parents=True)
        (tmp_path / name / "lib" / "python3.11" / "site-packages" / f"{package}.dist-info").mkdir(parents=True)
        digests.append(environment.at(tmp_path / name).digest)

    assert digests[0] == digests[1] != digests[2]


def test_signs_that_steer_a_terminal_are_shown_not_sent(
    tmp_path: Path, home: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, pipeline("red \x1b[31m\x9b1m, done"))

    cli.main(["run", file, "--home", home, "-p", "Score=0.1"])

    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "\x9b" not in printed
    assert r"red \x1b[31m\x9b1m, done" in printed


def test_definition_without_end_is_refused_and_not_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["validate", "/dev/zero"]) == 2

    assert "has over 16,777,216 bytes" in capsys.readouterr().err


def test_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"sagelocal {sagelocal.__version__}\n"
