"""`python -m benchmarks.installed`: how fast each installation codes files, how large it is, and how long it starts.

python -m benchmarks.installed --model FOLDER base=ENVIRONMENT/bin/python formats=… train=…

Every environment has the same wheel. All of them are measured in turn, several times, and the best time of each counts,
so that other work on the machine hits them alike.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console

from benchmarks.tables import Table, to_terminal

if TYPE_CHECKING:
    from collections.abc import Callable

_WORDS: Final = (
    "nurse",
    "line cook",
    "truck driver",
    "welder",
    "payroll clerk",
    "software engineer",
    "teacher",
    "guard",
)
_RANKS: Final = ("senior", "assistant", "head", "night", "chief", "junior")
_TARGETS: Final = ("csv", "jsonl", "parquet", "xlsx")
_MOST_IN_A_WORKBOOK: Final = 20_000
_SIZE: Final = """
from importlib import metadata
from pathlib import Path
packages = [each for each in metadata.distributions() if each.metadata["Name"] not in ("pip", "setuptools", "wheel")]
files = [Path(item.locate()) for each in packages for item in each.files or ()]
print(len(packages), sum(path.stat().st_size for path in files if path.is_file()) / 1e6)
"""


def main(words: list[str] | None = None) -> int:
    """Measure all environments and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.installed", description=__doc__.partition("\n")[0])
    parser.add_argument("environments", nargs="+", metavar="NAME=PYTHON", help="what it is called, and its Python")
    parser.add_argument("--model", type=Path, required=True, help="a model's folder")
    parser.add_argument("--rows", type=int, default=200_000, help="of each file of text")
    parser.add_argument("--times", type=int, default=3, help="how often each is measured; the best counts")
    given = parser.parse_args(words)
    pythons = dict(each.split("=", 1) for each in given.environments)
    with tempfile.TemporaryDirectory() as folder:
        figures = measured(pythons, given.model, files(Path(folder), given.rows), given.times)
    table = Table("Installations", ("figure", *pythons), tuple(rows(figures, list(pythons))))
    to_terminal([table], Console())
    return 0


def files(folder: Path, count: int) -> dict[str, Path]:
    """Write titles, a fifth of them different, as CSV and as JSON lines, and fewer for a workbook."""
    different = max(1, count // 5)
    titles = [f"{_RANKS[n % 6]} {_WORDS[n // 6 % 8]} {n // 48}" for n in range(different)]
    every = [titles[row % different] for row in range(count)]
    found = {"csv": folder / "titles.csv", "jsonl": folder / "titles.jsonl", "xlsx": folder / "few.csv"}
    found["csv"].write_text("title\n" + "".join(f"{title}\n" for title in every), "utf-8")
    found["jsonl"].write_text("".join(f"{json.dumps({'title': title})}\n" for title in every), "utf-8")
    found["xlsx"].write_text("title\n" + "".join(f"{title}\n" for title in every[:_MOST_IN_A_WORKBOOK]), "utf-8")
    return found


def measured(
    pythons: dict[str, str], model: Path, sources: dict[str, Path], times: int
) -> dict[tuple[str, str], float | None]:
    """Return each figure of each environment; None where a package is missing."""
    found: dict[tuple[str, str], float | None] = {}
    for name, python in pythons.items():
        packages, size_mb = _called(python, "-c", _SIZE).split()
        found["packages", name], found["size, MB", name] = float(packages), float(size_mb)
    for _ in range(times):
        for name, python in pythons.items():
            begun = time.perf_counter()
            _called(python, "-m", "jobmajor", "classify", "nurse", "--model", str(model))
            _keep(found, ("one title on the command line, s", name), time.perf_counter() - begun, min)
            for target in _TARGETS:
                source = sources.get(target, sources["csv"])
                _keep(found, (f"{target}, rows/s", name), _rate(python, source, target, model), max)
    return found


def _keep(
    found: dict[tuple[str, str], float | None],
    key: tuple[str, str],
    value: float | None,
    best: Callable[[float, float], float],
) -> None:
    before = found.get(key)
    found[key] = value if before is None or value is None else best(before, value)


def _rate(python: str, source: Path, target: str, model: Path) -> float | None:
    """Return rows a second of coding a file in a new process, its start not counted; None without the format."""
    output = source.with_name(f"coded.{target}")
    words = ["classify", "--input", str(source), "--output", str(output), "--model", str(model), "--json"]
    done = subprocess.run([python, "-m", "jobmajor", *words], check=False, capture_output=True, text=True)
    if done.returncode and "needs the extra" in done.stderr:
        return None
    if done.returncode:
        raise SystemExit(done.stderr)
    summary = json.loads(done.stdout)
    return float(summary["rows"]) / float(summary["seconds"])


def _called(python: str, *words: str) -> str:
    return subprocess.run([python, *words], check=True, capture_output=True, text=True).stdout


def rows(figures: dict[tuple[str, str], float | None], names: list[str]) -> list[tuple[str, ...]]:
    """Return the table's rows: a dash where a package is missing.

    >>> rows({("csv, rows/s", "base"): 123456.7, ("csv, rows/s", "x"): None, ("start, s", "base"): 0.5}, ["base", "x"])
    [('csv, rows/s', '123,457', '–'), ('start, s', '0.50', '–')]
    """
    labels = dict.fromkeys(label for label, _ in figures)
    return [(label, *(_shown(label, figures.get((label, name))) for name in names)) for label in labels]


def _shown(label: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.2f}" if label.endswith(", s") else f"{value:,.0f}"


if __name__ == "__main__":
    sys.exit(main())
