"""Compute the positions of the marks in the report's charts; the template only draws them.

The results are plain numbers in the units of the SVG: no plotting library, no fonts, no script, nothing to fetch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobmajor import soc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CELL = 28  # 23 of them beside the names just fit a page 1,150 wide
TOP = 26
MOST = 40  # groups in the heat map; SOC 2018 has 23
_LONGEST_MARK = 4  # characters that a square is wide enough for
_LONGEST_NAME = 54  # characters; one of SOC 2018 has 50
_PLOT = 320  # the side of the reliability diagram's square
_LEFT, _ABOVE = 46, 14
_STRIP = 54  # the height of the strip of confidences below it


def short_name(code: str) -> str:
    """Return the official title without the word that all major groups end in.

    >>> short_name("29-0000")
    'Healthcare Practitioners and Technical'
    """
    return soc.name(code).removesuffix(" Occupations")


@dataclass(frozen=True, slots=True)
class Cell:
    """One square of the heat map: its corner, its depth of colour, 0 to 1, and its texts."""

    x: int
    y: int
    depth: float
    text: str
    right: bool
    title: str

    @property
    def tone(self) -> str:
        """Return shallow, mid or deep; the style sheet chooses the text colour by it."""
        return "shallow" if self.depth < 0.6 else "mid" if self.depth < 0.8 else "deep"


@dataclass(frozen=True, slots=True)
class Label:
    """The label of a class beside its row and above its column; `at` is the middle of both."""

    code: str
    digits: str
    name: str
    at: float
    rows: int

    @property
    def title(self) -> str:
        """Return the code and its whole name; of a code that is its own name, that alone."""
        name = soc.name(self.code)
        return name if name == self.code else f"{self.code} {name}"


@dataclass(frozen=True, slots=True)
class Heatmap:
    """The confusion matrix as squares; rows are the truth."""

    cell: int
    top: int
    side: int
    left_out: int  # groups with the fewest rows, where there are too many to draw
    cells: tuple[Cell, ...]
    labels: tuple[Label, ...]


def depth(share: float) -> float:
    """Return the depth of colour of a share of a row: its square root, so that a confusion of 2 % is visible."""
    return round(math.sqrt(share), 3)


def heatmap(confusion: Mapping[str, Any]) -> Heatmap:
    """Return the squares of a confusion matrix; each says its share of its row, in percent, from 0.5 % on."""
    classes, matrix = confusion["classes"], confusion["matrix"]
    totals = [sum(counts) for counts in matrix]
    drawn = sorted(sorted(range(len(classes)), key=lambda each: -totals[each])[:MOST])
    cells = [
        _cell([classes[each] for each in drawn], (row, column), matrix[true][answer], totals[true])
        for row, true in enumerate(drawn)
        for column, answer in enumerate(drawn)
        if matrix[true][answer]
    ]
    labels = [
        Label(classes[each], mark, _cut(short_name(classes[each])), TOP + CELL * (place + 0.5), totals[each])
        for place, (each, mark) in enumerate(zip(drawn, _marks([classes[each] for each in drawn]), strict=True))
    ]
    return Heatmap(CELL, TOP, CELL * len(drawn), len(classes) - len(drawn), tuple(cells), tuple(labels))


def _marks(codes: Sequence[str]) -> list[str]:
    """Return what stands above the columns: short codes, or numbers where the codes are too long for a square."""
    short = [soc.short(code) for code in codes]
    return (
        short if all(len(each) <= _LONGEST_MARK for each in short) else [str(place + 1) for place in range(len(short))]
    )


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def named(code: str) -> str:
    """Return a code and its name; of a code that is its own name, that alone.

    >>> named("29-0000")
    '29 Healthcare Practitioners and Technical'
    """
    name = short_name(code)
    return name if name == code else f"{soc.short(code)} {name}"


def _cell(classes: Sequence[str], position: tuple[int, int], count: int, rows: int) -> Cell:
    row, column = position
    share = count / rows
    right = row == column
    answered = "answered right" if right else f"answered {named(classes[column])}"
    return Cell(
        x=CELL * column,
        y=TOP + CELL * row,
        depth=depth(share),
        text=f"{100 * share:.0f}" if share >= 0.005 else "",
        right=right,
        title=f"{named(classes[row])}, {answered}: {count} of {rows} ({share:.1%})",
    )


@dataclass(frozen=True, slots=True)
class Point:
    """A bin of answers: its position, its range of chance, its bar in the strip, and its text."""

    x: float
    y: float
    low: float
    high: float
    bar: tuple[float, float, float]  # x, width, height
    title: str


@dataclass(frozen=True, slots=True)
class Diagram:
    """The diagram of real against stated accuracy, and the strip with the distribution of stated confidence."""

    width: int
    height: int
    left: int
    top: int
    plot: int
    strip: int
    points: tuple[Point, ...]
    ticks: tuple[tuple[str, float, float], ...]  # label, x, y


def _x(share: float) -> float:
    return round(_LEFT + _PLOT * share, 2)


def _y(share: float) -> float:
    return round(_ABOVE + _PLOT * (1 - share), 2)


def wilson(share: float, rows: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of `rows` independent rows.

    Source: Wilson, E. B. (1927), J. Am. Stat. Assoc. 22(158), 209-212.
    """
    z = 1.96
    middle = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return max(0.0, middle - half), min(1.0, middle + half)


def reliability_diagram(bins: Sequence[Mapping[str, Any]]) -> Diagram:
    """Return the bins of `calibration`: each a point with its 95 % interval, and a bar of its density."""
    densities = [entry["rows"] / max(entry["high"] - entry["low"], 0.005) for entry in bins]
    tallest = max(densities, default=1.0)
    points = [_point(entry, density / tallest) for entry, density in zip(bins, densities, strict=True)]
    ticks = [(f"{share:g}", _x(share), _y(share)) for share in (0, 0.2, 0.4, 0.6, 0.8, 1)]
    return Diagram(
        width=_LEFT + _PLOT + 14,
        height=_ABOVE + _PLOT + _STRIP + 62,
        left=_LEFT,
        top=_ABOVE,
        plot=_PLOT,
        strip=_STRIP,
        points=tuple(points),
        ticks=tuple(ticks),
    )


def _point(entry: Mapping[str, Any], density: float) -> Point:
    low, high = wilson(entry["accuracy"], entry["rows"])
    width = max(entry["high"] - entry["low"], 0.005)
    return Point(
        x=_x(entry["confidence"]),
        y=_y(entry["accuracy"]),
        low=_y(low),
        high=_y(high),
        bar=(_x(entry["low"]), round(_PLOT * width, 2), round(_STRIP * density, 2)),
        title=(
            f"{entry['rows']:,} answers that state {entry['low']:.2f} to {entry['high']:.2f}: "
            f"{entry['confidence']:.1%} stated, {entry['accuracy']:.1%} right"
        ),
    )


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis from `low` to 1; positions on it are percentages of the width."""

    low: float

    def at(self, share: float) -> str:
        """Return the position of a share, as a percentage of the width."""
        return f"{100 * min(1.0, max(0.0, (share - self.low) / (1 - self.low))):.2f}%"

    @property
    def ticks(self) -> tuple[float, ...]:
        """Return every tenth on the axis."""
        return tuple(tenth / 10 for tenth in range(round(self.low * 10), 11))


def scale(lows: Sequence[float]) -> Scale:
    """Return the axis that begins at the tenth below the least of `lows`, and at 0.9 at most."""
    return Scale(max(0.0, min(0.9, math.floor(min(lows, default=0.0) * 10) / 10)))
