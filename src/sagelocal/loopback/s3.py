"""S3 over the folders of a workspace: the requests that programs and SDKs send, and every other one refused by name.

Source: AWS, Amazon S3 API Reference. What S3 keeps beside the bytes (metadata, tags, versions, rights) isn't kept here.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote
from xml.sax.saxutils import escape, unescape

from sagelocal.errors import ArtifactError, InputError
from sagelocal.loopback.listings import page, time_of
from sagelocal.loopback.wire import Answer
from sagelocal.storage import objects

if TYPE_CHECKING:
    from collections.abc import Callable

    from sagelocal.loopback.wire import Request
    from sagelocal.storage.objects import StoredObject
    from sagelocal.storage.store import FolderStore

_XML: Final = {"Content-Type": "application/xml"}
_NAMESPACE: Final = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
# Parameters that ask for something beside an object or a list of objects.
_OTHER: Final = frozenset(
    {
        *("acl", "tagging", "policy", "policyStatus", "lifecycle", "cors", "versions", "encryption", "website"),
        *("notification", "replication", "logging", "object-lock", "retention", "legal-hold", "torrent", "restore"),
        *("select", "attributes", "publicAccessBlock", "ownershipControls", "requestPayment", "accelerate"),
        *("inventory", "analytics", "metrics", "intelligent-tiering", "session"),
    }
)
_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")


class _Refused(Exception):
    def __init__(self, status: int, code: str, text: str) -> None:
        self.status, self.code = status, code
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class S3:
    """The service; uploads that aren't complete are kept in `staging`, a folder on the store's file system.

    `written` has the address of every object that was put.
    """

    store: FolderStore
    staging: Path
    written: list[str] = field(default_factory=list)

    def __call__(self, request: Request) -> Answer:
        """Answer a request, errors included."""
        bucket, _, key = request.path.lstrip("/").partition("/")
        try:
            _only_known(request)
            if key:
                return self._object(request, bucket, key)
            return self._bucket(request, bucket) if bucket else self._buckets()
        except _Refused as error:
            return _error(error.status, error.code, str(error))
        except InputError as error:
            return _error(400, "InvalidArgument", str(error))
        except (ArtifactError, OSError) as error:
            return _error(500, "InternalError", str(error))

    def _buckets(self) -> Answer:
        names = "".join(f"<Bucket><Name>{escape(name)}</Name></Bucket>" for name in objects.buckets(self.store))
        return _xml("ListAllMyBucketsResult", f"<Buckets>{names}</Buckets>")

    def _bucket(self, request: Request, bucket: str) -> Answer:
        """Answer for a whole bucket; every bucket with a valid name exists."""
        self.store.path(f"s3://{bucket}")
        if request.method in {"HEAD", "PUT", "DELETE"}:
            return Answer(204 if request.method == "DELETE" else 200, headers={"x-amz-bucket-region": "us-east-1"})
        if request.method == "POST" and "delete" in request.query:
            return self._delete_all(bucket, request.read().decode())
        if "location" in request.query:
            return _xml("LocationConstraint", "")
        if "versioning" in request.query:
            return _xml("VersioningConfiguration", "")
        if "uploads" in request.query:
            return _xml("ListMultipartUploadsResult", "<IsTruncated>false</IsTruncated>")
        found = objects.below(self.store, bucket, request.query.get("prefix", ""))
        return _xml("ListBucketResult", f"<Name>{escape(bucket)}</Name>{page(found, request.query)}")

    def _delete_all(self, bucket: str, body: str) -> Answer:
        keys = [unescape(key, {"&quot;": '"', "&apos;": "'"}) for key in re.findall(r"<Key>(.*?)</Key>", body, re.S)]
        for key in keys:
            objects.delete(self.store, bucket, key)
        return _xml("DeleteResult", "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys))

    def _object(self, request: Request, bucket: str, key: str) -> Answer:
        answers: dict[str, Callable[[Request, str, str], Answer]] = {
            "GET": self._get,
            "HEAD": self._get,
            "PUT": self._put,
            "POST": self._multipart,
            "DELETE": self._delete,
        }
        if request.method not in answers:
            raise _Refused(405, "MethodNotAllowed", f"{request.method} isn't answered here")
        return answers[request.method](request, bucket, key)

    def _get(self, request: Request, bucket: str, key: str) -> Answer:
        found = self._found(bucket, key)
        wanted = request.header("If-Match")
        if wanted and wanted.strip('"') not in {found.etag.strip('"'), "*"}:
            raise _Refused(412, "PreconditionFailed", f"s3://{bucket}/{key} changed")
        headers = {**_about(found), "Accept-Ranges": "bytes", "Content-Type": "binary/octet-stream"}
        if request.header("If-None-Match").strip('"') == found.etag.strip('"'):
            return Answer(304, headers=headers)
        first, length, partial = _part(request.header("Range"), found.size)
        if partial:
            headers["Content-Range"] = f"bytes {first}-{first + length - 1}/{found.size}"
        return Answer(206 if partial else 200, headers=headers, file=found.path, start=first, length=length)

    def _put(self, request: Request, bucket: str, key: str) -> Answer:
        if "uploadId" in request.query:
            return self._put_part(request)
        if request.header("If-None-Match") == "*" and objects.find(self.store, bucket, key):
            raise _Refused(412, "PreconditionFailed", f"s3://{bucket}/{key} exists")
        with self._staged() as staged:
            source = request.header("x-amz-copy-source")
            if not source:
                request.save(staged)
                made = self._keep(bucket, key, staged)
                return Answer(headers={"ETag": made.etag})
            self._copy(source, staged, request.header("x-amz-copy-source-range"))
            made = self._keep(bucket, key, staged)
        return _xml("CopyObjectResult", f"<ETag>{made.etag}</ETag><LastModified>{time_of(made)}</LastModified>")

    def _keep(self, bucket: str, key: str, staged: Path) -> StoredObject:
        made = objects.put(self.store, bucket, key, staged)
        self.written.append(f"s3://{bucket}/{key}")
        return made

    def _copy(self, source: str, target: Path, part: str = "") -> None:
        bucket, _, key = unquote(source).partition("?")[0].lstrip("/").partition("/")
        found = self._found(bucket, key)
        first, length, _ = _part(part, found.size)
        with found.path.open("rb") as reader, target.open("wb") as writer:
            reader.seek(first)
            while length and (chunk := reader.read(min(length, 2**20))):
                writer.write(chunk)
                length -= len(chunk)

    def _delete(self, request: Request, bucket: str, key: str) -> Answer:
        if "uploadId" in request.query:
            shutil.rmtree(self._parts(request), ignore_errors=True)
        else:
            objects.delete(self.store, bucket, key)
        return Answer(204)

    def _multipart(self, request: Request, bucket: str, key: str) -> Answer:
        named = f"<Bucket>{escape(bucket)}</Bucket><Key>{escape(key)}</Key>"
        if "uploads" in request.query:
            self.staging.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix="upload-", dir=self.staging))
            return _xml("InitiateMultipartUploadResult", f"{named}<UploadId>{folder.name}</UploadId>")
        folder = self._parts(request)
        with self._staged() as staged:
            with staged.open("wb") as whole:
                for number in re.findall(r"<PartNumber>(\d+)</PartNumber>", request.read().decode()):
                    with (folder / str(int(number))).open("rb") as part:
                        shutil.copyfileobj(part, whole)
            made = self._keep(bucket, key, staged)
        shutil.rmtree(folder, ignore_errors=True)
        return _xml("CompleteMultipartUploadResult", f"{named}<ETag>{made.etag}</ETag>")

    def _put_part(self, request: Request) -> Answer:
        part = self._parts(request) / str(int(request.query["partNumber"]))
        source = request.header("x-amz-copy-source")
        if source:
            self._copy(source, part, request.header("x-amz-copy-source-range"))
            return _xml("CopyPartResult", f'<ETag>"{part.name}"</ETag>')
        request.save(part)
        return Answer(headers={"ETag": f'"{part.name}"'})

    def _parts(self, request: Request) -> Path:
        """Return the folder of an upload in parts."""
        name = request.query.get("uploadId", "")
        if not re.fullmatch(r"upload-\w+", name) or not (self.staging / name).is_dir():
            raise _Refused(404, "NoSuchUpload", f"no upload {name!r} was begun")
        return self.staging / name

    def _found(self, bucket: str, key: str) -> StoredObject:
        found = objects.find(self.store, bucket, key)
        if found is None:
            raise _Refused(404, "NoSuchKey", f"there is no object s3://{bucket}/{key}")
        return found

    def _staged(self) -> _Staged:
        self.staging.mkdir(parents=True, exist_ok=True)
        return _Staged(self.staging)


class _Staged:
    """A new file that is gone at the end of the block, unless it was moved to its place."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Path:
        descriptor, name = tempfile.mkstemp(dir=self._folder)
        with open(descriptor, "wb"):  # noqa: PTH123 - a descriptor
            self._path = Path(name)
        return self._path

    def __exit__(self, *_: object) -> None:
        self._path.unlink(missing_ok=True)


