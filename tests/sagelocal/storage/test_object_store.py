"""S3 keeps what the folders of a workspace keep: the same promises, against a server that speaks S3."""

from __future__ import annotations

import functools
import itertools
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber

from jobmajor.data.source import STARTER_FOLDER
from jobmajor.lineage import pipeline_version
from jobmajor.pipeline import definition as pipeline
from jobmajor.settings import Settings
from sagelocal import cli
from sagelocal.definition import parse as definitions
from sagelocal.errors import ArtifactError, InputError, ServiceFault
from sagelocal.extras import MissingExtra
from sagelocal.jobs import sandbox
from sagelocal.run import cache, executor
from sagelocal.run.executor import RunOptions
from sagelocal.storage import object_store
from sagelocal.storage.object_store import S3Store
from sagelocal.storage.store import FolderStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from sagelocal.storage.store import Store

boto3 = pytest.importorskip("boto3", reason="S3 needs the extra `aws`")
pytest.importorskip("moto.server", reason="needs moto's server")
pytestmark = pytest.mark.usefixtures("nobody")


def folder(root: Path, **texts: str) -> Path:
    for name, text in texts.items():
        path = root / name.replace("__", "/").replace("_json", ".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    root.mkdir(exist_ok=True)
    return root


def test_what_was_published_is_listed_downloaded_and_read(store: Store, tmp_path: Path) -> None:
    made = folder(tmp_path / "made", b="2", deep__a="1")

    published = store.publish("s3://bkt/out/", made)

    assert list(published) == ["b", "deep/a"]
    assert store.listing("s3://bkt/out") == store.listing("s3://bkt/out/") == published
    assert store.download("s3://bkt/out", tmp_path / "here") == published
    assert (tmp_path / "here" / "deep" / "a").read_text() == "1"
    assert store.read("s3://bkt/out/b", 1) == b"2"
    assert list(store.listing("s3://bkt/out/deep/a")) == ["a"]
    assert store.listing("s3://bkt/out/deep/a/") == store.listing("s3://bkt/ou") == {}


def test_both_stores_know_the_same_content_alike(s3: S3Store, tmp_path: Path) -> None:
    made = folder(tmp_path / "made", a="1", deep__b="2")

    assert s3.publish("s3://bkt/out", made) == FolderStore(tmp_path / "s3").publish("s3://bkt/out", made)


def test_second_publication_removes_what_the_first_left_and_nothing_else(store: Store, tmp_path: Path) -> None:
    store.publish("s3://bkt/out", folder(tmp_path / "one", a="1", b="1"))
    store.publish("s3://bkt/out/inner", folder(tmp_path / "inner", x="1"))

    records = store.publish("s3://bkt/out", folder(tmp_path / "two", b="2", c="2"))

    assert list(records) == ["b", "c"]
    assert list(store.listing("s3://bkt/out")) == ["b", "c", "inner/x"]
    assert store.listing("s3://bkt/out")["b"] == records["b"]


def test_missing_or_too_large_object_is_refused(store: Store, tmp_path: Path) -> None:
    store.publish("s3://bkt/out", folder(tmp_path / "made", a="four"))

    with pytest.raises(InputError, match="is no object"):
        store.read("s3://bkt/out/b", 4)
    with pytest.raises(ArtifactError, match="over 3 bytes"):
        store.read("s3://bkt/out/a", 3)


def test_links_are_not_published_and_odd_names_are_refused_before_anything_is(store: Store, tmp_path: Path) -> None:
    made = folder(tmp_path / "made", a="1")
    (made / "link").symlink_to("/etc/passwd")
    odd = folder(tmp_path / "odd", a="1")
    (odd / "b\nc").write_text("2")

    assert list(store.publish("s3://bkt/out", made)) == ["a"]
    with pytest.raises(InputError, match="control characters"):
        store.publish("s3://bkt/odd", odd)
    assert store.listing("s3://bkt/odd") == {}


def test_objects_that_others_put_are_known_by_their_content_and_stay(s3: S3Store, client: Any, tmp_path: Path) -> None:
    client.put_object(Bucket="bkt", Key="out/theirs", Body=b"data")
    client.put_object(Bucket="bkt", Key="out/", Body=b"")  # how a console draws a folder

    s3.publish("s3://bkt/out", folder(tmp_path / "made", a="1"))
    s3.publish("s3://bkt/out", folder(tmp_path / "other", theirs_="1"))

    found = s3.listing("s3://bkt/out")
    assert list(found) == ["theirs", "theirs_"]
    folder(tmp_path / "same", theirs="data")
    assert found["theirs"] == FolderStore(tmp_path / "s3").publish("s3://bkt/x", tmp_path / "same")["theirs"]


def test_object_that_was_overwritten_behind_our_back_has_other_content(
    s3: S3Store, client: Any, tmp_path: Path
) -> None:
    published = s3.publish("s3://bkt/out", folder(tmp_path / "made", a="1"))
    client.put_object(Bucket="bkt", Key="out/a", Body=b"2")

    assert s3.listing("s3://bkt/out")["a"].sha256 != published["a"].sha256


@pytest.mark.parametrize("key", ["out/../../outside", "out//double", "out/a\\b"])
def test_key_that_would_lead_out_of_a_jobs_folder_is_refused(
    s3: S3Store, client: Any, tmp_path: Path, key: str
) -> None:
    client.put_object(Bucket="bkt", Key=key, Body=b"data")

    with pytest.raises(InputError, match="s3://bkt/out"):
        s3.download("s3://bkt/out", tmp_path / "here")

    assert not (tmp_path / "here").exists()


def test_object_of_several_parts_is_whole_and_known_by_its_own_content(
    s3: S3Store, client: Any, tmp_path: Path
) -> None:
    part = 5 * 2**20  # the least that S3 takes for one that is not the last
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "large").write_bytes(b"a" * part + b"b" * part + b"c")

    published = S3Store(client, part_bytes=part).publish("s3://bkt/out", tmp_path / "made")

    assert client.head_object(Bucket="bkt", Key="out/large")["ETag"].endswith('-3"')
    assert s3.listing("s3://bkt/out") == published
    assert s3.download("s3://bkt/out", tmp_path / "here") == published


