"""Draw a pipeline as SVG: steps in layers, each below its dependencies. No program or font is needed.

Source of the method: Sugiyama, K., Tagawa, S. and Toda, M. (1981), IEEE Trans. Systems, Man, and Cybernetics 11(2),
109-125: layers by longest path, order within a layer by the mean position of the neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING, Final

from sagelocal.definition import graph
from sagelocal.show import diagram

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sagelocal.definition.steps import Definition, Step
    from sagelocal.show.diagram import Arrow

# Pixels. A character of a name (14 px, bold) or of other text (12 px) is at most that wide in usual sans-serif fonts.
_CHARACTER, _SMALL, _HEIGHT, _LAYER, _GAP, _MARGIN, _LEAST = 8.6, 6.8, 48.0, 96.0, 28.0, 20.0, 104.0
_SWEEPS: Final = 8
_KINDS: Final = {
    **dict.fromkeys(("Processing", "Transform", "EMR", "QualityCheck", "ClarifyCheck"), "work"),
    **dict.fromkeys(("Training", "Tuning", "AutoML"), "learn"),
    **dict.fromkeys(("RegisterModel", "Model"), "keep"),
    "Condition": "choose",
    "Fail": "fail",
}
# The colours hold 4.5 to 1 for text and 3 to 1 for lines on their grounds, light and dark (WCAG 2.2, AA).
STYLE: Final = """
  svg { --ground: #ffffff; --box: #f6f8fa; --line: #6e7781; --text: #1f2328; --quiet: #57606a;
        --work: #0969da; --learn: #8250df; --choose: #9a6700; --keep: #1a7f37; --fail: #cf222e; --other: #57606a }
  @media (prefers-color-scheme: dark) {
    svg { --ground: #0d1117; --box: #161b22; --line: #8b949e; --text: #e6edf3; --quiet: #9ea7b3;
          --work: #58a6ff; --learn: #bc8cff; --choose: #d29922; --keep: #3fb950; --fail: #ff7b72; --other: #9ea7b3 }
  }
  text { font-family: system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; text-anchor: middle }
  .name { font-size: 14px; font-weight: 600; fill: var(--text) }
  .type { font-size: 12px; fill: var(--quiet) }
  .label { font-size: 12px; fill: var(--text); stroke: var(--ground); stroke-width: 4px; paint-order: stroke }
  .ground { fill: var(--ground) }
  .box { fill: var(--box); stroke-width: 1.5px }
  .work { stroke: var(--work) } .learn { stroke: var(--learn) } .choose { stroke: var(--choose) }
  .keep { stroke: var(--keep) } .fail { stroke: var(--fail) } .other { stroke: var(--other) }
  .arrow { fill: none; stroke: var(--line); stroke-width: 1.5px }
  .tip { fill: var(--line) }
"""
_TIP: Final = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    '<path class="tip" d="M0,0.5 L8,4 L0,7.5 Z"/></marker></defs>'
)


@dataclass(frozen=True, slots=True)
class Mark:
    """What is drawn of a step in a run: `text` beside its type, a CSS class for its box, and where the box leads."""

    text: str
    css_class: str
    link: str


@dataclass(slots=True)
class _Node:
    """The position (middle of the top edge) of a step, or of an arrow in a layer that it crosses (`step` is None)."""

    layer: int
    width: float
    step: Step | None = None
    mark: Mark | None = None
    x: float = 0.0
    above: list[_Node] = field(default_factory=list)
    below: list[_Node] = field(default_factory=list)

    @property
    def y(self) -> float:
        return _MARGIN + self.layer * _LAYER

    @property
    def about(self) -> str:
        """The second line of its box: the type of the step, and its mark."""
        kind = self.step.type if self.step else ""
        return f"{kind} · {self.mark.text}" if self.mark else kind


def svg(definition: Definition, title: str, marks: Mapping[str, Mark] | None = None) -> str:
    """Return the SVG, which follows the viewer's light or dark theme. The same definition gives the same bytes.

    Args:
        definition: What is drawn.
        title: What the picture is called for those who can't see it.
        marks: The states of all steps by name. Such a picture is part of a page of HTML, which brings `STYLE`.
    """
    arrows = diagram.arrows(definition)
    nodes = {step.name: _node(step, (marks or {}).get(step.name)) for step, _ in graph.flatten(definition.steps)}
    _put_in_layers(nodes, arrows)
    routes = [(arrow, _route(nodes[arrow.source], nodes[arrow.target])) for arrow in arrows]
    layers = _layers([*nodes.values(), *(node for _, route in routes for node in route[1:-1])])
    _order(layers)
    _spread(layers)
    every = [node for layer in layers for node in layer]
    left = min(node.x - node.width / 2 for node in every) - _MARGIN
    width = max(node.x + node.width / 2 for node in every) + _MARGIN - left
    height = max(node.y for node in every) + _HEIGHT + _MARGIN
    size = f'width="{width:.0f}" height="{height:.0f}"'
    box = f"{left:.0f} 0 {width:.0f} {height:.0f}"
    head = [f"<title>{escape(title)}</title>", f"<desc>{escape(_described(nodes))}</desc>", f"<style>{STYLE}</style>"]
    role = 'role="img"' if marks is None else f'role="group" aria-label="{escape(title)}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {role} viewBox="{box}" {size}>',
        *(head if marks is None else ()),
        _TIP,
        f'<rect class="ground" x="{left:.0f}" {size}/>',
        *(_line(route) for _, route in routes),
        *(_box(node) for node in nodes.values()),
        *(_label(arrow, route) for arrow, route in routes if arrow.label),
        "</svg>",
    ]
    return "\n".join([*lines, ""])


def _node(step: Step, mark: Mark | None) -> _Node:
    node = _Node(0, max(_LEAST, len(step.name) * _CHARACTER + 32), step, mark)
    if mark:
        node.width = max(node.width, len(node.about) * _SMALL + 32)
    return node


def _described(nodes: Mapping[str, _Node]) -> str:
    return ", ".join(f"{name} ({node.step.type})" for name, node in nodes.items() if node.step)


def _put_in_layers(nodes: Mapping[str, _Node], arrows: Sequence[Arrow]) -> None:
    """Put each step one layer below its lowest dependency."""
    waits = {name: [arrow.source for arrow in arrows if arrow.target == name] for name in nodes}
    order = graph.TopologicalOrder(waits)
    while name := order.next():
        nodes[name].layer = 1 + max((nodes[needed].layer for needed in waits[name]), default=-1)
        order.done(name)


def _route(source: _Node, target: _Node) -> list[_Node]:
    """Return the nodes from one step to the other, with a linked node in each layer between."""
    between = [_Node(layer, 12.0) for layer in range(source.layer + 1, target.layer)]
    route = [source, *between, target]
    for upper, lower in pairwise(route):
        upper.below.append(lower)
        lower.above.append(upper)
    return route


def _layers(nodes: Iterable[_Node]) -> list[list[_Node]]:
    found: dict[int, list[_Node]] = {}
    for node in nodes:
        found.setdefault(node.layer, []).append(node)
    return [found[number] for number in sorted(found)]


def _order(layers: list[list[_Node]]) -> None:
    """Sort each layer so that few arrows cross: down and up again, by the mean position of the neighbours."""
    for layer in layers:
        _number(layer)
    for sweep in range(_SWEEPS):
        downwards = sweep % 2 == 0
        for layer in layers if downwards else reversed(layers):
            layer.sort(key=lambda node: _mean(node.above if downwards else node.below, node.x))
            _number(layer)


def _number(layer: list[_Node]) -> None:
    for number, node in enumerate(layer):
        node.x = float(number) - (len(layer) - 1) / 2


def _mean(neighbours: list[_Node], otherwise: float) -> float:
    return fmean(node.x for node in neighbours) if neighbours else otherwise


def _spread(layers: list[list[_Node]]) -> None:
    """Set the pixel positions of ordered nodes, as near to their neighbours as the widths allow."""
    for layer in layers:
        _settle(layer, [0.0] * len(layer))
    for sweep in range(_SWEEPS):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            _settle(layer, [_mean([*node.above, *node.below], node.x) for node in layer])


def _settle(layer: list[_Node], wanted: list[float]) -> None:
    """Put the nodes of a layer at their wanted positions, in order; those that are too near move to both sides."""
    placed: list[float] = []
    for number, (node, x) in enumerate(zip(layer, wanted, strict=True)):
        if number:
            before = layer[number - 1]
            x = max(x, placed[-1] + (before.width + node.width) / 2 + _GAP)  # noqa: PLW2901 - moved right
        placed.append(x)
    shift = fmean(x - found for x, found in zip(wanted, placed, strict=True))
    for node, x in zip(layer, placed, strict=True):
        node.x = x + shift


def _line(route: list[_Node]) -> str:
    start, end = route[0], route[-1]
    points = [(start.x, start.y + _HEIGHT), *((node.x, node.y + _HEIGHT / 2) for node in route[1:-1]), (end.x, end.y)]
    path = [f"M{points[0][0]:.1f},{points[0][1]:.1f}"]
    for (x, y), (to_x, to_y) in pairwise(points):
        half = (y + to_y) / 2
        path.append(f"C{x:.1f},{half:.1f} {to_x:.1f},{half:.1f} {to_x:.1f},{to_y:.1f}")
    return f'<path class="arrow" marker-end="url(#tip)" d="{" ".join(path)}"/>'


def _box(node: _Node) -> str:
    half, (named, kind) = node.width / 2, (node.step.name, node.step.type) if node.step else ("", "")
    look = f'class="box {node.mark.css_class if node.mark else _KINDS.get(kind, "other")}"'
    x, y = node.x - half, node.y
    if kind == "Condition":
        corners = (
            (x, 24),
            (x + 14, 0),
            (x + 2 * half - 14, 0),
            (x + 2 * half, 24),
            (x + 2 * half - 14, 48),
            (x + 14, 48),
        )
        points = " ".join(f"{left:.1f},{y + down:.1f}" for left, down in corners)
        shape = f'<polygon {look} points="{points}"/>'
    else:
        round_ = 24 if kind == "Fail" else 6
        size = f'width="{node.width:.1f}" height="{_HEIGHT:.0f}" rx="{round_}"'
        shape = f'<rect {look} x="{x:.1f}" y="{y:.1f}" {size}/>'
    name = f'<text class="name" x="{node.x:.1f}" y="{y + 21:.1f}">{escape(named)}</text>'
    drawn = f'{shape}{name}<text class="type" x="{node.x:.1f}" y="{y + 38:.1f}">{escape(node.about)}</text>'
    return f'<a href="{escape(node.mark.link)}">{drawn}</a>' if node.mark else drawn


def _label(arrow: Arrow, route: list[_Node]) -> str:
    start, end = route[0], route[1]
    x, y = (start.x + 2 * end.x) / 3, start.y + _HEIGHT + (_LAYER - _HEIGHT) * 0.6
    return f'<text class="label" x="{x:.1f}" y="{y:.1f}">{arrow.label}</text>'
