"""Recipes make environments in which jobs of AWS's scikit-learn and XGBoost images run."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from sagelocal import cli
from sagelocal.project import recipes
from sagelocal.project.programs import xgboost_train

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-{}:1.7-1"
IMAGES = {"scikit-learn": IMAGE.format("scikit-learn"), "xgboost": IMAGE.format("xgboost")}
SCRIPT = """
import os, sys, joblib, numpy
from sklearn.linear_model import LinearRegression
rows = numpy.loadtxt(os.environ["SM_CHANNEL_TRAIN"] + "/rows.csv", delimiter=",")
joblib.dump(LinearRegression().fit(rows[:, 1:], rows[:, 0]), os.environ["SM_MODEL_DIR"] + "/model.joblib")
"""


def test_interpreter_that_can_not_be_used_is_refused_and_the_environment_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    kept = recipes.folder(tmp_path / ".sagelocal", "xgboost") / "kept"
    kept.parent.mkdir(parents=True)
    kept.touch()
    no_python = tmp_path / "no-python"
    no_python.write_text("#!/bin/sh\nexit 1\n")
    no_python.chmod(0o755)

    statuses = [cli.main(["environment", "xgboost", "--python", name]) for name in ("/nowhere/python", str(no_python))]

    assert statuses == [2, 2]
    first, second = capsys.readouterr().err.splitlines()
    assert "/nowhere/python can't be run (No such file or directory): name a Python 3 with --python" in first
    assert "no-python has no modules venv and ensurepip" in second
    assert kept.exists()


@pytest.fixture
def ml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder /opt/ml of a training on one instance, with an empty channel `train`."""
    monkeypatch.setattr(xgboost_train, "ML", tmp_path)
    (tmp_path / "input" / "data" / "train").mkdir(parents=True)
    (tmp_path / "input" / "config").mkdir()
    configure(tmp_path, "inputdataconfig", {"train": {}})
    configure(tmp_path, "resourceconfig", {"current_host": "algo-1", "hosts": ["algo-1"]})
    return tmp_path


def configure(ml: Path, name: str, body: dict[str, Any]) -> None:
    (ml / "input" / "config" / f"{name}.json").write_text(json.dumps(body))


def test_columns_of_libsvm_files_are_those_that_the_files_number(ml: Path) -> None:
    (ml / "input/data/train/a").write_text("1 1:0.5 3:2\n0 2:1\n")
    (ml / "input/data/train/b").write_text("1 3:4\n")

    found = xgboost_train.table("train")

    assert found is not None
    assert found["data"].toarray().tolist() == [[0, 0.5, 0, 2], [0, 0, 1, 0], [0, 0, 0, 4]]
    assert found["label"].tolist() == [1, 0, 1]


def test_csv_has_weights_if_asked_for_missing_values_and_files_that_are_no_data(ml: Path) -> None:
    (ml / "input/data/train/rows.csv").write_text("1,2,3,4\n0,5,,6\n")
    (ml / "input/data/train/_SUCCESS").touch()

    plain, weighted = xgboost_train.table("train"), xgboost_train.table("train", weighted=True)

    assert plain is not None
    assert weighted is not None
    assert (plain["data"].shape, plain["label"].tolist()) == ((2, 3), [1, 0])
    assert (weighted["weight"].tolist(), weighted["data"][:, 1].tolist()) == ([2, 5], [4, 6])
    assert weighted["data"][1, 0] != weighted["data"][1, 0]  # not a number: a missing value


def test_what_the_program_does_not_do_as_the_image_is_refused(ml: Path) -> None:
    for given, said in (({"num_round": 1, "_kfold": 5}, "_kfold"), ({"eta": 0.1}, "num_round is missing")):
        with pytest.raises(ValueError, match=said):
            xgboost_train.parameters(given)
    (ml / "input/data/train/rows.parquet").write_bytes(b"PAR1")
    configure(ml, "inputdataconfig", {"train": {"ContentType": "application/x-parquet"}})
    with pytest.raises(ValueError, match="'train' is application/x-parquet, expected text/csv or text/libsvm"):
        xgboost_train.table("train")
    configure(ml, "resourceconfig", {"hosts": ["algo-1", "algo-2"]})
    with pytest.raises(ValueError, match="found 2 instances, expected 1"):
        xgboost_train.parameters({"num_round": 1})


def test_metrics_are_those_that_are_listed_and_that_of_the_search(ml: Path) -> None:
    given = {"num_round": 9, "eval_metric": "auc, error", "_tuning_objective_metric": "validation:logloss", "eta": 0.1}

    found = xgboost_train.parameters({**given, "objective": "reg:linear"})

    assert found == {"eta": 0.1, "objective": "reg:squarederror", "eval_metric": ["auc", "error", "logloss"]}
    assert xgboost_train.parameters({"num_round": 9}) == {}


def training(image: str, hyperparameters: dict[str, str]) -> dict[str, Any]:
    data = {"S3DataType": "S3Prefix", "S3Uri": "s3://demo/rows", "S3DataDistributionType": "FullyReplicated"}
    return {
        "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
        "RoleArn": "arn:aws:iam::000000000000:role/demo",
        "HyperParameters": hyperparameters,
        "InputDataConfig": [
            {"ChannelName": name, "ContentType": "text/csv", "DataSource": {"S3DataSource": data}}
            for name in ("train", "validation")
        ],
        "OutputDataConfig": {"S3OutputPath": "s3://demo/models"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }


def by_script(folder: Path) -> dict[str, str]:
    """Write the archive of a script as the SDK does, and return the hyperparameters that name it."""
    with tarfile.open(folder / "sourcedir.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("train.py")
        member.size = len(SCRIPT.encode())
        archive.addfile(member, io.BytesIO(SCRIPT.encode()))
    return {
        "sagemaker_program": json.dumps("train.py"),
        "sagemaker_submit_directory": json.dumps("s3://demo/sourcedir.tar.gz"),
        "sagemaker_region": json.dumps("us-east-1"),
    }


def members(path: Path) -> set[str]:
    with tarfile.open(path) as archive:
        return {member.name.removeprefix("./") for member in archive if member.isfile()}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["scikit-learn", "xgboost"])
def test_recipe_makes_an_environment_in_which_jobs_of_the_image_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not os.environ.get("SAGELOCAL_RECIPES"):
        pytest.skip("needs a package index: set SAGELOCAL_RECIPES=1 to install the recipes")
    monkeypatch.chdir(tmp_path)
    bucket = tmp_path / ".sagelocal" / "s3" / "demo"
    (bucket / "rows").mkdir(parents=True)
    (bucket / "rows" / "rows.csv").write_text("".join(f"{row},{row},{row % 3}\n" for row in range(60)))
    asked = {"script": by_script(bucket)} | ({"algorithm": {"num_round": "3"}} if name == "xgboost" else {})
    steps = [{"Name": key, "Type": "Training", "Arguments": training(IMAGES[name], asked[key])} for key in asked]
    (tmp_path / "pipeline.json").write_text(json.dumps({"Version": "2020-12-01", "Steps": steps}))

    made = recipes.make(tmp_path / ".sagelocal", name)
    status = cli.main(["run", "pipeline.json"])

    assert status == 0
    assert recipes.is_made(made)
    assert shutil.which("train", path=str(made / "bin"))
    assert (made / "bin" / "python").resolve() == Path(sys.executable).resolve()
    expected = {"scikit-learn": {"model.joblib"}, "xgboost": {"model.joblib", "xgboost-model"}}
    assert {name for path in (bucket / "models").rglob("model.tar.gz") for name in members(path)} == expected[name]
