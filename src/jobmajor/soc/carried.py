"""The classification in folders of data and of models: written there, and taken into use when one is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobmajor.errors import InputError
from jobmajor.soc import chosen, structure
from sagelocal.storage import publish

if TYPE_CHECKING:
    from pathlib import Path

    from jobmajor.soc.chosen import Chosen


def activate(folder: Path) -> None:
    """Use the classification in a folder from here on in the whole process; without the file, SOC 2018.

    Raises:
        DataError: The file can't be used.
    """
    path = folder / chosen.FILE
    found = chosen.read(path) if path.is_file() else None
    if (found or chosen.soc_2018()) != chosen.now():
        structure.use(found)


_of_models: list[Chosen | None] = [None]


def adopt(folder: Path) -> None:
    """Use the classification of a model's folder, as `activate`; all models of a process share one.

    Raises:
        InputError: This process has loaded a model of another classification.
        DataError: The file can't be used.
    """
    before, held = chosen.now(), _of_models[0]
    activate(folder)
    if held is before and held != chosen.now():
        found = chosen.now().name
        structure.use(None if held.is_soc else held)
        raise InputError(
            f"{folder} is a model of {found}, and this process has loaded one of {held.name}: use another process"
        )
    _of_models[0] = chosen.now()


def forget() -> None:
    """Let the process load models of another classification: those that it has loaded are no longer used."""
    _of_models[0] = None


def copy(folder: Path) -> None:
    """Write the classification in use into a folder, unless it is SOC 2018."""
    if not chosen.now().is_soc:
        publish.write_file(folder / chosen.FILE, chosen.now().to_json())
