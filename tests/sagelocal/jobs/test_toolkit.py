"""AWS's own `train` program (sagemaker-training) as the entry point of an image, with scripts as SDK v2 uploads them.

It needs an environment of its own: `pip install sagemaker-training`, and SAGEMAKER_TRAINING_ENV naming that folder.
"""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sagelocal.definition import parse as definitions
from sagelocal.jobs import environment, sandbox
from sagelocal.run import executor
from sagelocal.run.executor import RunOptions
from sagelocal.storage import archive

if TYPE_CHECKING:
    from sagelocal.jobs.environment import Environment

ROLE = "arn:aws:iam::111122223333:role/sm"
# As people write them: settings as arguments, places from the variables that only the toolkit sets.
SCRIPT = """
import argparse, json, os
parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int)
parser.add_argument("--train", default=os.environ["SM_CHANNEL_TRAIN"])
given = parser.parse_args()
rows = open(os.path.join(given.train, "rows.txt")).read()
told = {"depth": given.depth, "rows": rows, "host": os.environ["SM_CURRENT_HOST"]}
told["hosts"] = json.loads(os.environ["SM_HOSTS"])
if given.depth == 13:
    raise ValueError("an unlucky number")
with open(os.path.join(os.environ["SM_MODEL_DIR"], os.environ["SM_CURRENT_HOST"]), "w") as file:
    json.dump(told, file)
print("score=0.5")
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sandbox.refusal() is not None, reason="needs mount namespaces, which this machine refuses"),
]


@pytest.fixture(scope="module")
def toolkit() -> Environment:
    folder = Path(os.environ.get("SAGEMAKER_TRAINING_ENV", "/nowhere"))
    if not (folder / "bin" / "train").exists():
        pytest.skip("needs SAGEMAKER_TRAINING_ENV, an environment with sagemaker-training installed")
    return environment.at(folder)


def training(count: int, setting: str = "3") -> dict[str, Any]:
    return {
        "AlgorithmSpecification": {
            "TrainingInputMode": "File",
            "TrainingImage": "111122223333.dkr.ecr.us-east-1.amazonaws.com/toolkit:1",
            "MetricDefinitions": [{"Name": "score", "Regex": "score=([0-9.]+)"}],
        },
        "HyperParameters": {
            "depth": setting,
            "sagemaker_submit_directory": '"s3://bkt/code/sourcedir.tar.gz"',
            "sagemaker_program": '"fit.py"',
            "sagemaker_container_log_level": "20",
            "sagemaker_region": '"us-east-1"',
        },
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bkt/rows"}},
            }
        ],
        "OutputDataConfig": {"S3OutputPath": "s3://bkt/models"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": count, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        "RoleArn": ROLE,
    }


def run(home: Path, toolkit: Environment, arguments: dict[str, Any]) -> executor.Execution:
    (home / "script").mkdir(parents=True)
    (home / "script" / "fit.py").write_text(SCRIPT)
    archive.pack(home / "script", home / "s3" / "bkt" / "code" / "sourcedir.tar.gz")
    (home / "s3" / "bkt" / "rows").mkdir()
    (home / "s3" / "bkt" / "rows" / "rows.txt").write_text("a b")
    steps = [{"Name": "train", "Type": "Training", "Arguments": arguments}]
    definition = definitions.parse(json.dumps({"Version": "2020-12-01", "Steps": steps}).encode())
    return executor.run(definition, home, RunOptions(environment=toolkit))


@pytest.mark.parametrize("count", [1, 2])
def test_toolkit_runs_the_script_of_an_sdk_with_its_settings_on_every_instance(
    tmp_path: Path, toolkit: Environment, count: int
) -> None:
    execution = run(tmp_path, toolkit, training(count))

    assert execution.failure is None
    assert execution.step("train").metrics == {"score": 0.5}
    uri = execution.step("train").properties["ModelArtifacts"]["S3ModelArtifacts"]
    hosts = ["algo-1", "algo-2"][:count]
    with tarfile.open(tmp_path / "s3" / uri.removeprefix("s3://")) as model:
        told = {name: json.load(model.extractfile(name)) for name in model.getnames()}  # type: ignore[arg-type]  # files
    assert told == {host: {"depth": 3, "rows": "a b", "host": host, "hosts": hosts} for host in hosts}


def test_what_the_toolkit_writes_of_a_failure_is_the_steps_reason(tmp_path: Path, toolkit: Environment) -> None:
    execution = run(tmp_path, toolkit, training(1, setting="13"))

    reason = str(execution.step("train").reason)
    assert reason.startswith("ExecuteUserScriptError:\nExitCode 1")
    assert "fit.py --depth 13" in reason
