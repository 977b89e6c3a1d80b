"""Select some steps of a definition, and take the outputs of the others from an earlier run.

The rules are those of the service's SelectiveExecutionConfig: steps between two selected steps have to be selected,
later steps don't run, and earlier steps are taken from a previous run of the same pipeline. One rule is added: a
Condition and its branches are selected together, so that no model is registered without its gate. Source: AWS,
SageMaker AI Developer Guide, "Selective execution of pipeline steps".
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from sagelocal.definition import expressions, graph
from sagelocal.definition.fields import likely
from sagelocal.errors import InputError
from sagelocal.run import records

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from sagelocal.definition.steps import Definition
    from sagelocal.run.records import Execution, StepRecord


def asked(definition: Definition, begin: str | None, only: str | None) -> Sequence[str]:
    """Return the steps to run: `begin` and all that waits for it, or those named in `only`; empty means all."""
    if begin is not None and only is not None:
        raise InputError("--from and --only both say what runs: leave one of the two out")
    if begin is not None:
        return after(definition, begin)
    return [] if only is None else [name.strip() for name in only.split(",")]


def after(definition: Definition, name: str) -> tuple[str, ...]:
    """Return a step and all steps that depend on it, in the order of the definition.

    Raises:
        InputError: There is no such step, or it is in a branch.
    """
    followers = _followers(graph.dependencies(definition))
    return choose(definition, _closure([name], followers) if name in followers else [name])


def choose(definition: Definition, names: Iterable[str]) -> tuple[str, ...]:
    """Return the named steps and the branches of the Conditions among them, in the order of the definition.

    Raises:
        InputError: A name is unknown, a step between two of them is missing, or the Condition of a branch is not
            selected.
    """
    owners = {step.name: owner.name if owner else None for step, owner in graph.flatten(definition.steps)}
    asked = list(dict.fromkeys(names))
    for name in asked:
        if name not in owners:
            raise InputError(f"no step {name!r} to select{likely(name, owners)}")
        owner = owners[name]
        if owner and owner not in asked:
            raise InputError(f"step {name!r} stands in a branch of {owner!r}: select {owner!r}, which decides on it")
    chosen = set(asked)
    for name, owner in owners.items():  # a Condition comes before its branches
        if owner in chosen:
            chosen.add(name)
    _check_gaps(graph.dependencies(definition), chosen)
    return tuple(name for name in owners if name in chosen)


def _check_gaps(waits: Mapping[str, Collection[str]], chosen: set[str]) -> None:
    between = _closure(chosen, waits) & _closure(chosen, _followers(waits)) - chosen
    for name in waits:
        if name in between:
            raise InputError(f"step {name!r} lies between selected steps: select it too, or fewer of the others")


def _followers(waits: Mapping[str, Collection[str]]) -> dict[str, list[str]]:
    return {name: [other for other, needed in waits.items() if name in needed] for name in waits}


def _closure(names: Iterable[str], ways: Mapping[str, Collection[str]]) -> set[str]:
    """Return the names and everything reachable from them."""
    found, todo = set[str](), list(names)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo.extend(ways[name])
    return found


def others(
    definition: Definition, chosen: Collection[str], home: Path, about: tuple[str, str | None]
) -> dict[str, StepRecord | None]:
    """Return a record of an earlier run for every step that is not chosen, or None if it is not needed.

    Args:
        definition: The definition that is to run.
        chosen: The steps that run.
        home: The workspace that the earlier run is in.
        about: The pipeline's name, and the id of the earlier run; None means the newest one with the needed steps.

    Raises:
        InputError: No earlier run has the needed steps, or the named one doesn't.
    """
    steps = [step for step, _ in graph.flatten(definition.steps)]
    read = {step.name: expressions.references([value for _, value in graph.sources(step)]) for step in steps}
    needed = set[str]().union(*(read[name] for name in chosen)).difference(chosen)
    found = _earlier(home, sorted(needed), about) if needed else {}
    return {step.name: found.get(step.name) for step in steps if step.name not in chosen}


def _earlier(home: Path, needed: list[str], about: tuple[str, str | None]) -> dict[str, StepRecord]:
    pipeline, execution_id = about
    if execution_id is not None:
        source = records.find(home, execution_id)
        for name in _missing(source, needed):
            raise InputError(f"run {execution_id} has no outputs of step {name!r}: select it too, or name another run")
        return dict(_taken(source, needed))
    for source in reversed(records.every(home)):
        if source.pipeline_name == pipeline and not _missing(source, needed):
            return dict(_taken(source, needed))
    names = ", ".join(map(repr, needed))
    raise InputError(f"no earlier run of {pipeline!r} in {home} has the outputs of {names}: select them too")


def _missing(source: Execution, needed: Iterable[str]) -> list[str]:
    succeeded = {record.name for record in source.steps if record.status == "Succeeded"}
    return [name for name in needed if name not in succeeded]


def _taken(source: Execution, needed: Collection[str]) -> Iterator[tuple[str, StepRecord]]:
    for record in source.steps:
        if record.name in needed:
            origin = record.taken_from or source.id
            yield record.name, dataclasses.replace(record, cached=False, seconds=0.0, started="", taken_from=origin)