def _only_known(request: Request) -> None:
    asked = _OTHER & request.query.keys()
    if asked:
        fault = f"{request.method} ?{min(asked)} has no meaning in a folder of a workspace: leave it out"
        raise _Refused(501, "NotImplemented", fault)


def _part(asked: str, size: int) -> tuple[int, int, bool]:
    """Return the first byte, the number of bytes, and whether that is a part, for a Range header."""
    match = _RANGE.fullmatch(asked.replace(" ", ""))
    if not match or match[1] == match[2] == "":
        return 0, size, False
    if match[1]:
        first, last = int(match[1]), min(int(match[2] or size), size - 1)
    else:
        first, last = max(0, size - int(match[2])), size - 1
    if first > last:
        raise _Refused(416, "InvalidRange", f"the object has {size} bytes, {asked} was asked")
    return first, last - first + 1, True


def _about(found: StoredObject) -> dict[str, str]:
    return {"ETag": found.etag, "Last-Modified": formatdate(found.modified, usegmt=True)}


def _xml(name: str, body: str) -> Answer:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{name} {_NAMESPACE}>{body}</{name}>'
    return Answer(body=text.encode(), headers=_XML)


def _error(status: int, code: str, text: str) -> Answer:
    body = f"<Error><Code>{code}</Code><Message>{escape(text)}</Message></Error>"
    return Answer(status, body.encode(), _XML)
