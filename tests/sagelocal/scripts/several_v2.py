# mypy: ignore-errors
# The SDK, which this is written with, isn't where mypy runs.
"""In the style of pipelines with several models: two trainings side by side, one model of both containers in a row."""

from pathlib import Path

from sagemaker import get_execution_role
from sagemaker.inputs import TrainingInput
from sagemaker.model import Model
from sagemaker.pipeline import PipelineModel
from sagemaker.sklearn.estimator import SKLearn
from sagemaker.workflow.model_step import ModelStep
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.steps import CacheConfig, TrainingStep

session = PipelineSession()
role, url = get_execution_role(session), f"s3://{session.default_bucket()}/several"
cache = CacheConfig(enable_caching=True, expire_after="T12H")
steps, models = [], []
for name in ("first", "second"):
    estimator = SKLearn(
        entry_point="fit.py",
        source_dir=str(Path(__file__).parent / "programs"),
        framework_version="1.2-1",
        instance_type="ml.m5.large",
        hyperparameters={"name": name},
        output_path=f"{url}/models",
        role=role,
        sagemaker_session=session,
    )
    train = TrainingStep(
        name=f"train-{name}", step_args=estimator.fit({"train": TrainingInput(f"{url}/train")}), cache_config=cache
    )
    model = Model(
        image_uri=estimator.training_image_uri(),
        model_data=train.properties.ModelArtifacts.S3ModelArtifacts,
        role=role,
        sagemaker_session=session,
    )
    steps.append(train)
    models.append(model)
both = PipelineModel(models=models, role=role, sagemaker_session=session)
register = ModelStep(
    name="register",
    step_args=both.register(
        content_types=["text/csv"],
        response_types=["text/csv"],
        inference_instances=["ml.m5.large"],
        transform_instances=["ml.m5.large"],
        model_package_group_name="several",
        approval_status="Approved",
    ),
)
create = ModelStep(name="model", step_args=both.create(instance_type="ml.m5.large"))
pipeline = Pipeline(name="several", steps=[*steps, register, create], sagemaker_session=session)
