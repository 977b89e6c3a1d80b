# mypy: ignore-errors
# The SDK, which this is written with, isn't where mypy runs.
"""In the style of pipelines with several models, as SDK v3 writes them: each is trained, and each registered."""

from pathlib import Path

from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import get_execution_role
from sagemaker.core.shapes import OutputDataConfig
from sagemaker.core.training.configs import Compute, InputData, SourceCode
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.mlops.workflow.model_step import ModelStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.steps import CacheConfig, TrainingStep
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.train import ModelTrainer

session = PipelineSession()
role, url = get_execution_role(session), f"s3://{session.default_bucket()}/several"
cache = CacheConfig(enable_caching=True, expire_after="T12H")
image = image_uris.retrieve("sklearn", "us-east-1", version="1.2-1", py_version="py3", instance_type="ml.m5.large")
steps = []
for name in ("first", "second"):
    trainer = ModelTrainer(
        sagemaker_session=session,
        role=role,
        training_image=image,
        base_job_name=f"several-{name}",
        source_code=SourceCode(source_dir=str(Path(__file__).parent / "programs"), entry_script="fit.py"),
        compute=Compute(instance_type="ml.m5.large", instance_count=1),
        output_data_config=OutputDataConfig(s3_output_path=f"{url}/models"),
        hyperparameters={"name": name},
    )
    train = TrainingStep(
        name=f"train-{name}",
        step_args=trainer.train(input_data_config=[InputData(channel_name="train", data_source=f"{url}/train")]),
        cache_config=cache,
    )
    builder = ModelBuilder(
        s3_model_data_url=train.properties.ModelArtifacts.S3ModelArtifacts,
        image_uri=image,
        sagemaker_session=session,
        role_arn=role,
    )
    register = ModelStep(
        name=f"register-{name}",
        step_args=builder.register(
            content_types=["text/csv"],
            response_types=["text/csv"],
            inference_instances=["ml.m5.large"],
            transform_instances=["ml.m5.large"],
            model_package_group_name="several",
            approval_status="Approved",
        ),
    )
    steps += [train, register]
pipeline = Pipeline(name="several", steps=steps, sagemaker_session=session)
