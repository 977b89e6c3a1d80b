# mypy: ignore-errors
# The SDK, which this is written with, isn't where mypy runs.
"""In the style of shadow deployments: a function puts the new model beside the one that answers."""

from pathlib import Path

from sagemaker import get_execution_role
from sagemaker.inputs import TrainingInput
from sagemaker.lambda_helper import Lambda
from sagemaker.model import Model
from sagemaker.sklearn.estimator import SKLearn
from sagemaker.workflow.condition_step import ConditionStep
from sagemaker.workflow.conditions import ConditionEquals
from sagemaker.workflow.fail_step import FailStep
from sagemaker.workflow.lambda_step import LambdaOutput, LambdaOutputTypeEnum, LambdaStep
from sagemaker.workflow.model_step import ModelStep
from sagemaker.workflow.parameters import ParameterString
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.steps import TrainingStep

PROGRAMS = Path(__file__).parent / "programs"
session = PipelineSession()
role, url = get_execution_role(session), f"s3://{session.default_bucket()}/shadow"
champion_url = ParameterString("ChampionModelUrl", f"{url}/champion/model.tar.gz")
endpoint = ParameterString("EndpointName", "titles")
estimator = SKLearn(
    entry_point="fit.py",
    source_dir=str(PROGRAMS),
    framework_version="1.2-1",
    instance_type="ml.m5.large",
    hyperparameters={"name": "shadow"},
    output_path=f"{url}/models",
    role=role,
    sagemaker_session=session,
)
train = TrainingStep(name="train", step_args=estimator.fit({"train": TrainingInput(f"{url}/train")}))


def created(name, data):
    model = Model(image_uri=estimator.training_image_uri(), model_data=data, role=role, sagemaker_session=session)
    return ModelStep(name=name, step_args=model.create(instance_type="ml.m5.large"))


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
