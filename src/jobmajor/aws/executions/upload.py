"""Data on its way to the account: a release's files at an address that says their content.

An address that says the content is what the pipeline's cache needs: SageMaker looks at addresses only. The manifest
goes up last, so that where there is one, everything that it names is there too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobmajor.aws.api.errors import AwsInputError
from jobmajor.aws.executions import objects
from jobmajor.data import folder as folders
from jobmajor.pipeline import requests
from sagelocal.storage import manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names
    from jobmajor.data.source import Source


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What stands in S3 now.

    Attributes:
        uri: The folder, as the pipeline's parameter takes it.
        digest: Of its manifest, 64 hex digits.
        sent: The files that went up, by name.
        skipped: Those that were there already.
        size_bytes: Of all of them.
    """

    uri: str
    digest: str
    sent: tuple[str, ...]
    skipped: tuple[str, ...]
    size_bytes: int


def release(account: Account, names: Names, source: Source, part_bytes: int = objects.PART_BYTES) -> Uploaded:
    """Bring a release to `input/<digest>`; the digest is the one that a run on this machine gives it.

    Data that can't be used is refused before the first byte is sent. Interrupted, it goes on when it is called again.

    Raises:
        DataError: The files are no release. AwsInputError: The bucket isn't there, or holds something else there.
    """
    layout = folders.describe(source.folder)
    files = [path for path in (layout.titles, layout.occupations, layout.reported) if path]
    origin = {"release": layout.release, "edition": layout.edition}

    def look() -> None:
        from jobmajor.data import onet  # noqa: PLC0415 - brings in polars, which what is there already can do without

        onet.read(source.folder)

    return _brought(account, names, "input", _Folder(files, origin, look, part_bytes))


def checkpoint(account: Account, names: Names, files: Sequence[Path], part_bytes: int = objects.PART_BYTES) -> Uploaded:
    """Bring a transformer's checkpoint, as `transformer.base.files` finds it, to `checkpoint/<digest>`."""
    return _brought(account, names, requests.CHECKPOINT, _Folder(files, {}, lambda: None, part_bytes))


@dataclass(frozen=True, slots=True)
class _Folder:
    files: Sequence[Path]
    origin: Mapping[str, str]
    look: Callable[[], None]
    part_bytes: int


def _brought(account: Account, names: Names, kind: str, folder: _Folder) -> Uploaded:
    contents = {path.name: objects.Local.of(path, folder.part_bytes) for path in sorted(folder.files)}
    records = {name: local.record for name, local in contents.items()}
    made = manifest.Manifest(files=records, source=folder.origin)
    described = objects.Local.of(made.to_bytes())
    key = names.key(kind, made.digest)
    require_bucket(account, names.bucket)
    if not objects.holds(account, names.bucket, f"{key}/{manifest.NAME}", described):
        folder.look()
    sent: list[str] = []
    skipped: list[str] = []
    for name, local in (*contents.items(), (manifest.NAME, described)):
        was_sent = objects.put(account, names.bucket, f"{key}/{name}", local)
        (sent if was_sent else skipped).append(name)
        account.tell(f"{name}: {'sent' if was_sent else 'is there'} ({local.record.size_bytes:,} bytes)")
    size = sum(local.record.size_bytes for local in contents.values())
    return Uploaded(f"s3://{names.bucket}/{key}", made.digest, tuple(sent), tuple(skipped), size)


def require_bucket(account: Account, bucket: str) -> None:
    """Nothing, or the error that a missing bucket gets.

    Raises:
        AwsInputError: It isn't there. AccessDenied: It is another account's, or may not be looked at.
    """
    where = {"Bucket": bucket, "ExpectedBucketOwner": account.account_id}
    if account.find("s3", "HeadBucket", **where) is None and not account.dry:
        raise AwsInputError(
            f"there is no bucket {bucket} in {account.account_id}: run `jobmajor aws bootstrap` first, or name yours "
            "in the setting aws.bucket"
        )
