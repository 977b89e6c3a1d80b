"""The local replacement of a container image: a folder whose `bin/` comes first on a job's PATH."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sagelocal.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Environment:
    """The local replacement of an image.

    `digest` identifies its code and is part of every cache key. Give a digest of your sources if you run your own code:
    `digest_of` only knows which packages are installed. With `honours_root`, its entry points read the path of /opt/ml
    from SAGELOCAL_ML_ROOT, and no mount namespace is needed. `digest_of_command`, if there is one, returns
    the digest of the code that a job's command runs, so that a change of other code leaves the job's result in the
    cache. `variables` are those that the image sets (ENV in a
    Dockerfile); a job's variables override them.
    """

    prefix: Path
    digest: str
    honours_root: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    digest_of_command: Callable[[Sequence[str]], str] | None = None

    def digest_for(self, command: Sequence[str]) -> str:
        """Return the identity of the code that a command runs, its program and arguments given one by one."""
        return self.digest_of_command(command) if self.digest_of_command else self.digest


def current() -> Environment:
    """Return the Python environment that runs this program."""
    return at(Path(sys.prefix))


def at(prefix: Path) -> Environment:
    """Return the environment in `prefix`, a virtual environment or any folder with a `bin/`.

    Raises:
        InputError: There is no `bin` folder in it.
    """
    if not (prefix / "bin").is_dir():
        raise InputError(f"{prefix} is no environment: expected a folder with programs in its bin/")
    return Environment(prefix.absolute(), digest_of(prefix))


def digest_of(prefix: Path) -> str:
    """Return sha256 over names and versions of what is installed in `prefix`, and its own programs, if any.

    The path doesn't count, so a copy elsewhere is the same environment.
    """
    total = hashlib.sha256()
    packages = prefix.glob("lib*/python3*/site-packages/*.dist-info")
    for name in sorted(f"{path.parts[-3]}/{path.name}" for path in packages):
        total.update(name.encode() + b"\n")
    settings = prefix / "pyvenv.cfg"
    if settings.is_file():
        lines = settings.read_text(encoding="utf-8", errors="replace").splitlines()
        total.update("\n".join(line for line in lines if line.startswith("version")).encode())
    for name in ("train", "process", "serve"):
        program = prefix / "bin" / name
        if program.is_file():
            total.update(hashlib.sha256(program.read_bytes()).digest())
    return total.hexdigest()