def test_manifest_appears_after_all_it_names(s3: S3Store, client: Any, tmp_path: Path) -> None:
    keys = list[str]()
    client.meta.events.register(
        "before-call.s3.PutObject", lambda params, **_more: keys.append(params["url_path"].rpartition("/")[2])
    )

    S3Store(client).publish("s3://bkt/out", folder(tmp_path / "made", a="1", manifest_json="{}", z="1"))

    assert sorted(keys[:2]) == ["a", "z"]
    assert keys[2] == "manifest.json"


def test_bucket_that_is_not_there_is_named(s3: S3Store) -> None:
    with pytest.raises(InputError, match=r"s3://nothing/a: there is no such bucket"):
        s3.listing("s3://nothing/a")


@pytest.mark.parametrize(
    ("code", "status", "kind", "said"),
    [
        ("AccessDenied", 403, InputError, "use credentials that allow s3:ListBucket"),
        ("SlowDown", 503, ServiceFault, "asks for fewer requests"),
        ("InternalError", 500, ServiceFault, "S3 failed"),
    ],
)
def test_answer_of_s3_says_whose_move_it_is(code: str, status: int, kind: type[Exception], said: str) -> None:
    client = boto3.client("s3", region_name="us-east-1")
    with Stubber(client) as stub:
        stub.add_client_error("list_objects_v2", code, http_status_code=status)

        with pytest.raises(kind, match=said) as caught:
            S3Store(client).listing("s3://bkt/out/")

    expected = {"SlowDown": "Step.THROTTLING", "InternalError": "Step.SERVICE_FAULT"}.get(code)
    assert getattr(caught.value, "exception_type", None) == expected


def test_server_that_is_not_there_is_a_fault_that_a_policy_may_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    once = Config(retries={"total_max_attempts": 1}, connect_timeout=1)
    client = boto3.client("s3", endpoint_url="http://127.0.0.1:1", region_name="us-east-1", config=once)

    with pytest.raises(ServiceFault, match="can't be reached") as caught:
        S3Store(client).listing("s3://bkt/out")

    assert caught.value.exception_type == "Step.SERVICE_FAULT"


def test_missing_credentials_are_one_line(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)

    with pytest.raises(InputError, match="set AWS credentials"):
        object_store.connect(url, "us-east-1").listing("s3://bkt/out")


def test_missing_boto3_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)

    with pytest.raises(MissingExtra, match=r"^S3 itself needs the extra 's3': .*pip install .*sagelocal\[s3\]'$"):
        object_store.connect()


def test_cache_entry_counts_only_while_its_objects_are_whole(s3: S3Store, client: Any, tmp_path: Path) -> None:
    outputs = {"s3://bkt/out": s3.publish("s3://bkt/out", folder(tmp_path / "made", a="1", b="2"))}
    cache.keep(tmp_path / "cache", cache.Entry("k", 1.0, {}, outputs, {}))
    find = functools.partial(cache.find, tmp_path / "cache", "k", s3, 0.0)

    before = find()
    client.delete_object(Bucket="bkt", Key="out/b")

    assert before is not None
    assert find() is None


