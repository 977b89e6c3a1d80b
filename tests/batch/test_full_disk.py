"""A disk that fills up while a file is written: one line that names the user's file, whatever its format.

A limit on the size of a file stands for the full disk: the system refuses to write beyond it, with another number.
"""

from __future__ import annotations

import gc
import random
import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from jobmajor.cli.main import main
from sagelocal.storage import publish, transfer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jobmajor.model.classifier import Classifier

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of a file")

_LIMIT_BYTES = 40_000


@contextmanager
def full() -> Iterator[None]:
    import resource  # noqa: PLC0415 - Windows has none

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LIMIT_BYTES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three thousand rows of a title and 60 characters that don't compress well."""
    draw = random.Random(1)  # noqa: S311 - rows that are the same each time
    path = tmp_path_factory.mktemp("table") / "in.csv"
    titles = ("Registered Nurse", "Cashier", "Truck Driver")
    rows = [f"{draw.randbytes(30).hex()},{draw.choice(titles)}" for _ in range(3000)]
    path.write_text("\n".join(["id,title", *rows]) + "\n")
    return path


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet", "xlsx", "csv.gz", "csv.zst", "jsonl.gz"])
def test_full_disk_is_one_line_that_names_the_output_and_the_next_run_ends_it(
    table: Path, model_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], ending: str
) -> None:
    output = tmp_path / f"out.{ending}"
    words = ["classify", "--input", str(table), "--output", str(output), "--model", str(model_folder)]

    with full():
        status = main(words)
    with warnings.catch_warnings():  # xlsxwriter leaves its temporary files to the collector when it fails
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    said = capfd.readouterr().err
    is_there = output.exists()

    assert status == 1
    assert said == f"error: {output}: File too large: give access or make room, and run again\n"
    assert not is_there
    assert main(words) == 0
    assert output.stat().st_size > _LIMIT_BYTES
    assert sorted(path.name for path in tmp_path.iterdir()) == [output.name]


def test_full_disk_names_the_model_that_is_saved(classifier: Classifier, tmp_path: Path) -> None:
    with full(), pytest.raises(OSError, match="File too large") as caught:
        classifier.save(tmp_path)

    assert caught.value.filename == str(tmp_path)


@pytest.mark.parametrize(
    "write",
    [
        lambda folder: publish.write_file(folder / "made", bytes(2 * _LIMIT_BYTES)),
        lambda folder: transfer.copy(folder / "source", folder / "made"),
    ],
)
def test_full_disk_names_the_file_that_is_published_or_copied(tmp_path: Path, write: Callable[[Path], object]) -> None:
    (tmp_path / "source").write_bytes(bytes(2 * _LIMIT_BYTES))

    with full(), pytest.raises(OSError, match="File too large") as caught:
        write(tmp_path)

    assert caught.value.filename == str(tmp_path / "made")


def test_folder_that_finds_no_room_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    with (
        full(),
        pytest.raises(OSError, match="File too large") as caught,
        publish.new_folder(tmp_path / "made") as staging,
    ):
        (staging / "large").write_bytes(bytes(2 * _LIMIT_BYTES))

    assert caught.value.filename == str(tmp_path / "made")
    assert list(tmp_path.iterdir()) == []


def test_other_errors_keep_their_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, publish.naming(tmp_path / "made"):
        (tmp_path / "missing").read_bytes()

    assert caught.value.filename == str(tmp_path / "missing")
