"""Train with XGBoost as AWS's image does: a script by the toolkit if one is given, else the algorithm on its channels.

The channels `train` and `validation` hold CSV files, label first and without a header, or files in libsvm's format. The
model is `xgboost-model` in UBJSON. Source: AWS, SageMaker AI Developer Guide, "XGBoost algorithm".
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

ML = Path("/opt/ml")
# Hyperparameters of the image that are no parameters of the library.
_OWN = ("num_round", "early_stopping_rounds", "csv_weights", "_kfold", "_num_cv_round", "save_model_on_termination")


def settings() -> dict[str, Any]:
    """Return the hyperparameters, with numbers as numbers."""
    raw = json.loads((ML / "input/config/hyperparameters.json").read_text("utf-8"))
    return {name: _value(text) for name, text in raw.items()}


def _value(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text


def matrix(channel: str) -> Any:
    """Return a channel as XGBoost reads it; None if there is none."""
    import numpy  # noqa: PLC0415 - of the environment that this is copied into
    import xgboost  # noqa: PLC0415 - as above

    files = sorted(path for path in (ML / "input/data" / channel).rglob("*") if path.is_file())
    if not files:
        return None
    kind = _kind(channel, files[0])
    if kind == "libsvm":
        from sklearn.datasets import load_svmlight_files  # noqa: PLC0415 - as above

        parts = load_svmlight_files([str(path) for path in files])
        import scipy.sparse  # noqa: PLC0415 - as above

        return xgboost.DMatrix(scipy.sparse.vstack(parts[0::2]), numpy.concatenate(parts[1::2]))
    rows = numpy.vstack([numpy.loadtxt(path, delimiter=",", ndmin=2) for path in files])
    return xgboost.DMatrix(rows[:, 1:], rows[:, 0])


def _kind(channel: str, first: Path) -> str:
    told = json.loads((ML / "input/config/inputdataconfig.json").read_text("utf-8"))
    content = told.get(channel, {}).get("ContentType", "")
    if content:
        return "csv" if "csv" in content else "libsvm"
    line = first.read_text("utf-8").partition("\n")[0]
    return "csv" if "," in line else "libsvm"


def train(given: dict[str, Any]) -> None:
    """Train, print the metrics as the image does, and write the model."""
    import xgboost  # noqa: PLC0415 - as above

    channels = {name: found for name in ("train", "validation") if (found := matrix(name)) is not None}
    if "train" not in channels:
        raise ValueError("channel 'train' has no files")
    objective = {"reg:linear": "reg:squarederror"}.get(given.get("objective", ""), given.get("objective"))
    parameters = {name: value for name, value in given.items() if name not in _OWN}
    if objective:
        parameters["objective"] = objective
    model = xgboost.train(
        parameters,
        channels["train"],
        num_boost_round=int(given.get("num_round", 10)),
        evals=[(found, name) for name, found in channels.items()],
        early_stopping_rounds=given.get("early_stopping_rounds"),
    )
    model.save_model(ML / "model" / "model.ubj")
    (ML / "model" / "model.ubj").rename(ML / "model" / "xgboost-model")


def main() -> None:
    """Train by script or by algorithm; the reason of a failure is written where the service reads it."""
    given = settings()
    if "sagemaker_program" in given:
        program = Path(sys.argv[0]).with_name("train-script")
        os.execv(program, [str(program), *sys.argv[1:]])  # noqa: S606 - no shell is wanted
    try:
        train(given)
    except Exception as error:
        (ML / "output" / "failure").write_text(f"{type(error).__name__}: {error}", "utf-8")
        raise


if __name__ == "__main__":
    main()
