"""The dependency graph of a definition.

A definition doesn't state the order of its steps. It follows from DependsOn, from references and from the branches of
a Condition. The run, the checks and the diagram all use this module.
"""

from __future__ import annotations

import heapq
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from sagelocal.definition import foreign
from sagelocal.definition.expressions import references

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from sagelocal.definition.steps import Definition, Step


def flatten(steps: Iterable[Step]) -> Iterator[tuple[Step, Step | None]]:
    """Yield (step, the Condition whose branch holds it, or None) for all steps, a Condition before its branches."""

    def below(inner: Iterable[Step], owner: Step | None) -> Iterator[tuple[Step, Step | None]]:
        for step in inner:
            yield step, owner
            yield from below((*step.if_steps, *step.else_steps), step)

    return below(steps, None)


def sources(step: Step) -> tuple[tuple[str, Any], ...]:
    """Return (location, value) of everything in a step that may hold references, its branches excluded."""
    location = f"steps[{step.name}].Arguments"
    if step.type == "Condition":
        return ((f"{location}.Conditions", list(step.conditions)),)
    if step.type in foreign.OPAQUE:
        return ()
    own = ((f"steps[{step.name}].{name}", value) for name, value in step.settings.items())
    return ((location, step.arguments), *own)


def dependencies(definition: Definition) -> Mapping[str, frozenset[str]]:
    """Return the steps that each step waits for, by name, in the order of the definition."""
    return _dependencies(definition.steps)


def _dependencies(steps: Iterable[Step]) -> dict[str, frozenset[str]]:
    found = {}
    for step, owner in flatten(steps):
        needed = references([value for _, value in sources(step)]) | set(step.depends_on)
        found[step.name] = needed | {owner.name} if owner else needed
    return found


def order(definition: Definition) -> tuple[str, ...]:
    """Return all step names in topological order; ties keep the order of the definition."""
    order, done = TopologicalOrder(dependencies(definition)), []
    while name := order.next():
        done.append(name)
        order.done(name)
    return tuple(done)


class TopologicalOrder:
    """A topological order that is read while steps run; ties keep the order of the definition."""

    def __init__(self, waits: Mapping[str, Collection[str]]) -> None:
        self._names = list(waits)
        self._position = {name: index for index, name in enumerate(waits)}
        self._sorter, self._ready = TopologicalSorter(waits), list[int]()
        self._sorter.prepare()
        self._collect()

    def next(self) -> str | None:
        """Return the next step that may begin, or None if all of them wait for steps that are not done."""
        return self._names[heapq.heappop(self._ready)] if self._ready else None

    def done(self, name: str) -> None:
        """Mark a step as done, so that the steps that depend on it may begin."""
        self._sorter.done(name)
        self._collect()

    def _collect(self) -> None:
        for name in self._sorter.get_ready():
            heapq.heappush(self._ready, self._position[name])


def cycle(steps: Iterable[Step]) -> tuple[str, ...]:
    """Return the names along one cycle, with the first one repeated at the end; empty if there is no cycle."""
    try:
        TopologicalSorter(_dependencies(steps)).prepare()
    except CycleError as error:
        return tuple(error.args[1])
    return ()
