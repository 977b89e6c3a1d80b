"""One object of S3's, put there once and looked at afterwards: never overwritten, never half, never sent twice.

S3 checks the sha256 of each part as it arrives and keeps one of the whole. A large file goes up in parts, and what
an interrupted upload left of them is taken up again.
"""

from __future__ import annotations

import base64
import hashlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from botocore.exceptions import BotoCoreError, HTTPClientError

from jobmajor.aws.api.errors import AlreadyThere, AwsError, AwsInputError, NotThere
from sagelocal.storage.manifest import FileRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from jobmajor.aws.api.account import Account

PART_BYTES: Final = 16 * 2**20
_MOST_PARTS: Final = 10_000  # S3's limit
_CHUNK_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True)
class Local:
    """What is to become an object.

    Attributes:
        content: A file, or the bytes themselves.
        record: Its sha256 and size.
        parts_sum: The checksum that S3 works out of the parts' own, in base64.
        part_bytes: Of each part but the last.
    """

    content: Path | bytes
    record: FileRecord
    parts_sum: str
    part_bytes: int

    @classmethod
    def of(cls, content: Path | bytes, part_bytes: int = PART_BYTES) -> Local:
        """Hashed; a file is read once for it."""
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        part_bytes = max(part_bytes, -(-size // _MOST_PARTS))
        whole, parts, found = hashlib.sha256(), hashlib.sha256(), 0
        for part in _parts(content, part_bytes):
            whole.update(part)
            parts.update(hashlib.sha256(part).digest())
            found += len(part)
        record = FileRecord(whole.hexdigest(), found)
        return cls(content, record, base64.b64encode(parts.digest()).decode(), part_bytes)

    @property
    def is_whole(self) -> bool:
        """Whether it goes up in one request."""
        return self.record.size_bytes <= self.part_bytes

    @property
    def whole_sum(self) -> str:
        """S3's checksum of what goes up in one request."""
        return base64.b64encode(bytes.fromhex(self.record.sha256)).decode()

    def parts(self) -> Iterator[bytes]:
        """Its parts in their order; one empty part of nothing."""
        return _parts(self.content, self.part_bytes)


def _parts(content: Path | bytes, part_bytes: int) -> Iterator[bytes]:
    file: BinaryIO = io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")
    with file:
        yield file.read(part_bytes)
        while part := file.read(part_bytes):
            yield part


def put(account: Account, bucket: str, key: str, local: Local) -> bool:
    """Make `local` the object; whether anything had to be sent.

    Returns only after S3 was seen to hold exactly this content. Interrupted, call it again.

    Raises:
        AwsInputError: Something else is there. It stays.
        AwsError: S3 doesn't hold it after all.
    """
    place = {"Bucket": bucket, "Key": key, "ExpectedBucketOwner": account.account_id}
    if holds(account, bucket, key, local):
        return False
    try:
        if local.is_whole:
            _send_whole(account, place, local)
        else:
            _send_parts(account, place, local)
    except AlreadyThere:
        pass  # of a try whose reply was lost, or of somebody quicker: what counts is what is there now
    if not account.dry and not holds(account, bucket, key, local):
        raise AwsError(f"s3://{bucket}/{key} isn't there after its upload: run the same command again")
    return True


def holds(account: Account, bucket: str, key: str, local: Local) -> bool:
    """Whether the object is there with exactly this content; False where there is none.

    Raises:
        AwsInputError: It has another content.
    """
    place = {"Bucket": bucket, "Key": key, "ExpectedBucketOwner": account.account_id}
    head = account.find("s3", "HeadObject", ChecksumMode="ENABLED", **place)
    if head is None:
        return False
    is_same = head["ContentLength"] == local.record.size_bytes and (
        head.get("ChecksumSHA256", "").partition("-")[0] in (local.whole_sum, local.parts_sum)
        or _hashed(account, place) == local.record.sha256  # put there by another program, with another checksum
    )
    if not is_same:
        raise AwsInputError(f"s3://{bucket}/{key} has other content than what is to go there: remove it, or leave it")
    return True


def _hashed(account: Account, place: Mapping[str, str]) -> str:
    body = account.read("s3", "GetObject", **place)["Body"]
    total = hashlib.sha256()
    try:
        for chunk in body.iter_chunks(_CHUNK_BYTES):
            total.update(chunk)
    except (BotoCoreError, HTTPClientError, OSError) as error:
        raise AwsError(f"s3://{place['Bucket']}/{place['Key']} broke off ({error}): run again") from error
    return total.hexdigest()


def _send_whole(account: Account, place: Mapping[str, str], local: Local) -> None:
    account.change(
        "s3",
        "PutObject",
        **place,
        Body=b"".join(local.parts()),
        ContentLength=local.record.size_bytes,
        ChecksumAlgorithm="SHA256",
        ChecksumSHA256=local.whole_sum,
        IfNoneMatch="*",
    )


def _send_parts(account: Account, place: Mapping[str, str], local: Local) -> None:
    upload_id, held = _begun(account, place)
    if not upload_id:
        upload_id = account.change("s3", "CreateMultipartUpload", **place, ChecksumAlgorithm="SHA256")["UploadId"]
    count = -(-local.record.size_bytes // local.part_bytes)
    parts = []
    for number, data in enumerate(local.parts(), 1):
        etag = _held(held.get(number), data) or _send_part(account, {**place, "UploadId": upload_id}, number, data)
        parts.append({"PartNumber": number, "ETag": etag, "ChecksumSHA256": _checksum(data)})
        account.tell(f"{place['Key']}: part {number} of {count}")
    try:
        account.change(
            "s3",
            "CompleteMultipartUpload",
            **place,
            UploadId=upload_id,
            MultipartUpload={"Parts": parts},
            IfNoneMatch="*",
        )
    except NotThere:
        return  # completed by a try whose reply was lost; `put` looks
    finally:
        _tidy(account, place)


def _send_part(account: Account, place: Mapping[str, str], number: int, data: bytes) -> str:
    answer = account.change(
        "s3",
        "UploadPart",
        **place,
        PartNumber=number,
        Body=data,
        ContentLength=len(data),
        ChecksumAlgorithm="SHA256",
        ChecksumSHA256=_checksum(data),
    )
    return str(answer["ETag"])


def _begun(account: Account, place: Mapping[str, str]) -> tuple[str | None, dict[int, Mapping[str, Any]]]:
    """The newest upload of this key that was never completed, and the parts that S3 holds of it."""
    newest = max(_uploads(account, place), key=lambda upload: upload["Initiated"], default=None)
    if newest is None or newest.get("ChecksumAlgorithm", "SHA256") != "SHA256":
        return None, {}
    parts = account.pages("s3", "ListParts", "Parts", **place, UploadId=newest["UploadId"])
    return newest["UploadId"], {part["PartNumber"]: part for part in parts}


def _uploads(account: Account, place: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    where = {"Bucket": place["Bucket"], "ExpectedBucketOwner": place["ExpectedBucketOwner"]}
    found = account.pages("s3", "ListMultipartUploads", "Uploads", Prefix=place["Key"], **where)
    return (upload for upload in found if upload["Key"] == place["Key"])


def _checksum(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def _held(part: Mapping[str, Any] | None, data: bytes) -> str | None:
    """The ETag of a part that S3 has already; None where it has none, or another."""
    if part is None or part["Size"] != len(data):
        return None
    etag = str(part["ETag"])
    if "ChecksumSHA256" in part:
        return etag if part["ChecksumSHA256"] == _checksum(data) else None
    return etag if etag.strip('"') == hashlib.md5(data, usedforsecurity=False).hexdigest() else None


def _tidy(account: Account, place: Mapping[str, str]) -> None:
    """Parts of a complete object's other uploads are paid for and of no use."""
    if account.dry or account.find("s3", "HeadObject", **place) is None:
        return
    for upload in _uploads(account, place):
        account.change("s3", "AbortMultipartUpload", **place, UploadId=upload["UploadId"])
