"""Batch transforms with a real server: what is sent of an object, and what becomes of the answers."""

from __future__ import annotations

import json
import shutil
import sys
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagelocal.definition import parse as definitions
from sagelocal.errors import DefinitionError, InputError, PipelineError
from sagelocal.jobs import container, filters, models, payloads, sandbox, transform
from sagelocal.jobs import server as servers
from sagelocal.jobs.environment import Environment
from sagelocal.run import executor
from sagelocal.run.executor import RunOptions
from sagelocal.storage import archive
from sagelocal.storage.store import FolderStore

if TYPE_CHECKING:
    from sagelocal.run.records import Execution

IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/own:1"
ROLE = "arn:aws:iam::111122223333:role/sm"
SERVE = Path(__file__).parents[1] / "images" / "serve.py"

needs_namespaces = pytest.mark.skipif(
    sandbox.refusal() is not None, reason="needs namespaces, which this machine refuses"
)


def image(root: Path, *, honours_root: bool = False) -> Environment:
    """An environment whose `serve` is the server beside this test."""
    (root / "bin").mkdir(parents=True)
    shutil.copy(SERVE, root / "serve.py")
    (root / "bin" / "serve").write_text(f"#!/bin/sh\nexec {sys.executable} {root / 'serve.py'}\n")
    (root / "bin" / "serve").chmod(0o755)
    return Environment(root, "digest", honours_root=honours_root)


def pipeline(
    variables: dict[str, str] | None = None, source: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    container = {"Image": IMAGE, "ModelDataUrl": "s3://bkt/models/model.tar.gz", "Environment": variables or {}}
    place = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bkt/in"}}
    target = {"S3OutputPath": "s3://bkt/out", "AssembleWith": "Line", **more.pop("TransformOutput", {})}
    score = {
        "ModelName": {"Get": "Steps.model.ModelName"},
        "TransformInput": {"DataSource": place, "ContentType": "text/csv", "SplitType": "Line", **(source or {})},
        "TransformOutput": target,
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 2},
        **more,
    }
    cached = {"CacheConfig": {"Enabled": True, "ExpireAfter": "P1D"}}
    return {
        "Version": "2020-12-01",
        "Steps": [
            {"Name": "model", "Type": "Model", "Arguments": {"ExecutionRoleArn": ROLE, "PrimaryContainer": container}},
            {"Name": "score", "Type": "Transform", "Arguments": score, **cached},
        ],
    }


def parse(body: dict[str, Any]) -> definitions.Definition:
    return definitions.parse(json.dumps(body).encode())


class Place:
    """A workspace with two objects to score and a model, and the image's environment."""

    def __init__(self, root: Path) -> None:
        self.home, self.options = root / "home", RunOptions(environment=image(root / "image"), grace_s=5)
        self.bucket = self.home / "s3" / "bkt"
        (self.bucket / "in" / "deep").mkdir(parents=True)
        (self.bucket / "in" / "a.csv").write_text("nurse,1\nwelder,2\n")
        (self.bucket / "in" / "deep" / "b.csv").write_text("cook,3")
        (root / "model").mkdir()
        (root / "model" / "prefix.txt").write_text("=")
        archive.pack(root / "model", self.bucket / "models" / "model.tar.gz")

    def run(self, body: dict[str, Any]) -> Execution:
        return executor.run(parse(body), self.home, self.options)

    def made(self) -> dict[str, str]:
        out = self.bucket / "out"
        return {str(path.relative_to(out)): path.read_text() for path in sorted(out.rglob("*")) if path.is_file()}

    def asked(self, execution: Execution) -> list[dict[str, Any]]:
        log = execution.folder / "steps" / "score" / "log.txt"
        return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@needs_namespaces
