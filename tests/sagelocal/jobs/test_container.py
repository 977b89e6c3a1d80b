"""The container contracts, seen from inside by small programs and from outside by what they leave."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sagelocal.errors import InputError, StepFailed
from sagelocal.jobs import container, contracts, sandbox
from sagelocal.jobs.environment import Environment
from sagelocal.storage import archive
from sagelocal.storage.store import FolderStore

if TYPE_CHECKING:
    from collections.abc import Iterator

needs_namespaces = pytest.mark.skipif(
    sandbox.refusal() is not None, reason="needs mount namespaces, which this machine refuses"
)
HERE = Environment(Path(sys.prefix), "digest")
ROOTED = Environment(Path(sys.prefix), "digest", honours_root=True)


def processing(program: str, **more: Any) -> dict[str, Any]:
    return {
        "ProcessingResources": {"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1}},
        "AppSpecification": {"ImageUri": "image", "ContainerEntrypoint": ["python3", "-c", program]},
        "ProcessingInputs": [
            {
                "InputName": "rows",
                "S3Input": {"S3Uri": "s3://bkt/rows/", "LocalPath": "/opt/ml/processing/input"},
            }
        ],
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": "out",
                    "S3Output": {"S3Uri": "s3://bkt/out", "LocalPath": "/opt/ml/processing/out/"},
                }
            ]
        },
        **more,
    }


def training(program: str, **more: Any) -> dict[str, Any]:
    return {
        "AlgorithmSpecification": {
            "TrainingInputMode": "File",
            "TrainingImage": "image",
            "ContainerEntrypoint": ["python3", "-c", program],
            "MetricDefinitions": [{"Name": "f1", "Regex": r"f1=(\S+)"}],
        },
        "HyperParameters": {"C": "10", "depth": 3},
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "ContentType": "text/csv",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bkt/rows"}},
            }
        ],
        "OutputDataConfig": {"S3OutputPath": "s3://bkt/model/"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        **more,
    }


class Place:
    """A store with two rows in it, and a context to run one job on."""

    def __init__(self, root: Path, lock: int) -> None:
        self.root, self.lock = root, lock
        self.store = FolderStore(root / "s3")
        (root / "s3" / "bkt" / "rows" / "deep").mkdir(parents=True)
        (root / "s3" / "bkt" / "rows" / "a.txt").write_text("1")
        (root / "s3" / "bkt" / "rows" / "deep" / "b.txt").write_text("2")
        self.log = root / "log.txt"

    def run(self, arguments: dict[str, Any], environment: Environment = HERE, grace_s: float = 0.1) -> container.Result:
        kind = "Training" if "AlgorithmSpecification" in arguments else "Processing"
        job = contracts.job(kind, arguments, "one", "step")
        contents = {item.name: self.store.listing(item.uri) for item in job.inputs}
        context = container.JobContext("step", self.store, environment, self.root / "job", self.log, self.lock, grace_s)
        return container.run(job, context, contents)

    def made(self, uri: str) -> dict[str, str]:
        return {name: self.store.path(f"{uri}/{name}").read_text() for name in self.store.listing(uri)}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with (tmp_path / "lock").open("w") as lock:
        yield Place(tmp_path, lock.fileno())


TELL = """
import json, os
from pathlib import Path
def tell(name, value):
    Path("/opt/ml/processing/out", name).write_text(json.dumps(value, sort_keys=True))
"""


@needs_namespaces
def test_processing_job_finds_its_inputs_config_and_arguments_where_a_container_has_them(
    place: Place,
) -> None:
    program = (
        TELL
        + """
import sys
root = Path("/opt/ml")
files = [path for path in root.rglob("*") if path.is_file() and "out" not in path.parts]
tell("files", sorted(str(path.relative_to(root)) for path in files))
tell("config", json.loads((root / "config/processingjobconfig.json").read_text()))
tell("hosts", json.loads((root / "config/resourceconfig.json").read_text()))
tell("arguments", sys.argv[1:])
"""
    )
    arguments = processing(program)
    arguments["AppSpecification"]["ContainerArguments"] = ["--share", "0.25 $HOME"]

    place.run(arguments)

    made = {name: json.loads(text) for name, text in place.made("s3://bkt/out").items()}
    configs = ["config/processingjobconfig.json", "config/resourceconfig.json"]
    assert made["files"] == [*configs, "processing/input/a.txt", "processing/input/deep/b.txt"]
    assert made["config"] == {
        **arguments,
        "ProcessingJobName": "pipelines-one-step",
        "ProcessingJobArn": "arn:aws:sagemaker:local:000000000000:processing-job/pipelines-one-step",
    }
    assert made["hosts"] == {"current_host": "algo-1", "hosts": ["algo-1"]}
    assert made["arguments"] == ["--share", "0.25 $HOME"]


@needs_namespaces
def test_training_job_finds_channels_and_settings_and_leaves_a_model(place: Place) -> None:
    program = """
