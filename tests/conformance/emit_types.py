# mypy: ignore-errors
# The SDK, which this is written with, isn't where mypy runs.
"""Every condition, function, variable and kind of property that SDK v2 (2.257.7) and v3 (3.27.0) write, on their own.

It wrote tests/sagelocal/definitions/sdk_v2_types.json and sdk_v3_types.json: python emit_types.py FILE. The properties
are those of the steps in sdk_v2_wide.json. It needs no account.
"""

import inspect
import json
import sys
from importlib import import_module
from pathlib import Path


def sdk(name):
    """Return a module of the SDK that is installed here."""
    for package in ("sagemaker.core.workflow", "sagemaker.mlops.workflow", "sagemaker.workflow"):
        try:
            return import_module(f"{package}.{name}")
        except ImportError as error:
            if error.name not in {package, f"{package}.{name}", "sagemaker.core", "sagemaker.mlops"}:
                raise
    raise ImportError(name)


conditions, functions, parameters = sdk("conditions"), sdk("functions"), sdk("parameters")
Properties, PropertyFile = sdk("properties").Properties, sdk("properties").PropertyFile
variables = sdk("execution_variables").ExecutionVariables
experiment = sdk("pipeline_experiment_config").PipelineExperimentConfigProperties
retry, steps = sdk("retry"), sdk("steps")

threshold = parameters.ParameterFloat("Threshold", default_value=0.5)
url = parameters.ParameterString(
    "InputDataUrl", default_value="s3://bkt/wide/input/", enum_values=["s3://bkt/wide/input/"]
)
count = parameters.ParameterInteger("Count", default_value=2)
asked = parameters.ParameterBoolean("Asked", default_value=True)
report = PropertyFile("Report", "report", "report.json")
figure = functions.JsonGet(step_name="evaluate", property_file=report, json_path="metrics['f1 score'].value")


def properties(step, shape):
    return Properties(step_name=step, shape_name=shape)


train = properties("train", "DescribeTrainingJobResponse")
prepare = properties("prepare", "DescribeProcessingJobResponse")
tune = Properties(
    step_name="tune",
    shape_names=["DescribeHyperParameterTuningJobResponse", "ListTrainingJobsForHyperParameterTuningJobResponse"],
)
create = properties("own-CreateModel", "DescribeModelOutput")
score = properties("score", "DescribeTransformJobResponse")

written = {
    "parameter": threshold,
    "whole": count,
    "truth": asked,
    "parameter-as-text": count.to_string(),
    "join": functions.Join(on="/", values=["s3:/", "bkt", variables.PIPELINE_EXECUTION_ID, threshold, 1, True]),
    "join-of-joins": functions.Join(on="", values=[functions.Join(on="-", values=["a", url]), train.TrainingJobName]),
    "json": figure,
    "json-of-address": functions.JsonGet(
        s3_uri=functions.Join(on="/", values=["s3://bkt", variables.PIPELINE_EXECUTION_ID, "r.json"]),
        json_path="Result[0].value",
    ),
    "experiment": experiment.EXPERIMENT_NAME,
    "trial": experiment.TRIAL_NAME,
    "text": train.ModelArtifacts.S3ModelArtifacts,
    "number": train.BillableTimeInSeconds,
    "number-as-text": train.BillableTimeInSeconds.to_string(),
    "list-by-name": prepare.ProcessingOutputConfig.Outputs["train"].S3Output.S3Uri,
    "list-by-position": prepare.ProcessingOutputConfig.Outputs[0].S3Output.S3Uri,
    "channel": train.InputDataConfig["train"].DataSource.S3DataSource.S3Uri,
    "metric": train.FinalMetricDataList["score"].Value,
    "map": train.HyperParameters["epochs"],
    "best": tune.BestTrainingJob.TrainingJobName,
    "ranked": tune.TrainingJobSummaries[1].TrainingJobName,
    "model": create.ModelName,
    "transform": score.TransformOutput.S3OutputPath,
    **{f"variable-{name}": value for name, value in sorted(vars(variables).items()) if name.isupper()},
}
left, right = figure, threshold
compared = [
    kind(left=left, right=right)
    for name, kind in sorted(vars(conditions).items())
    if inspect.isclass(kind) and issubclass(kind, conditions.ConditionComparison) and name != "ConditionComparison"
]
chosen = [
    *compared,
    conditions.ConditionIn(value=url, in_values=["a", url, variables.PIPELINE_NAME]),
    conditions.ConditionNot(expression=compared[0]),
    conditions.ConditionNot(expression=conditions.ConditionNot(expression=compared[0])),
    conditions.ConditionOr(conditions=[compared[0], conditions.ConditionNot(expression=compared[1])]),
    conditions.ConditionEquals(left=asked, right=True),
    conditions.ConditionEquals(left=variables.PIPELINE_NAME, right="pipeline"),
    conditions.ConditionGreaterThan(left=train.FinalMetricDataList["score"].Value, right=0),
]
StepExceptions, JobExceptions = retry.StepExceptionTypeEnum, retry.SageMakerJobExceptionTypeEnum
policies = [
    retry.StepRetryPolicy(exception_types=list(StepExceptions), max_attempts=3, backoff_rate=1.5),
    retry.SageMakerJobStepRetryPolicy(exception_types=list(JobExceptions), expire_after_mins=60, interval_seconds=10),
]
found = {
    "Parameters": [parameter.to_request() for parameter in (threshold, url, count, asked)],
    "Arguments": {name: value.expr for name, value in written.items()},
    "Conditions": [condition.to_request() for condition in chosen],
    "PropertyFiles": [report.expr],
    "RetryPolicies": [policy.to_request() for policy in policies],
    "CacheConfig": [steps.CacheConfig(enable_caching=True, expire_after=text).config for text in ("30d", "T12H")],
    "StepTypes": sorted(kind.value for kind in steps.StepTypeEnum),
}
Path(sys.argv[1]).write_text(json.dumps(found, indent=1, default=lambda value: value.expr) + "\n", "utf-8")
