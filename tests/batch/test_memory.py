"""Memory stays flat however long a file is; the memo stays within its bounds and tells titles apart."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmajor.tables.memo import Memo
from jobmajor.tables.packed import Packed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# As on a machine with two processors: each thread takes memory of its own.
PROGRAM = """
import os, sys
os.environ.update(dict.fromkeys(("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "2"))
from jobmajor.batch.files import code_file
from jobmajor.batch.options import FileOptions
code_file(sys.argv[1], sys.argv[2], FileOptions(threads=2), model=sys.argv[3])
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak.split()[1]) // 1024)
"""


@pytest.mark.long
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_five_times_the_rows_take_no_more_memory(
    ending: str, table: Callable[[Path, int, int], Path], model_folder: Path, tmp_path: Path
) -> None:
    peaks_mb = []
    for rows in (500_000, 2_500_000):
        source = table(tmp_path / f"in.{ending}", rows, rows // 1000)
        words = [sys.executable, "-c", PROGRAM, str(source), str(tmp_path / f"out.{ending}"), str(model_folder)]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        peaks_mb.append(int(done.stdout))

    assert peaks_mb[1] - peaks_mb[0] < 40
    assert peaks_mb[1] < 500


@pytest.mark.long
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_long_rows_take_no_more_memory_than_short_ones(ending: str, model_folder: Path, tmp_path: Path) -> None:
    """300 MB of rows of 100 KB, a block's number of which would take gigabytes."""
    source = tmp_path / f"in.{ending}"
    titles, notes = ["nurse", "cook"] * 1500, ["x" * 100_000] * 3000
    frame = pl.DataFrame({"title": titles, "note": [f"{number}{note}" for number, note in enumerate(notes)]})
    write = {"csv": frame.write_csv, "jsonl": frame.write_ndjson, "parquet": frame.write_parquet}
    write[ending](source)  # type: ignore[operator]  # functions of different options

    words = [sys.executable, "-c", PROGRAM, str(source), str(tmp_path / f"out.{ending}"), str(model_folder)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)

    assert int(done.stdout) < 500


@given(st.lists(st.text(max_size=20), max_size=50), st.lists(st.text(max_size=20), max_size=50))
def test_memo_gives_each_title_its_own_answer(first: list[str], second: list[str]) -> None:
    memo, known = Memo(1, 1000), dict[str, int]()

    for titles in (first, second, first):
        match = memo.match(Packed.of(titles))
        unknown = [titles[row] for row in match.firsts]
        for title in unknown:
            known.setdefault(title, len(known))
        fresh = np.array([[known[title]] for title in unknown], np.uint64).reshape(-1, 1)
        answers = memo.settle(match, fresh)

        assert len(set(unknown)) == len(unknown)
        assert answers[:, 0].tolist() == [known[title] for title in titles]


def test_memo_that_is_full_keeps_what_it_has_and_its_size() -> None:
    memo = Memo(1, 2400)  # 100 slots, of which 85 may be used
    titles = [f"title {number}" for number in range(200)]
    match = memo.match(Packed.of(titles))
    memo.settle(match, np.arange(200, dtype=np.uint64)[:, None])

    again = memo.match(Packed.of(titles))

    assert memo.size_bytes == 2400
    assert again.firsts.tolist() == list(range(85, 200))
    assert again.answers[:85, 0].tolist() == list(range(85))


def test_a_million_titles_have_different_keys() -> None:
    """By chance alone two of them would share one in 10^26 tries; a weak hash shares many."""
    titles = [f"{number}" for number in range(500_000)] + [f"senior {number} engineer" for number in range(500_000)]

    match = Memo(1, 100).match(Packed.of(titles))

    assert len(match.firsts) == 1_000_000
    assert len(np.unique(match.keys[:, 0])) == 1_000_000  # each half alone is good, too
    assert len(np.unique(match.keys[:, 1])) == 1_000_000
