# mypy: ignore-errors
# The SDK, which this is written with, isn't where mypy runs.
"""In the style of AWS's template with a script for inference: the SDK adds a step that repacks the model with it."""

from pathlib import Path

from sagemaker import get_execution_role
from sagemaker.huggingface import HuggingFaceModel
from sagemaker.inputs import TrainingInput
from sagemaker.sklearn.estimator import SKLearn
from sagemaker.workflow.condition_step import ConditionStep
from sagemaker.workflow.conditions import ConditionEquals, ConditionIn, ConditionNot, ConditionOr
from sagemaker.workflow.fail_step import FailStep
from sagemaker.workflow.functions import Join
from sagemaker.workflow.model_step import ModelStep
from sagemaker.workflow.parameters import ParameterBoolean, ParameterString
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.steps import CacheConfig, TrainingStep

PROGRAMS = Path(__file__).parent / "programs"
session = PipelineSession()
role, url = get_execution_role(session), f"s3://{session.default_bucket()}/repack"
stage, is_forced = ParameterString("Stage", "test"), ParameterBoolean("IsForced", default_value=False)
estimator = SKLearn(
    entry_point="fit.py",
    source_dir=str(PROGRAMS),
    framework_version="1.2-1",
    instance_type="ml.m5.large",
    hyperparameters={"name": "repack"},
    output_path=f"{url}/models",
    role=role,
    sagemaker_session=session,
)
train = TrainingStep(
    name="train",
    step_args=estimator.fit({"train": TrainingInput(f"{url}/train")}),
    cache_config=CacheConfig(enable_caching=True, expire_after="5y"),
)
model = HuggingFaceModel(
    model_data=train.properties.ModelArtifacts.S3ModelArtifacts,
    entry_point=str(PROGRAMS / "evaluate.py"),  # with a source_dir, the SDK would write its own programs to it
    transformers_version="4.28.1",
    pytorch_version="2.0.0",
    py_version="py310",
    role=role,
    sagemaker_session=session,
)
register = ModelStep(
    name="register",
    step_args=model.register(
        content_types=["text/csv"],
        response_types=["text/csv"],
        inference_instances=["ml.m5.xlarge"],
        transform_instances=["ml.m5.xlarge"],
        model_package_group_name="repack",
    ),
)
is_open = ConditionNot(ConditionIn(value=stage, in_values=["frozen", "closed"]))
check = ConditionStep(
    name="check",
    conditions=[ConditionOr([is_open, ConditionEquals(left=is_forced, right=True)])],
    if_steps=[register],
    else_steps=[FailStep(name="fail", error_message=Join(on=" ", values=["nothing is registered while", stage]))],
)
pipeline = Pipeline(name="repack", parameters=[stage, is_forced], steps=[train, check], sagemaker_session=session)