import json, os
from pathlib import Path
root = Path("/opt/ml")
config = root / "input/config"
told = {name: json.loads((config / f"{name}.json").read_text()) for name in
    ("hyperparameters", "inputdataconfig", "resourceconfig")}
told["rows"] = sorted(p.name for p in (root / "input/data/train").rglob("*.txt"))
told["name"] = os.environ["TRAINING_JOB_NAME"]
(root / "model/told.json").write_text(json.dumps(told))
(root / "output/data/extra").write_text("more")
print("f1=0.25 f1=0.5"); print("f1=none")
"""

    result = place.run(training(program))

    uploads = "s3://bkt/model/pipelines-one-step/output"
    assert list(result.outputs[uploads]) == ["model.tar.gz", "output.tar.gz"]
    assert result.metrics == {"f1": 0.5}
    with tarfile.open(place.store.path(f"{uploads}/model.tar.gz")) as model:
        told = json.loads(model.extractfile("told.json").read())  # type: ignore[union-attr]  # it is a file
    assert told["hyperparameters"] == {"C": "10", "depth": "3"}
    assert told["inputdataconfig"]["train"]["ContentType"] == "text/csv"
    assert told["resourceconfig"]["current_host"] == "algo-1"
    assert told["rows"] == ["a.txt", "b.txt"]
    assert told["name"] == "pipelines-one-step"


@needs_namespaces
def test_finished_job_is_described_like_the_services_own(place: Place) -> None:
    job = contracts.job("Training", training(""), "one", "step")

    properties = contracts.describe(job, {"f1": 0.5}, "", ("then", "now"))

    model = "s3://bkt/model/pipelines-one-step/output/model.tar.gz"
    assert properties["ModelArtifacts"]["S3ModelArtifacts"] == model
    assert properties["FinalMetricDataList"] == [{"MetricName": "f1", "Value": 0.5, "Timestamp": "now"}]
    assert properties["TrainingJobStatus"] == "Completed"


@needs_namespaces
def test_image_without_an_entrypoint_runs_its_own_train(place: Place) -> None:
    own = place.root / "own"
    (own / "bin").mkdir(parents=True)
    (own / "bin" / "train").write_text("#!/bin/sh\necho trained > /opt/ml/model/m\n")
    (own / "bin" / "train").chmod(0o755)
    arguments = training("")
    del arguments["AlgorithmSpecification"]["ContainerEntrypoint"]

    result = place.run(arguments, Environment(own, "digest"))

    assert list(*result.outputs.values()) == ["model.tar.gz"]
    with pytest.raises(StepFailed, match=r"names no ContainerEntrypoint, and .*/bin/train.* is missing"):
        place.run(arguments, Environment(place.root, "digest"))


@needs_namespaces
def test_processing_image_without_an_entrypoint_runs_its_own_program(place: Place) -> None:
    own = place.root / "own"
    (own / "bin").mkdir(parents=True)
    (own / "bin" / "process").write_text('#!/bin/sh\necho "$@" > /opt/ml/processing/out/said\n')
    (own / "bin" / "process").chmod(0o755)
    arguments = processing("")
    arguments["AppSpecification"] = {"ImageUri": "image", "ContainerArguments": ["--rows", "3"]}

    place.run(arguments, Environment(own, "digest"))

    assert place.store.read("s3://bkt/out/said", 100) == b"--rows 3\n"
    with pytest.raises(StepFailed, match=r"names no ContainerEntrypoint, and .*/bin/process.* is missing"):
        place.run(arguments, Environment(place.root, "digest"))


@needs_namespaces
def test_machines_own_opt_is_still_there_and_untouched(place: Place) -> None:
    before = sorted(path.name for path in Path("/opt").iterdir())

    place.run(processing(TELL + 'tell("opt", sorted(os.listdir("/opt")))'))

    assert json.loads(place.made("s3://bkt/out")["opt"]) == sorted({*before, "ml"})
    assert sorted(path.name for path in Path("/opt").iterdir()) == before


@needs_namespaces
def test_job_sees_a_clean_environment_without_credentials(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "MY_TOKEN"):
        monkeypatch.setenv(name, "secret")

    place.run(processing(TELL + 'tell("seen", dict(os.environ))', Environment={"OWN": "1"}))

    seen = json.loads(place.made("s3://bkt/out")["seen"])
    assert "secret" not in seen.values()
    assert seen["OWN"] == "1"
    assert seen["PATH"].startswith(f"{sys.prefix}/bin:")
    assert seen["HOME"] != os.environ.get("HOME")


def test_environment_that_honours_the_root_needs_no_namespace(place: Place) -> None:
    program = """
