"""The commands `jobmajor aws pipeline …`, from the upload to the end of an execution.

moto keeps the pipeline, the data and the image, but of executions only their names. So the tests script the service's
answers about executions, and check them against botocore's shapes.
"""

from __future__ import annotations

import datetime
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.validate import ParamValidator

from jobmajor.aws.api import checks
from jobmajor.cli import main
from jobmajor.data import source as sources
from jobmajor.lineage import pipeline_version
from jobmajor.pipeline import definition as pipeline
from jobmajor.pipeline import inputs, requests, tune
from jobmajor.registry.loading import open_registry
from jobmajor.settings import Settings
from sagelocal.definition import parse as definitions
from sagelocal.run import executor
from sagelocal.storage.store import FolderStore

if TYPE_CHECKING:
    from tests.aws.conftest import Proxy

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names

ROOT = Path(__file__).resolve().parents[3]
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/test-job-major-clf@sha256:" + "0" * 64
TRIALS = 2  # of 30, which would take minutes


@pytest.fixture
def typed(proxy: Proxy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """Run `jobmajor aws …` through the proxy to moto, and return status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(sources.OFFLINE_VARIABLE, "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setattr("jobmajor.aws.executions.execution._INTERVAL_S", 0.01)

    def ran(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main.main(["aws", *words])
        found = capsys.readouterr()
        return status, found.out, found.err

    return ran


def tell(proxy: Proxy, operation: str, *answers: dict[str, Any], service: str = "sagemaker") -> None:
    """Script the service's answers; an answer that doesn't fit botocore's shapes is refused."""
    shape = checks.operation(service, operation).output_shape
    for answer in answers:
        assert ParamValidator().validate(answer, shape).generate_report() == ""
    proxy.answers[operation] = [json.dumps(answer, default=datetime.datetime.timestamp).encode() for answer in answers]


BEGAN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def step(name: str, status: str, **more: Any) -> dict[str, Any]:
    ended = {} if status == "Executing" else {"EndTime": BEGAN + datetime.timedelta(seconds=90)}
    return {"StepName": name, "StepStatus": status, "StartTime": BEGAN, **ended, **more}


def script(proxy: Proxy, names: Names, status: str, last: dict[str, Any], **more: Any) -> None:
    """Script an execution that runs for two polls, and then has ended."""
    arn = f"arn:aws:sagemaker:us-east-1:123456789012:pipeline/{names.pipeline}/execution/abc123def456"
    about = {"PipelineExecutionArn": arn, "CreationTime": BEGAN}
    running = {**about, "PipelineExecutionStatus": "Executing"}
    tell(proxy, "DescribePipelineExecution", running, running, {**about, "PipelineExecutionStatus": status, **more})
    first, second = step("preprocess-data", "Executing"), step("preprocess-data", "Succeeded")
    seen = ([first], [second, step("train", "Executing")], [second, step("train", "Succeeded"), last])
    tell(proxy, "ListPipelineExecutionSteps", *({"PipelineExecutionSteps": [*steps]} for steps in seen))
    tell(proxy, "StartPipelineExecution", {"PipelineExecutionArn": arn})
    for operation in ("ListServiceQuotas", "ListAWSDefaultServiceQuotas"):  # moto has no quotas
        tell(proxy, operation, {"Quotas": []}, service="service-quotas")


@pytest.fixture
def uploaded(typed: Any, account: Account, names: Names) -> Any:
    """Return the command runner, after uploading the starter titles and the pipeline."""
    account.change("s3", "CreateBucket", Bucket=names.bucket)
    assert typed("upload", "--release", "starter")[0] == 0
    assert typed("pipeline", "upsert")[0] == 0
    return typed


def test_start_that_waits_shows_the_steps_and_ends_as_the_execution_does(
    uploaded: Any, proxy: Proxy, names: Names
) -> None:
    script(proxy, names, "Succeeded", step("register", "Succeeded"))

    status, out, err = uploaded("pipeline", "start", "--wait", "-p", f"ImageUri={IMAGE}")

    assert (status, err) == (0, "")
    head, _, *rows = out.splitlines()
    assert head.startswith("execution abc123def456: Succeeded, started 2026-01-01")
    assert [row.split()[:2] for row in rows] == [
        [name, "Succeeded"] for name in ("preprocess-data", "train", "register")
    ]
    (started,) = [json.loads(seen.body) for seen in proxy.seen if seen.operation == "StartPipelineExecution"]
    given = {item["Name"]: item["Value"] for item in started["PipelineParameters"]}
    assert given["ImageUri"] == IMAGE
    assert given["InputDataUrl"].startswith(f"s3://{names.bucket}/job-major-clf/input/")
    looks = [seen for seen in proxy.seen if seen.operation == "DescribePipelineExecution"]
    assert len(looks) == 3


def test_start_that_waits_for_a_no_ends_with_status_1_and_the_reason(uploaded: Any, proxy: Proxy, names: Names) -> None:
    why = "weighted F1 is not more than 0.75"
    script(proxy, names, "Failed", step("fail", "Failed", FailureReason=why), FailureReason=why)

    status, out, err = uploaded("pipeline", "start", "--wait", "--json", "-p", f"ImageUri={IMAGE}")

    assert (status, err) == (1, f"error: {why}\n")
    assert [item["status"] for item in json.loads(out)["steps"]] == ["Succeeded", "Succeeded", "Failed"]


def test_start_that_waited_too_long_says_so_and_the_next_one_waits_on(
    uploaded: Any, proxy: Proxy, names: Names
) -> None:
    script(proxy, names, "Succeeded", step("register", "Succeeded"))

    status, _, err = uploaded("pipeline", "start", "--wait", "--hours", "0", "-p", f"ImageUri={IMAGE}")
    after = uploaded("pipeline", "status", "abc123def456", "--wait")

    assert (status, err.count("\n")) == (1, 1)
    assert "not done within 0 s, and AWS goes on" in err
    assert after[0] == 0


@pytest.mark.long  # a whole run with a search; the upserted definition without one runs in test_pipeline
@pytest.mark.slow
def test_search_that_was_upserted_runs_here_to_a_registered_version(
    typed: Any, account: Account, names: Names, tmp_path: Path
) -> None:
    """All of the search's bytes but the number of its trials."""
    assert typed("pipeline", "upsert", "--tune")[:2] == (0, f"created {pipeline_arn(names)}\n")
    captured = account.read("sagemaker", "DescribePipeline", PipelineName=names.pipeline)["PipelineDefinition"].encode()
    assert captured == pipeline.to_bytes(Settings(), requests.Tuning(tune.parameter_ranges()))
    assert typed("pipeline", "upsert", "--tune")[1] == f"unchanged {pipeline_arn(names)}\n"
    home = tmp_path / "home"

    done = executor.run(definitions.parse(fewer(captured)), home, options(home, names))

    assert done.failure is None
    assert len(done.step("train").properties["TrainingJobSummaries"]) == TRIALS
    assert done.step("register").status == "Succeeded"
    assert len(list((home / "registry" / names.group).iterdir())) == 1


def pipeline_arn(names: Names) -> str:
    return f"arn:aws:sagemaker:us-east-1:123456789012:pipeline/{names.pipeline}"


def fewer(definition: bytes) -> bytes:
    found = json.loads(definition)
    (search,) = [item for item in found["Steps"] if item["Type"] == "Tuning"]
    search["Arguments"]["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxNumberOfTrainingJobs"] = TRIALS
    return json.dumps(found).encode()


def image(root: Path) -> Path:
    """Create a folder with this Python and the image's programs: a search names no command, so `train` runs."""
    (root / "bin").mkdir(parents=True)
    (root / "bin" / "python3").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (root / "bin" / "python3").chmod(0o755)
    for path in (ROOT / "image").iterdir():
        shutil.copy(path, root / "bin")
    return root


def options(home: Path, names: Names) -> executor.RunOptions:
    """Return the options of a local run: data, champion, threshold and the image's programs."""
    settings, store = Settings(), FolderStore(home / "s3")
    return executor.RunOptions(
        parameters={
            "InputDataUrl": inputs.data(sources.resolve("starter", home), store, settings),
            "ReviewedDataUrl": inputs.reviewed(None, store, settings),
            "ChampionModelUrl": inputs.champion(open_registry(home), "key", store, settings),
            "TestScoreThreshold": settings.thresholds.starter,
        },
        environment=executor.Environment(image(home.parent / "image"), pipeline_version("linear"), honours_root=True),
        pipeline_name=names.pipeline,
    )
