"""Export a model as an MLflow model folder, for `mlflow models serve`, `mlflow.pyfunc.load_model` and other tools.

MLflow would pickle an object. Instead, it gets code as a file, with our arrays and JSON beside it. The signature has
one column, `title`: without it, MLflow's server would pass the whole table as if it were one title.
"""

from __future__ import annotations

import importlib.util
import os
import warnings
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobmajor.errors import InputError, MissingExtra
from jobmajor.model import classifier
from sagelocal.storage import publish

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

_CODE = Path(__file__).with_name("mlflow_code.py")
_PINNED = (
    "jobmajor",
    "mlflow",
    "mlflow-skinny",
    "numpy",
    "pandas",
    "safetensors",
)  # what decides answers and formats
_OUT = {"code": "string", "name": "string", "score": "float", "confidence": "float", "level": "string"}
_OUT |= {"abstain": "boolean", "reason": "string", "source": "string"}


def save(model_folder: Path, target: Path) -> None:
    """Write the model in `model_folder`, once it is verified, as a new MLflow model folder, whole or not at all.

    Raises:
        InputError: `target` is there already; MissingExtra: pandas isn't installed, which MLflow's models need.
        ArtifactError: The model's files are not as recorded.
    """
    if importlib.util.find_spec("pandas") is None:
        raise MissingExtra("an MLflow model", "ui")
    if target.exists():
        raise InputError(f"{target} is there already: name a new folder, or remove it")
    classifier.load(model_folder)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ["MLFLOW_UV_AUTO_DETECT"] = "false"  # or MLflow packs the lock file of the project in the working folder
    os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "false")  # or MLflow logs to standard error from then on
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = os.environ["DO_NOT_TRACK"] = "true"
    with warnings.catch_warnings(), publish.new_folder(target) as staging:
        warnings.simplefilter("ignore", UserWarning)  # of MLflow's own types, and that ours could have more hints
        import mlflow.pyfunc  # noqa: PLC0415 - costs seconds

        mlflow.pyfunc.save_model(
            staging,
            python_model=_CODE,
            artifacts={"model": str(model_folder)},
            signature=signature(),
            pip_requirements=requirements(),
        )
        _remove_local_paths(staging)


def _remove_local_paths(folder: Path) -> None:
    """Remove this machine's paths from the description of an exported model."""
    from mlflow.models import Model  # noqa: PLC0415 - loaded by now

    described = Model.load(str(folder))
    flavour = described.flavors["python_function"]
    flavour["model_code_path"] = _CODE.name
    for artifact in flavour["artifacts"].values():
        artifact["uri"] = artifact["path"]
    described.save(str(folder / "MLmodel"))


def requirements() -> list[str]:
    """Return the packages that a loaded model needs, pinned to the versions that are installed here."""
    here = {name.lower() for each in metadata.distributions() if (name := each.metadata["Name"])}
    return [f"{name}=={metadata.version(name)}" for name in _PINNED if name in here]


def signature() -> ModelSignature:
    """Return the signature: a column of titles, which may hold nulls; the answers' columns; the parameters."""
    from mlflow.models import ModelSignature  # noqa: PLC0415 - costs seconds
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema  # noqa: PLC0415
    from mlflow.types.schema import Array, Object, Property  # noqa: PLC0415

    answer: Any = Array(Object([Property("label", "string"), Property("name", "string"), Property("score", "double")]))
    columns = [ColSpec(kind, name) for name, kind in _OUT.items()]
    return ModelSignature(
        Schema([ColSpec("string", "title")]),
        Schema([*columns, ColSpec(answer, "answers")]),
        ParamSchema([ParamSpec("level", "string", "major"), ParamSpec("top_k", "long", 1)]),
    )
