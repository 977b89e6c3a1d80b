"""Searches with real trainings: what is tried, which one is the best, and what later steps read of it."""

from __future__ import annotations

import itertools
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagelocal.definition import parse as definitions
from sagelocal.errors import DefinitionError
from sagelocal.jobs import sandbox, tuning
from sagelocal.jobs.environment import Environment
from sagelocal.run import executor
from sagelocal.run.executor import RunOptions

if TYPE_CHECKING:
    from pathlib import Path

    from sagelocal.run.records import Execution

IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/own:1"
ROLE = "arn:aws:iam::111122223333:role/sm"
CONFIG = "HyperParameterTuningJobConfig"
# The score is the depth, none for a depth of 2, and a depth of 3 fails.
TRAIN = """
import json, sys
from pathlib import Path
settings = json.loads(Path("/opt/ml/input/config/hyperparameters.json").read_text())
assert Path("/opt/ml/input/data/train/rows.txt").read_text() == "rows"
assert settings["_tuning_objective_metric"] == "score" and settings["fixed"] == "1"
depth = int(settings["depth"])
Path("/opt/ml/model/depth").write_text(settings["depth"])
if depth == 3:
    sys.exit("too deep")
if depth != 2:
    print("score=0"); print(f"score={depth}")
"""
XGBOOST = 'print(f"[9]\\ttrain-rmse:0.01\\tvalidation-rmse:0.{depth}")'
SHOW = "cd /opt/ml/processing && tar -xzf model/model.tar.gz -C out"  # the pattern of an entry point has no lines

needs_namespaces = pytest.mark.skipif(
    sandbox.refusal() is not None, reason="needs mount namespaces, which this machine refuses"
)


def search(values: list[str], **config: Any) -> dict[str, Any]:
    """The Arguments of a grid search over the depth."""
    training = {
        "StaticHyperParameters": {"fixed": "1"},
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "score", "Regex": r"score=(\S+)"}],
        },
        "RoleArn": ROLE,
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bkt/in"}},
            }
        ],
        "OutputDataConfig": {"S3OutputPath": "s3://bkt/models"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }
    return {
        CONFIG: {
            "Strategy": "Grid",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
            "ResourceLimits": {"MaxParallelTrainingJobs": 2},
            "ParameterRanges": {"CategoricalParameterRanges": [{"Name": "depth", "Values": values}]},
            **config,
        },
        "TrainingJobDefinition": training,
    }


def pipeline(arguments: dict[str, Any]) -> dict[str, Any]:
    """The search, and a step that shows the best model as SDKs refer to it."""
    best = {"Get": "Steps.search.TrainingJobSummaries[0].TrainingJobName"}
    uri = {"Std:Join": {"On": "/", "Values": ["s3:/", "bkt/models", best, "output/model.tar.gz"]}}
    show = {
        "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["sh", "-c", SHOW]},
        "ProcessingResources": {
            "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
        },
        "RoleArn": ROLE,
        "ProcessingInputs": [
            {
                "InputName": "model",
                "S3Input": {"S3Uri": uri, "LocalPath": "/opt/ml/processing/model", "S3DataType": "S3Prefix"},
            }
        ],
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": "out",
                    "S3Output": {
                        "S3Uri": "s3://bkt/out",
                        "LocalPath": "/opt/ml/processing/out",
                        "S3UploadMode": "EndOfJob",
                    },
                }
            ]
        },
    }
    cached = {"CacheConfig": {"Enabled": True, "ExpireAfter": "P1D"}}
    return {
        "Version": "2020-12-01",
        "Steps": [
            {"Name": "search", "Type": "Tuning", "Arguments": arguments, **cached},
            {"Name": "show", "Type": "Processing", "Arguments": show},
        ],
    }


def parse(body: dict[str, Any]) -> definitions.Definition:
    return definitions.parse(json.dumps(body).encode())


