# mypy: ignore-errors
# The SDK, which this is written with, isn't where mypy runs.
"""In the style of shadow deployments, as SDK v3 writes them: the new model sees the requests, the old one answers."""

from pathlib import Path

from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import get_execution_role
from sagemaker.core.lambda_helper import Lambda
from sagemaker.core.shapes import OutputDataConfig
from sagemaker.core.training.configs import Compute, InputData, SourceCode
from sagemaker.core.workflow.conditions import ConditionEquals
from sagemaker.core.workflow.parameters import ParameterString
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.fail_step import FailStep
from sagemaker.mlops.workflow.lambda_step import LambdaOutput, LambdaOutputTypeEnum, LambdaStep
from sagemaker.mlops.workflow.model_step import ModelStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.steps import TrainingStep
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.train import ModelTrainer

PROGRAMS = Path(__file__).parent / "programs"
session = PipelineSession()
role, url = get_execution_role(session), f"s3://{session.default_bucket()}/shadow"
champion_url = ParameterString("ChampionModelUrl", f"{url}/champion/model.tar.gz")
endpoint = ParameterString("EndpointName", "titles")
image = image_uris.retrieve("sklearn", "us-east-1", version="1.2-1", py_version="py3", instance_type="ml.m5.large")
trainer = ModelTrainer(
    sagemaker_session=session,
    role=role,
    training_image=image,
    source_code=SourceCode(source_dir=str(PROGRAMS), entry_script="fit.py"),
    compute=Compute(instance_type="ml.m5.large", instance_count=1),
    output_data_config=OutputDataConfig(s3_output_path=f"{url}/models"),
    hyperparameters={"name": "shadow"},
)
train = TrainingStep(
    name="train",
    step_args=trainer.train(input_data_config=[InputData(channel_name="train", data_source=f"{url}/train")]),
)


def created(name, data):
    builder = ModelBuilder(s3_model_data_url=data, image_uri=image, sagemaker_session=session, role_arn=role)
    return ModelStep(name=name, step_args=builder.build())


production = created("production", champion_url)
shadow = created("shadow", train.properties.ModelArtifacts.S3ModelArtifacts)
deploy = LambdaStep(
    name="deploy",
    lambda_func=Lambda(
        function_name="deploy-with-shadow",
        execution_role_arn=role,
        script=str(PROGRAMS / "deployment.py"),
        handler="deployment.handler",
        session=session,
    ),
    inputs={
        "endpoint": endpoint,
        "production": production.properties.ModelName,
        "shadow": shadow.properties.ModelName,
    },
    outputs=[
        LambdaOutput(output_name="endpoint", output_type=LambdaOutputTypeEnum.String),
        LambdaOutput(output_name="variants", output_type=LambdaOutputTypeEnum.Integer),
    ],
)
check = ConditionStep(
    name="check",
    conditions=[ConditionEquals(left=deploy.properties.Outputs["variants"], right=2)],
    if_steps=[],
    else_steps=[FailStep(name="fail", error_message="the new model has no shadow variant")],
)
pipeline = Pipeline(
    name="shadow",
    parameters=[champion_url, endpoint],
    steps=[train, production, shadow, deploy, check],
    sagemaker_session=session,
)
