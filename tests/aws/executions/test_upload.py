"""After an upload S3 holds exactly the given content, once, whatever failed meanwhile."""

from __future__ import annotations

import datetime
import hashlib
import json
import random
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from jobmajor.aws.api.errors import AwsInputError, CallFailed
from jobmajor.aws.executions import objects, upload
from jobmajor.cli import main
from jobmajor.data import source as sources
from jobmajor.errors import DataError
from jobmajor.pipeline import inputs
from sagelocal.storage.store import FolderStore

if TYPE_CHECKING:
    from pathlib import Path

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names
    from jobmajor.data.source import TitleSource
    from jobmajor.settings import Settings

BUCKET, KEY = "bucket", "a/file"
PART = 5 * 2**20  # the least that S3 takes of any part but the last
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
BIG = random.Random(1).randbytes(2 * PART + 12_345)  # noqa: S311 - a file's bytes, no secrets


@pytest.fixture
def starter_source(tmp_path: Path) -> TitleSource:
    return sources.resolve("starter", tmp_path)


@pytest.fixture
def bucket(account: Account) -> Account:
    """Return `account` with a bucket that keeps every version of an object."""
    account.change("s3", "CreateBucket", Bucket=BUCKET)
    account.change("s3", "PutBucketVersioning", Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    account.sent.clear()
    return account


def content(account: Account, key: str = KEY) -> bytes:
    body: bytes = account.read("s3", "GetObject", Bucket=BUCKET, Key=key)["Body"].read()
    return body


def versions(account: Account) -> list[str]:
    return [item["Key"] for item in account.pages("s3", "ListObjectVersions", "Versions", Bucket=BUCKET)]


def unfinished(account: Account) -> list[Any]:
    return list(account.pages("s3", "ListMultipartUploads", "Uploads", Bucket=BUCKET))


def keys(account: Account, bucket: str) -> list[str]:
    return [item["Key"] for item in account.pages("s3", "ListObjectsV2", "Contents", Bucket=bucket)]


@pytest.mark.parametrize("data", [b"", b"text", BIG], ids=["empty", "small", "three parts"])
def test_object_is_what_was_put_and_is_not_sent_again(bucket: Account, data: bytes) -> None:
    local = objects.Content.of(data, PART)

    first = objects.put(bucket, BUCKET, KEY, local)
    changes = len(bucket.sent)
    second = objects.put(bucket, BUCKET, KEY, local)

    assert (first, second, len(bucket.sent)) == (True, False, changes)
    assert content(bucket) == data
    assert (versions(bucket), unfinished(bucket)) == ([KEY], [])


def test_file_is_read_as_its_bytes_are(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(BIG)

    from_file, from_bytes = objects.Content.of(path, PART), objects.Content.of(BIG, PART)

    assert from_file.record == from_bytes.record
    assert from_file.record.sha256 == hashlib.sha256(BIG).hexdigest()
    assert [len(part) for part in from_file.parts()] == [PART, PART, 12_345]
    assert from_file.parts_sum == from_bytes.parts_sum


def test_file_too_long_for_ten_thousand_parts_gets_larger_ones() -> None:
    assert objects.Content.of(b"x" * 25_000, 1).part_bytes == 3


def test_object_with_another_content_is_refused_and_stays(bucket: Account) -> None:
    bucket.change("s3", "PutObject", Bucket=BUCKET, Key=KEY, Body=b"tent")

    for text in (b"text", b"longer text"):
        with pytest.raises(AwsInputError, match=r"s3://bucket/a/file exists with other content"):
            objects.put(bucket, BUCKET, KEY, objects.Content.of(text))

    assert content(bucket) == b"tent"


def test_same_object_that_another_program_put_without_a_checksum_is_taken(bucket: Account) -> None:
    bucket.change("s3", "PutObject", Bucket=BUCKET, Key=KEY, Body=b"text")

    assert not objects.put(bucket, BUCKET, KEY, objects.Content.of(b"text"))


def test_interrupted_upload_goes_on_with_the_part_that_it_lacks(bucket: Account, faulty: Account, proxy: Any) -> None:
    local = objects.Content.of(BIG, PART)
    proxy.fault = lambda seen: "throttle" if "partNumber=3" in seen.operation else ""
    with pytest.raises(CallFailed, match=r"SlowDown: .* \(after 8 tries\)"):
        objects.put(faulty, BUCKET, KEY, local)
    proxy.fault = lambda _: ""
    proxy.seen.clear()

    objects.put(faulty, BUCKET, KEY, local)

    sent = [seen.operation for seen in proxy.seen if "partNumber=" in seen.operation]
    assert len(sent) == 1
    assert "partNumber=3" in sent[0]
    assert content(bucket) == BIG
    assert (versions(bucket), unfinished(bucket)) == ([KEY], [])


def test_parts_of_an_older_content_are_not_taken_up(bucket: Account, faulty: Account, proxy: Any) -> None:
    proxy.fault = lambda seen: "throttle" if "partNumber=3" in seen.operation else ""
    with pytest.raises(CallFailed):
        objects.put(faulty, BUCKET, KEY, objects.Content.of(BIG[::-1], PART))
    proxy.fault = lambda _: ""

    objects.put(faulty, BUCKET, KEY, objects.Content.of(BIG, PART))

    assert content(bucket) == BIG


@pytest.mark.parametrize(
    ("operation", "data"),
    [
        ("PUT", b"text"),
        ("POST /bucket/a/file?uploads", BIG),
        ("PUT", BIG),
        ("POST /bucket/a/file?uploadId", BIG),
    ],
    ids=["whole", "beginning", "part", "end"],
)
def test_lost_reply_leaves_one_whole_object(
    bucket: Account, faulty: Account, proxy: Any, operation: str, data: bytes
) -> None:
    proxy.first("lose", operation)

    objects.put(faulty, BUCKET, KEY, objects.Content.of(data, PART))

    lost = next(seen.operation for seen in proxy.seen if seen.operation.startswith(operation))
    assert [seen.operation for seen in proxy.seen].count(lost) == 2
    assert content(bucket) == data
    assert (versions(bucket), unfinished(bucket)) == ([KEY], [])


@pytest.mark.parametrize("seed", [3, 4])
def test_throttling_and_lost_replies_leave_one_version_of_each_object(
    bucket: Account, faulty: Account, proxy: Any, seed: int
) -> None:
    wanted = {f"file {number}": b"%d" % number for number in range(10)} | {"big": BIG}
    proxy.one_in_five(seed)

    for name, data in wanted.items():
        objects.put(faulty, BUCKET, name, objects.Content.of(data, PART))

    assert sorted(versions(bucket)) == sorted(wanted)
    assert unfinished(bucket) == []
    assert all(content(bucket, name) == data for name, data in wanted.items())


def test_release_stands_where_its_content_says_and_as_a_run_here_would_name_it(
    account: Account, names: Names, starter_source: TitleSource, settings: Settings, tmp_path: Path
) -> None:
    account.change("s3", "CreateBucket", Bucket=names.bucket)

    done = upload.release(account, names, starter_source)

    here = inputs.data(starter_source, FolderStore(tmp_path / "s3"), settings)
    assert done.uri == f"s3://{names.bucket}/job-major-clf/input/{here.rpartition('/')[2]}"
    assert done.sent == ("Alternate Titles.txt", "Occupation Data.txt", "manifest.json")
    assert [key.rpartition("/")[2] for key in keys(account, names.bucket)] == list(done.sent)
    assert account.sent[-1].parameters["Key"].endswith("/manifest.json")


def test_release_that_is_there_is_left_alone(account: Account, names: Names, starter_source: TitleSource) -> None:
    account.change("s3", "CreateBucket", Bucket=names.bucket)
    first = upload.release(account, names, starter_source)
    changes = len(account.sent)

    again = upload.release(account, names, starter_source)

    assert (again.uri, again.sent, again.skipped) == (first.uri, (), first.sent)
    assert len(account.sent) == changes


def test_file_that_is_missing_in_s3_is_sent_again_alone(
    account: Account, names: Names, starter_source: TitleSource
) -> None:
    account.change("s3", "CreateBucket", Bucket=names.bucket)
    first = upload.release(account, names, starter_source)
    key = first.uri.removeprefix(f"s3://{names.bucket}/")
    account.change("s3", "DeleteObject", Bucket=names.bucket, Key=f"{key}/Occupation Data.txt")

    again = upload.release(account, names, starter_source)

    assert again.sent == ("Occupation Data.txt",)


def test_data_that_can_not_be_used_is_refused_before_a_byte_is_sent(
    account: Account, names: Names, starter_source: TitleSource, tmp_path: Path
) -> None:
    account.change("s3", "CreateBucket", Bucket=names.bucket)
    folder = tmp_path / "onet"
    shutil.copytree(starter_source.folder, folder)
    titles = folder / "Alternate Titles.txt"
    titles.write_bytes(titles.read_bytes().splitlines(keepends=True)[0])

    with pytest.raises(DataError, match=r"Alternate Titles\.txt"):
        upload.release(account, names, sources.resolve("auto", tmp_path, data=folder))

    assert keys(account, names.bucket) == []


def test_missing_bucket_says_how_to_get_one(account: Account, names: Names, starter_source: TitleSource) -> None:
    with pytest.raises(AwsInputError, match=rf"there is no bucket {names.bucket} in .*: run `jobmajor aws bootstrap`"):
        upload.release(account, names, starter_source)


def test_every_request_says_whose_bucket_it_means(
    dry_account: Account, names: Names, starter_source: TitleSource
) -> None:
    upload.release(dry_account, names, starter_source)

    assert {call.parameters["ExpectedBucketOwner"] for call in dry_account.sent} == {dry_account.account_id}
    assert {call.parameters["IfNoneMatch"] for call in dry_account.sent} == {"*"}


def test_checkpoint_goes_to_a_folder_of_its_own(account: Account, names: Names, tmp_path: Path) -> None:
    account.change("s3", "CreateBucket", Bucket=names.bucket)
    (tmp_path / "config.json").write_text("{}")

    done = upload.checkpoint(account, names, [tmp_path / "config.json"])

    assert done.uri == f"s3://{names.bucket}/job-major-clf/checkpoint/{done.digest}"
    assert done.sent == ("config.json", "manifest.json")


def jobmajor(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main.main(["aws", *words])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_command_uploads_and_says_where(
    account: Account, names: Names, moto: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    account.change("s3", "CreateBucket", Bucket=names.bucket)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    words = ("upload", "--release", "starter", "--region", "us-east-1")

    status, out, err = jobmajor(capsys, *words)
    _, as_json, _ = jobmajor(capsys, *words, "--json")

    assert status == 0
    assert out.startswith(f"InputDataUrl: s3://{names.bucket}/job-major-clf/input/")
    assert "(3 sent, 0 skipped, " in out
    assert "Occupation Data.txt: sent" in err
    assert json.loads(as_json)["InputDataUrl"]["skipped"] == [
        *("Alternate Titles.txt", "Occupation Data.txt", "manifest.json")
    ]


def test_dry_run_prints_each_request_with_its_cost_and_sends_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    words = ("upload", "--release", "starter", "--dry-run")

    status, out, _ = jobmajor(capsys, *words)
    _, as_json, _ = jobmajor(capsys, *words, "--json")

    assert status == 0
    assert "1. s3 PutObject\n     Bucket: test-job-major-clf-000000000000-us-east-1\n" in out
    assert "requests that would be sent: 3; none was sent." in out
    assert "S3, 3 × PUT or POST: 0.000015 USD per upload" in out
    printed = json.loads(as_json)
    assert [call["operation"] for call in printed["calls"]] == ["PutObject"] * 3
    assert printed["estimate"]["as_of"]


@pytest.mark.parametrize(
    ("toml", "words", "said"),
    [
        ("", [], "error: no region: name one with --region"),
        ("", ["--region", "moon"], "error: found the region 'moon'"),
        ("", ["--region", "us-east-1", "--profile", "nobody"], "error: no usable credentials"),
        ('[aws]\naccount = "000000000001"', ["--region", "us-east-1"], "error: wrong account: "),
        ('[aws]\naccount = "1"', [], "error: setting 'aws.account': found '1', expected 12 digits"),
        ("", ["--region", "us-east-1"], "error: there is no bucket "),
    ],
)
def test_what_is_missing_is_one_line_and_status_2(  # noqa: PLR0917 - a row of the table above, and four fixtures
    toml: str,
    words: list[str],
    said: str,
    moto: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(toml)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)

    status, out, err = jobmajor(capsys, "upload", "--release", "starter", "--settings", str(path), *words)

    assert (status, out) == (2, "")
    assert err.startswith(said)
    assert err.count("\n") == 1


# What moto doesn't tell: S3's own checksums of parts, and a completion that finds another object


def unfinished_upload(stubbed: Any, held: list[dict[str, Any]]) -> None:
    """Script an unfinished upload of KEY with these parts."""
    stubbed.refuse("s3", "HeadObject", "404")
    upload = {"Key": KEY, "UploadId": "u", "Initiated": NOW, "ChecksumAlgorithm": "SHA256"}
    stubbed.expect("s3", "ListMultipartUploads", {"Uploads": [upload]})
    stubbed.expect("s3", "ListParts", {"Parts": held})


def held_part(number: int, data: bytes, *, of: bytes) -> dict[str, Any]:
    """Return a part as S3 lists it: its ETag is that of `data`, its checksum that of `of`."""
    etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return {"PartNumber": number, "Size": len(data), "ETag": f'"{etag}"', "ChecksumSHA256": objects._checksum(of)}


def test_part_that_is_there_is_taken_by_its_checksum_and_not_by_its_etag(stubbed: Any) -> None:
    local = objects.Content.of(BIG, PART)
    first, second, third = local.parts()
    unfinished_upload(stubbed, [held_part(1, first, of=first), held_part(2, second, of=b"something else")])
    where = {"Bucket": BUCKET, "Key": KEY, "ExpectedBucketOwner": stubbed.account_id, "UploadId": "u"}
    for number, data in ((2, second), (3, third)):
        more = {"ContentLength": len(data), "ChecksumAlgorithm": "SHA256", "ChecksumSHA256": objects._checksum(data)}
        stubbed.expect("s3", "UploadPart", {"ETag": f"e{number}"}, PartNumber=number, Body=data, **more, **where)
    parts = [
        {"PartNumber": number, "ETag": etag, "ChecksumSHA256": objects._checksum(data)}
        for number, etag, data in (
            (1, held_part(1, first, of=first)["ETag"], first),
            (2, "e2", second),
            (3, "e3", third),
        )
    ]
    stubbed.expect("s3", "CompleteMultipartUpload", {}, MultipartUpload={"Parts": parts}, IfNoneMatch="*", **where)
    stubbed.refuse("s3", "HeadObject", "404")  # no leftovers to abort
    whole = {"ContentLength": len(BIG), "ChecksumSHA256": f"{local.parts_sum}-3"}
    stubbed.expect("s3", "HeadObject", whole)

    assert objects.put(stubbed, BUCKET, KEY, local) is True


def test_completion_never_replaces_an_object_that_somebody_put_meanwhile(stubbed: Any) -> None:
    local = objects.Content.of(BIG, PART)
    unfinished_upload(stubbed, [held_part(number, data, of=data) for number, data in enumerate(local.parts(), 1)])
    stubbed.refuse("s3", "CompleteMultipartUpload", "PreconditionFailed", "At least one of the pre-conditions failed")
    stubbed.expect("s3", "HeadObject", {"ContentLength": 1, "ChecksumSHA256": "other"})
    stubbed.expect("s3", "ListMultipartUploads", {"Uploads": []})
    stubbed.expect("s3", "HeadObject", {"ContentLength": 1, "ChecksumSHA256": "other"})

    with pytest.raises(AwsInputError, match="exists with other content"):
        objects.put(stubbed, BUCKET, KEY, local)


def test_every_completed_upload_asks_that_no_object_is_there(dry_account: Account) -> None:
    objects.put(dry_account, BUCKET, KEY, objects.Content.of(BIG, PART))

    (completed,) = [call for call in dry_account.sent if call.operation == "CompleteMultipartUpload"]
    assert completed.parameters["IfNoneMatch"] == "*"
