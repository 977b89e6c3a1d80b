"""Jobs of several instances: who each of them is, what it gets, how they meet, and how they end together."""

from __future__ import annotations

import json
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagelocal.errors import PipelineError, StepFailed
from sagelocal.jobs import container, contracts, instances, sandbox
from sagelocal.jobs.environment import Environment
from sagelocal.storage.store import FolderStore

if TYPE_CHECKING:
    from collections.abc import Iterator

needs_namespaces = pytest.mark.skipif(
    sandbox.refusal() is not None, reason="needs mount namespaces, which this machine refuses"
)
# An entry point that reads SAGELOCAL_ML_ROOT: with several instances it gets a mounted /opt/ml all the same.
HERE = Environment(Path(sys.prefix), "digest", honours_root=True)
START = """
import json, os, signal, socket, sys, time
from pathlib import Path
root = Path("/opt/ml")
training = (root / "input/config/resourceconfig.json").exists()
resources = json.loads((root / ("input/config" if training else "config") / "resourceconfig.json").read_text())
me, hosts = resources["current_host"], resources["hosts"]
def reach(host):
    for _ in range(3000):
        try:
            return socket.create_connection((host, 7777), 60)
        except ConnectionRefusedError:
            time.sleep(0.05)
    sys.exit(f"{host} is not there")
"""


def processing(program: str, distribution: str = "ShardedByS3Key") -> dict[str, Any]:
    source = {"S3Uri": "s3://bkt/rows", "LocalPath": "/opt/ml/processing/in", "S3DataDistributionType": distribution}
    return {
        "ProcessingResources": {"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 3}},
        "AppSpecification": {"ImageUri": "image", "ContainerEntrypoint": ["python3", "-c", START + program]},
        "ProcessingInputs": [{"InputName": "rows", "S3Input": source}],
        "ProcessingOutputConfig": {
            "Outputs": [
                {"OutputName": "out", "S3Output": {"S3Uri": "s3://bkt/out", "LocalPath": "/opt/ml/processing/out"}}
            ]
        },
    }


def training(program: str, **more: Any) -> dict[str, Any]:
    return {
        "AlgorithmSpecification": {
            "TrainingInputMode": "FastFile",
            "TrainingImage": "image",
            "ContainerEntrypoint": ["python3", "-c", START + program],
            "MetricDefinitions": [{"Name": "f1", "Regex": r"f1=(\S+)"}],
        },
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bkt/rows"}},
            }
        ],
        "OutputDataConfig": {"S3OutputPath": "s3://bkt/model"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1},
        **more,
    }


class Place:
    """A store with five rows in it, and a context to run one job on."""

    def __init__(self, root: Path, lock: int) -> None:
        self.root, self.lock, self.log = root, lock, root / "log.txt"
        self.store = FolderStore(root / "s3")
        (root / "s3" / "bkt" / "rows" / "deep").mkdir(parents=True)
        for name in ("a", "b", "c", "deep/d", "e"):
            (root / "s3" / "bkt" / "rows" / name).write_text(name)

    def run(self, arguments: dict[str, Any]) -> container.Result:
        kind = "Training" if "AlgorithmSpecification" in arguments else "Processing"
        job = contracts.job(kind, arguments, "one", "step")
        contents = {item.name: self.store.listing(item.uri) for item in job.inputs}
        context = container.JobContext("step", self.store, HERE, self.root / "job", self.log, self.lock, grace_s=60)
        return container.run(job, context, contents)

    def made(self, uri: str) -> dict[str, str]:
        return {name: self.store.path(f"{uri}/{name}").read_text() for name in self.store.listing(uri)}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with (tmp_path / "lock").open("w") as lock:
        yield Place(tmp_path, lock.fileno())


TELL = """
rows = root / "processing/in"
found = sorted(str(path.relative_to(rows)) for path in rows.rglob("*") if path.is_file())
(root / "processing/out" / me).write_text(json.dumps([hosts, found]))
"""


@needs_namespaces
def test_sharded_objects_go_to_one_instance_each_and_what_all_make_is_published_together(place: Place) -> None:
    place.run(processing(TELL))

    made = {name: json.loads(text) for name, text in place.made("s3://bkt/out").items()}
    hosts = ["algo-1", "algo-2", "algo-3"]
    assert list(made) == hosts
    assert [made[host][0] for host in hosts] == [hosts] * 3
    assert [made[host][1] for host in hosts] == [["a", "deep/d"], ["b", "e"], ["c"]]


@needs_namespaces
def test_replicated_objects_go_to_every_instance(place: Place) -> None:
    place.run(processing(TELL, "FullyReplicated"))

    made = {name: json.loads(text)[1] for name, text in place.made("s3://bkt/out").items()}
    assert made == {f"algo-{number}": ["a", "b", "c", "deep/d", "e"] for number in (1, 2, 3)}


MEET = """
own = socket.create_server((me, 7777))
(root / "model" / me).write_text(json.dumps(resources))
print(f"f1={hosts.index(me)}", flush=True)
for other in hosts:
    if other != me:
        with reach(other) as there:
            there.sendall(me.encode())
with own.accept()[0] as there:
    assert there.recv(99).decode() != me
"""


