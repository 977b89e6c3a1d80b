"""Whole executions with real processes: tiny scripts stand where a pipeline's own steps would."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sagelocal.definition import parse as definitions
from sagelocal.errors import Busy, DefinitionError, InputError
from sagelocal.jobs import sandbox
from sagelocal.run import executor, records
from sagelocal.run.executor import RunOptions
from sagelocal.storage import manifest
from sagelocal.storage.store import FolderStore

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/own:1"
ROLE = "arn:aws:iam::123456789012:role/sm"
PREPARE = """
from pathlib import Path
lines = sorted(Path("/opt/ml/processing/input/data/rows.txt").read_text().split())
out = Path("/opt/ml/processing/output/train")
(out / "train.txt").write_text("\\n".join(lines))
"""
TRAIN = """
import json
from pathlib import Path
rows = Path("/opt/ml/input/data/train/train.txt").read_text().split()
settings = json.loads(Path("/opt/ml/input/config/hyperparameters.json").read_text())
Path("/opt/ml/model/model.json").write_text(json.dumps({"rows": len(rows), **settings}))
print("'f1': 0.25"); print("'f1': 0.5")
"""
EVALUATE = """
import json, tarfile
from pathlib import Path
with tarfile.open("/opt/ml/processing/model/model.tar.gz") as archive:
    model = json.load(archive.extractfile("model.json"))
report = {"metrics": {"f1": model["rows"] / 4}}
Path("/opt/ml/processing/evaluation/evaluation.json").write_text(json.dumps(report))
"""

pytestmark = pytest.mark.skipif(
    sandbox.refusal() is not None, reason="needs mount namespaces, which this machine refuses"
)


def get(path: str) -> dict[str, str]:
    return {"Get": path}


def processing(script: str, inputs: dict[str, Any], outputs: dict[str, str]) -> dict[str, Any]:
    """A Processing step's Arguments, as SDKs write them: the script itself is an input, too."""
    every = {f"/opt/ml/processing/{folder}": uri for folder, uri in inputs.items()}
    every["/opt/ml/processing/input/code"] = f"s3://bkt/code/{script}"
    return {
        "ProcessingResources": {
            "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30}
        },
        "AppSpecification": {
            "ImageUri": IMAGE,
            "ContainerEntrypoint": ["python3", f"/opt/ml/processing/input/code/{script}"],
        },
        "RoleArn": ROLE,
        "ProcessingInputs": [
            {
                "InputName": f"input-{index}",
                "AppManaged": False,
                "S3Input": {
                    "S3Uri": uri,
                    "LocalPath": folder,
                    "S3DataType": "S3Prefix",
                    "S3InputMode": "File",
                },
            }
            for index, (folder, uri) in enumerate(every.items())
        ],
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": Path(folder).name,
                    "S3Output": {
                        "S3Uri": uri,
                        "LocalPath": f"/opt/ml/processing/{folder}",
                        "S3UploadMode": "EndOfJob",
                    },
                }
                for folder, uri in outputs.items()
            ]
        },
    }


def training(channel: Any) -> dict[str, Any]:
    return {
        "AlgorithmSpecification": {
            "TrainingInputMode": "File",
            "TrainingImage": IMAGE,
            "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/train.py"],
            "MetricDefinitions": [{"Name": "f1", "Regex": "'f1': ([0-9.]+)"}],
        },
        "HyperParameters": {"C": "10"},
        "OutputDataConfig": {"S3OutputPath": "s3://bkt/model"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        "ResourceConfig": {
            "VolumeSizeInGB": 30,
            "InstanceCount": get("Parameters.Instances"),
            "InstanceType": "ml.m5.large",
        },
        "RoleArn": ROLE,
        "InputDataConfig": [
            {
                "ChannelName": name,
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}},
            }
            for name, uri in (("train", channel), ("code", "s3://bkt/code/train.py"))
        ],
    }


