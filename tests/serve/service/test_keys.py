"""A key opens what its hash stands for, and the file of hashes opens nothing."""

from __future__ import annotations

import hashlib
import stat
from typing import TYPE_CHECKING

import pytest

from jobmajor.errors import DataError, InputError
from jobmajor.serve.messages.refusal import Refusal
from jobmajor.serve.service import keys

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def test_new_key_is_known_by_its_name_in_either_header_and_not_kept(path: Path) -> None:
    first, second = keys.add(path, "anna"), keys.add(path, "ben")

    known = keys.read(path)

    assert known.name({b"authorization": b"Bearer " + first.encode()}) == "anna"
    assert known.name({b"authorization": b"bearer  " + second.encode()}) == "ben"
    assert known.name({b"x-api-key": second.encode()}) == "ben"
    assert first not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_hash_in_the_file_is_no_key(path: Path) -> None:
    keys.add(path, "anna")
    digest = path.read_text().split()[1]

    with pytest.raises(Refusal, match="unknown"):
        keys.read(path).name({b"x-api-key": digest.encode()})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"authorization": b""},
        {b"authorization": b"Basic abc"},
        {b"authorization": b"Bearer"},
        {b"x-api-key": b" "},
    ],
)
def test_request_without_a_key_is_told_how_to_send_one(path: Path, headers: dict[bytes, bytes]) -> None:
    keys.add(path, "anna")

    with pytest.raises(Refusal, match="Authorization: Bearer KEY") as refused:
        keys.read(path).name(headers)

    assert refused.value.status == 401
    assert refused.value.headers == {"WWW-Authenticate": "Bearer"}


def test_without_keys_everybody_may_ask() -> None:
    assert keys.Keys({}).name({}) == ""


@pytest.mark.parametrize(
    "text",
    ["", "# nobody\n", "anna\n", "anna " + "g" * 64, f"a/b {'0' * 64}", f"a {'0' * 64}\na {'1' * 64}", "ä"],
)
def test_file_that_would_let_in_nobody_or_everybody_is_refused(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")

    with pytest.raises(DataError, match="--new-key"):
        keys.read(path)


def test_comments_and_empty_lines_are_left_out(path: Path) -> None:
    path.write_text(f"# since 2026\n\nanna {hashlib.sha256(b'k').hexdigest()}\n")

    assert keys.read(path).name({b"x-api-key": b"k"}) == "anna"


@pytest.mark.parametrize("name", ["", "a b", "a\nb", "ä", "x" * 65])
def test_name_that_would_break_the_file_is_refused(path: Path, name: str) -> None:
    with pytest.raises(InputError, match="--new-key"):
        keys.add(path, name)


def test_name_has_one_key(path: Path) -> None:
    keys.add(path, "anna")

    with pytest.raises(InputError, match="already"):
        keys.add(path, "anna")