class Place:
    """A workspace with rows in it, and an image whose `train` is the program above."""

    def __init__(self, root: Path) -> None:
        self.home = root / "home"
        (self.home / "s3" / "bkt" / "in").mkdir(parents=True)
        (self.home / "s3" / "bkt" / "in" / "rows.txt").write_text("rows")
        program = root / "image" / "bin" / "train"
        program.parent.mkdir(parents=True)
        (root / "image" / "train.py").write_text(TRAIN)
        program.write_text(f"#!/bin/sh\nexec {sys.executable} {root / 'image' / 'train.py'}\n")
        program.chmod(0o755)
        self.options = RunOptions(environment=Environment(root / "image", "digest"))

    def run(self, arguments: dict[str, Any]) -> Execution:
        return executor.run(parse(pipeline(arguments)), self.home, self.options)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@needs_namespaces
def test_best_training_is_the_one_whose_last_value_is_best_and_its_model_goes_on(place: Place) -> None:
    execution = place.run(search(["1", "2", "3", "5", "4"]))

    assert execution.failure is None
    assert (place.home / "s3" / "bkt" / "out" / "depth").read_text() == "5"
    found = execution.step("search").properties
    assert found["BestTrainingJob"]["TunedHyperParameters"] == {"depth": "5"}
    assert found["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == 5.0
    assert [job["TunedHyperParameters"]["depth"] for job in found["TrainingJobSummaries"]] == ["5", "4", "1", "2", "3"]
    assert found["TrainingJobStatusCounters"]["Completed"] == 4
    assert found["ObjectiveStatusCounters"] == {"Succeeded": 3, "Pending": 0, "Failed": 2}
    assert found["TrainingJobSummaries"][-1]["FailureReason"].endswith("too deep")
    assert execution.step("search").metrics == {"score": 5.0}


@needs_namespaces
def test_every_training_has_its_own_log_and_a_line_in_the_steps(place: Place) -> None:
    execution = place.run(search(["1", "4"]))

    folder = execution.folder / "steps" / "search"
    names = [job["TrainingJobName"] for job in execution.step("search").properties["TrainingJobSummaries"]]
    assert sorted(path.name for path in folder.iterdir()) == sorted(["log.txt", *(f"{name}.txt" for name in names)])
    assert [line.split()[-1] for line in (folder / "log.txt").read_text().splitlines()] == ["score=1.0", "score=4.0"]


@needs_namespaces
def test_finished_search_is_taken_from_the_cache_with_the_models_of_all_its_trainings(place: Place) -> None:
    first, second = place.run(search(["1", "4"])), place.run(search(["1", "4"]))
    model = next((place.home / "s3" / "bkt" / "models").rglob("model.tar.gz"))
    model.write_bytes(b"changed")
    third = place.run(search(["1", "4"]))

    assert [run.step("search").cached for run in (first, second, third)] == [False, True, False]


@needs_namespaces
def test_search_over_a_built_in_algorithm_reads_the_metric_that_its_image_prints(place: Place, tmp_path: Path) -> None:
    own = TRAIN.replace('== "score"', '== "validation:rmse"').replace('print(f"score={depth}")', XGBOOST)
    (tmp_path / "image" / "train.py").write_text(own)
    arguments = search(["4", "1", "5"])
    arguments[CONFIG]["HyperParameterTuningJobObjective"] = {"Type": "Minimize", "MetricName": "validation:rmse"}
    algorithm = arguments["TrainingJobDefinition"]["AlgorithmSpecification"]
    algorithm["TrainingImage"] = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
    del algorithm["MetricDefinitions"]

    execution = place.run(arguments)

    assert execution.failure is None
    assert execution.step("search").properties["BestTrainingJob"]["TunedHyperParameters"] == {"depth": "1"}
    assert execution.step("search").metrics == {"validation:rmse": 0.1}


@needs_namespaces
def test_search_ends_at_its_target_and_takes_the_least_where_less_is_better(place: Place) -> None:
    arguments = search(["5", "4", "1"], TuningJobCompletionCriteria={"TargetObjectiveMetricValue": 4})
    arguments[CONFIG]["HyperParameterTuningJobObjective"]["Type"] = "Minimize"

    found = place.run(arguments).step("search").properties

    assert [job["TunedHyperParameters"]["depth"] for job in found["TrainingJobSummaries"]] == ["4", "5"]


@needs_namespaces
def test_search_without_any_value_fails_and_says_why(place: Place) -> None:
    assert "none of 1 trainings gave the objective; the first: no value of 'score' in any log" in str(
        place.run(search(["2"])).step("search").reason
    )
    assert "the first: exit code 1; its log ends with: too deep" in str(
        place.run(search(["3", "2"])).step("search").reason
    )


RANGES = {
    "ContinuousParameterRanges": [
        {"Name": "rate", "MinValue": "0.001", "MaxValue": "1", "ScalingType": "Logarithmic"},
        {"Name": "kept", "MinValue": "0.5", "MaxValue": "0.999", "ScalingType": "ReverseLogarithmic"},
        {"Name": "share", "MinValue": "0", "MaxValue": "1"},
    ],
    "IntegerParameterRanges": [
        {"Name": "depth", "MinValue": "2", "MaxValue": "9"},
        {"Name": "width", "MinValue": "8", "MaxValue": "1024", "ScalingType": "Logarithmic"},
    ],
    "CategoricalParameterRanges": [{"Name": "kind", "Values": ["a", "b"]}],
}


def drawn(strategy: str, seed: int, count: int = 40) -> list[dict[str, str]]:
    config = {"Strategy": strategy, "ParameterRanges": RANGES, "RandomSeed": seed}
    return list(itertools.islice(tuning.draws(config), count))


@given(st.integers(0, 2**31 - 1))
def test_draws_stay_in_their_ranges_and_are_the_same_for_the_same_seed(seed: int) -> None:
    found = drawn("Random", seed, 5)

    assert found == drawn("Bayesian", seed, 5)
    for values in found:
        assert 0.001 <= float(values["rate"]) <= 1
        assert 0.5 <= float(values["kept"]) <= 0.999
        assert 0 <= float(values["share"]) <= 1
        assert 2 <= int(values["depth"]) <= 9
        assert 8 <= int(values["width"]) <= 1024
        assert values["kind"] in {"a", "b"}


def test_another_seed_draws_other_values_and_a_logarithmic_scale_is_as_often_small_as_large() -> None:
    found = drawn("Random", 1, 400)

    assert found != drawn("Random", 2, 400)
    # The middle of a scale from 0.001 to 1 is its geometric mean, 0.0316.
    assert 140 < sum(float(values["rate"]) < 0.0316 for values in found) < 260


def test_grid_is_every_combination_in_order() -> None:
    ranges = {"CategoricalParameterRanges": [{"Name": "a", "Values": ["1", "2"]}, {"Name": "b", "Values": ["x", "y"]}]}

    found = [tuple(values.values()) for values in tuning.draws({"Strategy": "Grid", "ParameterRanges": ranges})]

    assert found == [("1", "x"), ("1", "y"), ("2", "x"), ("2", "y")]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("WarmStartConfig", {"ParentHyperParameterTuningJobs": [], "WarmStartType": "TransferLearning"}),
        ("Autotune", {"Mode": "Enabled"}),
        (f"{CONFIG}.Strategy", "Hyperband"),
        (f"{CONFIG}.ParameterRanges.IntegerParameterRanges", [{"Name": "a", "MinValue": "1", "MaxValue": "2"}]),
        (f"{CONFIG}.HyperParameterTuningJobObjective.MetricName", "scores"),
        (f"{CONFIG}.TuningJobCompletionCriteria", {"ConvergenceDetected": {"CompleteOnConvergence": "Enabled"}}),
        ("TrainingJobDefinition.AlgorithmSpecification.TrainingInputMode", "Pipe"),
    ],
)
def test_what_a_search_can_not_do_here_is_refused_by_name(place: str, value: Any) -> None:
    arguments = search(["1"])
    *way, last = place.split(".")
    target = arguments
    for part in way:
        target = target[part]
    target[last] = value
    if value == "Hyperband":
        arguments[CONFIG]["ResourceLimits"]["MaxNumberOfTrainingJobs"] = 3

    with pytest.raises(DefinitionError) as caught:
        executor.validate(parse(pipeline(arguments)), {})

    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith(f"steps[search].Arguments.{place}")


def test_random_search_without_an_end_is_refused() -> None:
    arguments = search(["1"], Strategy="Bayesian")

    with pytest.raises(DefinitionError, match="MaxNumberOfTrainingJobs: is missing"):
        executor.validate(parse(pipeline(arguments)), {})
