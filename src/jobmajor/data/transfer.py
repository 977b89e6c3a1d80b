"""Fetch one file over a connection that may break: resumed, retried, bounded, and checked.

The bytes go to a partial file, which only the caller publishes. A network that requires a sign-in answers every request
with a web page, so a page is refused before its bytes count as data.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import urllib3
from urllib3.exceptions import HTTPError

from jobmajor.data import outbound, releases
from jobmajor.errors import DataError
from jobmajor.tables import archive
from sagelocal.storage import manifest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from urllib3.response import BaseHTTPResponse

    Progress = Callable[[str, int, int | None], None]

_log = logging.getLogger(__name__)
_CHUNK_BYTES = 2**16
_PASSING = (408, 425, 429, 500, 502, 503, 504)  # a later try may succeed
_LONGEST_WAIT_S = 30.0
_BY_HAND = "fetch it with a browser and name its folder with --data"


@dataclass(frozen=True, slots=True)
class TransferOptions:
    """The options of a download.

    `base` is the base address of all releases, O*NET's or a mirror's. `total_s` limits the time of one file's
    transfer, and `max_bytes` its size. `wait_s` is the pause before the second try; it doubles before each further
    one.
    """

    base: str = releases.BASE
    tries: int = 5
    connect_s: float = 10.0
    read_s: float = 30.0
    total_s: float = 900.0
    wait_s: float = 1.0
    max_bytes: int = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Item:
    """A file to fetch: its name in messages, its address, and its sha256, None if that isn't pinned."""

    name: str
    address: str
    sha256: str | None


class _PassingError(Exception):
    """A fault that may be gone at a later try."""


def _validator(part: Path) -> Path:
    return part.with_name(part.name + ".validator")


def forget(part: Path) -> None:
    """Remove a partial file and its validator."""
    part.unlink(missing_ok=True)
    _validator(part).unlink(missing_ok=True)


def _headers(item: Item, part: Path) -> dict[str, str]:
    """Return the request's headers; they ask for the rest of a file only if a check can tell that the rest fits."""
    headers = {"User-Agent": "jobmajor", "Accept-Encoding": "identity"}
    offset = part.stat().st_size if part.is_file() else 0
    note = _validator(part)
    seen = note.read_text("utf-8") if note.is_file() else ""
    if offset and (seen or item.sha256):
        headers["Range"] = f"bytes={offset}-"
        if seen:
            headers["If-Range"] = seen
    return headers


def _note_validator(response: BaseHTTPResponse, part: Path) -> None:
    tag = response.headers.get("ETag", "")
    if tag.startswith("W/"):  # If-Range must not name a weak tag
        tag = ""
    _validator(part).write_text(tag or response.headers.get("Last-Modified", ""), "utf-8")


def _check_answer(item: Item, response: BaseHTTPResponse) -> None:
    status = response.status
    if status in _PASSING:
        raise _PassingError(f"status {status}")
    final = response.geturl() or item.address
    if item.address.startswith("https:") and final.startswith("http:"):
        raise DataError(item.address, f"a redirect to {final[:80]}", "an https address", _BY_HAND)
    if status == 407:
        do = "put them into the proxy's address, as in http://NAME:PASSWORD@host:3128"
        raise DataError(item.address, "a proxy that refused", "its right name and password", do)
    if status not in (200, 206):
        raise DataError(item.address, f"status {status}", "the file", _BY_HAND)
    if response.headers.get("Content-Type", "").lower().startswith("text/html"):
        raise _other(item, archive.HTML)


def _other(item: Item, kind: str) -> DataError:
    advice = f"sign in to your network, or {_BY_HAND}" if kind == archive.HTML else _BY_HAND
    return DataError(item.address, f"{kind} instead of the file", f"the file {item.name}", advice)


def _offset(response: BaseHTTPResponse, part: Path) -> int:
    """Return where in the file the response's body begins: 0, or the end of the partial file."""
    if response.status == 200:
        return 0
    here = part.stat().st_size if part.is_file() else 0
    if not response.headers.get("Content-Range", "").startswith(f"bytes {here}-"):
        forget(part)
        raise _PassingError("a part of the file that was not asked for")
    return here


def _total(response: BaseHTTPResponse, offset: int) -> int | None:
    length = response.headers.get("Content-Length", "")
    return offset + int(length) if length.isascii() and length.isdigit() else None