import os
from pathlib import Path
root = Path(os.environ["SAGELOCAL_ML_ROOT"])
(root / "processing/out/rows").write_text((root / "processing/input/a.txt").read_text())
"""

    place.run(processing(program), ROOTED)

    assert place.made("s3://bkt/out") == {"rows": "1"}


def reason(place: Place, arguments: dict[str, Any], grace_s: float = 0.1) -> str:
    with pytest.raises(StepFailed) as caught:
        place.run(arguments, ROOTED, grace_s)
    return caught.value.reason


FAIL = """
import os, sys
from pathlib import Path
Path(os.environ["SAGELOCAL_ML_ROOT"], "output", {name!r}).write_text({text!r})
sys.exit(1)
"""


def test_failure_file_is_the_reason_up_to_its_1024th_character(place: Place) -> None:
    assert reason(place, training(FAIL.format(name="failure", text="ä" * 2000))) == "ä" * 1024


def test_message_is_the_reason_of_a_processing_job(place: Place) -> None:
    assert reason(place, processing(FAIL.format(name="message", text="no rows\n"))) == "no rows"


def test_message_of_a_job_that_ends_well_is_kept(place: Place) -> None:
    program = FAIL.format(name="message", text="all fine").replace("exit(1)", "exit(0)")

    assert place.run(processing(program), ROOTED).message == "all fine"


def test_failure_file_that_is_a_link_or_a_pipe_is_not_read(place: Place) -> None:
    secret = place.root / "secret"
    secret.write_text("secret")
    start = "import os, sys; p = os.environ['SAGELOCAL_ML_ROOT'] + '/output/failure'; "

    link = reason(place, training(f"{start}os.symlink({str(secret)!r}, p); sys.exit('linked')"))
    (place.root / "job" / "ml" / "output" / "failure").unlink()
    pipe = reason(place, training(f"{start}os.mkfifo(p); sys.exit('piped')"))

    assert link == "exit code 1; its log ends with: linked"
    assert pipe == "exit code 1; its log ends with: piped"


def test_job_killed_by_a_signal_says_so(place: Place) -> None:
    program = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"

    assert reason(place, processing(program)).startswith("killed by signal 9")


def test_program_that_is_not_there_is_named(place: Place) -> None:
    arguments = processing("")
    arguments["AppSpecification"]["ContainerEntrypoint"] = ["no-such-program"]

    assert "can't start 'no-such-program'" in reason(place, arguments)


@pytest.mark.slow
def test_job_that_ignores_the_end_of_its_time_is_killed_with_all_its_processes(place: Place) -> None:
    # A shell, because it is ready, and answers, a hundred times sooner than it has to, on a busy machine, too.
    program = "trap 'echo asked to stop' TERM; setsid sleep 999 & echo $$ $!; while :; do wait; done"
    arguments = processing("", StoppingCondition={"MaxRuntimeInSeconds": 2})
    arguments["AppSpecification"]["ContainerEntrypoint"] = ["sh", "-c", program]

    assert reason(place, arguments, grace_s=2).startswith("MaxRuntimeExceeded")
    first, asked = place.log.read_text().splitlines()
    assert asked == "asked to stop"
    assert not any(Path(f"/proc/{pid}").exists() for pid in first.split())


def test_processes_that_a_finished_job_leaves_are_ended(place: Place) -> None:
    program = """
