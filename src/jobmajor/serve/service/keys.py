"""API keys, stored as hashes, so that whoever reads the file of keys gains no access.

A key has 256 random bits. So a plain SHA-256 of it can't be reversed by guessing, and takes no time.
All hashes are compared in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import TYPE_CHECKING

from jobmajor.errors import DataError, InputError
from jobmajor.serve.messages.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

REVIEW = "review"  # the mark of a key that may keep choices
_LINE = re.compile(r"([A-Za-z0-9._-]{1,64}) ([0-9a-f]{64})( review)?")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MAX_BYTES = 2**20
_EXPECTED = "expected 'Authorization: Bearer KEY' or 'X-API-Key: KEY'"


class Keys:
    """The hashes of the known keys, by name. Without any, no request needs a key."""

    def __init__(self, hashes: Mapping[str, str], reviewers: Collection[str] = ()) -> None:
        """`reviewers` are the names of keys that may keep choices."""
        self._hashes = {name: bytes.fromhex(text) for name, text in hashes.items()}
        self._reviewers = frozenset(reviewers)

    def __len__(self) -> int:
        return len(self._hashes)

    def may_review(self, name: str) -> bool:
        """Return whether the key of that name may keep choices; without keys, everyone may."""
        return not self._hashes or name in self._reviewers

    def name(self, headers: Mapping[bytes, bytes]) -> str:
        """Return the name of a request's key; empty if none is needed.

        Raises:
            Refusal: 401 without a key or with an unknown one.
        """
        if not self._hashes:
            return ""
        given = _given(headers)
        if not given:
            raise _unknown(f"the request has no key: {_EXPECTED}")
        found, digest = "", hashlib.sha256(given).digest()
        for name, stored in self._hashes.items():  # compare all of them, so that the time reveals nothing
            if hmac.compare_digest(stored, digest):
                found = name
        if not found:
            raise _unknown("the request's key is unknown: ask for a new one")
        return found


def _unknown(sentence: str) -> Refusal:
    return Refusal(401, sentence, field="Authorization", headers={"WWW-Authenticate": "Bearer"})


def _given(headers: Mapping[bytes, bytes]) -> bytes:
    scheme, _, key = headers.get(b"authorization", b"").partition(b" ")
    return key.strip() if scheme.lower() == b"bearer" else headers.get(b"x-api-key", b"").strip()


def read(path: Path) -> Keys:
    """Read a file of keys: a name, the key's SHA-256 and perhaps the mark `review` on each line.

    Empty lines and lines with `#` first are skipped.

    Raises:
        DataError: It can't be read, has no key, or has another line. The message never quotes its content.
    """
    expected, do = (
        f"lines of a name, a SHA-256 and perhaps {REVIEW!r}",
        "make one with `jobmajor serve --keys FILE --new-key NAME`",
    )
    try:
        with path.open("rb") as file:
            lines = file.read(_MAX_BYTES).decode("ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(path, f"no file of keys ({type(error).__name__})", expected, do) from error
    hashes: dict[str, str] = {}
    reviewers: set[str] = set()
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        fits = _LINE.fullmatch(line.strip())
        if not fits or fits[1] in hashes:
            raise DataError(f"{path}, line {number}", "another line or a name again", expected, do)
        hashes[fits[1]] = fits[2]
        if fits[3]:
            reviewers.add(fits[1])
    if not hashes:  # without keys, every request would be let in
        raise DataError(path, "no key", expected, do)
    return Keys(hashes, reviewers)


def add(path: Path, name: str, *, may_review: bool = False) -> str:
    """Return a new key, and add its hash to the file, which is created if missing. The key itself is stored nowhere.

    With `may_review`, it is marked as one that may keep choices.

    Raises:
        InputError: The name has characters other than letters, digits and `._-`, or already has a key.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"--new-key {name!r}: expected 1 to 64 letters, digits or ._-")
    if path.exists() and f"\n{name} " in "\n" + path.read_text("ascii"):
        raise InputError(f"{path} has a key {name!r} already: name another, or remove that line first")
    key = secrets.token_urlsafe(32)
    path.touch(mode=0o600)
    with path.open("a", encoding="ascii") as file:
        mark = f" {REVIEW}" if may_review else ""
        file.write(f"{name} {hashlib.sha256(key.encode()).hexdigest()}{mark}\n")
    return key
