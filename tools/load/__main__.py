"""`python -m tools.load`: every trial at the length of its goal, the figures as a table, status 1 where one is missed.

It takes about an hour. `--json FILE` keeps all figures; `--trials` names some.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from tools.load import goals, models, trials
from tools.load.service import Place

from jobmajor import settings
from jobmajor.registry.loading import champion_folder

if TYPE_CHECKING:
    from tools.load.trials import Figures, Sizes

_TRIALS = ("steady", "overload", "swaps", "ends")


def _parser() -> argparse.ArgumentParser:
    usual = trials.Sizes()
    parser = argparse.ArgumentParser(prog="python -m tools.load", description=__doc__)
    parser.add_argument("--trials", default=",".join(_TRIALS), help=f"some of {','.join(_TRIALS)}")
    parser.add_argument("--steady", type=float, default=usual.steady_s, help="seconds at 80 %% of capacity")
    parser.add_argument("--overload", type=float, default=usual.overload_s, help="seconds at 5 times capacity")
    parser.add_argument("--swaps", type=int, default=usual.swaps, help="how many")
    parser.add_argument("--ends", type=int, default=usual.ends, help="how many SIGTERMs")
    parser.add_argument("--model", type=Path, help="a model's folder; else the workspace's champion, or a small one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep all figures here")
    return parser


def _made(names: list[str], sizes: Sizes, model: Path, others: list[Path]) -> dict[str, Figures]:
    link = others[0].with_name("served")
    link.symlink_to(others[0])
    known = {
        "steady": lambda: trials.steady(Place(model), sizes),
        "overload": lambda: trials.overload(Place(model), sizes),
        "swaps": lambda: trials.swaps(Place(link, poll_s=0.05), others, sizes),
        "ends": lambda: trials.ends(Place(others[0], drain_s=0.3), sizes, _tell),
    }
    figures = {}
    for name in names:
        sys.stderr.write(f"{name} …\n")
        figures[name] = known[name]()
    return figures


def _tell(number: int) -> None:
    if number % 20 == 0:
        sys.stderr.write(f"ends: {number}\n")


def main() -> int:
    """Try, print, and say whether every goal is met."""
    wanted = _parser().parse_args()
    names = wanted.trials.split(",")
    if unknown := set(names) - set(_TRIALS):
        sys.stderr.write(f"--trials has {sorted(unknown)}: expected some of {','.join(_TRIALS)}\n")
        return 2
    sizes = trials.Sizes(wanted.steady, wanted.overload, wanted.swaps, wanted.ends)
    with tempfile.TemporaryDirectory() as name:
        others = models.two(Path(name))
        model = wanted.model or champion_folder(settings.home()) or others[0]
        figures = _made(names, sizes, model, others)
    if wanted.json:
        wanted.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    rows = goals.judged(figures)
    table = Table("trial", "figure", "goal", "measured", "met", title=f"{os.cpu_count()} processors, clients included")
    for goal, value, met in rows:
        table.add_row(goal.trial, goal.figure, goal.text, f"{value:,.4g}", "yes" if met else "NO")
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    return int(not all(met for _, _, met in rows))


if __name__ == "__main__":
    sys.exit(main())