def pipeline() -> dict[str, Any]:
    """prepare, train, evaluate, a choice by f1 = rows / 4, register or fail."""
    cache = {"CacheConfig": {"Enabled": True, "ExpireAfter": "P30D"}}
    train = get("Steps.prepare.ProcessingOutputConfig.Outputs['train'].S3Output.S3Uri")
    model = get("Steps.train.ModelArtifacts.S3ModelArtifacts")
    report = {"PropertyFileName": "R", "OutputName": "evaluation", "FilePath": "evaluation.json"}
    score = {"Std:JsonGet": {"PropertyFile": get("Steps.evaluate.PropertyFiles.R"), "Path": "metrics.f1"}}
    conditions = [{"Type": "GreaterThan", "LeftValue": score, "RightValue": get("Parameters.Threshold")}]
    container = {"Image": IMAGE, "ModelDataUrl": model}
    register = {
        "ModelPackageGroupName": "group",
        "InferenceSpecification": {
            "Containers": [container],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    }
    message = {"Std:Join": {"On": " ", "Values": ["f1 <=", get("Parameters.Threshold")]}}
    prepare = processing("prepare.py", {"input/data": get("Parameters.Data")}, {"output/train": "s3://bkt/train"})
    evaluate = processing("evaluate.py", {"model": model}, {"evaluation": "s3://bkt/evaluation"})
    branches = {
        "IfSteps": [{"Name": "register", "Type": "RegisterModel", "Arguments": register}],
        "ElseSteps": [{"Name": "fail", "Type": "Fail", "Arguments": {"ErrorMessage": message}}],
    }
    return {
        "Version": "2020-12-01",
        "Metadata": {},
        "Parameters": [
            {"Name": "Data", "Type": "String", "DefaultValue": "s3://bkt/data/"},
            {"Name": "Threshold", "Type": "Float", "DefaultValue": 0.5},
            {"Name": "Instances", "Type": "Integer", "DefaultValue": 1},
        ],
        "Steps": [
            {"Name": "prepare", "Type": "Processing", "Arguments": prepare, **cache},
            {"Name": "train", "Type": "Training", "Arguments": training(train), **cache},
            {
                "Name": "evaluate",
                "Type": "Processing",
                "Arguments": evaluate,
                "PropertyFiles": [report],
                **cache,
            },
            {"Name": "check", "Type": "Condition", "Arguments": {"Conditions": conditions, **branches}},
        ],
    }


def parse(body: dict[str, Any]) -> definitions.Definition:
    return definitions.parse(json.dumps(body).encode())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A workspace with four rows of data and the three scripts in its bucket."""
    home = tmp_path / "home"
    fill(home)
    return home


def fill(home: Path) -> None:
    bucket = home / "s3" / "bkt"
    (bucket / "code").mkdir(parents=True)
    (bucket / "data").mkdir()
    (bucket / "data" / "rows.txt").write_text("d c b a")
    for name, text in (("prepare", PREPARE), ("train", TRAIN), ("evaluate", EVALUATE)):
        (bucket / "code" / f"{name}.py").write_text(text)


def statuses(execution: executor.Execution) -> dict[str, str]:
    return {step.name: f"{step.status}{' (cached)' if step.cached else ''}" for step in execution.steps}


JOBS = ("prepare", "train", "evaluate")
CACHED = dict.fromkeys(JOBS, "Succeeded (cached)")
FRESH = dict.fromkeys(JOBS, "Succeeded")
ENDS = {"check": "Succeeded", "register": "Succeeded", "fail": "Skipped"}


def test_pipeline_runs_from_data_to_a_registered_model(home: Path) -> None:
    execution = executor.run(parse(pipeline()), home)

    assert execution.failure is None
    assert statuses(execution) == {**FRESH, **ENDS}
    assert (home / "s3" / "bkt" / "train" / "train.txt").read_text() == "a\nb\nc\nd"
    assert execution.step("train").metrics == {"f1": 0.5}
    assert execution.step("check").conditions[0]["left"] == 1.0
    assert execution.step("check").conditions[0]["right"] == 0.5
    version = json.loads((home / "registry" / "group" / "1.json").read_bytes())
    uri = version["InferenceSpecification"]["Containers"][0]["ModelDataUrl"]
    assert uri == f"s3://bkt/model/pipelines-{execution.id}-train/output/model.tar.gz"


def test_second_run_takes_every_job_from_the_cache_and_registers_another_version(home: Path) -> None:
    definition = parse(pipeline())
    executor.run(definition, home)

    execution = executor.run(definition, home)

    assert statuses(execution) == {**CACHED, **ENDS}
    assert execution.step("train").metrics == {"f1": 0.5}
    assert execution.step("register").properties["ModelPackageVersion"] == 2


def test_run_records_the_objects_of_its_steps_also_of_those_from_the_cache(home: Path) -> None:
    definition = parse(pipeline())
    first, second = (executor.run(definition, home) for _ in range(2))

    for step in ("prepare", "train", "evaluate"):
        found = records.outputs(second.folder, step)
        assert found == records.outputs(first.folder, step)
        for uri, files in found.items():
            assert files
            assert files.items() <= FolderStore(home / "s3").listing(uri).items()
    assert records.outputs(first.folder, "register") == {}


def test_edited_input_runs_every_job_that_depends_on_it_again(home: Path) -> None:
    definition = parse(pipeline())
    executor.run(definition, home)
    (home / "s3" / "bkt" / "data" / "rows.txt").write_text("d c b")

    execution = executor.run(definition, home)

    assert statuses(execution) == {**FRESH, **ENDS}
    assert execution.step("check").conditions[0]["left"] == 0.75


def test_edited_script_runs_its_step_again_but_not_the_one_before(home: Path) -> None:
    definition = parse(pipeline())
    executor.run(definition, home)
    (home / "s3" / "bkt" / "code" / "train.py").write_text(TRAIN + "\n# another program")

    execution = executor.run(definition, home)

    assert [execution.step(name).cached for name in ("prepare", "train")] == [True, False]


def test_time_and_address_of_an_input_do_not_count(home: Path) -> None:
    definition = parse(pipeline())
    executor.run(definition, home)
    bucket = home / "s3" / "bkt"
    (bucket / "data").rename(bucket / "moved")
    os.utime(bucket / "moved" / "rows.txt", (0, 0))

    execution = executor.run(definition, home, RunOptions(parameters={"Data": "s3://bkt/moved"}))

    assert statuses(execution) == {**CACHED, **ENDS}


def test_damaged_output_is_made_again(home: Path) -> None:
    definition = parse(pipeline())
    executor.run(definition, home)
    output = home / "s3" / "bkt" / "train" / "train.txt"
    output.write_text("a\nb\nc\nx")

    execution = executor.run(definition, home)

    assert statuses(execution) == {**CACHED, "prepare": "Succeeded", **ENDS}
    assert output.read_text() == "a\nb\nc\nd"


def test_missed_threshold_fails_the_run_with_the_fail_steps_message(home: Path) -> None:
    executor.run(parse(pipeline()), home)

    execution = executor.run(parse(pipeline()), home, RunOptions(parameters={"Threshold": "1.5"}))

    assert execution.status == "Failed"
    assert execution.step("fail").reason == "f1 <= 1.5"
    assert statuses(execution) == {
        **CACHED,
        "check": "Succeeded",
        "register": "Skipped",
        "fail": "Failed",
    }


def test_job_that_fails_gives_its_own_reason_and_ends_the_run(home: Path) -> None:
    reason = 'open("/opt/ml/output/failure", "w").write("no rows"); raise SystemExit(3)'
    (home / "s3" / "bkt" / "code" / "train.py").write_text(reason)

    execution = executor.run(parse(pipeline()), home)

    assert execution.failure == "step 'train' failed: no rows"
    assert statuses(execution) == {"prepare": "Succeeded", "train": "Failed"}
    assert not (home / "s3" / "bkt" / "model").exists()


def test_missing_input_fails_its_step_by_name(home: Path) -> None:
    execution = executor.run(parse(pipeline()), home, RunOptions(parameters={"Data": "s3://bkt/nothing"}))

    assert execution.status == "Failed"
    assert "no objects below s3://bkt/nothing" in str(execution.step("prepare").reason)


def test_definition_is_kept_byte_for_byte(home: Path) -> None:
    definition = definitions.parse(json.dumps(pipeline(), indent=3).encode() + b"\n")

    execution = executor.run(definition, home)

    kept = (execution.folder / "definition.json").read_bytes()
    assert hashlib.sha256(kept).hexdigest() == definition.digest == execution.definition_digest
    assert records.find(home, execution.id).definition_digest == definition.digest


def test_record_on_disk_is_what_run_returned(home: Path) -> None:
    execution = executor.run(parse(pipeline()), home)

    kept = records.read(execution.folder)

    assert kept.as_dict() == json.loads(json.dumps(execution.as_dict()))


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"Instances": 0}, "ResourceConfig.InstanceCount: found 0; a job has at least one instance"),
        ({"Threshold": "high"}, "'Threshold'"),
        ({"Data": "s3://bkt/../other"}, "ProcessingInputs[0].S3Input.S3Uri"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_is_written(
    tmp_path: Path, parameters: dict[str, Any], named: str
) -> None:
    with pytest.raises(InputError) as caught:
        executor.run(parse(pipeline()), tmp_path / "home", RunOptions(parameters=parameters))

    assert named in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_step_of_a_kind_that_does_not_run_here_is_refused(tmp_path: Path) -> None:
    body = pipeline()
    body["Steps"].append({"Name": "batch", "Type": "EMR", "Arguments": {}})

    with pytest.raises(DefinitionError) as caught:
        executor.run(parse(body), tmp_path / "home")

    assert any("steps[batch].Type" in problem for problem in caught.value.problems)


def test_step_without_a_cache_setting_runs_every_time(home: Path) -> None:
    body = pipeline()
    del body["Steps"][0]["CacheConfig"]
    body["Steps"][1]["CacheConfig"] = {"Enabled": False}
    executor.run(parse(body), home)

    execution = executor.run(parse(body), home)

    assert [execution.step(name).cached for name in JOBS] == [False, False, True]


def test_expired_entry_runs_again(home: Path) -> None:
    definition, day_s = parse(pipeline()), 86400.0
    executor.run(definition, home, RunOptions(now=lambda: 0.0))

    fresh = executor.run(definition, home, RunOptions(now=lambda: 29 * day_s))
    expired = executor.run(definition, home, RunOptions(now=lambda: 31 * day_s))

    assert statuses(fresh) == {**CACHED, **ENDS}
    assert statuses(expired) == {**FRESH, **ENDS}


def test_given_handler_registers_instead_of_the_folder(home: Path) -> None:
    asked = []

    def register(request: executor.RegisterRequest) -> dict[str, Any]:
        asked.append(request)
        return {"ModelPackageArn": "arn", "ModelPackageVersion": 7}

    execution = executor.run(parse(pipeline()), home, RunOptions(register=register, pipeline_name="own"))

    assert execution.step("register").properties["ModelPackageVersion"] == 7
    assert asked[0].arguments["ModelPackageGroupName"] == "group"
    assert asked[0].execution["id"] == execution.id
    assert asked[0].execution["pipeline_name"] == "own"
    model = asked[0].arguments["InferenceSpecification"]["Containers"][0]["ModelDataUrl"]
    assert list(asked[0].store.listing(model)) == ["model.tar.gz"]


def test_environment_that_honours_the_root_finds_it_in_the_variable(home: Path) -> None:
    body = pipeline()
    body["Steps"] = body["Steps"][:1]
    rooted = PREPARE.replace('"/opt/ml/', 'os.environ["SAGELOCAL_ML_ROOT"] + "/').replace("from", "import os\nfrom", 1)
    (home / "s3" / "bkt" / "code" / "prepare.py").write_text("raise SystemExit('not this one')")
    (home / "own.py").write_text(rooted)
    application = body["Steps"][0]["Arguments"]["AppSpecification"]
    application["ContainerEntrypoint"] = ["python3", str(home / "own.py")]
    own = executor.Environment(Path(sys.prefix), "digest", honours_root=True)

    execution = executor.run(parse(body), home, RunOptions(images={IMAGE: own}))

    assert execution.failure is None
    assert (home / "s3" / "bkt" / "train" / "train.txt").read_text() == "a\nb\nc\nd"


def test_other_code_in_an_environment_misses_the_cache(home: Path) -> None:
    body = pipeline()
    body["Steps"] = body["Steps"][:1]
    one = executor.Environment(Path(sys.prefix), "one")
    executor.run(parse(body), home, RunOptions(environment=one))

    same = executor.run(parse(body), home, RunOptions(environment=one))
    other = executor.run(parse(body), home, RunOptions(images={IMAGE: dataclasses.replace(one, digest="two")}))

    assert (same.step("prepare").cached, other.step("prepare").cached) == (True, False)


def test_unknown_image_is_the_environment_that_runs_this_program(home: Path) -> None:
    body = pipeline()
    body["Steps"] = body["Steps"][:1]
    tell = 'import sys; open("/opt/ml/processing/output/train/prefix", "w").write(sys.prefix)'
    (home / "s3" / "bkt" / "code" / "prepare.py").write_text(tell)

    executor.run(parse(body), home)

    assert (home / "s3" / "bkt" / "train" / "prefix").read_text() == sys.prefix


def test_second_run_in_one_workspace_shares_the_cache_with_the_first(home: Path) -> None:
    definition, seen = parse(pipeline()), list[executor.Execution]()

    def meanwhile(record: executor.StepRecord) -> None:
        if record.status == "Executing" and not seen:
            assert [run.status for run in records.every(home)] == ["Executing"]
            seen.append(executor.run(definition, home))

    execution = executor.run(definition, home, RunOptions(on_event=meanwhile))

    assert [run.status for run in (execution, *seen)] == ["Succeeded", "Succeeded"]
    jobs = ("Processing", "Training")
    assert [[step.cached for step in run.steps if step.type in jobs] for run in (*seen, execution)] == [
        [False] * 3,
        [True] * 3,
    ]


def test_workspace_that_a_program_holds_alone_is_busy(home: Path) -> None:
    definition = parse(pipeline())

    with executor.hold(home), pytest.raises(Busy):
        executor.run(definition, home)


# Runs the definition in argv[1] in the workspace argv[2] and kills itself, as `kill -9` does, right before
# the argv[3]-th rename, link or removal of a file that it makes: between any two moves of publishing.
KILLED = """
import os, signal, sys
from pathlib import Path
from sagelocal.definition import parse as definition
from sagelocal.run import executor
left = int(sys.argv[3])
def count(event, arguments):
    global left
    if event in ("os.rename", "os.link", "os.remove", "shutil.rmtree"):
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
parsed = definition.parse(Path(sys.argv[1]).read_bytes())
sys.addaudithook(count)
executor.run(parsed, Path(sys.argv[2]))
"""


@pytest.fixture
def in_a_process(tmp_path: Path, home: Path) -> Callable[[str], subprocess.Popen[bytes]]:
    def start(last: str) -> subprocess.Popen[bytes]:
        path = tmp_path / "definition.json"
        path.write_text(json.dumps(pipeline()))
        source = str(Path(executor.__file__).parents[2])
        return subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path), str(home), last],
            env={**os.environ, "PYTHONPATH": source},
        )

    return start


def content(home: Path) -> dict[str, str]:
    """Digests of what the jobs made, by prefix; the model's own address differs from run to run."""
    bucket = home / "s3" / "bkt"
    last = records.every(home)[-1].step("train").properties["ModelArtifacts"]["S3ModelArtifacts"]
    model = home / "s3" / last.removeprefix("s3://")
    found = {name: manifest.hash_folder(bucket / name) for name in ("train", "evaluation")}
    return {**found, "model": manifest.hash_file(model)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The content of a run that nobody killed."""
    home = tmp_path_factory.mktemp("whole")
    fill(home)
    executor.run(parse(pipeline()), home)
    return content(home)


@pytest.mark.slow
@pytest.mark.parametrize(
    "at", [8, 36, *(pytest.param(at, marks=pytest.mark.long) for at in (1, 15, 22, 29, 43, 50, 57))]
)
def test_run_after_a_kill_goes_on_and_ends_like_one_that_was_not_killed(
    home: Path, whole: dict[str, str], in_a_process: Callable[[str], subprocess.Popen[bytes]], at: int
) -> None:
    code = in_a_process(str(at)).wait()
    finished = list((home / "cache").glob("*.json"))

    execution = executor.run(parse(pipeline()), home)

    assert code == -signal.SIGKILL
    assert statuses(execution).keys() == {*JOBS, *ENDS}
    assert sum(execution.step(name).cached for name in JOBS) == len(finished)
    assert content(home) == whole
    assert not [path for path in home.rglob("*") if path.name.startswith(".staging-")]


# Opens argv[1] for this process alone and ends; the test gives up on it after a minute.
TAKE = "import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX)"


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGKILL, "Interrupted"), (signal.SIGTERM, "Interrupted"), (signal.SIGINT, "Stopped")],
)
def test_jobs_die_with_their_executor(
    tmp_path: Path,
    home: Path,
    in_a_process: Callable[[str], subprocess.Popen[bytes]],
    number: signal.Signals,
    status: str,
) -> None:
    told = tmp_path / "told"
    os.mkfifo(told)
    endless = f"""
import os, signal, subprocess, sys
wait = "import signal; signal.pause()"
below = subprocess.Popen([sys.executable, "-c", wait], start_new_session=True)
open({str(told)!r}, "w").write(f"{{os.getpid()}} {{below.pid}}")
signal.pause()
"""
    (home / "s3" / "bkt" / "code" / "train.py").write_text(endless)
    with os.fdopen(os.open(told, os.O_RDONLY | os.O_NONBLOCK), "rb") as pipe:
        process = in_a_process("999999")
        select.select([pipe], [], [], 60)
        pids = [int(pid) for pid in pipe.read().split()]

    process.send_signal(number)
    process.wait()
    # The supervisor holds this until the job's last process is gone.
    subprocess.run([sys.executable, "-c", TAKE, str(home / ".jobs.lock")], timeout=60, check=True)

    assert len(pids) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    (ended,) = records.every(home)
    assert ended.status == ended.step("train").status == status
    assert ended.step("prepare").status == "Succeeded"


@pytest.mark.long
def test_one_of_many_launches_at_once_runs(home: Path, in_a_process: Callable[[str], subprocess.Popen[bytes]]) -> None:
    codes = [process.wait() for process in [in_a_process("999999") for _ in range(6)]]

    assert len(records.every(home)) == codes.count(0) >= 1
    assert {execution.status for execution in records.every(home)} == {"Succeeded"}
