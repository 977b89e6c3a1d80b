"""Packages that an installation may lack: the extra that brings one, and the exact words that install it here.

Every command line loads this module. What only a missing package needs is imported within the functions.
"""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from sagelocal.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Packages whose module has another name; for all others, `-` becomes `_`.
_PACKAGES: Final = {"mlflow": "mlflow-skinny", "sklearn": "scikit-learn"}
_NEEDED: Final = re.compile(r"""([\w.-]+)[^;]*;.*\bextra == ['"]([\w-]+)['"]""")
_INCLUDED: Final = re.compile(r"""([\w.-]+)\s*\[([\w\s,-]+)\].*\bextra == ['"]([\w-]+)['"]""")
_LEFT_OUT: Final = re.compile(r"""\bsys_platform != ['"](\w+)['"]""")


class MissingExtra(InputError):
    """A verb needs packages that the base install leaves out. `distribution` has the extra that brings them."""

    distribution: ClassVar[str] = "sagelocal"

    def __init__(self, verb: str, extra: str) -> None:
        self.verb, self.extra = verb, extra
        super().__init__(f"{verb} needs the extra {extra!r}: {install_command(extra, self.distribution)}")


@contextmanager
def named(verb: str, missing: type[MissingExtra] = MissingExtra) -> Iterator[None]:
    """Within the block, turn the failed import of a package that an extra brings into `missing`."""
    try:
        yield
    except ModuleNotFoundError as error:
        extra = extra_of((error.name or "").partition(".")[0], verb.rpartition(" ")[2], missing.distribution)
        if extra is None:
            raise
        raise missing(verb, extra) from error


def extra_of(module: str, command: str, distribution: str) -> str | None:
    """Return an extra that brings a package, by its module's name: that of the command's name, else the smallest one.

    Returns:
        None if no extra of the distribution brings it.
    """
    package = _PACKAGES.get(module, module).replace("_", "-").lower()
    pairs = _pairs(distribution)
    sizes = Counter(extra for _, extra in pairs)
    found = [extra for name, extra in pairs if name == package]
    return command if found and command in sizes else min(found, key=sizes.__getitem__, default=None)


def require(verb: str, extra: str, missing: type[MissingExtra] = MissingExtra) -> None:
    """Raise `missing` unless each package of an extra is installed; which version is not looked at."""
    if lacking(extra, missing.distribution):
        raise missing(verb, extra)


def names(distribution: str) -> tuple[str, ...]:
    """Return all extras, sorted; none for sources that were never installed."""
    return tuple(sorted({extra for _, extra in _pairs(distribution)}))


def lacking(extra: str, distribution: str) -> tuple[str, ...]:
    """Return the packages that an extra needs here and that are not installed; which version is not looked at.

    The packages of the extras that it includes count, too.
    """
    from importlib import metadata  # noqa: PLC0415 - see above

    wanted, found = [extra], set[str]()
    included = [
        (match[3], re.split(r"[\s,]+", match[2]))
        for match in map(_INCLUDED.match, _needed(distribution))
        if match and match[1] == distribution
    ]
    for each in wanted:  # grows meanwhile
        wanted += [name for of, more in included if of == each for name in more if name not in wanted]
        found |= {name for name, of in _pairs(distribution) if of == each and name != distribution}
    return tuple(name for name in sorted(found) if next(iter(metadata.distributions(name=name)), None) is None)


def _pairs(distribution: str) -> list[tuple[str, str]]:
    """Return the packages of all extras, each with its extra."""
    return [
        (match[1].lower().replace("_", "-"), match[2]) for match in map(_NEEDED.match, _needed(distribution)) if match
    ]


def _needed(distribution: str) -> list[str]:
    """Return what the installation's metadata requires on this system; nothing for sources that were never installed.

    Of all conditions, only those that leave a package out on one system are read.
    """
    from importlib import metadata  # noqa: PLC0415 - see above

    try:
        needed = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return []
    return [line for line in needed if sys.platform not in _LEFT_OUT.findall(line)]


def install_command(extra: str, distribution: str) -> str:
    """Return what to type to install an extra into this environment, for a checkout, a wheel's file or an index."""
    import shlex  # noqa: PLC0415 - see above
    import subprocess  # noqa: PLC0415 - see above

    words = [*installer(distribution), *_target(extra, distribution)]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def installer(distribution: str) -> list[str]:
    """Return `pip install` by the shortest name that means this environment's."""
    import shutil  # noqa: PLC0415 - see above

    if _read(distribution, "INSTALLER").strip() == "uv":
        return ["uv", "pip", "install", "--python", python()]
    pip = shutil.which("pip")
    if pip and Path(pip).parent == Path(sys.executable).parent:
        return ["pip", "install"]
    return [python(), "-m", "pip", "install"]


def python() -> str:
    """Return what to type to start this Python."""
    return _near(Path(sys.executable))


def _target(extra: str, distribution: str) -> list[str]:
    """Return what pip installs: the folder or the file that this was installed from if it is there, else the name."""
    import json  # noqa: PLC0415 - see above
    from urllib.parse import urlsplit  # noqa: PLC0415 - see above
    from urllib.request import url2pathname  # noqa: PLC0415 - see above

    origin = json.loads(_read(distribution, "direct_url.json") or "{}")
    url = urlsplit(origin.get("url", ""))
    path = Path(url2pathname(url.path))
    if url.scheme != "file" or not path.exists():
        return [f"{distribution}[{extra}]"]
    where = "." if path == Path.cwd() else _near(path)
    editable = ["-e"] if origin.get("dir_info", {}).get("editable") else []
    return [*editable, f"{where}[{extra}]"]


def _read(distribution: str, name: str) -> str:
    """Return a file of the installation's metadata; empty if there is none."""
    from importlib import metadata  # noqa: PLC0415 - see above

    try:
        return metadata.distribution(distribution).read_text(name) or ""
    except metadata.PackageNotFoundError:
        return ""


def _near(path: Path) -> str:
    """Return the path relative to the working folder if it is below it."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