def test_every_object_is_sent_to_the_models_server_and_its_answers_are_stored_beside_its_name(place: Place) -> None:
    execution = place.run(pipeline())

    assert execution.failure is None
    assert place.made() == {"a.csv.out": "=NURSE,1\n=WELDER,2\n", "deep/b.csv.out": "=COOK,3\n"}
    variables, *requests = place.asked(execution)
    assert variables["SAGEMAKER_BATCH"] == "true"
    assert {(one["path"], one["type"]) for one in requests} == {("/invocations", "text/csv")}
    properties = execution.step("score").properties
    assert properties["TransformJobStatus"] == "Completed"
    assert properties["TransformOutput"]["S3OutputPath"] == "s3://bkt/out"


@needs_namespaces
def test_finished_transform_is_taken_from_the_cache_though_its_model_has_another_name(place: Place) -> None:
    first, second = place.run(pipeline()), place.run(pipeline())
    other = place.run(pipeline({"REFUSE": "zzz"}))

    assert first.step("model").properties["ModelName"] != second.step("model").properties["ModelName"]
    assert [run.step("score").cached for run in (first, second, other)] == [False, True, False]


@needs_namespaces
@pytest.mark.parametrize(
    ("settings", "bodies"),
    [
        ({}, ["nurse,1\nwelder,2\n"]),
        ({"BatchStrategy": "SingleRecord"}, ["nurse,1\n", "welder,2\n"]),
        ({"MaxPayloadInMB": 0}, ["nurse,1\nwelder,2\n"]),
    ],
)
def test_strategy_decides_how_many_lines_a_request_has(
    place: Place, settings: dict[str, Any], bodies: list[str]
) -> None:
    shutil.rmtree(place.bucket / "in" / "deep")

    execution = place.run(pipeline(None, None, **settings))

    assert [one["body"] for one in place.asked(execution)[1:]] == bodies
    assert place.made() == {"a.csv.out": "=NURSE,1\n=WELDER,2\n"}


@needs_namespaces
def test_server_says_how_it_wants_to_be_asked_and_the_step_says_it_first(place: Place) -> None:
    shutil.rmtree(place.bucket / "in" / "deep")
    said = {"PARAMETERS": json.dumps({"BatchStrategy": "SINGLE_RECORD", "MaxConcurrentTransforms": 2})}

    own = place.run(pipeline(said))
    overruled = place.run(pipeline(said, None, BatchStrategy="MultiRecord"))

    assert len(place.asked(own)) == 3
    assert len(place.asked(overruled)) == 2
    assert place.asked(overruled)[0]["SAGEMAKER_BATCH_STRATEGY"] == "MULTI_RECORD"


@needs_namespaces
def test_objects_that_are_not_split_are_one_request_each_and_answers_are_joined_as_they_are(place: Place) -> None:
    body = pipeline(None, {"SplitType": "None"}, TransformOutput={"AssembleWith": "None"})

    execution = place.run(body)

    assert sorted(one["body"] for one in place.asked(execution)[1:]) == ["cook,3", "nurse,1\nwelder,2\n"]
    assert place.made()["a.csv.out"] == "=NURSE,1\n=WELDER,2"


@needs_namespaces
def test_columns_are_kept_from_the_server_and_stand_beside_its_answers_again(place: Place) -> None:
    asked = {"InputFilter": "$[0]", "JoinSource": "Input", "OutputFilter": "$[1:]"}

    execution = place.run(pipeline(None, None, DataProcessing=asked))

    assert execution.failure is None
    assert place.asked(execution)[1]["body"].startswith("nurse\nwelder\n")
    assert place.made()["a.csv.out"] == "1,=NURSE\n2,=WELDER\n"


@needs_namespaces
def test_joined_json_lines_have_the_answer_under_its_own_name(place: Place) -> None:
    (place.bucket / "in" / "a.csv").write_text('{"id": 7, "x": [1, 2]}\n{"id": 8, "x": [3]}\n')
    shutil.rmtree(place.bucket / "in" / "deep")
    asked = {"InputFilter": "$.x", "JoinSource": "Input", "OutputFilter": "$['id','SageMakerOutput']"}

    execution = place.run(pipeline(None, {"ContentType": "application/jsonlines"}, DataProcessing=asked))

    assert execution.failure is None
    assert place.made()["a.csv.out"] == '{"id":7,"SageMakerOutput":3}\n{"id":8,"SageMakerOutput":3}\n'


