"""Jobs find the workspace's buckets as S3 on loopback; a function of `@step` that left no result has failed.

The driver here is a stand-in for the SDK's own, which calls the function in the same way: by what lies in S3.
`tests/sagelocal/compile/test_sdk_scripts` uses the SDKs.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from sagelocal.definition import parse
from sagelocal.jobs import functions, sandbox
from sagelocal.run import executor

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    sandbox.refusal() is not None, reason="needs mount namespaces, which this machine refuses"
)
# What the SDK's driver does with its arguments: base address, execution, step, and the results of the step before.
DRIVER = f"""
set -eu
exec {sys.executable} /opt/ml/input/data/{functions.CHANNEL}/call.py "$@"
"""
CALL = """
import json, os, sys
import boto3
uri, execution, step, before = sys.argv[1:5]
bucket, _, base = uri.removeprefix("s3://").partition("/")
s3 = boto3.client("s3")
body = s3.get_object(Bucket=bucket, Key=f"{base}/{step}/function/payload.pkl")["Body"].read().decode()
given = 0
if before != "none":
    earlier = f"{base}/{execution}/{before}/results/payload.pkl"
    given = json.loads(s3.get_object(Bucket=bucket, Key=earlier)["Body"].read())
try:
    value = eval(body, {"given": given, "environment": dict(os.environ)})
except Exception as error:
    open("/opt/ml/output/failure", "w").write(repr(error))
    sys.exit(1)
if value is not None:
    s3.put_object(Bucket=bucket, Key=f"{base}/{execution}/{step}/results/payload.pkl", Body=json.dumps(value).encode())
"""


def function(name: str, before: str | None, **more: Any) -> dict[str, Any]:
    base, execution = "s3://bkt/three", {"Get": "Execution.PipelineExecutionId"}
    results = {"Std:Join": {"On": "/", "Values": [base, execution, name, "results"]}}
    source = {"S3DataSource": {"S3Uri": f"{base}/driver", "S3DataType": "S3Prefix"}}
    return {
        "Name": name,
        "Type": "Training",
        "DependsOn": [before] if before else [],
        "Arguments": {
            "RoleArn": "arn:aws:iam::000000000000:role/sagelocal",
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            "InputDataConfig": [{"ChannelName": functions.CHANNEL, "DataSource": source}],
            "OutputDataConfig": {"S3OutputPath": results},
            "AlgorithmSpecification": {
                "TrainingImage": "123456789012.dkr.ecr.us-east-1.amazonaws.com/own:1",
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["/bin/bash", f"/opt/ml/input/data/{functions.CHANNEL}/driver.sh"],
                "ContainerArguments": [base, execution, name, before or "none"],
            },
            "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 30},
            **more,
        },
    }


def run(home: Path, bodies: dict[str, str], **more: Any) -> executor.Execution:
    """Run functions one after the other; each body is an expression of what the one before returned, `given`."""
    base = home / "s3" / "bkt" / "three"
    files = {"driver/driver.sh": DRIVER, "driver/call.py": CALL}
    files |= {f"{name}/function/payload.pkl": body for name, body in bodies.items()}
    for name, text in files.items():
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_text(text)
    names = list(bodies)
    steps = [function(name, before, **more) for name, before in zip(names, [None, *names], strict=False)]
    body = {"Version": "2020-12-01", "Steps": steps}
    return executor.run(parse.parse(json.dumps(body).encode()), home)


def test_three_functions_pass_their_results_on_through_s3(tmp_path: Path) -> None:
    execution = run(tmp_path, {"rows": "[1, 2, 3]", "total": "sum(given)", "report": "{'sum': given}"})

    assert execution.failure is None
    results = tmp_path / "s3" / "bkt" / "three" / execution.id / "report" / "results"
    assert json.loads((results / "payload.pkl").read_text()) == {"sum": 6}
    assert not list((tmp_path / "jobs").glob("uploads-*"))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("1 / 0", "step 'total' failed: ZeroDivisionError('division by zero')"),
        ("None", "step 'total' failed: its program ended without an error and without a result"),
    ],
)
def test_function_that_fails_or_does_nothing_ends_the_run(body: str, said: str, tmp_path: Path) -> None:
    execution = run(tmp_path, {"rows": "3", "total": body, "report": "given"})

    assert execution.status == "Failed"
    assert str(execution.failure).startswith(said)
    assert [step.status for step in execution.steps] == ["Succeeded", "Failed"]


def test_job_has_credentials_that_open_the_buckets_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "secret")

    execution = run(
        tmp_path, {"rows": "{key: value for key, value in environment.items() if key[:3] in ('AWS', 'PIP')}"}
    )

    results = tmp_path / "s3" / "bkt" / "three" / execution.id / "rows" / "results" / "payload.pkl"
    found = json.loads(results.read_text())
    assert found["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")
    assert found["AWS_ACCESS_KEY_ID"] != "AKIAIOSFODNN7EXAMPLE"
    assert "AWS_SESSION_TOKEN" not in found
    assert found["PIP_NO_INDEX"] == "1"  # the environment is the image: a job installs nothing into it


def test_isolated_job_reaches_no_bucket(tmp_path: Path) -> None:
    execution = run(tmp_path, {"rows": "1"}, EnableNetworkIsolation=True)

    assert execution.status == "Failed"


def test_what_keeps_a_function_from_running_is_named(tmp_path: Path) -> None:
    arguments = function("rows", None)["Arguments"]
    words = arguments["AlgorithmSpecification"]["ContainerArguments"]
    words += ["--client_python_version", "3.9"]
    assert functions.is_function(arguments)
    assert not functions.is_function({"InputDataConfig": [{"ChannelName": "train"}]})

    assert "runs with python" in next(functions.faults(arguments, tmp_path))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    assert "needs the SageMaker SDK" in next(functions.faults(arguments, tmp_path))
    (tmp_path / "lib" / "python3.11" / "site-packages" / "sagemaker").mkdir(parents=True)
    (fault,) = functions.faults(arguments, tmp_path)
    assert "the function was compiled on Python 3.9, and" in fault
    isolated = {**arguments, "EnableNetworkIsolation": True}
    assert "can't be isolated" in next(functions.faults(isolated, tmp_path))
