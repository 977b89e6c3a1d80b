"""A definition with the settings for its run: options count before the script, that before sagelocal.toml."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelocal.compile import command
from sagelocal.compile.script import CompileOptions
from sagelocal.errors import DefinitionError
from sagelocal.jobs import environment
from sagelocal.project import needs, toml_file
from sagelocal.project.images import Images
from sagelocal.run import executor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sagelocal.definition.steps import Definition
    from sagelocal.project.toml_file import Project


@dataclass(frozen=True, slots=True)
class Options:
    """What was given on the command line."""

    profile: str | None = None
    python: Path | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    handlers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Choices:
    """A definition with its settings; `handlers` are still texts, `name` is the pipeline's, empty for a file."""

    project: Project
    definition: Definition
    name: str
    parameters: Mapping[str, Any]
    handlers: Mapping[str, str]
    images: Images
    selected: tuple[str, ...] = ()

    def check(self, *, whole: bool = True) -> dict[str, Any]:
        """Return the value of every parameter, once it is sure that nothing is missing.

        Unless they are to be `whole`, parameters without default may have no value yet.

        Raises:
            DefinitionError: The definition can't run, or an image, a program or a handler is missing.
        """
        values = executor.validate(self.definition, self.parameters, self.handlers, whole=whole)
        known = executor.known_arguments(self.definition, values)
        missing = [
            *needs.faults(self.definition, known, self.images, environment.current()),
            *needs.handler_faults(self.handlers),
        ]
        if missing:
            raise DefinitionError(missing)
        return values

    def places(self, values: Mapping[str, Any]) -> dict[str, str]:
        """Return the folder of the environment that stands for each image."""
        known = executor.known_arguments(self.definition, values)
        default = environment.current()
        return {
            image: str((self.images.get(image) or default).prefix) for image in needs.images(self.definition, known)
        }


def choose(text: str, home: Path, options: Options) -> Choices:
    """Read the definition that a text names, with the settings of the project in the working folder.

    Raises:
        InputError: The file, the script or the settings can't be used. DefinitionError: The definition can't run.
    """
    project = toml_file.load(Path.cwd(), options.profile)
    source = command.source(
        text, home, CompileOptions(python=options.python or project.python, account=project.account)
    )
    images = Images(home, {**project.images, **options.images})
    for image in options.images:
        images[image]
    declared = {name: value for name, value in project.parameters.items() if name in source.definition.parameters}
    return Choices(
        project=project,
        definition=source.definition,
        name=source.name,
        parameters={**declared, **source.parameters, **options.parameters},
        handlers={**project.handlers, **options.handlers},
        images=images,
        selected=source.selected,
    )
