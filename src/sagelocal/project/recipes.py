"""Recipes that make environments for AWS's own images: a virtual environment, packages, and the image's programs.

An image isn't run here, so what is in it has to be installed. AWS's training toolkit (`sagemaker-training`) brings the
program `train` for scripts, which is all that RepackModel's image needs, too. XGBoost's image also trains without a
script; `programs/xgboost_train.py` does that.
"""

from __future__ import annotations

import fnmatch
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sagelocal.definition.fields import likely
from sagelocal.errors import InputError, PipelineError

if TYPE_CHECKING:
    from collections.abc import Mapping

_MADE: Final = "sagelocal-recipe.txt"  # written last, so that half an environment is none
_PROGRAMS: Final = Path(__file__).parent / "programs"
_PIP: Final = ("-m", "pip", "--disable-pip-version-check", "--quiet", "install")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What stands for images: their pattern, the packages, and programs of ours by the name that the image has."""

    pattern: str
    packages: tuple[str, ...]
    programs: tuple[tuple[str, str], ...] = ()


_COMMON: Final = ("numpy", "pandas", "scipy", "scikit-learn", "joblib", "sagemaker-training>=5.1")
RECIPES: Final[Mapping[str, Recipe]] = {
    "scikit-learn": Recipe("*/sagemaker-scikit-learn:*", _COMMON),
    "xgboost": Recipe("*/sagemaker-xgboost:*", (*_COMMON, "xgboost>=1.7"), (("train", "xgboost_train.py"),)),
}


def for_image(image: str) -> str | None:
    """Return the recipe for an image; None if there is none.

    >>> for_image("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:0.23-1-cpu-py3")
    'scikit-learn'
    """
    matching = (name for name, recipe in RECIPES.items() if fnmatch.fnmatchcase(image, recipe.pattern))
    return next(matching, None)


def folder(home: Path, name: str) -> Path:
    """Return where a recipe's environment is, made or not.

    Raises:
        InputError: There is no such recipe.
    """
    if name not in RECIPES:
        raise InputError(f"there is no recipe {name!r}{likely(name, RECIPES)}")
    return home.absolute() / "environments" / name


def is_made(path: Path) -> bool:
    """Return whether an environment was made to its end."""
    return (path / _MADE).is_file()


def make(home: Path, name: str, python: Path | None = None) -> Path:
    """Make the environment of a recipe anew with pip, and return its folder.

    Args:
        home: The workspace.
        name: The recipe.
        python: The interpreter; None means the one that runs this program.

    Raises:
        InputError: There is no such recipe, or the interpreter can't make an environment.
        PipelineError: A package can't be installed.
    """
    target = folder(home, name)
    recipe, interpreter = RECIPES[name], _interpreter(python)
    shutil.rmtree(target, ignore_errors=True)
    _run([interpreter, "-m", "venv", str(target)], name)
    _run([str(target / "bin" / "python"), *_PIP, *recipe.packages], name)
    for program, source in recipe.programs:
        _install(target / "bin" / program, _PROGRAMS / source)
    (target / _MADE).write_text("\n".join(recipe.packages) + "\n", "utf-8")
    return target


def _interpreter(python: Path | None) -> str:
    """Return the interpreter; it is tried before the environment that is there is removed."""
    named = str(python or sys.executable)
    try:
        done = subprocess.run([named, "-c", "import ensurepip, venv"], capture_output=True, check=False)
    except OSError as error:
        raise InputError(f"{named} can't be run ({error.strerror}): name a Python 3 with --python") from error
    if done.returncode:
        raise InputError(f"{named} has no modules venv and ensurepip: name a Python 3 that has them with --python")
    return named


def _install(path: Path, source: Path) -> None:
    """Put a program of ours where the image has its own; the toolkit's is kept beside it for scripts."""
    if path.exists():
        path.replace(path.with_name(f"{path.name}-script"))
    first = f"#!{path.parent / 'python'}\n"
    path.write_text(first + source.read_text("utf-8"), "utf-8")
    path.chmod(0o755)


def _run(words: list[str], name: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no output"]
        raise PipelineError(
            f"recipe {name!r}: {' '.join(words[:4])} … failed: {last[0]}: run it again, or map the image"
        )
