"""Files and folders that the person who looks may not read, and numbers and names that no file has."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

from sagelocal.errors import ArtifactError
from sagelocal.run import records
from sagelocal.ui import files, site
from sagelocal.ui.workspace import Workspace

from .conftest import ended, logged, published

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOBODY = 65534
_FILE = "file?step=train&uri=s3%3A%2F%2Fbkt%2Fone%2Fout&name=a.txt"
posix = pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")


@pytest.fixture
def open_home() -> Iterator[Path]:
    """A workspace to which every user of the machine gets; pytest's own folders are closed to others."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name) / "home"


@contextmanager
def closed(path: Path) -> Iterator[None]:
    """Take all access to a file or folder, also from root."""
    mode = path.stat().st_mode
    path.chmod(0)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(_NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        path.chmod(mode)


def ask(home: Path, path: str) -> tuple[int, str]:
    client = TestClient(site.create(Workspace(home)), base_url="http://127.0.0.1")
    answer = client.get(path)
    return answer.status_code, answer.text


@posix
def test_record_without_access_is_not_said_to_be_damaged(open_home: Path) -> None:
    run = ended(open_home, "one")

    with closed(run.folder / records.NAME), pytest.raises(ArtifactError) as found:
        records.read(run.folder)

    assert str(found.value) == f"{run.folder / records.NAME} can't be read (permission denied): give access"


@posix
def test_record_of_outputs_without_access_is_not_said_to_be_damaged(open_home: Path) -> None:
    run = ended(open_home, "one")
    published(open_home, run, "train", {"a.txt": b"inside"})

    with closed(run.folder / "outputs"), pytest.raises(ArtifactError, match=r"permission denied\): give access$"):
        records.outputs(run.folder, "train")


@posix
@pytest.mark.parametrize("name", ["a.txt", "."])
def test_output_without_access_costs_its_content_and_not_the_page(open_home: Path, name: str) -> None:
    run = ended(open_home, "one")
    published(open_home, run, "train", {"a.txt": b"inside"})
    logged(run, "train", "said by the job")

    with closed(open_home / "s3" / "bkt" / "one" / "out" / name):
        step, page = ask(open_home, "/runs/one/step?name=train"), ask(open_home, f"/runs/one/{_FILE}")

    assert step[0] == page[0] == 200
    assert "said by the job" in step[1]
    assert files.CLOSED in step[1]
    assert "can&#39;t be read (permission denied): give access" in page[1]


@pytest.mark.parametrize("size", [-1, 2**63, 10**400])
def test_size_that_no_file_has_is_a_damaged_record_and_no_fault(tmp_path: Path, size: int) -> None:
    run = ended(tmp_path, "one")
    published(tmp_path, run, "train", {"a.txt": b"inside"})
    path = run.folder / "outputs" / "train.json"
    path.write_text(path.read_text().replace('"size_bytes": 6', f'"size_bytes": {size}'))

    status, page = ask(tmp_path, "/runs/one/step?name=train")

    assert status == 200
    assert "is no record of outputs" in page


def test_name_that_no_file_can_have_costs_its_content_and_not_the_page(tmp_path: Path) -> None:
    run = ended(tmp_path, "one")
    published(tmp_path, run, "train", {"a.txt": b"inside"})
    path, name = run.folder / "outputs" / "train.json", "a" * 5000
    path.write_text(path.read_text().replace("a.txt", name))

    for page in ("step?name=train", _FILE.replace("a.txt", name)):
        assert ask(tmp_path, f"/runs/one/{page}")[0] == 200


def test_part_without_text_of_a_log_that_has_some_is_not_called_empty(tmp_path: Path) -> None:
    logged(ended(tmp_path, "one"), "train", "said by the job")

    page = ask(tmp_path, "/runs/one/log?step=train&file=train%2Flog.txt&after=99")[1]

    assert "The log is empty." not in page


def test_message_about_a_long_id_is_short(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()

    status, page = ask(tmp_path, f"/runs/{'a' * 50_000}")

    assert (status, len(page) < 3000) == (404, True)
