"""docs/benchmarks.md: the figures, with what is needed to get them again."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.cells import commit
from benchmarks.tables import markdown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.cells import Plan
    from benchmarks.tables import Table

PATH = Path(__file__).parents[1] / "docs" / "benchmarks.md"
_LIBRARIES = ("jobmajor", "numpy", "scipy", "scikit-learn", "polars")
_NOTES = """
How to read the tables:

- Every system gets the same titles, as written. Figures count rows of alternate titles. "Any listed" counts distinct
  titles, and every code that the release lists for a title is right.
- "±" is the standard deviation over seeds. The difference from the SVM, in parentheses, is the mean over seeds of
  the difference on the same rows, with a 95 % t interval. Seeds draw from the same titles, so the interval is rather
  too narrow.
- For the finer levels, the SVM and fastText have a second model, trained for detailed codes. The score of a parent
  is the best (SVM) or the sum (fastText) of its children's. "Top 5" means the five largest scores.
- ECE, the expected calibration error, uses 15 bins of equal mass. The SVM states margins, not probabilities, so it
  has none.
- Accepted titles are those above the threshold that was found on validation.
- Occupations are held out by O*NET code. Below the major group, hardly any title of such an occupation can be right,
  because its code is not in training.
- sockit can't be trained. It is scored unchanged, on titles of which it already contains some.
"""


def machine() -> str:
    """Processor, cores, system, versions and load, in one line."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in _LIBRARIES)
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{_processor()}, {os.cpu_count()} cores{load}; {system}; {versions}"


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text("utf-8").splitlines() if facts.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "an unknown processor")


def text(plan: Plan, tables: Sequence[Table], release: str) -> str:
    """The whole page.

    Args:
        plan: What was measured.
        tables: Its figures, the most important first.
        release: Of O*NET.
    """
    kept = "the **tests** of five splits, on seeds reserved for this; `benchmarks/looks.tsv` logs each use"
    held = "a tenth of the training titles, **held out** for development; no test was read"
    command = " ".join(["python -m benchmarks", *sys.argv[1:]])
    today = datetime.now(UTC).date().isoformat()
    lines = [
        "# Benchmarks",
        "",
        f"Written by `make bench{' FINAL=1' if plan.final else ''}` (`{command}`) on {today},",
        f"at commit {commit()}, with O*NET {release}. Don't edit it by hand.",
        "",
        f"- Scored: {kept if plan.final else held}; seeds {', '.join(map(str, plan.seeds))}.",
        f"- Machine: {machine()}.",
        *(f"- `{system.name}`: {system.what}." for system in plan.systems),
        _NOTES,
        markdown(tables),
    ]
    return "\n".join(lines).rstrip() + "\n"
