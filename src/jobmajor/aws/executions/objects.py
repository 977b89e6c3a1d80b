"""Upload objects to S3: verified, never overwritten, never incomplete, and never sent twice.

S3 checks the sha256 of each part as it arrives and keeps one of the whole. A large file is uploaded in parts, and an
interrupted upload continues with the parts that are missing.
"""

from __future__ import annotations

import base64
import hashlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from botocore.exceptions import BotoCoreError, HTTPClientError

from jobmajor.aws.api.errors import AlreadyExists, AwsError, AwsInputError, NotFound
from sagelocal.storage.manifest import FileRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from jobmajor.aws.api.account import Account

PART_BYTES: Final = 16 * 2**20
_MAX_PARTS: Final = 10_000  # S3's limit
_CHUNK_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True)
class Content:
    """The content of an object to upload.

    Attributes:
        data: A file, or the bytes themselves.
        record: Its sha256 and size.
        parts_sum: The checksum that S3 computes from the parts' checksums, in base64.
        part_bytes: The size of each part but the last.
    """

    data: Path | bytes
    record: FileRecord
    parts_sum: str
    part_bytes: int

    @classmethod
    def of(cls, data: Path | bytes, part_bytes: int = PART_BYTES) -> Content:
        """Return the hashed content; a file is read once."""
        size = len(data) if isinstance(data, bytes) else data.stat().st_size
        part_bytes = max(part_bytes, -(-size // _MAX_PARTS))
        whole, parts, found = hashlib.sha256(), hashlib.sha256(), 0
        for part in _parts(data, part_bytes):
            whole.update(part)
            parts.update(hashlib.sha256(part).digest())
            found += len(part)
        record = FileRecord(whole.hexdigest(), found)
        return cls(data, record, base64.b64encode(parts.digest()).decode(), part_bytes)

    @property
    def is_whole(self) -> bool:
        """Return whether one request uploads all of it."""
        return self.record.size_bytes <= self.part_bytes

    @property
    def whole_sum(self) -> str:
        """Return S3's checksum of content that is uploaded in one request."""
        return base64.b64encode(bytes.fromhex(self.record.sha256)).decode()

    def parts(self) -> Iterator[bytes]:
        """Yield the parts in order; empty content has one empty part."""
        return _parts(self.data, self.part_bytes)


def _parts(data: Path | bytes, part_bytes: int) -> Iterator[bytes]:
    file: BinaryIO = io.BytesIO(data) if isinstance(data, bytes) else data.open("rb")
    with file:
        yield file.read(part_bytes)
        while part := file.read(part_bytes):
            yield part


def put(account: Account, bucket: str, key: str, content: Content) -> bool:
    """Upload an object unless S3 has it, and return whether anything was sent.

    Returns only after checking that S3 holds exactly this content. Call it again after an interruption.

    Raises:
        AwsInputError: The object exists with other content, which stays.
        AwsError: S3 doesn't hold the object after the upload.
    """
    target = {"Bucket": bucket, "Key": key, "ExpectedBucketOwner": account.account_id}
    if holds(account, bucket, key, content):
        return False
    try:
        if content.is_whole:
            _send_whole(account, target, content)
        else:
            _send_parts(account, target, content)
    except AlreadyExists:
        pass  # uploaded by a request whose reply was lost, or by somebody else: the check below decides
    if not account.dry and not holds(account, bucket, key, content):
        raise AwsError(f"s3://{bucket}/{key} is missing after its upload: run the same command again")
    return True


def holds(account: Account, bucket: str, key: str, content: Content) -> bool:
    """Return whether the object exists with exactly this content; False if there is no object.

    Raises:
        AwsInputError: It has other content.
    """
    target = {"Bucket": bucket, "Key": key, "ExpectedBucketOwner": account.account_id}
    head = account.find("s3", "HeadObject", ChecksumMode="ENABLED", **target)
    if head is None:
        return False
    is_same = head["ContentLength"] == content.record.size_bytes and (
        head.get("ChecksumSHA256", "").partition("-")[0] in (content.whole_sum, content.parts_sum)
        or _hashed(account, target) == content.record.sha256  # another program uploaded it with another checksum
    )
    if not is_same:
        raise AwsInputError(f"s3://{bucket}/{key} exists with other content: delete it, then run the command again")
    return True


def _hashed(account: Account, target: Mapping[str, str]) -> str:
    body = account.read("s3", "GetObject", **target)["Body"]
    total = hashlib.sha256()
    try:
        for chunk in body.iter_chunks(_CHUNK_BYTES):
            total.update(chunk)
    except (BotoCoreError, HTTPClientError, OSError) as error:
        raise AwsError(f"reading s3://{target['Bucket']}/{target['Key']} failed ({error}): run again") from error
    return total.hexdigest()


def _send_whole(account: Account, target: Mapping[str, str], content: Content) -> None:
    account.change(
        "s3",
        "PutObject",
        **target,
        Body=b"".join(content.parts()),
        ContentLength=content.record.size_bytes,
        ChecksumAlgorithm="SHA256",
        ChecksumSHA256=content.whole_sum,
        IfNoneMatch="*",
    )


def _send_parts(account: Account, target: Mapping[str, str], content: Content) -> None:
    upload_id, held = _unfinished(account, target)
    if not upload_id:
        upload_id = account.change("s3", "CreateMultipartUpload", **target, ChecksumAlgorithm="SHA256")["UploadId"]
    count = -(-content.record.size_bytes // content.part_bytes)
    parts = []
    for number, data in enumerate(content.parts(), 1):
        etag = _etag_if_held(held.get(number), data) or _send_part(
            account, {**target, "UploadId": upload_id}, number, data
        )
        parts.append({"PartNumber": number, "ETag": etag, "ChecksumSHA256": _checksum(data)})
        account.tell(f"{target['Key']}: part {number} of {count}")
    try:
        account.change(
            "s3",
            "CompleteMultipartUpload",
            **target,
            UploadId=upload_id,
            MultipartUpload={"Parts": parts},
            IfNoneMatch="*",
        )
    except NotFound:
        return  # a request whose reply was lost completed it; `put` checks
    finally:
        _abort_leftovers(account, target)


def _send_part(account: Account, target: Mapping[str, str], number: int, data: bytes) -> str:
    answer = account.change(
        "s3",
        "UploadPart",
        **target,
        PartNumber=number,
        Body=data,
        ContentLength=len(data),
        ChecksumAlgorithm="SHA256",
        ChecksumSHA256=_checksum(data),
    )
    return str(answer["ETag"])


def _unfinished(account: Account, target: Mapping[str, str]) -> tuple[str | None, dict[int, Mapping[str, Any]]]:
    """Return the id of the key's newest unfinished upload, or None, and the parts that S3 holds of it."""
    newest = max(_uploads(account, target), key=lambda upload: upload["Initiated"], default=None)
    if newest is None or newest.get("ChecksumAlgorithm", "SHA256") != "SHA256":
        return None, {}
    parts = account.pages("s3", "ListParts", "Parts", **target, UploadId=newest["UploadId"])
    return newest["UploadId"], {part["PartNumber"]: part for part in parts}


def _uploads(account: Account, target: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    where = {"Bucket": target["Bucket"], "ExpectedBucketOwner": target["ExpectedBucketOwner"]}
    found = account.pages("s3", "ListMultipartUploads", "Uploads", Prefix=target["Key"], **where)
    return (upload for upload in found if upload["Key"] == target["Key"])


def _checksum(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def _etag_if_held(part: Mapping[str, Any] | None, data: bytes) -> str | None:
    """Return the ETag of a part that S3 holds already; None if the part is missing or has other content."""
    if part is None or part["Size"] != len(data):
        return None
    etag = str(part["ETag"])
    if "ChecksumSHA256" in part:
        return etag if part["ChecksumSHA256"] == _checksum(data) else None
    return etag if etag.strip('"') == hashlib.md5(data, usedforsecurity=False).hexdigest() else None


def _abort_leftovers(account: Account, target: Mapping[str, str]) -> None:
    """Abort the other uploads of a complete object: their parts cost money and are useless."""
    if account.dry or account.find("s3", "HeadObject", **target) is None:
        return
    for upload in _uploads(account, target):
        account.change("s3", "AbortMultipartUpload", **target, UploadId=upload["UploadId"])
