"""The environments of images: by exact address, by pattern, by recipe; the running one stands for all others."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sagelocal.errors import InputError
from sagelocal.jobs import environment
from sagelocal.project import recipes

if TYPE_CHECKING:
    from sagelocal.jobs.environment import Environment


@dataclass(frozen=True, slots=True)
class Images(Mapping[str, "Environment"]):
    """Environments by image. A pattern is that of file names; of several that match, the longest counts.

    `patterns` have a folder or `recipe:NAME` each. Recipes that were made in the workspace `home` stand for the images
    that they are for, unless a pattern says otherwise.
    """

    home: Path
    patterns: Mapping[str, str]
    _found: dict[str, Environment] = field(default_factory=dict)

    def __getitem__(self, image: str) -> Environment:
        """Return the environment of an image.

        Raises:
            KeyError: No pattern matches. InputError: The environment isn't there.
        """
        if image not in self._found:
            self._found[image] = environment.at(self._folder(image))
        return self._found[image]

    def __iter__(self) -> Iterator[str]:
        """Give the patterns."""
        return iter(self.patterns)

    def __len__(self) -> int:
        """Return the number of patterns."""
        return len(self.patterns)

    def _folder(self, image: str) -> Path:
        wanted = self.wanted(image)
        if wanted is None:
            raise KeyError(image)
        name = wanted.removeprefix("recipe:")
        if name == wanted:
            return Path(wanted)
        folder = recipes.folder(self.home, name)
        if not recipes.is_made(folder):
            raise InputError(f"{image} stands for the recipe {name!r}, which isn't made: sagelocal environment {name}")
        return folder

    def wanted(self, image: str) -> str | None:
        """Return the folder or `recipe:NAME` for an image; None if it is the running environment."""
        matching = [pattern for pattern in self.patterns if image == pattern or fnmatch.fnmatchcase(image, pattern)]
        if matching:
            return self.patterns[max(matching, key=lambda pattern: (pattern == image, len(pattern)))]
        name = recipes.for_image(image)
        return f"recipe:{name}" if name and recipes.is_made(recipes.folder(self.home, name)) else None
