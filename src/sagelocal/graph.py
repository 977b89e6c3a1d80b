"""Which step waits for which.

The order of a pipeline is nowhere written: it follows from DependsOn, from every reference and from the
branches of a Condition. The run, the checks and the picture of a pipeline read it from here.
"""

from __future__ import annotations

import heapq
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from sagelocal.expressions import references

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sagelocal.definition import Definition, Step


def flatten(steps: Iterable[Step]) -> Iterator[tuple[Step, Step | None]]:
    """(step, the Condition whose branch it stands in) for all steps, a Condition before its branches."""

    def below(inner: Iterable[Step], owner: Step | None) -> Iterator[tuple[Step, Step | None]]:
        for step in inner:
            yield step, owner
            yield from below((*step.if_steps, *step.else_steps), step)

    return below(steps, None)


def sources(step: Step) -> tuple[tuple[str, Any], ...]:
    """(place, value) of what may hold references; the branches of a Condition are steps themselves."""
    place = f"steps[{step.name}].Arguments"
    if step.type == "Condition":
        return ((f"{place}.Conditions", list(step.conditions)),)
    return ((place, step.arguments),)


def dependencies(definition: Definition) -> Mapping[str, frozenset[str]]:
    """The steps that each step waits for, by name, in the order of the definition."""
    return _dependencies(definition.steps)


def _dependencies(steps: Iterable[Step]) -> dict[str, frozenset[str]]:
    found = {}
    for step, owner in flatten(steps):
        needed = references([value for _, value in sources(step)]) | set(step.depends_on)
        found[step.name] = needed | {owner.name} if owner else needed
    return found


def order(definition: Definition) -> tuple[str, ...]:
    """All step names, each after those it waits for, otherwise in the order of the definition."""
    waits = dependencies(definition)
    position = {name: index for index, name in enumerate(waits)}
    names = list(waits)
    sorter = TopologicalSorter(waits)
    sorter.prepare()
    done: list[str] = []
    ready = [position[name] for name in sorter.get_ready()]
    heapq.heapify(ready)
    while ready:
        name = names[heapq.heappop(ready)]
        done.append(name)
        sorter.done(name)
        for following in sorter.get_ready():
            heapq.heappush(ready, position[following])
    return tuple(done)


def cycle(steps: Iterable[Step]) -> tuple[str, ...]:
    """The names around one cycle, the first again at the end; empty when there is none."""
    try:
        TopologicalSorter(_dependencies(steps)).prepare()
    except CycleError as error:
        return tuple(error.args[1])
    return ()
