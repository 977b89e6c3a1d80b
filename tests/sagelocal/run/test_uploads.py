"""Uploads of one execution accumulate under a prefix and replace those of earlier ones, in folders and on S3 alike."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sagelocal.definition import parse as definitions
from sagelocal.errors import InputError
from sagelocal.jobs import sandbox
from sagelocal.run import executor
from sagelocal.run.executor import RunOptions
from sagelocal.storage.object_store import S3Store
from sagelocal.storage.store import FolderStore
from sagelocal.storage.uploads import Uploads

if TYPE_CHECKING:
    from pathlib import Path

    from sagelocal.run.records import Execution
    from sagelocal.storage.store import Backend

pytestmark = pytest.mark.skipif(
    sandbox.refusal() is not None, reason="needs mount namespaces, which this machine refuses"
)
OUT = "s3://bkt/out"


def step(name: str, command: str, *uris: str, after: str = "", reads: bool = False) -> dict[str, Any]:
    """A step that runs a command of the shell in its output folder, `1`, and uploads it and `2`, … to the prefixes."""
    folders = [f"/opt/ml/processing/{number + 1}" for number in range(len(uris or (OUT,)))]
    outputs = [
        {"OutputName": folder[-1], "S3Output": {"S3Uri": uri, "LocalPath": folder, "S3UploadMode": "EndOfJob"}}
        for folder, uri in zip(folders, uris or (OUT,), strict=True)
    ]
    source = {"S3Uri": OUT, "LocalPath": "/opt/ml/processing/seen", "S3DataType": "S3Prefix", "S3InputMode": "File"}
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
    arguments = {
        "AppSpecification": {
            "ImageUri": "own",
            "ContainerEntrypoint": ["sh", "-c", f"cd /opt/ml/processing/1; {command}"],
        },
        "ProcessingResources": {"ClusterConfig": cluster},
        "RoleArn": "arn:aws:iam::123456789012:role/sm",
        "ProcessingInputs": [{"InputName": "seen", "S3Input": source}] if reads else [],
        "ProcessingOutputConfig": {"Outputs": outputs},
    }
    cache = {"CacheConfig": {"Enabled": True}, "DependsOn": [after] if after else []}
    return {"Name": name, "Type": "Processing", "Arguments": arguments, **cache}


class Place:
    def __init__(self, home: Path, store: Backend) -> None:
        self.home, self.store = home, store

    def run(self, *steps: dict[str, Any], **options: Any) -> Execution:
        definition = definitions.parse(json.dumps({"Version": "2020-12-01", "Steps": steps}).encode())
        return executor.run(definition, self.home, RunOptions(store=self.store, jobs=1, **options))

    def found(self, uri: str = OUT) -> dict[str, str]:
        return {name: self.store.read(f"{uri}/{name}", 99).decode().strip() for name in self.store.listing(uri)}

    def put(self, root: Path, name: str, text: str) -> None:
        """Put an object as a user would: by other means than a publication."""
        if isinstance(self.store, FolderStore):
            path = self.store.path(f"{OUT}/{name}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        elif isinstance(self.store, S3Store):
            self.store._client.put_object(Bucket="bkt", Key=f"out/{name}", Body=text)


@pytest.fixture
def place(tmp_path: Path, store: Backend) -> Place:
    return Place(tmp_path / "home", store)


ONE, TWO = step("one", "echo 1 > a; echo 1 > both"), step("two", "echo 2 > b; echo 2 > both", after="one")


def test_uploads_of_one_execution_accumulate_and_the_last_one_has_the_key(place: Place) -> None:
    assert place.run(ONE, TWO).failure is None

    assert place.found() == {"a": "1", "b": "2", "both": "2"}


def test_first_upload_hides_what_earlier_executions_left_from_later_steps(place: Place, tmp_path: Path) -> None:
    place.run(ONE, TWO)
    place.put(tmp_path, "theirs", "own")
    look = step("look", "ls ../seen > names", "s3://bkt/seen", after="first", reads=True)

    execution = place.run(step("first", "echo 3 > c; echo 3 > both"), look, step("last", "echo 4 > d", after="look"))

    assert execution.failure is None
    assert place.found("s3://bkt/seen") == {"names": "both\nc\ntheirs"}
    assert place.found() == {"both": "3", "c": "3", "d": "4", "theirs": "own"}


def test_step_from_the_cache_adds_its_objects_to_the_first_upload(place: Place) -> None:
    alone = step("two", "echo 2 > b")
    place.run(step("one", "echo 1 > a"), {**alone, "DependsOn": ["one"]})

    changed = place.run(step("one", "echo 3 > c"), {**alone, "DependsOn": ["one"]})
    turned = place.run(alone, step("one", "echo 4 > d", after="two"))
    both = place.run(alone, step("one", "echo 4 > d", after="two"))

    assert [[record.cached for record in run.steps] for run in (changed, turned, both)] == [
        [False, True],
        [True, False],
        [True, True],
    ]
    assert place.found() == {"b": "2", "d": "4"}


def test_failed_attempt_leaves_nothing_and_hides_nothing(place: Place, tmp_path: Path) -> None:
    place.run(ONE)
    place.put(tmp_path, "theirs", "own")
    before = place.found()
    # A name that no object can have: the second of two outputs can't be uploaded.
    both = step("one", "echo 3 > c; printf x > '../2/a\\b'", OUT, "s3://bkt/second")

    failed = place.run(both)
    died = place.run(step("one", "echo 3 > c; exit 3"))

    assert [run.status for run in (failed, died)] == ["Failed", "Failed"]
    assert place.found() == before
    assert place.found("s3://bkt/second") == {}


def test_two_outputs_of_a_step_may_have_one_prefix_or_one_inside_the_other(place: Place) -> None:
    command = "echo 1 > a; echo 2 > ../2/b; mkdir -p ../3/deep; echo 3 > ../3/deep/c"

    first = place.run(step("one", command, OUT, OUT, f"{OUT}/inner"))
    second = place.run(step("one", command, OUT, OUT, f"{OUT}/inner"))

    assert place.found() == {"a": "1", "b": "2", "inner/deep/c": "3"}
    assert [first.steps[0].cached, second.steps[0].cached] == [False, True]


def test_selected_step_keeps_what_the_steps_of_the_earlier_run_uploaded(place: Place) -> None:
    reads = {"ONE": {"Get": "Steps.one.ProcessingOutputConfig.Outputs['1'].S3Output.S3Uri"}}
    two = step("two", "echo 2 > b")
    two["Arguments"]["Environment"] = reads
    place.run(step("one", "echo 1 > a"), two)
    two["Arguments"]["AppSpecification"]["ContainerEntrypoint"][-1] += "; echo 3 > c"

    execution = place.run(step("one", "echo 1 > a"), two, only=["two"])

    assert execution.failure is None
    assert place.found()["a"] == "1"
    assert place.found()["c"] == "3"


def test_object_of_an_earlier_execution_is_not_read_and_one_that_changed_is_not_removed(
    place: Place, tmp_path: Path
) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "new").write_text("new")
    place.run(ONE)
    uploads = Uploads(place.store)

    uploads.publish(OUT, tmp_path / "new")
    with pytest.raises(InputError, match="is of an earlier run, and this run wrote other objects there"):
        uploads.read(f"{OUT}/a", 99)
    place.put(tmp_path, "both", "of another run")
    uploads.close()

    assert place.found() == {"both": "of another run", "new": "new"}
