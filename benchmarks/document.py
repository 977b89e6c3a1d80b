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
How to read them: every system gets the same titles, as written. The figures count rows of alternate titles; "any
listed" counts distinct titles, and any code that the release lists for a title is right. Spread is the standard
deviation over seeds. A difference from the SVM is the mean over seeds of the difference on the same rows, with a 95
% t interval; seeds draw from the same titles, so that it is rather too narrow. The finer levels of the SVM and of
fastText are those of a second model trained for detailed codes: a parent scores as the best (SVM) or the sum
(fastText) of its children, and the top 5 are the five largest scores. The SVM states margins, not probabilities, so
it has no ECE; ECE has 15 bins of equal mass. The accepted titles of slips are those above the threshold that was
found on validation. Occupations are held out by O*NET code; below the major group hardly anything of one can be
right that training never saw. sockit can't be trained: it is scored as it comes, on titles that it partly holds.
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
    return next(names, platform.processor() or "a processor that doesn't say its name")


def text(plan: Plan, tables: Sequence[Table], release: str) -> str:
    """The whole page.

    Args:
        plan: What was measured.
        tables: Its figures, the most important first.
        release: Of O*NET.
    """
    kept = "five splits' **tests**, on seeds kept for it; each look is logged in `benchmarks/looks.tsv`"
    held = "a tenth **held out of training**, for development: no test was read, and training had a tenth less"
    command = " ".join(["python -m benchmarks", *sys.argv[1:]])
    today = datetime.now(UTC).date().isoformat()
    lines = [
        "# Benchmarks",
        "",
        f"Written by `make bench{' FINAL=1' if plan.final else ''}`, that is `{command}`,",
        f"on {today}, at commit {commit()}, on O*NET {release}; not to be edited by hand.",
        "",
        f"- Scored: {kept if plan.final else held}; seeds {', '.join(map(str, plan.seeds))}.",
        f"- Machine: {machine()}.",
        *(f"- `{system.name}`: {system.what}." for system in plan.systems),
        _NOTES,
        markdown(tables),
    ]
    return "\n".join(lines).rstrip() + "\n"