@dataclass(frozen=True, slots=True)
class _Transfer:
    """The transfer of one file."""

    item: Item
    part: Path
    options: TransferOptions
    on_progress: Progress | None
    deadline: float

    def attempt(self, pool: urllib3.PoolManager) -> None:
        response = pool.request(
            "GET",
            self.item.address,
            headers=_headers(self.item, self.part),
            preload_content=False,
            timeout=urllib3.Timeout(connect=self.options.connect_s, read=self.options.read_s),
            retries=urllib3.Retry(connect=0, read=0, status=0, other=0, redirect=3),
        )
        try:
            if response.status == 416:  # the partial file is longer than the server's
                forget(self.part)
                raise _PassingError("a partial file that doesn't fit the server's")
            _check_answer(self.item, response)
            self._receive(response)
        finally:
            response.close()

    def _receive(self, response: BaseHTTPResponse) -> None:
        done = _offset(response, self.part)
        total = _total(response, done)
        self._check_size(total or 0)
        if not done:
            _note_validator(response, self.part)
        with self.part.open("ab" if done else "wb") as file:
            for chunk in response.stream(_CHUNK_BYTES, decode_content=False):
                self._check_time()
                done += len(chunk)
                self._check_size(done)
                file.write(chunk)
                if self.on_progress:
                    self.on_progress(self.item.name, done, total)

    def _check_size(self, size: int) -> None:
        limit = self.options.max_bytes
        if size > limit:
            forget(self.part)
            raise DataError(self.item.address, f"over {limit} bytes", "a smaller file", "check the address")

    def _check_time(self) -> None:
        if time.monotonic() > self.deadline:
            raise DataError(
                self.item.address,
                f"a file not whole after {self.options.total_s:.0f} s",
                "a faster connection",
                f"run it again to continue where it stopped, or {_BY_HAND}",
            )

    def check_content(self, *, resumed: bool) -> None:
        """Check the file's kind and checksum; a resumed file with a wrong checksum is fetched anew."""
        with self.part.open("rb") as file:
            kind = archive.kind(file.read(archive.HEAD_BYTES))
        if kind != archive.ZIP:
            forget(self.part)
            raise _other(self.item, kind)
        wanted, found = self.item.sha256, manifest.hash_file(self.part)
        if wanted is None or found == wanted:
            return
        forget(self.part)
        if resumed:
            raise _PassingError("a resumed file with another checksum")
        raise DataError(
            self.item.address,
            f"sha256 {found[:12]}…",
            f"{wanted[:12]}… (pinned)",
            "the server's file changed or was tampered with: try later, or use another release",
        )

    def is_whole(self) -> bool:
        """Tell whether an earlier run fetched the whole file, but was killed before it published it."""
        pinned = self.item.sha256
        return pinned is not None and self.part.is_file() and manifest.hash_file(self.part) == pinned


def _try_once(transfer: _Transfer, pool: urllib3.PoolManager) -> str | None:
    """Try once; return None when the file is complete, else the passing fault."""
    resumed = "Range" in _headers(transfer.item, transfer.part)
    try:
        transfer.attempt(pool)
        transfer.check_content(resumed=resumed)
    except _PassingError as error:
        return str(error)
    except HTTPError as error:
        return " ".join(str(getattr(error, "reason", None) or error).split())[:200]
    except OSError as error:
        found = f"{error.strerror or error} while writing"
        raise DataError(transfer.part, found, "space to write", "free some space or name another --home") from error
    return None


def fetch(
    item: Item,
    part: Path,
    options: TransferOptions,
    on_progress: Progress | None = None,
) -> None:
    """Fetch the whole file into `part`; continue what an earlier call left there.

    `on_progress` gets the file's name, the bytes so far and the bytes in all (None when the server
    doesn't say).

    Raises:
        DataError: The server has no such file, or sends a page, another checksum or too much; the connection failed
            at every try; or the disk is full.
    """
    transfer = _Transfer(item, part, options, on_progress, time.monotonic() + options.total_s)
    if transfer.is_whole():
        return
    pool = outbound.pool(item.address)
    reason: str | None = None
    try:
        for attempt in range(options.tries):
            if attempt:
                time.sleep(min(options.wait_s * 2 ** (attempt - 1), _LONGEST_WAIT_S))
            reason = _try_once(transfer, pool)
            if reason is None:
                return
            _log.warning("try %d of %d for %s: %s", attempt + 1, options.tries, item.name, reason)
    finally:
        pool.clear()
    tries = "1 try" if options.tries == 1 else f"{options.tries} tries"
    do = (
        f"name your network's certificates in REQUESTS_CA_BUNDLE, or {_BY_HAND}"
        if "CERTIF" in str(reason)
        else _BY_HAND
    )
    raise DataError(item.address, f"no whole file after {tries} ({reason})", "the file", do)
