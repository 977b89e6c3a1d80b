"""Open a workspace's registry, find its champion, and load a classifier from there, a model folder or an archive."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobmajor import arguments, settings
from jobmajor.errors import ChecksumMismatch, Error, InputError, NoChampion
from jobmajor.home import Workspace
from jobmajor.model import classifier
from jobmajor.registry import artifact, mlflow_database, mlflow_records, origin
from jobmajor.registry.versions import folder_of
from jobmajor.soc import carried
from sagelocal.storage import manifest

if TYPE_CHECKING:
    from jobmajor.model.classifier import Classifier
    from jobmajor.registry.versions import Registry
    from sagelocal.storage.manifest import Manifest


def open_registry(home: Path) -> Registry:
    """Open the workspace's registry; make it (`mlflow.db`, `models/`, `artifacts/`) if there is none."""
    from jobmajor.registry.mlflow_store import MlflowRegistry  # noqa: PLC0415 - what only a registry needs

    return MlflowRegistry(home)


def champion_folder(home: Path) -> Path | None:
    """Return the folder of the champion's files, in about a millisecond; None before the first promotion.

    Importing MLflow costs over a second, too much to predict one title. A pointer file of ours would be as fast, but
    would disagree with MLflow after a kill between the two writes, or once someone moves the alias in MLflow's pages.
    So this reads the row that MLflow's alias is, and asks MLflow itself, slowly, where that fails.

    Raises:
        RegistryError: The database can't be read, or the champion was not made by jobmajor.
    """
    home = home.resolve()
    database = Workspace(home).database
    if not database.is_file():
        return None
    try:
        row = mlflow_database.champions_digest(database)
    except sqlite3.Error:
        version = open_registry(home).champion()
        return version.folder if version else None
    return folder_of(home, row[0]) if row else None


def origin_of(made: Manifest, home: Path) -> dict[str, Any]:
    """Return where a model comes from, as `origin.of_model`, in about a millisecond.

    Where the workspace's registry has no such version, or can't be read now, it is what the manifest says.

    Raises:
        RegistryError: The version's record is damaged.
    """
    database = Workspace(home.resolve()).database
    with suppress(sqlite3.Error):
        row = mlflow_database.row(database, made.digest) if database.is_file() else None
        if row:
            version, events = mlflow_records.version(row, home), mlflow_records.events(row.of_model, home)
            return origin.of_model(made, version, events)
    return origin.of_model(made)


def load(model: str | Path | None = None, *, home: str | Path | None = None) -> Classifier:
    """Return a classifier, after its files were verified; arguments and errors are those of `load_with_digest`."""
    return load_with_digest(model, home=home)[0]


def load_with_digest(model: str | Path | None = None, *, home: str | Path | None = None) -> tuple[Classifier, str]:
    """Return a classifier, after its files were verified, and the digest of its manifest, which identifies it.

    Args:
        model: A model's folder or `model.tar.gz`; None takes the champion.
        home: The champion's workspace; None takes JOBMAJOR_HOME, else `.jobmajor`.

    Raises:
        InputError: There is no such model; NoChampion: the workspace has none yet.
        ArtifactError: A file is not as recorded.
    """
    named = None if model is None else arguments.path("model", model)
    workspace = settings.home(arguments.path("home", home) if home is not None else None)
    found, made = read(find(named, workspace), is_champion=named is None)
    return found, made.digest


def use_classification(model: str | Path | None = None, *, home: str | Path | None = None) -> None:
    """Use the classification of the model that `load` would return, so that what is read before it may name its codes.

    A workspace without a champion that can be used changes nothing here: `load` says why.

    Raises:
        InputError, ArtifactError: The named model can't be used.
    """
    named = None if model is None else arguments.path("model", model)
    with suppress(*(() if named else (Error,))), tempfile.TemporaryDirectory() as name:
        path = find(named, settings.home(arguments.path("home", home) if home is not None else None))
        if path.is_file():
            artifact.unpack(path, Path(name))
        carried.adopt(Path(name) if path.is_file() else path)


def classifier_of(model: Classifier | str | Path | None, home: str | Path | None) -> Classifier:
    """Return a classifier that a caller has already, or load it; arguments and errors as for `load_with_digest`."""
    return model if isinstance(model, classifier.Classifier) else load(model, home=home)


def find(model: Path | None, home: Path) -> Path:
    """Return the folder or archive of a model: the named one, or the champion of the workspace `home`.

    Raises:
        InputError: There is none; NoChampion: the workspace has none yet.
    """
    if model is None:
        folder = champion_folder(home)
        if folder is None:
            raise NoChampion(home)
        return folder
    if not (artifact.is_archive(model) if model.is_file() else (model / manifest.NAME).is_file()):
        raise InputError(f"{model} is no model: expected a model's folder or {artifact.MODEL}")
    return model


def read(path: Path, *, is_champion: bool, is_mapped: bool = False) -> tuple[Classifier, Manifest]:
    """Load the classifier in a folder or archive, and its manifest, after its files were verified.

    Args:
        path: As `find` returns it.
        is_champion: Whether the folder is the champion's; then its name is the digest that the gate passed.
        is_mapped: As in `classifier.load`.

    Raises:
        ArtifactError: A file is not as recorded, or the folder holds another model than the champion.
    """
    if path.is_file():
        with tempfile.TemporaryDirectory() as name:
            made = artifact.unpack(path, Path(name))
            return classifier.load(Path(name), is_mapped=is_mapped), made
    made = manifest.read(path)
    if is_champion and made.digest != path.name:  # whole, but another model than the one that the gate passed
        raise ChecksumMismatch(path / manifest.NAME, path.name, made.digest)
    return classifier.load(path, is_mapped=is_mapped), made
