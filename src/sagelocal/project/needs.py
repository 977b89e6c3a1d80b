"""Name every image, program and handler that a run would miss, before anything runs."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any, Final

from sagelocal.definition import graph
from sagelocal.errors import InputError
from sagelocal.jobs import contracts, functions, sandbox
from sagelocal.run import handlers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sagelocal.definition.steps import Definition
    from sagelocal.jobs.environment import Environment

_IMAGES: Final = {
    "Processing": ("AppSpecification", "ImageUri"),
    "Training": ("AlgorithmSpecification", "TrainingImage"),
}


def images(definition: Definition, arguments: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the images that jobs run, each with the steps that do; those that depend on a step are left out.

    Args:
        definition: A checked definition.
        arguments: The Arguments of each step, as far as they are known before anything runs.
    """
    found: dict[str, list[str]] = {}
    for step, _ in graph.flatten(definition.steps):
        _, job = _job(step.type, arguments[step.name])
        image = _image(step.type, job)
        if image:
            found.setdefault(image, []).append(step.name)
    return found


def faults(
    definition: Definition,
    arguments: Mapping[str, Mapping[str, Any]],
    known: Mapping[str, Environment],
    default: Environment,
) -> Iterator[str]:
    """Yield `location: problem` for each step whose image or program is missing.

    Args:
        definition: A checked definition.
        arguments: As for `images`.
        known: Environments by image.
        default: The environment of all other images.
    """
    for step, _ in graph.flatten(definition.steps):
        where, job = _job(step.type, arguments[step.name])
        image = _image(step.type, job)
        if not image:
            continue
        member, name = _IMAGES["Processing" if step.type == "Processing" else "Training"]
        try:
            environment = known.get(image) or default
        except InputError as error:
            yield f"steps[{step.name}].Arguments.{where}{member}.{name}: {error}"
            continue
        found = list(functions.faults(job, environment.prefix)) if functions.is_function(job) else []
        found += _program_faults(step.type, job[member], environment, image)
        yield from (f"steps[{step.name}].Arguments.{where}{fault}" for fault in found)


def handler_faults(texts: Mapping[str, str]) -> Iterator[str]:
    """Yield a problem for each handler that can't be imported."""
    for name, text in texts.items():
        try:
            handlers.load(text)
        except InputError as error:
            yield f"{name}: {error}"


def _job(kind: str, arguments: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return the Arguments of the job itself, and where they are: a search has those of its trainings."""
    inner = arguments.get("TrainingJobDefinition")
    if kind == "Tuning" and isinstance(inner, dict):
        return "TrainingJobDefinition.", inner
    return "", arguments


def _image(kind: str, job: Mapping[str, Any]) -> str:
    """Return the image of a job; empty for steps without one, and where it depends on a step."""
    member, name = _IMAGES.get("Training" if kind == "Tuning" else kind, ("", ""))
    block = job.get(member)
    image = block.get(name) if isinstance(block, dict) else None
    return image if isinstance(image, str) else ""


def _program_faults(kind: str, block: Mapping[str, Any], environment: Environment, image: str) -> Iterator[str]:
    entry = block.get("ContainerEntrypoint")
    member = "AppSpecification" if kind == "Processing" else "AlgorithmSpecification"
    if entry is None:
        name = contracts.PROGRAMS["Processing" if kind == "Processing" else "Training"]
        path = environment.prefix / "bin" / name
        if not os.access(path, os.X_OK):
            fault = f"the image's own program {name!r} is to run, and {path} is missing"
            yield f"{member}: {fault}: map {image} to an environment that has it"
    elif isinstance(entry, list) and entry and isinstance(entry[0], str) and not _is_there(entry[0], environment):
        fault = f"{entry[0]!r} is no program of {environment.prefix} or of this machine"
        yield f"{member}.ContainerEntrypoint: {fault}: map {image} to an environment that has it"


def _is_there(program: str, environment: Environment) -> bool:
    if program.startswith(contracts.ML):  # it comes with an input
        return True
    return shutil.which(program, path=f"{environment.prefix / 'bin'}:{sandbox.SYSTEM_PATH}") is not None