def job(program: str) -> dict[str, Any]:
    """A definition of one step that runs the program and is tried again when S3 fails."""
    output = {"S3Uri": "s3://bkt/out", "LocalPath": "/opt/ml/processing/out", "S3UploadMode": "EndOfJob"}
    arguments = {
        "ProcessingResources": {
            "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30}
        },
        "AppSpecification": {"ImageUri": "image", "ContainerEntrypoint": ["python3", "-c", program]},
        "RoleArn": "arn:aws:iam::123456789012:role/sm",
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "out", "S3Output": output}]},
    }
    retries = [{"ExceptionType": ["Step.SERVICE_FAULT"], "IntervalSeconds": 7}]
    step = {"Name": "work", "Type": "Processing", "Arguments": arguments, "RetryPolicies": retries}
    return {"Version": "2020-12-01", "Steps": [step]}


WRITE = "[open(f'/opt/ml/processing/out/{name}', 'w').write(name) for name in 'abc']"
needs_namespaces = pytest.mark.skipif(
    sandbox.refusal() is not None, reason="needs mount namespaces, which this machine refuses"
)


@needs_namespaces
def test_connection_lost_while_publishing_is_tried_again_and_ends_whole(client: Any, tmp_path: Path) -> None:
    calls, waits = itertools.count(1), list[float]()

    def lose(**_more: Any) -> None:
        if next(calls) == 2:  # the calls come from several threads
            raise EndpointConnectionError(endpoint_url="s3")

    client.meta.events.register("before-call.s3.PutObject", lose)
    store = S3Store(client)
    definition = definitions.parse(json.dumps(job(WRITE)).encode())

    execution = executor.run(definition, tmp_path / "home", RunOptions(store=store, wait=waits.append))

    assert (execution.status, execution.step("work").attempts, waits) == ("Succeeded", 2, [7.0])
    assert list(store.listing("s3://bkt/out")) == ["a", "b", "c"]


@needs_namespaces
def test_command_line_runs_with_the_store_at_an_address(
    client: Any, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "own.json"
    path.write_text(json.dumps(job(WRITE)))

    status = cli.main(["run", str(path), "--home", str(tmp_path / "home"), "--s3-endpoint", url])

    assert (status, capsys.readouterr().err) == (0, "")
    assert client.get_object(Bucket="bkt", Key="out/b")["Body"].read() == b"b"
    assert not (tmp_path / "home" / "s3").exists()


@pytest.mark.slow
@pytest.mark.long  # 20 s: trains on all starter titles; the other tests here cover jobs, cache and retries on S3
def test_whole_pipeline_runs_with_s3_itself_and_a_second_run_takes_every_step_from_the_cache(
    s3: S3Store, client: Any, tmp_path: Path, command: Callable[..., Any]
) -> None:
    settings = Settings()
    client.create_bucket(Bucket=settings.names.bucket)
    s3.publish(pipeline.local_uri(settings, "input"), STARTER_FOLDER)
    nothing = folder(tmp_path / "none", none="nothing yet")
    s3.publish(pipeline.local_uri(settings, pipeline.NO_CHAMPION), nothing)
    s3.publish(pipeline.local_uri(settings, pipeline.NO_REVIEWS), nothing)
    ours = executor.Environment(Path(sys.prefix), pipeline_version(settings.train.recipe), honours_root=True)
    options = RunOptions(environment=ours, store=s3, parameters={"TestScoreThreshold": settings.thresholds.starter})
    definition = definitions.parse(pipeline.to_bytes(settings))

    execution = executor.run(definition, tmp_path / "home", options)
    again = executor.run(definition, tmp_path / "home", options)

    assert execution.failure is None
    assert execution.step("register").status == again.step("register").status == "Succeeded"
    cached = [record.name for record in again.steps if record.cached]
    assert cached == ["preprocess-data", "train", "evaluate-model", "refit"]
    outputs = execution.step("evaluate-model").properties["ProcessingOutputConfig"]["Outputs"]
    evaluation = json.loads(s3.read(f"{outputs[0]['S3Output']['S3Uri']}/{pipeline.EVALUATION}", 2**26))
    assert evaluation["classification_metrics"]["test_f1"] > settings.thresholds.starter
    assert not (tmp_path / "home" / "s3").exists()
