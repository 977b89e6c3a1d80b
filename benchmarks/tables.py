"""The figures as tables: the same ones on the terminal and in docs/benchmarks.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.summary import Figure, compared, paths
from jobmajor import soc

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console

    from benchmarks.summary import Results

_NONE = "–"
_LONG = {
    "tutorial": "the tutorial's split and labels, with their faults",
    "row": "split by row: labels are right, but a title may also be in training",
    "family": "split by title family: no form of a title is in training (the split of a run)",
    "occupation": "split by occupation: no title of the occupation, in any form, is in training",
}
_HEADS = {
    "accuracy": "accuracy",
    "weighted_f1": "weighted F1",
    "macro_f1": "macro F1",
    "top_5": "top 5",
    "any_listed": "any listed",
    "ece": "ECE",
}


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as text; the first column names what a row is of."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def shown(figure: Figure | None) -> str:
    """Mean ± spread over seeds; where there is one, the difference from the SVM with its interval's half-width.

    >>> shown(Figure(0.79, 0.004, 5, 0.03, 0.002))
    '0.790 ±.004 (+.030 ±.002)'
    """
    if figure is None:
        return _NONE
    text = f"{figure.mean:.3f}" + (f" ±{_bare(figure.spread)}" if figure.spread is not None else "")
    if figure.difference is None:
        return text
    margin = f" ±{_bare(figure.margin)}" if figure.margin is not None else ""
    sign = "-" if figure.difference < 0 else "+"
    return f"{text} ({sign}{_bare(abs(figure.difference))}{margin})"


def _bare(share: float | None) -> str:
    return f"{share or 0.0:.3f}".removeprefix("0")


_HEADLINES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "family: accuracy": ("family", ("levels", "major", "accuracy")),
    "family: weighted F1": ("family", ("levels", "major", "weighted_f1")),
    "family: macro F1": ("family", ("levels", "major", "macro_f1")),
    "family: any listed code, distinct titles": ("family", ("levels", "major", "any_listed")),
    "occupation: accuracy": ("occupation", ("levels", "major", "accuracy")),
    "occupation: macro F1": ("occupation", ("levels", "major", "macro_f1")),
    "family, minor: accuracy": ("family", ("levels", "minor", "accuracy")),
    "family, broad: accuracy": ("family", ("levels", "broad", "accuracy")),
    "family, detailed: accuracy": ("family", ("levels", "detailed", "accuracy")),
    "family, detailed: top 5": ("family", ("levels", "detailed", "top_5")),
    **{f"family, {level}: ECE": ("family", ("levels", level, "ece")) for level in soc.LEVELS},
    "family: auto-accepted, threshold from validation": ("family", ("acceptance", "share")),
    "family: … its precision (target 95 %)": ("family", ("acceptance", "precision")),
    "family: auto-accepted at 95 %, best threshold": ("family", ("acceptance", "oracle")),
    "family: answers that one typing error changes": ("family", ("slips", "flips")),
    "family: accepted answers that one typing error changes": ("family", ("slips", "accepted_flips")),
    "row: accuracy": ("row", ("levels", "major", "accuracy")),
    "row: accuracy, exact lookup first": ("row", ("levels", "major", "lookup", "accuracy")),
    "tutorial: accuracy": ("tutorial", ("levels", "major", "accuracy")),
    "tutorial: accuracy, exact lookup first": ("tutorial", ("levels", "major", "lookup", "accuracy")),
}


def headlines(results: Results) -> Table:
    """The one table that says how the systems stand; of major groups where no level is named."""
    figures = {head: compared(results, protocol, *path) for head, (protocol, path) in _HEADLINES.items()}
    systems = list(dict.fromkeys(name for by_system in figures.values() for name in by_system))
    rows = ((head, *(shown(found.get(name)) for name in systems)) for head, found in figures.items() if found)
    return Table("Mean ±spread over seeds (difference from the SVM ±95 %)", ("figure", *systems), tuple(rows))


def accuracy(results: Results) -> list[Table]:
    """A table for each protocol and level, then what is measured of major groups alone."""
    found = []
    for protocol in dict.fromkeys(result["protocol"] for result in results):
        found += [table for level in soc.LEVELS for table in _levels(results, protocol, level)]
        found += _majors(results, protocol)
    return found


def _levels(results: Results, protocol: str, level: str) -> Iterator[Table]:
    for inside, name in (((), ""), (("lookup",), ", exact lookup before each system")):
        columns = {head: compared(results, protocol, "levels", level, *inside, key) for key, head in _HEADS.items()}
        columns = {head: figures for head, figures in columns.items() if figures}
        if columns:
            systems = list(dict.fromkeys(system for figures in columns.values() for system in figures))
            rows = tuple((s, *(shown(figures.get(s)) for figures in columns.values())) for s in systems)
            yield Table(f"{level} – {_LONG[protocol]}{name}", ("system", *columns), rows)


def _majors(results: Results, protocol: str) -> Iterator[Table]:
    """Figures as rows and systems as columns: there are many figures."""
    names = {
        "acceptance": "Auto-accepted distinct titles, any listed code is right, threshold for 95 % from validation",
        "slips": "One typing error in each title: share of answers that change",
        "slices": "Accuracy by kind of title",
        "rewrites": "Accuracy on rewritten titles (before: the same rows, unchanged)",
    }
    for kind, title in names.items():
        chosen = [path for path in paths(results) if path[0] == kind]
        figures = {" ".join(path[1:]).removesuffix(" accuracy"): compared(results, protocol, *path) for path in chosen}
        figures = {name: by_system for name, by_system in figures.items() if by_system}
        systems = list(dict.fromkeys(system for by_system in figures.values() for system in by_system))
        rows = tuple((name, *(shown(by_system.get(s)) for s in systems)) for name, by_system in figures.items())
        if rows:
            yield Table(f"{title} – {_LONG[protocol]}", (kind, *systems), rows)


def markdown(tables: Sequence[Table]) -> str:
    """The tables below headings, as GitHub reads them."""
    lines = []
    for table in tables:
        lines += [f"### {table.title}", "", _line(table.columns), _line(["---"] * len(table.columns))]
        lines += [*map(_line, table.rows), ""]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def to_terminal(tables: Sequence[Table], console: Console) -> None:
    """The tables as rich draws them."""
    from rich.table import Table as Drawn  # noqa: PLC0415 - for a terminal only

    for table in tables:
        drawn = Drawn(title=table.title, title_justify="left")
        for number, column in enumerate(table.columns):
            drawn.add_column(column, justify="right" if number else "left", no_wrap=True)
        for row in table.rows:
            drawn.add_row(*row)
        console.print(drawn)
