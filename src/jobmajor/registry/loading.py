"""Where a classifier comes from: a workspace's champion, a model folder, or a packed model."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from jobmajor import settings
from jobmajor.errors import ChecksumMismatch, InputError, NoChampion
from jobmajor.model import classifier
from jobmajor.registry import artifact
from jobmajor.registry.versions import champion_folder
from sagelocal.storage import manifest

if TYPE_CHECKING:
    from jobmajor.model.classifier import Classifier


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