@needs_namespaces
def test_refused_record_fails_the_step_with_what_the_server_said_and_publishes_nothing(place: Place) -> None:
    execution = place.run(pipeline({"REFUSE": "welder"}))

    reason = execution.step("score").reason or ""
    assert "a.csv: POST /invocations: status 400, expected 200; it says: no such word" in reason
    assert place.made() == {}


@needs_namespaces
def test_request_that_fails_is_tried_again(place: Place) -> None:
    shutil.rmtree(place.bucket / "in" / "deep")

    assert place.run(pipeline({"FAIL_ONCE": "1"})).failure is None
    assert place.made() == {"a.csv.out": "=NURSE,1\n=WELDER,2\n"}


@needs_namespaces
def test_server_that_ends_is_named_with_the_end_of_its_log(place: Place) -> None:
    reason = str(place.run(pipeline({"END": "1"})).step("score").reason)

    assert reason == "the model's server ended before it answered GET /ping; its log ends with: no model"


@needs_namespaces
def test_image_without_a_server_is_refused(place: Place) -> None:
    assert place.options.environment
    (place.options.environment.prefix / "bin" / "serve").unlink()

    assert "bin/serve, the image's own program, is missing" in str(place.run(pipeline()).step("score").reason)


@needs_namespaces
def test_two_transforms_at_once_both_have_port_8080(place: Place, tmp_path: Path) -> None:
    (tmp_path / "meet").mkdir()
    body = pipeline({"MEET": str(tmp_path / "meet")})
    second = json.loads(json.dumps(body["Steps"][1]))
    second["Name"], second["Arguments"]["TransformOutput"]["S3OutputPath"] = "second", "s3://bkt/second"
    body["Steps"].append(second)

    execution = executor.run(parse(body), place.home, replace(place.options, jobs=2))  # on one core, too

    assert execution.failure is None
    assert (place.bucket / "second" / "a.csv.out").read_text() == place.made()["a.csv.out"]


def test_server_gets_a_free_port_by_its_variable_where_it_can_have_no_network_of_its_own(
    place: Place, tmp_path: Path
) -> None:
    model = models.Model("m", IMAGE, "", packed=True, variables={})
    job = transform.job(pipeline()["Steps"][1]["Arguments"], "job", model)
    (tmp_path / "job" / "ml").mkdir(parents=True)
    with (tmp_path / "lock").open("w") as lock:
        here = image(tmp_path / "rooted", honours_root=True)
        context = container.JobContext(
            "s", FolderStore(tmp_path), here, tmp_path / "job", tmp_path / "log", lock.fileno(), 5
        )

        with servers.started(job, context, own_network=False) as server:
            answer = server.ask("POST", "/invocations", b"cook", timeout_s=60)

    assert answer == b"COOK"
    assert server.port != 8080


@needs_namespaces
def test_model_that_no_step_made_is_named(place: Place) -> None:
    body = pipeline()
    body["Steps"][1]["Arguments"]["ModelName"] = "unknown"
    del body["Steps"][0]

    assert "no model 'unknown'" in str(place.run(body).step("score").reason)