@needs_namespaces
def test_instances_reach_each_other_by_name_and_the_same_port_is_free_on_each(place: Place) -> None:
    result = place.run(training(MEET))

    uploads = "s3://bkt/model/pipelines-one-step/output"
    with tarfile.open(place.store.path(f"{uploads}/model.tar.gz")) as model:
        told = {name: json.load(model.extractfile(name)) for name in model.getnames()}  # type: ignore[arg-type]  # files
    assert [told[host]["current_host"] for host in ("algo-1", "algo-2")] == ["algo-1", "algo-2"]
    assert told["algo-2"]["instance_groups"][0]["hosts"] == ["algo-1", "algo-2"]
    assert result.metrics == {"f1": 0.0}
    assert place.log.read_text() == "f1=0\n"
    assert place.log.with_name("log-algo-2.txt").read_text() == "f1=1\n"


FAIL = """
if me == "algo-2":
    reach("algo-1")
    (root / "output/failure").write_text("no more rows")
    sys.exit(1)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # it may come before it is waited for
socket.create_server((me, 7777)).accept()
print(os.getpid(), flush=True)
signal.sigwait({signal.SIGTERM})
print("asked to stop", flush=True)
"""


@needs_namespaces
def test_when_one_instance_fails_the_others_are_stopped_and_its_reason_counts(place: Place) -> None:
    with pytest.raises(StepFailed) as caught:
        place.run(training(FAIL))

    assert caught.value.reason == "algo-2: no more rows"
    assert place.log.read_text().splitlines()[-1] == "asked to stop"


@needs_namespaces
def test_different_files_under_one_name_are_refused_and_equal_ones_are_not(place: Place) -> None:
    write = '(root / "processing/out/file").write_text({0})'

    place.run(processing(write.format('"same"')))
    assert place.made("s3://bkt/out") == {"file": "same"}

    transferred = place.root / "job"
    transferred.rename(place.root / "done")
    with pytest.raises(PipelineError, match="two instances left different files named 'file' in 'out'"):
        place.run(processing(write.format("me")))
    assert place.made("s3://bkt/out") == {"file": "same"}


@needs_namespaces
def test_checkpoints_of_all_instances_are_kept_and_come_back_to_all(place: Place) -> None:
    program = """
kept = root / "checkpoints"
(root / "model" / me).write_text(",".join(sorted(path.name for path in kept.iterdir())))
(kept / me).write_text("1")
(kept / "state").write_text(me)
"""
    arguments = training(program, CheckpointConfig={"S3Uri": "s3://bkt/checkpoints"})

    place.run(arguments)
    (place.root / "job").rename(place.root / "done")
    place.run(arguments)

    assert place.made("s3://bkt/checkpoints") == {"algo-1": "1", "algo-2": "1", "state": "algo-1"}
    with tarfile.open(place.store.path("s3://bkt/model/pipelines-one-step/output/model.tar.gz")) as model:
        seen = {name: model.extractfile(name).read().decode() for name in model.getnames()}  # type: ignore[union-attr]  # files
    assert seen == dict.fromkeys(("algo-1", "algo-2"), "algo-1,algo-2,state")


@given(st.integers(1, 300))
def test_every_instance_has_an_address_of_its_own_in_the_loopback(count: int) -> None:
    found = instances.addresses(contracts.hosts(count))

    assert len(set(found.values())) == count
    assert found["algo-1"] == "127.0.0.1"
    assert all(address.startswith("127.0.") for address in found.values())
    assert all(0 < int(address.rsplit(".", 1)[1]) < 255 for address in found.values())


TORCHRUN = """
import os, sys
from pathlib import Path
from jobmajor.model.transformer import launch
status = launch.run(Path("/opt/ml"), sys.argv)
if status is not None:
    sys.exit(status)
import torch
import torch.distributed as dist
dist.init_process_group("gloo")
total = torch.tensor([dist.get_rank() + 1.0])
dist.all_reduce(total)
if launch.is_first():
    Path("/opt/ml/model/total").write_text(f"{total.item():g} of {dist.get_world_size()}")
dist.destroy_process_group()
"""


@pytest.mark.slow
@pytest.mark.long  # 9 s: torch is loaded by four processes; the other tests here cover how instances find each other
@needs_namespaces
def test_torchrun_joins_the_processes_of_two_instances(place: Place) -> None:
    pytest.importorskip("torch", reason="needs the extra 'transformer'")
    (place.root / "s3" / "bkt" / "rows" / "train.py").write_text(TORCHRUN)
    arguments = training("", Environment={"PYTHONPATH": str(Path(__file__).parents[3] / "src"), "OMP_NUM_THREADS": "1"})
    arguments["AlgorithmSpecification"]["ContainerEntrypoint"] = ["python3", "/opt/ml/input/data/train/train.py"]

    place.run(arguments)

    with tarfile.open(place.store.path("s3://bkt/model/pipelines-one-step/output/model.tar.gz")) as model:
        assert model.extractfile("total").read() == b"3 of 2"  # type: ignore[union-attr]  # it is a file
