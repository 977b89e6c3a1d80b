"""The compiler, found or missing; and work without compiled code."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from jobmajor.errors import ArtifactError
from jobmajor.native import build, library
from jobmajor.tables.memo import Memo, picked
from jobmajor.tables.packed import Packed
from jobmajor.tables.text.append import Cells, append

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
TITLES = ["Nurse", "", "Cook", "Nurse", "a" * 33, "é", "Cook", "12345678", "123456789"]


@pytest.fixture
def without_compiled_code(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("JOBMAJOR_COMPILED", "no")
    library.load.cache_clear()
    yield
    library.load.cache_clear()


def test_library_is_built_here_and_loaded() -> None:
    """Every other test of compiled code rests on this: without a library, all would try Python only."""
    assert library.load() is not None


def test_libraries_of_all_levels_are_built_and_know_their_sources(tmp_path: Path) -> None:
    made = build.build(tmp_path)

    assert [path.name for path in made] == list(build.names(*build.here()).values())
    assert {build.sources_of(path) for path in made} == {int(build.digest(), 16)}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in made)


def test_library_for_macos_is_the_same_in_every_folder(tmp_path: Path) -> None:
    pytest.importorskip("ziglang", reason="ziglang is not installed: it compiles for other systems")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()

    made = [build.build(tmp_path / name, build.TARGETS["macosx_11_0_arm64"])[0].read_bytes() for name in ("a", "b")]

    assert made[0] == made[1]
    assert str(tmp_path).encode() not in made[0]
    assert str(build.FOLDER).encode() not in made[0]


def test_levels_of_a_processor_are_those_that_libraries_are_built_for() -> None:
    first = ctypes.CDLL(str(build.FOLDER / build.names(*build.here())[min(build.names(*build.here()))]))

    assert int(first.jm_level()) in build.names(*build.here())


def test_missing_compiler_is_named_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "ziglang", raising=False)

    with pytest.raises(build.BuildError, match=r"no C compiler .*pip install ziglang.*JOBMAJOR_COMPILED=no") as error:
        build.build(tmp_path)

    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("program", "said"), [("exit 3", "failed"), ("echo fatal error: no header >&2; exit 1", "no header")]
)
def test_compiler_that_fails_is_named_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, said: str
) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text(f"#!/bin/sh\n{program}\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", str(compiler))

    with pytest.raises(build.BuildError, match=f"{said}.*JOBMAJOR_COMPILED=no") as error:
        build.build(tmp_path)

    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["cc"]


def test_library_of_other_sources_is_refused_with_the_command_that_builds_it(tmp_path: Path) -> None:
    package = tmp_path / "jobmajor"
    shutil.copytree(
        ROOT / "src" / "jobmajor" / "native", package / "native", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("__init__.py", "errors.py"):
        shutil.copyfile(ROOT / "src" / "jobmajor" / name, package / name)
    (package / "native" / "rank.c").write_text("/* changed */")
    code = "from jobmajor.native import library; library.load()"

    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT / 'src'}"},
        check=False,
        capture_output=True,
        text=True,
    )

    last = done.stderr.splitlines()[-1]
    assert ArtifactError.__name__ in last
    assert "was built from other sources: run `python -m jobmajor.native.build`" in last


@pytest.mark.usefixtures("without_compiled_code")
def test_without_compiled_code_nothing_is_loaded() -> None:
    assert library.load() is None


def memo_of(titles: list[str]) -> list[list[int]]:
    """What a memo that knows the first three titles says of all, with the keys' hashes."""
    memo, found = Memo(2, 100_000), []
    for some in (titles[:3], titles, titles[::-1]):
        match = memo.match(Packed.of(some))
        fresh = np.arange(2 * len(match.firsts), dtype=np.uint64).reshape(-1, 2) + len(some)
        answers = memo.settle(match, fresh)
        found += [match.firsts.tolist(), match.keys.ravel().tolist(), answers.ravel().tolist()]
    again = picked(Packed.of(titles), np.array([2, 0, 5]))
    return [*found, again.data.tolist(), again.starts.tolist()]


def test_memo_in_python_is_that_of_compiled_code(request: pytest.FixtureRequest) -> None:
    compiled = memo_of(TITLES)

    request.getfixturevalue("without_compiled_code")

    assert memo_of(TITLES) == compiled


ROWS = [
    b'1,"a ""b""",c',
    b"=1,+2,-3,@4",
    b'"=1","x=",""',
    b"",
    b'"',
    b",,",
    b'"\t1",\t2',
    b"a\tb",
    b'"=a"",=b",=c',
    b'""',
    b'"a"b,=c',
]


def appended(rows: list[bytes], *, is_safe: bool) -> bytes:
    text = np.frombuffer(b"\r\n".join([*rows, b""]), np.uint8)
    begins = np.cumsum([0, *(len(row) + 2 for row in rows)])
    index = np.arange(len(rows), dtype=np.int32)
    spans = np.stack([begins[:-1], begins[1:] - 2, begins[1:], index, 1 + index % 4], axis=1)
    cells = np.ascontiguousarray(np.stack([index % 3 - 1, np.array([-1, 0, 1_000_000, 123_456], np.int32)[index % 4]]))
    texts = np.frombuffer(b",,one,two", np.uint8)
    given = Cells(text, spans, cells, np.array([1, -1]), texts, np.array([0, 1, 5, 9]), 5, 4)
    out = np.empty(2 * len(text) + 44 * len(rows), np.uint8)
    return out[: append(given, ord(","), out, is_safe=is_safe)].tobytes()


@pytest.mark.parametrize("is_safe", [False, True])
def test_rows_in_python_are_those_of_compiled_code(request: pytest.FixtureRequest, is_safe: bool) -> None:
    compiled = appended(ROWS, is_safe=is_safe)
    assert b",one,0.000000\r\n" in compiled or b",,\r\n" in compiled

    request.getfixturevalue("without_compiled_code")

    assert appended(ROWS, is_safe=is_safe) == compiled
