"""The installation: packages and extras, compiled code, what local runs of SageMaker jobs need, and the settings."""

from __future__ import annotations

import importlib
import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import jobmajor
from jobmajor import settings
from jobmajor.doctor.finding import DISTRIBUTION, FAILED, NOTE, OK, UNKNOWN, Finding, guarded, reinstall
from jobmajor.native import build
from sagelocal import extras

if TYPE_CHECKING:
    from collections.abc import Iterator

_BASE = ("numpy", "safetensors", "threadpoolctl", "typer")
_SHOWN = 4  # packages that an extra lacks
_RUNS_ON = ("linux", "darwin")
_BUILD = "python -m jobmajor.native.build"


def findings(settings_file: Path | None = None) -> Iterator[Finding]:
    """Yield what is found of the installation; `settings_file` is None for `jobmajor.toml`, if there is one."""
    yield from guarded("version", _version)
    yield from guarded("packages", _packages)
    yield from guarded("extras", _extras)
    yield from guarded("compiled code", _compiled)
    yield from guarded("jobs", _jobs)
    yield from guarded("settings", lambda: _settings(settings_file))


def _version() -> Iterator[Finding]:
    yield Finding("version", OK, f"jobmajor {jobmajor.__version__}, Python {platform.python_version()}")
    where = f"{platform.system()} {platform.machine()}, {os.cpu_count() or 1} processors"
    if sys.platform in _RUNS_ON:
        yield Finding("system", OK, where)
    else:
        yield Finding("system", NOTE, f"{where}: titles and files work; training and runs need Linux or macOS")


def _packages() -> Iterator[Finding]:
    bad = []
    for name in _BASE:
        try:
            importlib.import_module(name)
        except Exception as error:
            bad.append(name)
            yield Finding("packages", FAILED, f"{name} can't be imported: {_line(error)}", reinstall(name))
    if not bad:
        yield Finding("packages", OK, ", ".join(_BASE))


def _extras() -> Iterator[Finding]:
    known = {name: extras.lacking(name, DISTRIBUTION) for name in extras.names(DISTRIBUTION)}
    if not known:
        yield Finding("extras", UNKNOWN, "these sources were never installed, so their packages are not known")
    have = [name for name, missing in known.items() if not missing]
    if have:
        yield Finding("extras", OK, ", ".join(have))
    for name, missing in known.items():
        if missing:
            more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
            found = f"not installed; lacks {', '.join(missing[:_SHOWN])}{more}"
            yield Finding(f"extra {name}", NOTE, found, extras.install_command(name, DISTRIBUTION))


def _compiled() -> Iterator[Finding]:
    what = "compiled code"
    slower = "Python gives the same answers, many times slower"
    if not build.is_wanted():
        found = f"JOBMAJOR_COMPILED={os.environ.get('JOBMAJOR_COMPILED', '')}: {slower}"
        yield Finding(what, NOTE, found, "unset JOBMAJOR_COMPILED")
        return
    files = build.names(*build.here())
    if not (build.FOLDER / files[min(files)]).exists():
        yield Finding(what, NOTE, f"not built for this system: {slower}", f"{extras.python()} -m jobmajor.native.build")
        return
    from jobmajor.native import library  # noqa: PLC0415 - needs numpy, which may be what is missing

    try:
        library.load()
    except Exception as error:
        cure = f"{extras.python()} -m jobmajor.native.build"
        yield Finding(what, FAILED, f"can't be loaded: {_line(error).removesuffix(f': run `{_BUILD}`')}", cure)
        return
    yield Finding(what, OK, ", ".join(name for name in files.values() if (build.FOLDER / name).exists()))


def _jobs() -> Iterator[Finding]:
    """Look for what `sagelocal` needs to give a job its own /opt/ml; the jobs of jobmajor itself do without."""
    what = "namespaces"
    if sys.platform not in _RUNS_ON:
        yield Finding(what, NOTE, "local runs of SageMaker jobs need Linux or macOS")
        return
    from sagelocal.jobs import container, sandbox  # noqa: PLC0415 - needs what only Linux and macOS have

    why = sandbox.refusal()
    if why is None:
        yield Finding(what, OK, "a local job gets an /opt/ml of its own")
        return
    _, _, cure = container.NO_NAMESPACE.format(why=why).partition("): ")
    yield Finding(what, NOTE, f"jobmajor runs without, other images of sagelocal don't ({why})", cure)


def _settings(file: Path | None) -> Iterator[Finding]:
    settings.read(file)
    shown = file or (Path(settings.FILE) if Path(settings.FILE).is_file() else None)
    yield Finding("settings", OK, f"{shown}" if shown else f"the defaults; there is no {settings.FILE} here")


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