@needs_namespaces
def test_model_of_an_earlier_run_serves_by_its_name(place: Place) -> None:
    body = pipeline()
    body["Steps"][0]["Arguments"]["ModelName"] = "kept"
    assert place.run({**body, "Steps": body["Steps"][:1]}).failure is None
    body["Steps"][1]["Arguments"]["ModelName"] = "kept"

    execution = place.run({**body, "Steps": body["Steps"][1:]})

    assert execution.failure is None
    assert place.made()["deep/b.csv.out"] == "=COOK,3\n"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"source": {"SplitType": "TFRecord"}}, "Arguments.TransformInput.SplitType: found"),
        ({"source": {"CompressionType": "Gzip"}}, "Arguments.TransformInput.CompressionType: found"),
        ({"DataProcessing": {"InputFilter": "$..id"}}, "Arguments.found the filter '$..id'"),
        (
            {"DataProcessing": {"JoinSource": "Input"}, "TransformOutput": {"Accept": "text/plain"}},
            "DataProcessing: found",
        ),
        ({"DataCaptureConfig": {"DestinationS3Uri": "s3://bkt/x"}}, "Arguments.DataCaptureConfig: found"),
    ],
)
def test_what_a_transform_can_not_do_here_is_refused_by_name(change: dict[str, Any], fault: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        executor.validate(parse(pipeline(**change)), {})

    assert len(caught.value.problems) == 1
    assert fault in caught.value.problems[0]


def test_transform_of_a_model_with_two_containers_is_refused() -> None:
    body = pipeline()
    model = body["Steps"][0]["Arguments"]
    model["Containers"] = [model.pop("PrimaryContainer")] * 2

    with pytest.raises(DefinitionError, match="found 2; requests go to one container here"):
        executor.validate(parse(body), {})


@pytest.mark.slow
@given(st.lists(st.binary(max_size=6), max_size=20), st.integers(6, 20), st.booleans())
def test_batches_keep_every_record_in_its_order_and_within_the_limit(
    records: list[bytes], limit: int, single: bool
) -> None:
    found = list(payloads.batches(records, limit, single=single))

    assert [record for batch in found for record in batch] == records
    assert all(len(b"".join(batch)) <= limit for batch in found)
    assert not single or all(len(batch) == 1 for batch in found)


def test_record_over_the_limit_is_refused() -> None:
    with pytest.raises(PipelineError, match="a record of 7 bytes is over MaxPayloadInMB"):
        list(payloads.batches([b"1234567"], 6, single=False))


@pytest.mark.parametrize(
    ("text", "value", "part"),
    [
        ("$", [1, 2], [1, 2]),
        ("$.a.b", {"a": {"b": 3}}, 3),
        ("$['a','c']", {"a": 1, "b": 2, "c": 3}, {"a": 1, "c": 3}),
        ("$[0,2:]", [5, 6, 7, 8], [5, 7, 8]),
        ("$[-1]", [5, 6], 6),
        ("$.x[1:2]", {"x": [5, 6, 7]}, [6]),
    ],
)
def test_filter_gives_the_part_that_it_names(text: str, value: Any, part: Any) -> None:
    assert filters.Filter.parse(text)(value) == part


@pytest.mark.parametrize("text", ["a", "$..a", "$.*", "$[?(@.a)]", "$[", "$[a]", "$.a.", "$[0:4:2]"])
def test_filter_that_could_name_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="which is not known here"):
        filters.Filter.parse(text)


@pytest.mark.parametrize(("text", "value"), [("$.a", {"b": 1}), ("$[2]", [1]), ("$.a", [1]), ("$[0]", {"a": 1})])
def test_record_without_the_part_that_a_filter_names_is_a_fault(text: str, value: Any) -> None:
    with pytest.raises(PipelineError, match="a record has nothing at"):
        filters.Filter.parse(text)(value)


def test_answers_that_are_fewer_than_the_records_are_not_joined() -> None:
    how = payloads.Processing("csv", lines=True, joined=True)

    with pytest.raises(PipelineError, match="1 answers came for 2 records"):
        how.result([b"a\n", b"b\n"], b"A\n")


@needs_namespaces
def test_artifact_that_would_write_outside_of_the_model_is_refused(place: Place) -> None:
    with tarfile.open(place.bucket / "models" / "model.tar.gz", "w:gz") as packed:
        packed.addfile(tarfile.TarInfo("../outside"))

    assert "model.tar.gz is no tar.gz that can be unpacked" in str(place.run(pipeline()).step("score").reason)
