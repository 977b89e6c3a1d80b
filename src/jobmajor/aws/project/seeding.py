"""Replace the example in a cloned repository with our pipeline, which a push then tests, builds and runs.

The repository gets all of jobmajor's sources, below `vendor/jobmajor`. So you can read and change what runs in the
account, and no build depends on a published package.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jobmajor.aws.project import sources
from jobmajor.errors import InputError
from sagelocal.storage import publish

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from jobmajor.settings import Settings

RECORD: Final = ".jobmajor-seed.json"
VENDOR: Final = "vendor/jobmajor"
_SEED: Final = Path(__file__).parent / "seed"
_SETTINGS: Final = "jobmajor.toml"
_WORKFLOW: Final = ".github/workflows/jobmajor.yml"
# The files that AWS's template for model building puts into a repository, and that ours replace. Source: AWS,
# amazon-sagemaker-examples, the seed code of "MLOps template for model building and training".
_EXAMPLE_FOLDER: Final = "pipelines/abalone"
_EXAMPLE: Final = (
    *("codebuild-buildspec.yml", "setup.py", "setup.cfg", "tox.ini", "sagemaker-pipelines-project.ipynb"),
    *("pipelines/__init__.py", "pipelines/__version__.py", "pipelines/_utils.py"),
    *("pipelines/get_pipeline_definition.py", "pipelines/run_pipeline.py", "tests/test_pipelines.py"),
)


@dataclass(frozen=True, slots=True)
class Seeded:
    """The changed paths in the repository; `kept` are the user's settings, which stay."""

    written: tuple[str, ...]
    removed: tuple[str, ...]
    kept: tuple[str, ...]


def seed(
    folder: Path, settings: Settings, checkout: Path | None = None, *, force: bool = False, dry_run: bool = False
) -> Seeded:
    """Put the pipeline into a repository; call it again to bring the repository up to date.

    Args:
        folder: The top folder of a clone.
        settings: The settings whose project and branch are written; an existing `jobmajor.toml` stays.
        checkout: jobmajor's repository; None takes the running one, or the installed package.
        force: Whether to replace files that somebody changed since the last seeding.
        dry_run: Whether to return the changes without making them.

    Raises:
        InputError: `folder` is no clone, or other files are in the way. Nothing was written then.
    """
    if not (folder / ".git").exists():
        raise InputError(f"{folder} is not a clone of a repository: name the folder that contains .git")
    wanted = dict(_wanted(settings, checkout))
    before = _record(folder)
    kept = (_SETTINGS,) if (folder / _SETTINGS).exists() else ()
    for name in kept:
        del wanted[name]
    if not force:
        _refuse_foreign(folder, wanted, before)
    written = [name for name, source in sorted(wanted.items()) if not _holds(folder / name, source)]
    removed = [name for name in _superseded(folder, before) if name not in wanted]
    if not dry_run:
        _apply(folder, wanted, written, removed)
    return Seeded(tuple(written), tuple(removed), kept)


def _apply(folder: Path, wanted: Mapping[str, _File], written: Iterable[str], removed: Iterable[str]) -> None:
    for name in written:
        _write(folder / name, wanted[name])
    for name in removed:
        _remove(folder / name)
    record = {name: hashlib.sha256(source.data).hexdigest() for name, source in sorted(wanted.items())}
    publish.write_file(folder / RECORD, (json.dumps(record, indent=1) + "\n").encode())


@dataclass(frozen=True, slots=True)
class _File:
    data: bytes
    is_program: bool = False


def _wanted(settings: Settings, checkout: Path | None) -> Iterator[tuple[str, _File]]:
    for path in sorted(_SEED.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(_SEED).as_posix(), _File(path.read_bytes())
    text = (_SEED / _SETTINGS).read_text("utf-8")
    text = text.replace("@PROJECT@", json.dumps(settings.names.project))
    yield _SETTINGS, _File(text.replace("@BRANCH@", json.dumps(settings.aws.branch)).encode())
    workflow = (_SEED / _WORKFLOW).read_text("utf-8")
    yield _WORKFLOW, _File(workflow.replace("@BRANCH@", json.dumps(settings.aws.branch)).encode())
    for name, data in sources.read(checkout).items():
        yield f"{VENDOR}/{name}", _File(data, name.startswith(sources.PROGRAMS))


def _record(folder: Path) -> Mapping[str, str]:
    """Return the sha256 of each file as the last seeding wrote it."""
    path = folder / RECORD
    if not path.is_file():
        return {}
    try:
        return {str(name): str(digest) for name, digest in json.loads(path.read_bytes()).items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"{path} is no valid record of the last seeding ({error}): restore it from git") from error


def _refuse_foreign(folder: Path, wanted: Mapping[str, _File], before: Mapping[str, str]) -> None:
    for name, source in sorted(wanted.items()):
        path = folder / name
        if name in _EXAMPLE or not path.exists():
            continue
        there = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        if there not in (before.get(name), hashlib.sha256(source.data).hexdigest()):
            raise InputError(f"{path} has content that no seeding wrote: move it, or replace it with --force")


def _holds(target: Path, source: _File) -> bool:
    return target.is_file() and target.read_bytes() == source.data


def _write(target: Path, source: _File) -> None:
    publish.write_file(target, source.data)
    target.chmod(0o755 if source.is_program else 0o644)


def _superseded(folder: Path, before: Iterable[str]) -> Iterator[str]:
    """Yield the example's files, and the files that only an earlier seeding wrote."""
    names = {_EXAMPLE_FOLDER, *_EXAMPLE, *(name for name in before if name != _SETTINGS)}
    return (name for name in sorted(names) if _is_inside(folder, name) and (folder / name).exists())


def _is_inside(folder: Path, name: str) -> bool:
    """Return whether a recorded name is inside the repository; somebody may have edited the record."""
    return (folder / name).resolve().is_relative_to(folder.resolve())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
