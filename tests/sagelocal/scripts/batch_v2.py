# mypy: ignore-errors
# The SDK, which this is written with, isn't where mypy runs.
"""In the style of pipelines that score in batches: train, create the model, and join its answers to their rows."""

from pathlib import Path

from sagemaker import get_execution_role
from sagemaker.inputs import TrainingInput
from sagemaker.model import Model
from sagemaker.sklearn.estimator import SKLearn
from sagemaker.transformer import Transformer
from sagemaker.workflow.model_step import ModelStep
from sagemaker.workflow.parameters import ParameterString
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.steps import CacheConfig, TrainingStep, TransformStep

session = PipelineSession()
role, url = get_execution_role(session), f"s3://{session.default_bucket()}/batch"
rows_url = ParameterString("RowsUrl", f"{url}/rows")
cache = CacheConfig(enable_caching=True, expire_after="30d")
estimator = SKLearn(
    entry_point="fit.py",
    source_dir=str(Path(__file__).parent / "programs"),
    framework_version="1.2-1",
    instance_type="ml.m5.large",
    hyperparameters={"name": "batch"},
    output_path=f"{url}/models",
    role=role,
    sagemaker_session=session,
)
train = TrainingStep(
    name="train", step_args=estimator.fit({"train": TrainingInput(f"{url}/train")}), cache_config=cache
)
model = Model(
    image_uri=estimator.training_image_uri(),
    model_data=train.properties.ModelArtifacts.S3ModelArtifacts,
    role=role,
    sagemaker_session=session,
)
create = ModelStep(name="model", step_args=model.create(instance_type="ml.m5.large"))
transformer = Transformer(
    model_name=create.properties.ModelName,
    instance_count=1,
    instance_type="ml.m5.large",
    output_path=f"{url}/scored",
    accept="text/csv",
    assemble_with="Line",
    sagemaker_session=session,
)
score = TransformStep(
    name="score",
    step_args=transformer.transform(
        data=rows_url,
        content_type="text/csv",
        split_type="Line",
        input_filter="$[1]",
        join_source="Input",
        output_filter="$[0,-1]",
    ),
    cache_config=cache,
)
pipeline = Pipeline(name="batch", parameters=[rows_url], steps=[train, create, score], sagemaker_session=session)
