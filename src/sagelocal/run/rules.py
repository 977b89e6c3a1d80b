"""What this machine can't run, as tables: rules on members of a step's Arguments, and where their addresses are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# (path in the step's Arguments, values that run here, why); an absent member always runs.
Rule = tuple[str, tuple[Any, ...], str]
_ALIKE: Final = "all instances of a job are alike here: give InstanceType and InstanceCount instead"
_FILES: Final = "nothing streams here, inputs are copied as plain files before the job starts: use File"
_FAST: Final = "nothing streams here, inputs are copied as plain files before the job starts: use File or FastFile"
_PLAIN: Final = "inputs are not unpacked: store them unpacked, or let the step unpack them"
_PREFIX: Final = "inputs are prefixes or objects: use S3Prefix"
_MANAGED: Final = "the executor copies inputs and outputs, never the application: use false"

_SEARCH: Final = "one search space runs here: use HyperParameterTuningJobConfig and TrainingJobDefinition alone"
CONFIG: Final = "HyperParameterTuningJobConfig."
RULES: Final[Mapping[str, tuple[Rule, ...]]] = {
    "Processing": (),
    "Training": (
        ("ResourceConfig.InstanceGroups", ([],), _ALIKE),
        ("AlgorithmSpecification.TrainingInputMode", ("File", "FastFile"), _FAST),
    ),
    "Transform": (
        ("TransformInput.DataSource.S3DataSource.S3DataType", ("S3Prefix",), _PREFIX),
        ("TransformInput.CompressionType", ("None",), _PLAIN),
        ("TransformInput.SplitType", ("None", "Line"), "records are lines or whole objects here: use None or Line"),
        ("DataCaptureConfig", (), "requests are not captured here: leave it out"),
    ),
    "Tuning": (
        ("WarmStartConfig", (), "no search goes on from an earlier one here: leave it out"),
        ("Autotune", (), "no ranges are chosen here: leave it out and give ParameterRanges"),
        ("TrainingJobDefinitions", (), _SEARCH),
        (f"{CONFIG}Strategy", ("Random", "Bayesian", "Grid"), "trainings are not stopped midway here: use Random"),
        (f"{CONFIG}ParameterRanges.AutoParameters", ([],), "no ranges are chosen here: give them"),
        (
            f"{CONFIG}TuningJobCompletionCriteria.BestObjectiveNotImproving",
            (),
            "a search ends by number: leave it out",
        ),
        (f"{CONFIG}TuningJobCompletionCriteria.ConvergenceDetected", (), "a search ends by number: leave it out"),
        ("TrainingJobDefinition.HyperParameterRanges", (), _SEARCH),
        ("TrainingJobDefinition.TuningObjective", (), _SEARCH),
    ),
}
INPUT_RULES: Final[Mapping[str, tuple[Rule, ...]]] = {
    "Processing": (
        ("AppManaged", (False,), _MANAGED),
        ("S3Input.S3InputMode", ("File",), _FILES),
        ("S3Input.S3DataType", ("S3Prefix",), _PREFIX),
        ("S3Input.S3CompressionType", ("None",), _PLAIN),
    ),
    "Training": (
        ("InputMode", ("File", "FastFile"), _FAST),
        ("DataSource.S3DataSource.S3DataType", ("S3Prefix",), _PREFIX),
        ("CompressionType", ("None",), _PLAIN),
        ("RecordWrapperType", ("None",), "records are not wrapped here: use None"),
    ),
    "Transform": (),
    "Tuning": (),
}
NEEDED: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "Processing": (),
    "Training": (
        ("AlgorithmSpecification.TrainingImage", "no algorithm of the service runs here"),
        ("ResourceConfig", "no serverless job runs here"),
    ),
    "Transform": (),
    "Tuning": (),
}
ADDRESSES: Final[Mapping[str, tuple[tuple[str, str, str], ...]]] = {
    # (list, address, container folder) of inputs and outputs
    "Processing": (
        ("ProcessingInputs", "S3Input.S3Uri", "S3Input.LocalPath"),
        ("ProcessingOutputConfig.Outputs", "S3Output.S3Uri", "S3Output.LocalPath"),
    ),
    "Training": (("InputDataConfig", "DataSource.S3DataSource.S3Uri", ""),),
    "Transform": (),
    "Tuning": (),
}
# Addresses outside of lists; if one is required, the shapes check that.
ALONE: Final[Mapping[str, tuple[str, ...]]] = {
    "Processing": (),
    "Training": ("OutputDataConfig.S3OutputPath", "CheckpointConfig.S3Uri"),
    "Transform": ("TransformInput.DataSource.S3DataSource.S3Uri", "TransformOutput.S3OutputPath"),
    "Tuning": (),
}
# Sources and targets of data that the account alone has, each with what to do instead.
ELSEWHERE: Final = {
    "DatasetDefinition": "Athena and Redshift answer in the account alone: write their rows to S3 and name an S3Input",
    "FeatureStoreOutput": "a feature store is in the account alone: name an S3Output",
    "DataSource.FileSystemDataSource": "EFS and FSx are in the account alone: copy the data to S3",
    "DataSource.DatasetSource": "the service's hub has the data set: copy it to S3",
}
