"""boto3 finds in a workspace's folders what it would find in S3; what S3 keeps beside the bytes is refused by name."""

from __future__ import annotations

import http.client
import io
from contextlib import closing
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from sagelocal.loopback import endpoint
from sagelocal.loopback.s3 import S3
from sagelocal.loopback.wire import Answer
from sagelocal.storage.store import FolderStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "A" * 32
CONFIG = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """A server of the folders in `s3`."""
    s3 = S3(FolderStore(tmp_path / "s3"), tmp_path / "staging")
    listener = endpoint.listen()
    with endpoint.serve(listener, KEY, {"s3": s3}, lambda _request: Answer(404)):
        yield listener.getsockname()[1]


def client(port: int, key: str = KEY, path: str = "") -> Any:
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}{path}",
        aws_access_key_id=key,
        aws_secret_access_key="local",
        region_name="us-east-1",
        config=CONFIG,
    )


def code_of(error: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    answer = error.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def test_objects_are_files_and_files_are_objects(port: int, tmp_path: Path) -> None:
    s3 = client(port)
    s3.create_bucket(Bucket="bkt")
    s3.put_object(Bucket="bkt", Key="a/ü & <b>.txt", Body=b"one")
    (tmp_path / "s3" / "bkt" / "own").mkdir()
    (tmp_path / "s3" / "bkt" / "own" / "c").write_bytes(b"0123456789")

    assert (tmp_path / "s3" / "bkt" / "a" / "ü & <b>.txt").read_bytes() == b"one"
    assert s3.get_object(Bucket="bkt", Key="own/c", Range="bytes=2-4")["Body"].read() == b"234"
    assert s3.get_object(Bucket="bkt", Key="own/c", Range="bytes=-3")["Body"].read() == b"789"
    assert s3.head_object(Bucket="bkt", Key="own/c")["ContentLength"] == 10
    assert [item["Key"] for item in s3.list_objects_v2(Bucket="bkt")["Contents"]] == ["a/ü & <b>.txt", "own/c"]
    assert [item["Key"] for item in s3.list_objects(Bucket="bkt", Prefix="ow")["Contents"]] == ["own/c"]
    assert [item["Name"] for item in s3.list_buckets()["Buckets"]] == ["bkt"]
    s3.copy_object(Bucket="other", Key="copy", CopySource={"Bucket": "bkt", "Key": "a/ü & <b>.txt"})
    assert (tmp_path / "s3" / "other" / "copy").read_bytes() == b"one"
    s3.delete_object(Bucket="bkt", Key="own/c")
    s3.delete_object(Bucket="bkt", Key="own/c")
    s3.delete_objects(Bucket="bkt", Delete={"Objects": [{"Key": "a/ü & <b>.txt"}]})
    assert s3.list_objects_v2(Bucket="bkt")["KeyCount"] == 0
    assert list((tmp_path / "staging").iterdir()) == []


def test_large_objects_travel_in_parts(port: int, tmp_path: Path) -> None:
    s3, parts = client(port), TransferConfig(multipart_threshold=1024, multipart_chunksize=5 * 2**20)
    data = bytes(range(256)) * 2**15 * 2

    s3.upload_fileobj(io.BytesIO(data), "bkt", "big", Config=parts)
    s3.copy({"Bucket": "bkt", "Key": "big"}, "bkt", "again", Config=parts)
    back = io.BytesIO()
    s3.download_fileobj("bkt", "again", back, Config=parts)

    assert (tmp_path / "s3" / "bkt" / "big").read_bytes() == back.getvalue() == data
    begun = s3.create_multipart_upload(Bucket="bkt", Key="never")
    s3.abort_multipart_upload(Bucket="bkt", Key="never", UploadId=begun["UploadId"])
    assert list((tmp_path / "staging").iterdir()) == []


def test_lists_come_in_pages_with_and_without_a_delimiter(port: int) -> None:
    s3 = client(port)
    for name in ("a/1", "a/2", "b", "c/1", "d"):
        s3.put_object(Bucket="bkt", Key=name, Body=b"")

    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="bkt", Delimiter="/", PaginationConfig={"PageSize": 2})

    names = [
        [
            *[item["Prefix"] for item in page.get("CommonPrefixes", [])],
            *[item["Key"] for item in page.get("Contents", [])],
        ]
        for page in pages
    ]
    assert names == [["a/", "b"], ["c/", "d"]]
    old = s3.get_paginator("list_objects").paginate(Bucket="bkt", PaginationConfig={"PageSize": 2})
    assert [item["Key"] for page in old for item in page["Contents"]] == ["a/1", "a/2", "b", "c/1", "d"]


@pytest.mark.parametrize(
    ("operation", "arguments", "expected"),
    [
        ("get_object", {"Key": "no"}, (404, "NoSuchKey")),
        ("head_object", {"Key": "no"}, (404, "404")),
        ("get_object_tagging", {"Key": "there"}, (501, "NotImplemented")),
        ("put_bucket_policy", {"Policy": "{}"}, (501, "NotImplemented")),
        ("put_object", {"Key": "../out", "Body": b""}, (400, "InvalidArgument")),
        ("put_object", {"Key": "there/below", "Body": b""}, (400, "InvalidArgument")),
        ("put_object", {"Key": "there", "Body": b"", "IfNoneMatch": "*"}, (412, "PreconditionFailed")),
        ("get_object", {"Key": "there", "IfMatch": '"other"'}, (412, "PreconditionFailed")),
        ("get_object", {"Key": "there", "Range": "bytes=9-"}, (416, "InvalidRange")),
        ("upload_part", {"Key": "x", "UploadId": "../..", "PartNumber": 1, "Body": b""}, (404, "NoSuchUpload")),
    ],
)
def test_what_has_no_answer_is_an_error_of_s3(
    operation: str, arguments: dict[str, Any], expected: tuple[int, str], port: int
) -> None:
    s3 = client(port)
    s3.put_object(Bucket="bkt", Key="there", Body=b"x")

    with pytest.raises(ClientError) as caught:
        getattr(s3, operation)(Bucket="bkt", **arguments)

    assert code_of(caught) == expected
    assert s3.get_object(Bucket="bkt", Key="there")["Body"].read() == b"x"


def test_nothing_is_answered_without_the_key(port: int) -> None:
    for stranger in (client(port, "B" * 32), client(port, "")):
        with pytest.raises(Exception, match=r"403|credentials"):
            stranger.list_buckets()
    with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        connection.request("GET", "/bkt/there")
        assert connection.getresponse().status == 403

    assert client(port, "B" * 32, f"/{KEY}").list_buckets()["Buckets"] == []
