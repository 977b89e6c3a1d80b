# mypy: ignore-errors
# The SDK, which this is written with, isn't where mypy runs.
"""Three functions that pass their results on, as SDK v3 writes them."""

import os

from sagemaker.core.helper.session_helper import get_execution_role
from sagemaker.mlops.workflow.function_step import step
from sagemaker.mlops.workflow.pipeline import Pipeline

PLACE = {
    "instance_type": "ml.m5.large",
    "role": get_execution_role(),
    "image_uri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/own:1",
}


@step(name="rows", **PLACE)
def rows(count):
    return list(range(count))


@step(name="total", **PLACE)
def total(values, fails):
    if fails:
        raise ValueError("no total")
    return sum(values)


@step(name="report", **PLACE)
def report(value, text):
    return {text: value}


pipeline = Pipeline(name="three", steps=[report(total(rows(5), os.environ.get("FAILS") == "1"), "sum")])