import subprocess, sys
wait = "import signal; signal.pause()"
print(subprocess.Popen([sys.executable, "-c", wait], start_new_session=True).pid, flush=True)
"""

    place.run(processing(program), ROOTED)

    assert not Path(f"/proc/{place.log.read_text().strip()}").exists()


def test_output_folder_that_became_a_link_is_refused(place: Place) -> None:
    program = """
import os
out = os.environ["SAGELOCAL_ML_ROOT"] + "/processing/out"
os.rmdir(out); os.symlink("/etc", out)
"""

    assert "became a link" in reason(place, processing(program))
    assert place.store.listing("s3://bkt/out") == {}


def test_input_that_changed_since_it_was_hashed_is_refused(place: Place) -> None:
    job = contracts.job("Processing", processing(""), "one", "step")
    contents = {"rows": place.store.listing("s3://bkt/rows")}
    context = container.JobContext("step", place.store, ROOTED, place.root / "job", place.log, place.lock)
    (place.root / "s3" / "bkt" / "rows" / "a.txt").write_text("x")

    with pytest.raises(StepFailed, match="changed while it was read"):
        container.run(job, context, contents)


def test_input_without_objects_is_refused(place: Place) -> None:
    arguments = processing("")
    arguments["ProcessingInputs"][0]["S3Input"]["S3Uri"] = "s3://bkt/none"

    with pytest.raises(InputError, match="no objects below s3://bkt/none"):
        place.run(arguments, ROOTED)


def test_checkpoints_come_back_in_the_next_job_also_after_a_failure(place: Place) -> None:
    program = """
import os, sys
from pathlib import Path
mark = Path(os.environ["SAGELOCAL_ML_ROOT"], "checkpoints", "epoch")
epoch = int(mark.read_text()) if mark.exists() else 0
mark.write_text(str(epoch + 1))
sys.exit(f"epoch {epoch}")
"""
    arguments = training(program, CheckpointConfig={"S3Uri": "s3://bkt/checkpoints"})

    reasons = [reason(place, arguments) for _ in range(2)]

    assert [text[-7:] for text in reasons] == ["epoch 0", "epoch 1"]
    assert place.made("s3://bkt/checkpoints") == {"epoch": "2"}


def test_same_model_packs_to_the_same_bytes(tmp_path: Path) -> None:
    digests = []
    for index, names in enumerate((("a", "b/c"), ("b/c", "a"))):
        model = tmp_path / str(index)
        for name in names:
            (model / name).parent.mkdir(parents=True, exist_ok=True)
            (model / name).write_text(name)
            os.utime(model / name, (index, index))
        (model / "link").symlink_to("a")
        assert archive.pack(model, tmp_path / f"{index}.tar.gz") == 2
        digests.append(hashlib.sha256((tmp_path / f"{index}.tar.gz").read_bytes()).hexdigest())

    assert digests[0] == digests[1]
    with tarfile.open(tmp_path / "0.tar.gz") as packed:
        assert [(member.name, member.mtime, member.uid) for member in packed] == [("a", 0, 0), ("b/c", 0, 0)]


@pytest.mark.parametrize(
    "path", ["/opt/ml/processing", "/opt/ml/processing/../x", "/etc", "processing/x", "/opt/ml/processingx/a"]
)
def test_container_path_outside_of_processing_is_refused(path: str) -> None:
    with pytest.raises(InputError, match="/opt/ml/processing/"):
        contracts.local(path, contracts.PROCESSING)


@pytest.mark.parametrize("step", ["s", "s" * 64, "a_b", "a-" * 32])
@pytest.mark.parametrize("prefix", ["", "own", "p" * 63, "../../x"])
def test_job_name_is_one_that_the_service_takes(step: str, prefix: str) -> None:
    name = contracts.job_name("abcdefghij12", step, prefix)

    assert len(name) <= 63
    assert all(part.isalnum() for part in name.split("-") if part)
    assert name[0].isalnum()
    assert name[-1].isalnum()


def test_jobs_of_two_steps_never_share_a_name() -> None:
    steps = ["a", "a_b", "a-b", "x" * 63, "x" * 64]

    assert len({contracts.job_name("one", step, prefix) for step in steps for prefix in ("", "own")}) == 10
