"""The `Store` protocol on S3, or on another server with the same API.

S3 can't replace a prefix in one step. So only the objects that a step's record names, with their digests, count: a
reader that follows the record never reads half a publication, and a step without a record runs again.
"""

from __future__ import annotations

import base64
import hashlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError, ProfileNotFound

from sagelocal.errors import SERVICE_FAULT, THROTTLING, ArtifactError, Error, InputError, ServiceFault
from sagelocal.extras import MissingExtra
from sagelocal.storage import publish
from sagelocal.storage.address import join, prefix, split
from sagelocal.storage.manifest import NAME as MANIFEST
from sagelocal.storage.manifest import FileRecord, hash_file
from sagelocal.storage.transfer import regular_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import TypeVar

    from sagelocal.storage.store import Skip, Upload

    T = TypeVar("T")

_CHUNK_BYTES: Final = 2**20
_PART_BYTES: Final = 64 * 2**20  # what one request sends; S3 takes 10,000 of them for an object
_AT_ONCE: Final = 8
# Metadata of published objects: their digest, and the prefix that they were published to.
_SHA256, _OWNER = "sagelocal-sha256", "sagelocal-prefix"
_ABSENT: Final = ("404", "NoSuchKey", "NotFound")
_THROTTLED: Final = ("SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "503", "429")
# The IAM action of an operation, where its name differs.
_RIGHTS: Final = {"HeadObject": "GetObject", "ListObjectsV2": "ListBucket", "UploadPart": "PutObject"}


def connect(endpoint_url: str | None = None, region: str | None = None) -> S3Store:
    """Return a store with the usual AWS settings: environment, profile or instance role.

    Args:
        endpoint_url: The address of another server; None means AWS.
        region: The region of the buckets, if no setting names one.

    Raises:
        MissingExtra: boto3 isn't installed. InputError: There is no region, or no such profile.
    """
    try:
        import boto3  # noqa: PLC0415 - an extra; a workspace of folders does without
        from botocore.config import Config  # noqa: PLC0415 - as above
    except ImportError as error:
        raise MissingExtra("S3 itself", "s3") from error
    config = Config(retries={"mode": "standard", "max_attempts": 8}, max_pool_connections=2 * _AT_ONCE)
    try:
        client = boto3.session.Session().client("s3", endpoint_url=endpoint_url, region_name=region, config=config)
    except (BotoCoreError, ValueError) as error:
        raise InputError(f"S3 can't be used ({error}): correct the AWS settings") from error
    return S3Store(client)


class S3Store:
    """Objects in S3 through a boto3 client.

    Digests come from the checksums that S3 keeps, otherwise from reading an object once.
    """

    def __init__(self, client: Any, part_bytes: int = _PART_BYTES) -> None:
        self._client, self._part_bytes = client, part_bytes
        self._known: dict[tuple[str, str, str], str] = {}  # bucket, key, ETag: sha256

    def listing(self, uri: str) -> dict[str, FileRecord]:
        """See `Store.listing`.

        Raises:
            InputError: The bucket is not there, or access is denied. ServiceFault: S3 fails.
        """
        found = self._objects(uri)
        records = _together(lambda item: self._record(split(uri)[0], item), found.values())
        return dict(zip(found, records, strict=True))

    def download(self, uri: str, folder: Path, skip: Skip | None = None) -> dict[str, FileRecord]:
        """See `Store.download`."""
        bucket = split(uri)[0]
        found = {name: item for name, item in self._objects(uri).items() if skip is None or not skip(name)}
        copied = _together(lambda pair: self._fetch(bucket, pair[1]["Key"], folder / pair[0]), found.items())
        return dict(zip(found, copied, strict=True))

    def read(self, uri: str, max_bytes: int) -> bytes:
        """See `Store.read`.

        Raises:
            InputError: There is no such object. ArtifactError: It is larger than `max_bytes`.
        """
        bucket, key = split(uri)[0], "/".join(split(uri)[1])
        with _told(uri):
            head = self._head(bucket, key)
            if head is None:
                raise InputError(f"{uri} is no object: expected one there")
            if head["ContentLength"] > max_bytes:
                raise ArtifactError(f"{uri} has over {max_bytes:,} bytes: expected a smaller object")
            data: bytes = self._client.get_object(Bucket=bucket, Key=key, IfMatch=head["ETag"])["Body"].read()
            return data

    def publish(self, uri: str, folder: Path) -> dict[str, FileRecord]:
        """See `Store.publish`. Objects become visible one by one, a folder's manifest after all files that it names."""
        earlier = self.published_at(uri)
        (records,) = self.add([(uri, folder)])
        self.discard(uri, {name: token for name, token in earlier.items() if name not in records})
        return records

    def add(self, uploads: Sequence[Upload]) -> list[dict[str, FileRecord]]:
        """See `Store.add`. Objects become visible one by one; if one fails, those that were not there are removed."""
        files = [(uri, name, path) for uri, folder in uploads for name, path in regular_files(folder)]
        for uri, name, _ in files:
            split(join(uri, name))
        before = {join(uri, name) for uri, _ in uploads for name in self._objects(f"{uri.rstrip('/')}/")}
        last = [file for file in files if file[1].rpartition("/")[2] == MANIFEST]
        first = [file for file in files if file not in last]
        records: dict[tuple[str, str], FileRecord] = {}
        try:
            for part in (first, last):
                made = _together(lambda file: self._put(join(*file[:2]), file[2], _owner(file[0])), part)
                records.update(zip([file[:2] for file in part], made, strict=True))
        except BaseException:
            self._undo([join(uri, name) for uri, name, _ in files if join(uri, name) not in before])
            raise
        return [{name: records[uri, name] for name, _ in regular_files(folder)} for uri, folder in uploads]

    def _undo(self, uris: Iterable[str]) -> None:
        with suppress(BotoCoreError, ClientError):
            for uri in uris:
                self._client.delete_object(Bucket=split(uri)[0], Key="/".join(split(uri)[1]))

    def published_at(self, uri: str) -> dict[str, str]:
        """See `Backend.published_at`."""
        bucket, found = split(uri)[0], self._objects(f"{uri.rstrip('/')}/")

        def is_ours(item: Mapping[str, Any]) -> bool:
            with _told(uri):
                head = self._head(bucket, item["Key"]) or {}
            return bool(head.get("Metadata", {}).get(_OWNER) == _owner(uri))

        ours = _together(is_ours, found.values())
        return {name: item["ETag"] for (name, item), own in zip(found.items(), ours, strict=True) if own}

    def discard(self, uri: str, tokens: Mapping[str, str]) -> None:
        """See `Backend.discard`."""
        bucket = split(uri)[0]
        for name, item in self._objects(f"{uri.rstrip('/')}/").items():
            if tokens.get(name) == item["ETag"]:
                with _told(uri):
                    self._client.delete_object(Bucket=bucket, Key=item["Key"])

    def _objects(self, uri: str) -> dict[str, dict[str, Any]]:
        """Return Key, ETag and Size of every object by relative name, sorted."""
        bucket, parts = split(uri)
        key = "/".join(parts)
        with _told(uri):
            head = self._head(bucket, key) if key and not uri.endswith("/") else None
            if head is not None:
                return {parts[-1]: {"Key": key, "ETag": head["ETag"], "Size": head["ContentLength"]}}
            below = f"{key}/" if key else ""
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=below)
            found = [item for page in pages for item in page.get("Contents", ())]
        # Consoles represent a folder as an empty object whose name ends in a slash.
        named = {item["Key"].removeprefix(below): item for item in found if not item["Key"].endswith("/")}
        for name in named:
            split(join(f"s3://{bucket}/{below}", name))  # no key may lead out of a job's folder
        return dict(sorted(named.items()))

    def _head(self, bucket: str, key: str, **how: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED", **how)
        except ClientError as error:
            if error.response["Error"]["Code"] in _ABSENT:
                return None
            raise
        return found

    def _record(self, bucket: str, item: Mapping[str, Any]) -> FileRecord:
        place = (bucket, item["Key"], item["ETag"])
        if place not in self._known:
            self._known[place] = self._digest(*place)
        return FileRecord(self._known[place], item["Size"])

    def _digest(self, bucket: str, key: str, etag: str) -> str:
        with _told(f"s3://{bucket}/{key}"):
            head = self._head(bucket, key, IfMatch=etag) or {}
            kept = str(head.get("ChecksumSHA256", ""))
            if kept and "-" not in etag:  # with a "-" it came in parts, and this is a checksum of their checksums
                return base64.b64decode(kept).hex()
            if _SHA256 in head.get("Metadata", {}):
                return str(head["Metadata"][_SHA256])
            total = hashlib.sha256()
            for chunk in self._chunks(bucket, key, IfMatch=etag):
                total.update(chunk)
            return total.hexdigest()

    def _chunks(self, bucket: str, key: str, **how: str) -> Iterator[bytes]:
        body = self._client.get_object(Bucket=bucket, Key=key, **how)["Body"]
        with body:
            yield from body.iter_chunks(_CHUNK_BYTES)

    def _fetch(self, bucket: str, key: str, target: Path) -> FileRecord:
        target.parent.mkdir(parents=True, exist_ok=True)
        total, size = hashlib.sha256(), 0
        with _told(f"s3://{bucket}/{key}"), publish.naming(target), target.open("wb") as writer:
            for chunk in self._chunks(bucket, key):
                total.update(chunk)
                size += len(chunk)
                writer.write(chunk)
        return FileRecord(total.hexdigest(), size)

    def _put(self, uri: str, path: Path, owner: str) -> FileRecord:
        bucket, key = split(uri)[0], "/".join(split(uri)[1])
        record = FileRecord(hash_file(path), path.stat().st_size)
        marks = {_SHA256: record.sha256, _OWNER: owner}
        with _told(uri), path.open("rb") as file:
            if record.size_bytes > self._part_bytes:
                self._put_parts(file, {"Bucket": bucket, "Key": key}, marks)
            else:
                checksum = base64.b64encode(bytes.fromhex(record.sha256)).decode()
                self._client.put_object(Bucket=bucket, Key=key, Body=file, ChecksumSHA256=checksum, Metadata=marks)
        return record

    def _put_parts(self, file: IO[bytes], place: Mapping[str, str], marks: Mapping[str, str]) -> None:
        begun = self._client.create_multipart_upload(**place, Metadata=marks, ChecksumAlgorithm="SHA256")
        place = {**place, "UploadId": begun["UploadId"]}
        parts: list[dict[str, Any]] = []
        try:
            while data := file.read(self._part_bytes):
                checksum = base64.b64encode(hashlib.sha256(data).digest()).decode()
                about = {"PartNumber": len(parts) + 1, "ChecksumSHA256": checksum}
                parts.append({**about, "ETag": self._client.upload_part(**place, **about, Body=data)["ETag"]})
            self._client.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
        except BaseException:
            self._client.abort_multipart_upload(**place)
            raise


def _owner(uri: str) -> str:
    """Return the mark of objects that were published to this prefix."""
    return hashlib.sha256(prefix(uri).removeprefix("s3://").encode()).hexdigest()


def _together(work: Callable[[Any], T], items: Iterable[Any]) -> list[T]:
    """Return the results in order; several requests are sent at the same time."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(work, items))


@contextmanager
def _told(uri: str) -> Iterator[None]:
    """Convert boto3's errors in the block to our own, with the address that they are about."""
    try:
        yield
    except ClientError as error:
        raise _of_answer(error, uri) from error
    except (NoCredentialsError, NoRegionError, ProfileNotFound) as error:
        raise InputError(f"{uri}: {error}: set AWS credentials, a profile or a region") from error
    except BotoCoreError as error:
        raise ServiceFault(f"{uri} can't be reached ({error}): run again", SERVICE_FAULT) from error


def _of_answer(error: ClientError, uri: str) -> Error:
    code, status = str(error.response["Error"]["Code"]), error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
    if code in _THROTTLED:
        return ServiceFault(f"{uri}: S3 asks for fewer requests ({code}): run again later", THROTTLING)
    if status >= 500:
        return ServiceFault(f"{uri}: S3 failed ({code}, status {status}): run again", SERVICE_FAULT)
    right = _RIGHTS.get(error.operation_name, error.operation_name)
    denied = f"{error.operation_name} is denied ({code}): use credentials that allow s3:{right}"
    known = {
        "NoSuchBucket": "there is no such bucket: make it, or correct the address",
        "NoSuchKey": "an object went away while it was read: run again",
        **dict.fromkeys(("412", "PreconditionFailed"), "an object changed while it was read: run again"),
        **dict.fromkeys(("401", "403", "AccessDenied"), denied),
    }
    return InputError(
        f"{uri}: {known.get(code) or f'S3 refused {error.operation_name} ({error}): correct the settings'}"
    )
