"""Train with XGBoost as AWS's image does: a script by the toolkit if one is given, else the algorithm on its channels.

The channels `train` and `validation` hold CSV files, label first and without a header, or files in libsvm's format. The
model is `xgboost-model` in UBJSON. What the image has and this program has not (parquet, cross-validation, several
instances) is refused. Source: AWS, SageMaker AI Developer Guide, "XGBoost algorithm".
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

ML = Path("/opt/ml")
# Hyperparameters of the image that are no parameters of the library.
_OWN = ("num_round", "early_stopping_rounds", "csv_weights", "_tuning_objective_metric", "save_model_on_termination")


def settings() -> dict[str, Any]:
    """Return the hyperparameters, with numbers as numbers."""
    raw = json.loads((ML / "input/config/hyperparameters.json").read_text("utf-8"))
    return {name: _value(text) for name, text in raw.items()}


def _value(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text


def table(channel: str, *, weighted: bool = False) -> dict[str, Any] | None:
    """Return a channel's rows as arguments of a DMatrix: data, label and, if `weighted`, weight; None without files.

    Raises:
        ValueError: The content type isn't read here, or a file doesn't have it.
    """
    files = [path for path in sorted((ML / "input/data" / channel).rglob("*")) if _is_data(path)]
    if not files:
        return None
    return _libsvm(files) if _kind(channel, files[0]) == "libsvm" else _csv(files, weighted=weighted)


def _is_data(path: Path) -> bool:
    """Return whether the image reads the file: it leaves out those such as Spark's _SUCCESS."""
    return path.is_file() and path.name[0] not in "._"


def _kind(channel: str, first: Path) -> str:
    told = json.loads((ML / "input/config/inputdataconfig.json").read_text("utf-8"))
    content = told.get(channel, {}).get("ContentType", "")
    kind = content.partition(";")[0].strip().lower()
    if not kind:
        line = first.read_text("utf-8").partition("\n")[0]
        return "csv" if "," in line else "libsvm"
    found = {"csv": "csv", "text/csv": "csv", "libsvm": "libsvm", "text/libsvm": "libsvm", "text/x-libsvm": "libsvm"}
    if kind not in found:
        raise ValueError(f"channel {channel!r} is {content}, expected text/csv or text/libsvm: convert it before")
    return found[kind]


def _libsvm(files: list[Path]) -> dict[str, Any]:
    import numpy  # noqa: PLC0415 - of the environment that this is copied into
    from scipy.sparse import vstack  # noqa: PLC0415 - as above
    from sklearn.datasets import load_svmlight_files  # noqa: PLC0415 - as above

    # Columns are taken as they are numbered, as XGBoost does. Guessing would move those of a channel without column 0.
    parts = load_svmlight_files([str(path) for path in files], zero_based=True)
    return {"data": vstack(parts[0::2]).tocsr(), "label": numpy.concatenate(parts[1::2])}


def _csv(files: list[Path], *, weighted: bool) -> dict[str, Any]:
    import pandas  # noqa: PLC0415 - as above

    # An empty cell is a missing value, and a header is refused.
    read = [pandas.read_csv(path, header=None, dtype="float64") for path in files]
    rows = pandas.concat(read).to_numpy()
    if weighted:
        return {"data": rows[:, 2:], "label": rows[:, 0], "weight": rows[:, 1]}
    return {"data": rows[:, 1:], "label": rows[:, 0]}


def parameters(given: dict[str, Any]) -> dict[str, Any]:
    """Return the library's parameters for the image's hyperparameters.

    Raises:
        ValueError: The image would train in a manner that this program doesn't have.
    """
    hosts = json.loads((ML / "input/config/resourceconfig.json").read_text("utf-8")).get("hosts", [])
    if len(hosts) > 1:
        raise ValueError(f"found {len(hosts)} instances, expected 1: training on several isn't done here")
    if "_kfold" in given:
        raise ValueError("cross-validation (_kfold) isn't done here: leave it out")
    if "num_round" not in given:
        raise ValueError("num_round is missing: it is the one hyperparameter that the algorithm requires")
    found = {name: value for name, value in given.items() if name not in _OWN}
    if found.get("objective") == "reg:linear":  # its name in old versions
        found["objective"] = "reg:squarederror"
    metrics = [
        *str(found.pop("eval_metric", "")).split(","),
        str(given.get("_tuning_objective_metric", "")).split(":")[-1],
    ]
    wanted = list(dict.fromkeys(name.strip() for name in metrics if name.strip()))
    return {**found, "eval_metric": wanted} if wanted else found


def train(given: dict[str, Any]) -> None:
    """Train, print the metrics as the image does, and write the model."""
    import xgboost  # noqa: PLC0415 - as above

    chosen = parameters(given)
    # The image reads weights from the channel `train` only.
    tables = {"train": table("train", weighted=given.get("csv_weights") == 1), "validation": table("validation")}
    channels = {name: xgboost.DMatrix(**found) for name, found in tables.items() if found is not None}
    if "train" not in channels:
        raise ValueError("channel 'train' has no files")
    model = xgboost.train(
        chosen,
        channels["train"],
        num_boost_round=int(given["num_round"]),
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
