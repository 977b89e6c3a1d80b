"""Our definition beside the one that SageMaker's SDK v3 compiles the same pipeline to: every difference has a reason.

The SDK is large and pins its own versions, so it lives in an environment of its own: name that one's Python in
JOBMAJOR_SDK_PYTHON. What it emitted is stored here, so that the comparison itself runs everywhere.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobmajor.pipeline import definition
from jobmajor.settings import Settings, Train
from sagelocal.definition import parse as definitions

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
STORED = HERE / "sdk_v3.json"
PYTHON = "JOBMAJOR_SDK_PYTHON"
NAMES = ("Name", "InputName", "OutputName", "ChannelName", "PropertyFileName", "Key")
ABSENT = "(absent)"
WITHOUT_REFIT = Settings(train=Train(refit=False))  # what the SDK's script describes, too

# docs/decisions/0009-conformance-with-the-sdk.md explains each; the two values are ours and the SDK's.
REGISTER = "Steps[check-test-score].Arguments.IfSteps[register].Arguments"
CONTAINER = f"{REGISTER}.InferenceSpecification.Containers[0]"
ENTRY = "Steps[train].Arguments.AlgorithmSpecification.ContainerEntrypoint"
INPUTS = (
    ("preprocess-data", "input"),
    ("preprocess-data", "reviewed"),
    ("evaluate-model", "model"),
    ("evaluate-model", "test"),
)
DIFFERENCES: dict[str, tuple[Any, Any]] = {
    "MlflowConfig": (ABSENT, None),
    f"{CONTAINER}.Environment.SAGEMAKER_PROGRAM": (ABSENT, ""),
    f"{CONTAINER}.Environment.SAGEMAKER_SUBMIT_DIRECTORY": (ABSENT, ""),
    f"{CONTAINER}.Environment.SAGEMAKER_CONTAINER_LOG_LEVEL": (ABSENT, "20"),
    f"{CONTAINER}.Environment.SAGEMAKER_REGION": (ABSENT, "us-east-1"),
    f"{REGISTER}.ModelMetrics.Bias": (ABSENT, {}),
    f"{REGISTER}.ModelMetrics.Explainability": (ABSENT, {}),
    f"{REGISTER}.SkipModelValidation": (ABSENT, "None"),
    **{
        f"Steps[{step}].Arguments.ProcessingInputs[{name}].S3Input.{member}": (ABSENT, value)
        for step, name in (*INPUTS, ("evaluate-model", "champion"))
        for member, value in (("S3CompressionType", "None"), ("S3DataDistributionType", "FullyReplicated"))
    },
    **{f"{ENTRY}[{index}]": (word, ABSENT) for index, word in enumerate(("python3", "-m", "jobmajor.steps", "train"))},
    "Steps[train].Arguments.RoleArn": (ABSENT, definition.ROLE),
    "Steps[train].Arguments.RoleArn.Get": ("Parameters.RoleArn", ABSENT),
}


def leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """(place, value) of everything inside; an item of a list goes by its name where it has one."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, f"{place}.{key}" if place else key)
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            named = [inner[key] for key in NAMES if isinstance(inner, dict) and isinstance(inner.get(key), str)]
            yield from leaves(inner, f"{place}[{named[0] if named else index}]")
    else:
        yield place, value


def differences(ours: Any, theirs: Any) -> dict[str, tuple[Any, Any]]:
    first, second = dict(leaves(ours)), dict(leaves(theirs))
    pairs = {place: (first.get(place, ABSENT), second.get(place, ABSENT)) for place in (*first, *second)}
    return {place: pair for place, pair in pairs.items() if pair[0] != pair[1]}


def sdk_python() -> str:
    """An interpreter that has SDK v3; skips where there is none."""
    named = os.environ.get(PYTHON)
    if named:
        return named
    if importlib.util.find_spec("sagemaker") is None or importlib.util.find_spec("sagemaker.mlops") is None:
        pytest.skip(f"needs SageMaker's SDK v3: put sagemaker==3.27.0 into a venv and its Python's path into {PYTHON}")
    return sys.executable


def test_our_definition_differs_from_the_sdk_s_only_in_what_the_decision_explains() -> None:
    theirs = json.loads(STORED.read_bytes())

    found = differences(definition.build(WITHOUT_REFIT), theirs)

    assert found == DIFFERENCES


def test_both_have_the_same_steps_in_the_same_order_and_the_same_parameters() -> None:
    ours, theirs = definition.build(WITHOUT_REFIT), json.loads(STORED.read_bytes())

    assert [step["Name"] for step in ours["Steps"]] == [step["Name"] for step in theirs["Steps"]]
    assert ours["Parameters"] == theirs["Parameters"]
    assert ours["PipelineExperimentConfig"] == theirs["PipelineExperimentConfig"]


def test_sdk_s_definition_is_taken_by_our_parser_and_the_service_s_shapes() -> None:
    parsed = definitions.parse(STORED.read_bytes())

    definitions.check(parsed, definitions.bind(parsed.parameters, {}))


def test_comparison_sees_a_changed_a_missing_and_an_added_value() -> None:
    theirs = json.loads(STORED.read_bytes())
    train = theirs["Steps"][1]["Arguments"]
    train["HyperParameters"]["epochs"] = "13"
    del train["EnableNetworkIsolation"]
    train["KeepAlive"] = 1

    found = differences(definition.build(WITHOUT_REFIT), theirs).keys() - DIFFERENCES.keys()

    places = ("HyperParameters.epochs", "EnableNetworkIsolation", "KeepAlive")
    assert found == {f"Steps[train].Arguments.{place}" for place in places}


@pytest.mark.conformance
@pytest.mark.slow
def test_sdk_still_compiles_the_pipeline_to_what_is_stored() -> None:
    done = subprocess.run(
        [sdk_python(), str(HERE / "compile_v3.py")],
        check=False,
        capture_output=True,
        timeout=900,
        env={"PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true", "AWS_DEFAULT_REGION": "us-east-1"},
    )

    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert json.loads(done.stdout) == json.loads(STORED.read_bytes())
