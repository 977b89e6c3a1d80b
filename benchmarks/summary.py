"""From the results of single seeds to means, their spread, and differences from the SVM on the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from jobmajor import soc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Results = Sequence[Mapping[str, Any]]

QUALITIES = ("accuracy", "weighted_f1", "macro_f1", "top_5", "any_listed", "ece")


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean over seeds.

    Attributes:
        mean: Of the seeds' values.
        spread: Their standard deviation; None of one seed.
        seeds: How many.
        difference: The mean of the seeds' differences from the SVM, on the same rows; None without it.
        margin: Half the width of that mean's 95 % t interval; None of one seed. Seeds draw from the same titles, so
            it is rather too narrow than too wide.
    """

    mean: float
    spread: float | None
    seeds: int
    difference: float | None = None
    margin: float | None = None


def figure(values: Mapping[int, float], against: Mapping[int, float] | None = None) -> Figure:
    """The mean over seeds, and the difference from `against` over the seeds that both have.

    >>> figure({1: 0.5, 2: 0.75}, {1: 0.25, 2: 0.5}).difference
    0.25
    """
    seen = np.array(list(values.values()))
    spread = float(seen.std(ddof=1)) if len(seen) > 1 else None
    mean = float(seen.mean())
    common = [seed for seed in values if seed in (against or {})]
    if against is None or not common:
        return Figure(mean, spread, len(seen))
    differences = np.array([values[seed] - against[seed] for seed in common])
    margin = None
    if len(common) > 1:
        margin = float(stats.t.ppf(0.975, len(common) - 1) * differences.std(ddof=1) / len(common) ** 0.5)
    return Figure(mean, spread, len(seen), float(differences.mean()), margin)


def family_of(system: str) -> str:
    """The name without what says at which level it was trained: one row of a table."""
    return system.removesuffix("-detailed")


def gather(results: Results, protocol: str, *path: str) -> dict[str, dict[int, float]]:
    """For each system that has it, the figure at a path into its results, by seed."""
    found: dict[str, dict[int, float]] = {}
    for result in results:
        value: Any = result if result["protocol"] == protocol else None
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        if isinstance(value, int | float):
            found.setdefault(family_of(result["system"]), {})[result["seed"]] = float(value)
    return found


def compared(results: Results, protocol: str, *path: str) -> dict[str, Figure]:
    """The figure of each system that has it, beside the SVM's."""
    by_system = gather(results, protocol, *path)
    svm = by_system.get("svm")
    return {name: figure(values, None if name == "svm" else svm) for name, values in by_system.items()}


def table(results: Results) -> list[dict[str, Any]]:
    """Every figure by protocol, path and system, as plain data for `--json`."""
    rows = []
    seen = list(dict.fromkeys(result["protocol"] for result in results))
    for protocol, path in product(seen, paths(results)):
        for system, found in compared(results, protocol, *path).items():
            rows.append(
                {
                    "protocol": protocol,
                    "figure": "/".join(path),
                    "system": system,
                    "mean": found.mean,
                    "spread": found.spread,
                    "seeds": found.seeds,
                    "difference": found.difference,
                    "margin": found.margin,
                }
            )
    return rows


def paths(results: Results) -> list[tuple[str, ...]]:
    """Where figures stand in a result, in the order of the tables."""
    levels = [("levels", level, name) for level, name in product(soc.LEVELS, QUALITIES)]
    looked_up = [("levels", level, "lookup", name) for level, name in product(soc.LEVELS, QUALITIES)]
    accepted = [("acceptance", name) for name in ("share", "precision", "oracle")]
    slips = [("slips", name) for name in ("flips", "accepted_flips")]
    slices = dict.fromkeys(("slices", name, "accuracy") for result in results for name in result.get("slices", {}))
    rewrites = dict.fromkeys(
        ("rewrites", name, which)
        for result in results
        for name in result.get("rewrites", {})
        for which in ("before", "accuracy")
    )
    return [*levels, *looked_up, *accepted, *slips, *slices, *rewrites]
