"""Download the traffic that an endpoint captured, into a folder that `jobmajor monitor` reads.

A file is complete as soon as S3 has it, and never changes. So a file that is here with the same size is left, and an
interrupted download continues.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, HTTPClientError

from jobmajor.aws.api.errors import AwsError, AwsInputError, NotFound
from jobmajor.aws.endpoints.config import staged
from jobmajor.monitor.traffic.capture import Period
from sagelocal.storage import publish

if TYPE_CHECKING:
    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names

_CHUNK_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True)
class Download:
    """What a download brought: the endpoint, files and bytes of the period, and how many files were here already."""

    endpoint: str
    files: int
    size_bytes: int
    here: int


def folder(names: Names, stage: str) -> str:
    """Return the S3 address below which a stage's endpoint captures."""
    return names.url("capture", staged(names.endpoint, stage))


def download(account: Account, names: Names, stage: str, target: Path, period: Period | None = None) -> Download:
    """Download what a stage's endpoint captured in a period.

    S3 has folders by the hour, so files of the days before and after may be among them.

    Raises:
        AwsInputError: There is none, or the folder can't be written to.
        AwsError: A file was not read whole: what was read is kept, and the next call continues.
    """
    endpoint, wanted = staged(names.endpoint, stage), period or Period()
    prefix = f"{folder(names, stage).removeprefix(f's3://{names.bucket}/')}/"
    try:
        items = list(account.pages("s3", "ListObjectsV2", "Contents", Bucket=names.bucket, Prefix=prefix))
    except NotFound as error:
        raise AwsInputError(f"there is no bucket {names.bucket}: run jobmajor aws bootstrap") from error
    found = {
        path: item for item in items if (path := _path(item["Key"].removeprefix(prefix))) and wanted.may_have(path)
    }
    if not (found or account.dry):
        words = "real-time endpoints capture, unless they were deployed with --capture-percent 0"
        raise AwsInputError(f"s3://{names.bucket}/{prefix} has no captured traffic of the period: {words}")
    here = 0
    for path, item in found.items():
        local = target / path
        if local.is_file() and local.stat().st_size == int(item["Size"]):
            here += 1
        else:
            _fetch(account, names, item, local)
    return Download(endpoint, len(found), sum(int(item["Size"]) for item in found.values()), here)


def _path(name: str) -> Path | None:
    """Return the path of a captured file within its folder; None for what is none."""
    parts = PurePosixPath(name).parts
    is_plain = all(part not in ("..", "/") and "\\" not in part and ":" not in part for part in parts)
    return Path(*parts) if parts and is_plain and name.endswith(".jsonl") else None


def _fetch(account: Account, names: Names, item: dict[str, Any], local: Path) -> None:
    """Write an object to a file, which appears when it is whole."""
    asked = {"Bucket": names.bucket, "Key": item["Key"], "ExpectedBucketOwner": account.account_id}
    body = account.read("s3", "GetObject", **asked)["Body"]
    staging = local.with_name(f"{publish.STAGING}{os.getpid()}-{local.name}")
    try:
        local.parent.mkdir(0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            for chunk in body.iter_chunks(_CHUNK_BYTES):
                file.write(chunk)
        staging.replace(local)
    except (BotoCoreError, HTTPClientError) as error:
        raise AwsError(f"reading s3://{names.bucket}/{item['Key']} failed ({error}): run again") from error
    except OSError as error:
        raise AwsInputError(f"{local} can't be written ({error.strerror}): name another folder") from error
    finally:
        with suppress(OSError):
            staging.unlink(missing_ok=True)
