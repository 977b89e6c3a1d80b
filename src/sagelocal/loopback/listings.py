"""Pages of S3's lists of objects: prefixes, delimiters, and where the next page begins."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sagelocal.storage.objects import StoredObject

_MOST = 1000  # S3's own limit


def page(found: Sequence[StoredObject], query: Mapping[str, str]) -> str:
    """Return the members of ListObjects' or ListObjectsV2's result as XML.

    Args:
        found: The objects below the prefix, in order.
        query: The request's parameters: `delimiter`, `max-keys`, and where to begin.
    """
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    most = min(int(query.get("max-keys") or _MOST), _MOST)
    after = _after(query)
    lines: list[str] = []
    last = ""
    for item in found:
        shared = _shared(item.key, prefix, delimiter)
        name = shared or item.key
        if name <= after or name == last or (shared and after.startswith(shared)):
            continue
        if len(lines) == most:
            return f"{_head(query, most)}{''.join(lines)}{_more(last, query)}"
        lines.append(_common(name, query) if shared else _contents(item, query))
        last = name
    return f"{_head(query, most)}{''.join(lines)}<KeyCount>{len(lines)}</KeyCount><IsTruncated>false</IsTruncated>"


def time_of(item: StoredObject) -> str:
    """Return when an object was written, ISO 8601."""
    return datetime.fromtimestamp(item.modified, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _after(query: Mapping[str, str]) -> str:
    if "continuation-token" in query:
        return base64.urlsafe_b64decode(query["continuation-token"]).decode()
    return query.get("start-after", "") or query.get("marker", "")


def _shared(key: str, prefix: str, delimiter: str) -> str:
    """Return the common prefix that stands for a key; empty if the key stands for itself."""
    if not delimiter:
        return ""
    head, found, _ = key.removeprefix(prefix).partition(delimiter)
    return f"{prefix}{head}{found}" if found else ""


def _head(query: Mapping[str, str], most: int) -> str:
    given = "".join(
        f"<{name}>{_text(query[key], query)}</{name}>"
        for name, key in (("Prefix", "prefix"), ("Delimiter", "delimiter"))
        if query.get(key)
    )
    coded = f"<EncodingType>{escape(query['encoding-type'])}</EncodingType>" if query.get("encoding-type") else ""
    return f"{given}<MaxKeys>{most}</MaxKeys>{coded}"


def _more(last: str, query: Mapping[str, str]) -> str:
    token = base64.urlsafe_b64encode(last.encode()).decode()
    return (
        f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>"
        f"<NextMarker>{_text(last, query)}</NextMarker>"
    )


def _contents(item: StoredObject, query: Mapping[str, str]) -> str:
    return (
        f"<Contents><Key>{_text(item.key, query)}</Key><LastModified>{time_of(item)}</LastModified>"
        f"<ETag>{escape(item.etag)}</ETag><Size>{item.size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )


def _common(name: str, query: Mapping[str, str]) -> str:
    return f"<CommonPrefixes><Prefix>{_text(name, query)}</Prefix></CommonPrefixes>"


def _text(text: str, query: Mapping[str, str]) -> str:
    return quote(text, safe="/") if query.get("encoding-type") == "url" else escape(text)
