"""A table of ten million titles, two million of them different, coded from file to file, beside the plain way.

The plain way is what one writes first: pyarrow's batches, a scikit-learn pipeline's `predict`, a column appended. It
scores each row alike, so its rate is taken on fewer rows and holds for all; it gives major groups, also where ours
gives all four levels. Each run is a process of its own that has every processor; what counts are ratios within one run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.peers import PEERS
from benchmarks.systems import OURS
from benchmarks.tables import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.speed import Trained

ROWS, DISTINCT = 10_000_000, 2_000_000
SYSTEMS = tuple(system for system in (OURS, *PEERS) if system.name in ("ours", "svm"))
FORMATS = ("parquet", "csv")
LEVELS = ("major", "all")
_PEER_ROWS = 200_000
_WARM = 1000  # rows
_CHUNK, _BATCH = 250_000, 65_536
_SEED = 2140


@dataclass(frozen=True, slots=True)
class Size:
    """Of the table."""

    rows: int = ROWS
    distinct: int = DISTINCT


def generate(folder: Path, titles: Sequence[str], size: Size) -> None:
    """The table as parquet and as CSV: an id, a title, a place. Each title stands in it at least once."""
    import pyarrow as pa  # noqa: PLC0415 - an extra
    from pyarrow import csv, parquet  # noqa: PLC0415 - as above

    dice = np.random.default_rng(_SEED)
    places = np.concatenate([np.arange(len(titles)), dice.integers(0, len(titles), size.rows - len(titles))])
    dice.shuffle(places)
    text, towns = pa.array(titles, pa.string()), pa.array([f"Town {number}" for number in range(1000)])
    schema = pa.schema({"id": pa.string(), "title": pa.string(), "place": pa.string()})
    with (
        parquet.ParquetWriter(folder / "titles.parquet", schema) as columns,
        csv.CSVWriter(folder / "titles.csv", schema, write_options=csv.WriteOptions(quoting_style="needed")) as lines,
    ):
        for first in range(0, size.rows, _CHUNK):
            chosen = pa.array(places[first : first + _CHUNK])
            ids = pa.array([f"{number:09d}" for number in range(first, first + len(chosen))])
            town = towns.take(pa.array(dice.integers(0, len(towns), len(chosen))))
            batch = pa.record_batch([ids, text.take(chosen), town], schema=schema)
            columns.write_batch(batch)
            lines.write_batch(batch)


def measure(
    trained: Mapping[str, Trained], titles: Sequence[str], size: Size, report: Callable[[str], None]
) -> dict[str, dict[str, dict[str, float]]]:
    """By format and level, and by system: rows a second, and memory early and at most."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        report("writing the table")
        generate(Path(name), titles, size)
        few = Path(name) / "few"
        few.mkdir()
        generate(few, titles[:_WARM], Size(_WARM, _WARM))
        for kind in FORMATS:
            _worker("ours", trained["ours"].folders[0], few / f"titles.{kind}", "major")  # compiles, where it must
            for level in LEVELS:
                runs = found.setdefault(f"{kind}, {level}", {})
                for system, models in trained.items():
                    report(f"{system}, {kind}, {level}")
                    runs[system] = _worker(system, models.folders[0], Path(name) / f"titles.{kind}", level)
    return found


def _worker(system: str, model: str, path: Path, level: str) -> dict[str, float]:
    wanted = {"system": system, "model": model, "path": str(path), "level": level}
    words = [sys.executable, "-m", "benchmarks.bulk", json.dumps(wanted)]
    as_the_command = os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "system"}
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True, env=as_the_command)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _memory_mb(what: str) -> float:
    status = Path("/proc/self/status")
    if not status.is_file():  # not on Linux
        return float("nan")
    line = next(line for line in status.read_text("ascii").splitlines() if line.startswith(what))
    return int(line.split()[1]) * 1024 / 1e6


def _ours(wanted: Mapping[str, Any], target: Path) -> dict[str, float]:
    """Coded as `jobmajor classify --input` does it."""
    import jobmajor  # noqa: PLC0415 - what it takes is measured

    early: list[float] = []

    def tell(progress: Any) -> None:
        if progress.share >= 0.2 and not early:
            early.append(_memory_mb("VmRSS"))

    options = jobmajor.FileOptions(level=wanted["level"], on_progress=tell)
    began = time.perf_counter()
    summary = jobmajor.code_file(wanted["path"], target, options, model=wanted["model"])
    rate = summary.rows / (time.perf_counter() - began)
    return {"rows_per_s": rate, "early_mb": early[0] if early else 0.0, "scored": summary.scored}


def _plain(wanted: Mapping[str, Any], target: Path) -> dict[str, float]:
    """Batches, `predict`, a column with the major groups; the model is loaded before the clock starts."""
    import pyarrow as pa  # noqa: PLC0415 - an extra
    from pyarrow import csv, parquet  # noqa: PLC0415 - as above

    system = next(system for system in SYSTEMS if system.name == wanted["system"])
    coder = system.load(Path(wanted["model"]))
    done, began, writer = 0, time.perf_counter(), None
    is_csv = wanted["path"].endswith("csv")
    source = csv.open_csv(wanted["path"]) if is_csv else parquet.ParquetFile(wanted["path"]).iter_batches(_BATCH)
    for batch in source:
        codes = pa.array(coder.answer(batch["title"].to_pylist(), every_level=False))
        table = pa.table([*batch.columns, codes], names=[*batch.schema.names, "code"])
        if writer is None:
            writer = csv.CSVWriter(target, table.schema) if is_csv else parquet.ParquetWriter(target, table.schema)
        writer.write_table(table)
        done += batch.num_rows
        if done >= _PEER_ROWS:
            break
    if writer is not None:
        writer.close()
    return {"rows_per_s": done / (time.perf_counter() - began)}


def tables(found: Mapping[str, Mapping[str, Mapping[str, float]]], size: Size) -> list[Table]:
    """Ratios first, then the figures."""
    rows = []
    for name, runs in found.items():
        ours, plain = runs["ours"], runs["svm"]
        cells = (
            f"{ours['rows_per_s'] / plain['rows_per_s']:.1f}",
            f"{ours['rows_per_s']:,.0f}",
            f"{plain['rows_per_s']:,.0f}",
            f"{ours['early_mb']:,.0f} MB",
            f"{ours['peak_mb']:,.0f} MB",
        )
        rows.append((name, *cells))
    title = (
        f"A table of {size.rows:,} rows, {size.distinct:,} different titles, from file to file (the SVM: major groups, "
        f"on the first {min(size.rows, _PEER_ROWS):,} rows)"
    )
    head = ("table", "ours, times the SVM", "rows/s, ours", "rows/s, SVM", "memory after a fifth", "… at most")
    return [Table(title, head, tuple(rows))]


def main() -> None:
    """Measure as the argument says."""
    wanted = json.loads(sys.argv[1])
    with tempfile.TemporaryDirectory(dir=Path(wanted["path"]).parent) as folder:
        target = Path(folder) / f"coded{Path(wanted['path']).suffix}"
        found = _ours(wanted, target) if wanted["system"] == "ours" else _plain(wanted, target)
    sys.stdout.write(json.dumps(found | {"peak_mb": _memory_mb("VmHWM")}) + "\n")


if __name__ == "__main__":
    main()
