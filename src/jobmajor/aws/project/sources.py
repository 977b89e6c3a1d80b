"""jobmajor's sources, from which an image is built: of a checkout, or of the installed package.

An installed package has no repository. So the wheel carries the files that a build needs beside the packages
(Dockerfile, locks, programs), and the digest of all these files takes the place of a commit.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sagelocal
from jobmajor import __version__
from jobmajor.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# The same names as `BUILD_FILES` in hatch_build.py, which puts them into a wheel.
BUILD_FILES: Final = (
    *("Dockerfile", ".dockerignore", "pyproject.toml", "hatch_build.py", "image_sbom.py", "README.md", "LICENSE"),
    *("requirements-image.lock", "requirements-build.lock", "requirements-ci.lock", "requirements-zig.lock"),
    *("packages/sagelocal/pyproject.toml", "packages/sagelocal/hatch_build.py"),
    *("packages/sagelocal/README.md", "packages/sagelocal/LICENSE"),
    *("image/serve", "image/step", "image/train"),
)
PROGRAMS: Final = "image/"
_ONLY_FOR_TESTS: Final = ("requirements-ci.lock",)  # a seeded repository's tests install it, the image doesn't
_CARRIED: Final = Path(__file__).parent / "context"  # in a wheel only
_CHECKOUT: Final = Path(__file__).parents[4]
_LIBRARIES: Final = (".so", ".dylib", ".dll")  # compiled code: each machine builds its own
_ARGUMENT: Final = re.compile(r"[A-Za-z_]\w*")
_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class Sources:
    """What an image is built from.

    Attributes:
        files: The content of each file, by its path in the build's folder, in order.
        arguments: The build arguments of the Dockerfile, such as RUN_AS.
        origin: The checkout's path; "" if the files are those of the installed package.
    """

    files: Mapping[str, bytes]
    arguments: Mapping[str, str]
    origin: str = ""

    @property
    def tag(self) -> str:
        """Return the image's tag, `VERSION-DIGEST`; equal sources and arguments have equal tags."""
        parts = {name: hashlib.sha256(data).hexdigest() for name, data in self.files.items()}
        text = json.dumps([parts, dict(self.arguments)], sort_keys=True)
        return f"{__version__}-{hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]}"

    def archive(self, more: Mapping[str, bytes]) -> bytes:
        """Return a zip of the files and of `more`; equal content gives equal bytes, as it isn't compressed."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
            for name, data in sorted({**self.files, **more}.items()):
                entry = zipfile.ZipInfo(name)  # without a time of its own: 1980
                entry.external_attr = (0o755 if name.startswith(PROGRAMS) else 0o644) << 16
                archive.writestr(entry, data)
        return buffer.getvalue()


def of_image(checkout: Path | None = None, arguments: Mapping[str, str] | None = None) -> Sources:
    """Return what an image is built from.

    Args:
        checkout: A checkout of jobmajor; None takes the running one, or the installed package.
        arguments: The build arguments of the Dockerfile.

    Raises:
        InputError: `checkout` is none, or an argument's name isn't one.
    """
    wrong = [name for name in arguments or {} if not _ARGUMENT.fullmatch(name)]
    if wrong:
        raise InputError(f"--build-arg {wrong[0]}: expected NAME=VALUE, such as RUN_AS=10001")
    found = {name: data for name, data in read(checkout).items() if name not in _ONLY_FOR_TESTS}
    return Sources(found, dict(arguments or {}), str(checkout or (_CHECKOUT if _is_checkout(_CHECKOUT) else "")))


def read(checkout: Path | None = None) -> dict[str, bytes]:
    """Return jobmajor's files by their paths in a checkout, in order: `src`, and `BUILD_FILES`.

    Raises:
        InputError: `checkout` is none, or the installed package is not complete.
    """
    if checkout is not None:
        missing = [name for name in (*BUILD_FILES, "src") if not (checkout / name).exists()]
        if missing:
            raise InputError(
                f"{checkout} is not a checkout of jobmajor (it has no {missing[0]}): name one with --checkout"
            )
    elif _is_checkout(_CHECKOUT):
        checkout = _CHECKOUT
    if checkout is not None:
        folders, beside = {"src": checkout / "src"}, checkout
    else:
        folders = {f"src/{name}": Path(str(files(name))) for name in ("jobmajor", sagelocal.__name__)}
        beside = _CARRIED
    try:
        found = {name: (beside / name).read_bytes() for name in BUILD_FILES}
    except FileNotFoundError as error:
        raise InputError(
            f"this installation of jobmajor has no {error.filename}: install the wheel again, or name a checkout with "
            "--checkout"
        ) from error
    for name, folder in folders.items():
        found |= {f"{name}/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in _sources(folder)}
    return dict(sorted(found.items()))


def _is_checkout(folder: Path) -> bool:
    return (folder / "Dockerfile").is_file() and (folder / "src" / "jobmajor").is_dir()


def _sources(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        is_made = any(part == "__pycache__" or part.endswith((".egg-info", *_LIBRARIES)) for part in parts)
        if path.is_file() and not is_made and _CARRIED not in path.parents:
            yield path
