"""Upload a release or a checkpoint to an S3 address that contains its digest.

SageMaker's cache compares addresses only, so the address must change with the content. The manifest is uploaded last,
so where there is a manifest, all of its files are there.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jobmajor.aws.api.errors import AwsInputError
from jobmajor.aws.executions import objects
from jobmajor.data import folder as folders
from jobmajor.pipeline import requests
from sagelocal.storage import manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names
    from jobmajor.data.source import TitleSource


@dataclass(frozen=True, slots=True)
class Uploaded:
    """The outcome of an upload.

    Attributes:
        uri: The folder, as the pipeline's parameter takes it.
        digest: The manifest's digest, 64 hex digits.
        sent: The names of the files that were sent.
        skipped: The names of the files that S3 had already.
        size_bytes: The size of all files.
    """

    uri: str
    digest: str
    sent: tuple[str, ...]
    skipped: tuple[str, ...]
    size_bytes: int


def release(account: Account, names: Names, source: TitleSource, part_bytes: int = objects.PART_BYTES) -> Uploaded:
    """Upload a release to `input/<digest>`; a content run computes the same digest.

    Data that can't be used is refused before anything is sent. Call it again to continue after an interruption.

    Raises:
        DataError: The files are no release. AwsInputError: The bucket doesn't exist, or has other content there.
    """
    layout = folders.describe(source.folder)
    origin = {"release": layout.release, "edition": layout.edition}

    def check() -> None:
        from jobmajor.data import onet  # noqa: PLC0415 - imports polars, which a finished upload doesn't need

        onet.read_source(source)

    return _upload(account, names, "input", _Files(source.files, origin, check, part_bytes))


def checkpoint(account: Account, names: Names, files: Sequence[Path], part_bytes: int = objects.PART_BYTES) -> Uploaded:
    """Upload a transformer's checkpoint, as `checkpoint_files.files` finds it, to `checkpoint/<digest>`."""
    return _upload(account, names, requests.CHECKPOINT, _Files(files, {}, lambda: None, part_bytes))


def reviewed(account: Account, names: Names, path: Path) -> Uploaded:
    """Upload a table of reviewed titles to `review/<digest>`, in the form that `data.reviewed` gives it.

    Raises:
        InputError: The table can't be used.
    """
    from jobmajor.data import reviewed as titles  # noqa: PLC0415 - imports polars
    from jobmajor.data.labelled import TitleFile  # noqa: PLC0415 - only needed here

    with tempfile.TemporaryDirectory() as name:
        titles.write(TitleFile(path), Path(name))
        files = _Files([Path(name) / titles.FILE], {}, lambda: None, objects.PART_BYTES)
        return _upload(account, names, "review", files)


@dataclass(frozen=True, slots=True)
class _Files:
    files: Sequence[Path]
    origin: Mapping[str, str]
    check: Callable[[], None]
    part_bytes: int


def _upload(account: Account, names: Names, kind: str, wanted: _Files) -> Uploaded:
    contents = {path.name: objects.Content.of(path, wanted.part_bytes) for path in sorted(wanted.files)}
    records = {name: content.record for name, content in contents.items()}
    made = manifest.Manifest(files=records, source=wanted.origin)
    described = objects.Content.of(made.to_bytes())
    key = names.key(kind, made.digest)
    require_bucket(account, names.bucket)
    if not objects.holds(account, names.bucket, f"{key}/{manifest.NAME}", described):
        wanted.check()
    sent: list[str] = []
    skipped: list[str] = []
    for name, content in (*contents.items(), (manifest.NAME, described)):
        was_sent = objects.put(account, names.bucket, f"{key}/{name}", content)
        (sent if was_sent else skipped).append(name)
        account.tell(f"{name}: {'sent' if was_sent else 'already there'} ({content.record.size_bytes:,} bytes)")
    size = sum(content.record.size_bytes for content in contents.values())
    return Uploaded(f"s3://{names.bucket}/{key}", made.digest, tuple(sent), tuple(skipped), size)


def require_bucket(account: Account, bucket: str) -> None:
    """Raise AwsInputError if the bucket doesn't exist.

    Raises:
        AwsInputError: The bucket doesn't exist. AccessDenied: It belongs to another account, or access is denied.
    """
    where = {"Bucket": bucket, "ExpectedBucketOwner": account.account_id}
    if account.find("s3", "HeadBucket", **where) is None and not account.dry:
        raise AwsInputError(
            f"there is no bucket {bucket} in {account.account_id}: run `jobmajor aws bootstrap` first, or name yours "
            "in the setting aws.bucket"
        )
