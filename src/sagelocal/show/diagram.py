"""Reduce the dependencies of a pipeline to the fewest arrows, and print them as a Mermaid flowchart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sagelocal.definition import graph

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sagelocal.definition.steps import Definition, Step


@dataclass(frozen=True, slots=True)
class Arrow:
    """An arrow from a step to one that depends on it; `label` is `true` or `false` after a Condition, else empty."""

    source: str
    target: str
    label: str = ""


def arrows(definition: Definition) -> tuple[Arrow, ...]:
    """Return the arrows of the diagram, in the order of the definition, without those that follow from others."""
    waits = graph.dependencies(definition)
    behind = _ancestors(waits)
    found = []
    for step, owner in graph.flatten(definition.steps):
        needed = waits[step.name]
        nearest = [name for name in waits if name in needed and not any(name in behind[other] for other in needed)]
        found += [Arrow(name, step.name, _label(step, owner, name)) for name in nearest]
    return tuple(found)


def _ancestors(waits: Mapping[str, Collection[str]]) -> dict[str, set[str]]:
    """Return all direct and indirect dependencies of each step."""
    found: dict[str, set[str]] = {}
    order = graph.TopologicalOrder(waits)
    while name := order.next():
        found[name] = set(waits[name]).union(*(found[needed] for needed in waits[name]))
        order.done(name)
    return found


def _label(step: Step, owner: Step | None, source: str) -> str:
    if owner is None or owner.name != source:
        return ""
    return "true" if step in owner.if_steps else "false"


def mermaid(definition: Definition) -> str:
    """Return the diagram as a Mermaid flowchart, which GitHub, GitLab and many editors render.

    Source of the format: Mermaid, "Flowcharts - Basic Syntax".
    """
    # Names hold hyphens, and "end" is a word of the language: so nodes are numbered.
    ids = {step.name: f"s{number}" for number, (step, _) in enumerate(graph.flatten(definition.steps))}
    shapes = {"Condition": ('{{"', '"}}'), "Fail": ('(["', '"])')}
    lines = ["flowchart TD"]
    for step, _ in graph.flatten(definition.steps):
        before, behind = shapes.get(step.type, ('["', '"]'))
        lines.append(f"  {ids[step.name]}{before}{step.name}<br/><i>{step.type}</i>{behind}")
    for arrow in arrows(definition):
        line = f"-- {arrow.label} -->" if arrow.label else "-->"
        lines.append(f"  {ids[arrow.source]} {line} {ids[arrow.target]}")
    return "\n".join([*lines, ""])
