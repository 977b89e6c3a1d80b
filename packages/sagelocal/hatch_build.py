"""The hook of sagelocal's build backend: in a checkout, a wheel and an sdist get the sources from the folder src.

The sources of sagelocal and of jobmajor lie in one folder, so that both are tested, typed and measured together. An
sdist has its own copy, from which a wheel is built without a checkout.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "sagelocal"


class Sources(BuildHookInterface):  # type: ignore[type-arg]  # hatchling is typed only in part
    """Adds the package of a checkout."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Say where the sources are, and where they go; an editable installation only notes their folder."""
        root = Path(self.root)
        sources = root.parents[1] / "src" / NAME
        if version == "editable" or (root / "src").is_dir():
            return
        if not sources.is_dir():
            raise FileNotFoundError(f"found no {sources}: build sagelocal in a checkout of jobmajor, or from its sdist")
        build_data["force_include"][str(sources)] = NAME if self.target_name == "wheel" else f"src/{NAME}"
