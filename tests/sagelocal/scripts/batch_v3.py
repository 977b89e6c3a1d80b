# mypy: ignore-errors
# The SDK, which this is written with, isn't where mypy runs.
"""In the style of pipelines that score in batches, as SDK v3 writes them: the answers are joined to their rows."""

from pathlib import Path

from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import get_execution_role
from sagemaker.core.shapes import OutputDataConfig
from sagemaker.core.training.configs import Compute, InputData, SourceCode
from sagemaker.core.transformer import Transformer
from sagemaker.core.workflow.parameters import ParameterString
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.mlops.workflow.model_step import ModelStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.steps import CacheConfig, TrainingStep, TransformStep
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.train import ModelTrainer

session = PipelineSession()
role, url = get_execution_role(session), f"s3://{session.default_bucket()}/batch"
rows_url = ParameterString("RowsUrl", f"{url}/rows")
cache = CacheConfig(enable_caching=True, expire_after="30d")
image = image_uris.retrieve("sklearn", "us-east-1", version="1.2-1", py_version="py3", instance_type="ml.m5.large")
trainer = ModelTrainer(
    sagemaker_session=session,
    role=role,
    training_image=image,
    source_code=SourceCode(source_dir=str(Path(__file__).parent / "programs"), entry_script="fit.py"),
    compute=Compute(instance_type="ml.m5.large", instance_count=1),
    output_data_config=OutputDataConfig(s3_output_path=f"{url}/models"),
    hyperparameters={"name": "batch"},
)
train = TrainingStep(
    name="train",
    step_args=trainer.train(input_data_config=[InputData(channel_name="train", data_source=f"{url}/train")]),
    cache_config=cache,
)
builder = ModelBuilder(
    s3_model_data_url=train.properties.ModelArtifacts.S3ModelArtifacts,
    image_uri=image,
    sagemaker_session=session,
    role_arn=role,
)
create = ModelStep(name="model", step_args=builder.build())
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
