"""What stands in for a container image on this machine: a folder whose `bin/` comes first on a job's PATH."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sagelocal.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Environment:
    """A local stand-in for an image.

    `digest` is the identity of the code in it and part of every cache key: give a digest of your sources
    where you run your own, `digest_of` only sees which packages are installed. `honours_root` says that
    its entry points look for `/opt/ml` where SAGELOCAL_ML_ROOT points; then no mount namespace is needed.
    `variables` are what the image itself would set (ENV in a Dockerfile); a job's own variables win over
    them.
    """

    prefix: Path
    digest: str
    honours_root: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)


def current() -> Environment:
    """The Python environment that runs this very program."""
    return at(Path(sys.prefix))


def at(prefix: Path) -> Environment:
    """The environment in `prefix`, a virtual environment or any folder with a `bin/`.

    Raises:
        InputError: There is no `bin` folder in it.
    """
    if not (prefix / "bin").is_dir():
        raise InputError(f"{prefix} is no environment: expected a folder with programs in its bin/")
    return Environment(prefix.absolute(), digest_of(prefix))


def digest_of(prefix: Path) -> str:
    """sha256 over names and versions of what is installed in `prefix`, and its `train` program, if any.

    Where it stands doesn't count, so a copy elsewhere is the same environment.
    """
    total = hashlib.sha256()
    packages = prefix.glob("lib*/python3*/site-packages/*.dist-info")
    for name in sorted(f"{path.parts[-3]}/{path.name}" for path in packages):
        total.update(name.encode() + b"\n")
    settings = prefix / "pyvenv.cfg"
    if settings.is_file():
        lines = settings.read_text(encoding="utf-8", errors="replace").splitlines()
        total.update("\n".join(line for line in lines if line.startswith("version")).encode())
    train = prefix / "bin" / "train"
    if train.is_file():
        total.update(hashlib.sha256(train.read_bytes()).digest())
    return total.hexdigest()
