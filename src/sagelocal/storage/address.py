"""`s3://` addresses: their parts, checked so that none leads out of its bucket's folder."""

from __future__ import annotations

import re

from sagelocal.errors import InputError
from sagelocal.storage import publish

_BUCKET = re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ODD = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")


def split(uri: str) -> tuple[str, tuple[str, ...]]:
    """Return the bucket and the parts of the key of an `s3://` address; a whole bucket has no parts.

    Raises:
        InputError: It is not an `s3://` address, or it could leave its bucket's folder: it has `..`, empty
            parts, control characters, backslashes, or names that mark unpublished files.

    >>> split("s3://bkt/a/b.csv")
    ('bkt', ('a', 'b.csv'))
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    parts = tuple(key.removesuffix("/").split("/")) if key.removesuffix("/") else ()
    fault = None
    if not uri.startswith("s3://") or not _BUCKET.fullmatch(bucket):
        fault = "is no s3:// address of a bucket"
    elif _ODD.search(key) or len(key.encode(errors="replace")) > 1024:
        fault = "has a key with control characters, a backslash or over 1,024 bytes"
    elif any(_is_odd(part) for part in parts):
        fault = "has an empty, '.', '..', '.staging-…' or over 255 bytes long part in its key"
    if fault:
        raise InputError(f"{uri!r} {fault}: expected s3://bucket/folder/name")
    return bucket, parts


def _is_odd(part: str) -> bool:
    return part in {"", ".", ".."} or part.startswith(publish.STAGING) or len(part.encode()) > 255


def join(uri: str, name: str) -> str:
    """Return the address of `name` below `uri`, whether or not `uri` ends in a slash."""
    return f"{uri.rstrip('/')}/{name}"


def prefix(uri: str) -> str:
    """Return the address of a prefix without a slash at its end.

    >>> prefix("s3://bkt/a/")
    's3://bkt/a'
    """
    bucket, parts = split(uri)
    return "s3://" + "/".join((bucket, *parts))
