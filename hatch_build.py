"""The hook of the build backend: a wheel gets compiled code for one system, an editable checkout for this machine.

A wheel also gets the files from which `jobmajor aws image` builds an image and `jobmajor aws project seed` a
repository.

JOBMAJOR_TARGET names the system of a wheel, such as `macosx_11_0_arm64`, if it is not this one; the names are those of
`TARGETS` in src/jobmajor/native/build.py. With JOBMAJOR_COMPILED=no, nothing is compiled, and the wheel fits every
system.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# Beside `src`, everything that building an image needs; the same names as `BUILD_FILES` in
# src/jobmajor/aws/project/sources.py. Within the image's own build some are missing, and its wheel carries none.
BUILD_FILES = (
    *("Dockerfile", ".dockerignore", "pyproject.toml", "hatch_build.py", "image_sbom.py", "README.md", "LICENSE"),
    *("requirements-image.lock", "requirements-build.lock", "requirements-ci.lock", "requirements-zig.lock"),
    *("packages/sagelocal/pyproject.toml", "packages/sagelocal/hatch_build.py"),
    *("packages/sagelocal/README.md", "packages/sagelocal/LICENSE"),
    *("image/serve", "image/step", "image/train"),
)
CARRIED = "jobmajor/aws/project/context"


def _builder() -> Any:
    """Return `jobmajor.native.build`, which can't be imported: the package isn't installed yet."""
    path = Path(__file__).parent / "src" / "jobmajor" / "native" / "build.py"
    spec = importlib.util.spec_from_file_location("jobmajor_native_build", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} can't be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class WheelFiles(BuildHookInterface):  # type: ignore[type-arg]  # hatchling is typed only in part
    """Adds the libraries of compiled code, and the files of an image's build."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Return the package that compiles where no compiler is installed, and for other systems."""
        builder = _builder()
        if not builder.is_wanted() or (builder.compiler() and not os.environ.get("JOBMAJOR_TARGET")):
            return []
        return [f"ziglang=={builder.ZIG}"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the libraries, and say where they and the files of an image's build go."""
        root = Path(self.root)
        if version != "editable" and all((root / name).is_file() for name in BUILD_FILES):
            build_data["force_include"] |= {str(root / name): f"{CARRIED}/{name}" for name in BUILD_FILES}
        builder, tag = _builder(), os.environ.get("JOBMAJOR_TARGET")
        if not builder.is_wanted():
            return
        if tag and tag not in builder.TARGETS:
            sys.exit(f"JOBMAJOR_TARGET is {tag!r}: expected one of {', '.join(builder.TARGETS)}")
        try:
            if version == "editable":
                builder.refresh()
                return
            self._folder = tempfile.TemporaryDirectory()
            for path in builder.build(Path(self._folder.name), builder.TARGETS[tag] if tag else None):
                build_data["force_include"][str(path)] = f"jobmajor/native/{path.name}"
        except builder.BuildError as error:
            sys.exit(f"jobmajor's compiled code: {error}")
        here = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"], build_data["tag"] = False, f"py3-none-{tag or here}"

    def finalize(self, *_: Any) -> None:
        """Remove the libraries once they are in the wheel."""
        if hasattr(self, "_folder"):
            self._folder.cleanup()
