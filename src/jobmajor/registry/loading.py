"""Open a workspace's registry, find its champion, and load a classifier from there, a model folder or an archive."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from jobmajor import settings
from jobmajor.errors import ChecksumMismatch, InputError, NoChampion
from jobmajor.home import Workspace
from jobmajor.model import classifier
from jobmajor.registry import artifact, mlflow_database
from jobmajor.registry.versions import folder_of
from sagelocal.storage import manifest

if TYPE_CHECKING:
    from jobmajor.model.classifier import Classifier
    from jobmajor.registry.versions import Registry


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


def load(model: str | Path | None = None, *, home: str | Path | None = None) -> Classifier:
    """A classifier, after its files were verified; arguments and errors are those of `known`."""
    return known(model, home=home)[0]


def known(model: str | Path | None = None, *, home: str | Path | None = None) -> tuple[Classifier, str]:
    """A classifier, after its files were verified, and its manifest's digest, by which it is known.

    Args:
        model: A model's folder or `model.tar.gz`; None takes the champion.
        home: The champion's workspace; None takes JOBMAJOR_HOME, else `.jobmajor`.

    Raises:
        InputError: There is no such model; NoChampion: the workspace has none yet.
        ArtifactError: A file is not as recorded.
    """
    if model is None:
        workspace = settings.home(Path(home) if home else None)
        folder = champion_folder(workspace)
        if folder is None:
            raise NoChampion(workspace)
        found = manifest.read(folder).digest
        if found != folder.name:  # whole, but another model than the one that the gate passed
            raise ChecksumMismatch(folder / manifest.NAME, folder.name, found)
        return classifier.load(folder), found
    path = Path(model)
    if (path / manifest.NAME).is_file():
        return classifier.load(path), manifest.read(path).digest
    if not path.is_file():
        raise InputError(f"{path} is no model: expected a model's folder or {artifact.MODEL}")
    with tempfile.TemporaryDirectory() as folder_name:
        artifact.unpack(path, Path(folder_name))
        return classifier.load(Path(folder_name)), manifest.read(Path(folder_name)).digest
