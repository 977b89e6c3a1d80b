# mypy: ignore-errors
# The SDK, which this is written with, isn't where mypy runs.
"""A pipeline of other people's, with every kind of step that runs here, as SDK v3 (3.27.0) emits it.

It wrote tests/sagelocal/definitions/sdk_v3_wide.json: python emit_v3.py FILE. It needs no account.
"""

import json
import sys
from pathlib import Path

import boto3
from sagemaker.core.lambda_helper import Lambda
from sagemaker.core.parameter import ContinuousParameter, IntegerParameter
from sagemaker.core.processing import Processor
from sagemaker.core.shapes import (
    MetricDefinition,
    OutputDataConfig,
    ProcessingInput,
    ProcessingOutput,
    ProcessingS3Input,
    ProcessingS3Output,
)
from sagemaker.core.training.configs import Compute, InputData
from sagemaker.core.transformer import Transformer
from sagemaker.core.workflow.conditions import ConditionGreaterThan
from sagemaker.core.workflow.functions import Join, JsonGet
from sagemaker.core.workflow.parameters import ParameterFloat, ParameterString
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.core.workflow.properties import PropertyFile
from sagemaker.mlops.workflow.callback_step import CallbackOutput, CallbackOutputTypeEnum, CallbackStep
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.fail_step import FailStep
from sagemaker.mlops.workflow.lambda_step import LambdaOutput, LambdaOutputTypeEnum, LambdaStep
from sagemaker.mlops.workflow.model_step import ModelStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.steps import CacheConfig, ProcessingStep, TrainingStep, TransformStep, TuningStep
from sagemaker.serve import model_builder
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.train import ModelTrainer
from sagemaker.train.defaults import TrainDefaults
from sagemaker.train.tuner import HyperparameterTuner

REGION, BUCKET = "us-east-1", "bkt"
ROLE = "arn:aws:iam::123456789012:role/sm"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/own:1"

# Both would ask IAM about the role.
TrainDefaults.get_role = staticmethod(lambda role, sagemaker_session: role)
model_builder.resolve_and_validate_role = lambda provided_role, **_: provided_role
boto = boto3.Session("nobody", "nothing", region_name=REGION)
config = {"SchemaVersion": "1.0", "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}}}
session = PipelineSession(boto_session=boto, default_bucket=BUCKET, sagemaker_config=config)
session._default_bucket = BUCKET  # it would ask S3 whether there is one
threshold = ParameterFloat("Threshold", 0.5)
input_url = ParameterString("InputDataUrl", f"s3://{BUCKET}/wide/input/")
cache = CacheConfig(enable_caching=True, expire_after="P30D")


def processor(script):
    return Processor(
        role=ROLE,
        image_uri=IMAGE,
        instance_count=1,
        instance_type="ml.c5.xlarge",
        entrypoint=["python3", f"/opt/ml/processing/code/{script}"],
        sagemaker_session=session,
    )


def taken(name, url):
    place = ProcessingS3Input(
        s3_uri=url, local_path=f"/opt/ml/processing/{name}", s3_data_type="S3Prefix", s3_input_mode="File"
    )
    return ProcessingInput(input_name=name, s3_input=place)


def left(name, url):
    place = ProcessingS3Output(s3_uri=url, local_path=f"/opt/ml/processing/{name}", s3_upload_mode="EndOfJob")
    return ProcessingOutput(output_name=name, s3_output=place)


code = taken("code", f"s3://{BUCKET}/wide/code/")
prepare = ProcessingStep(
    name="prepare",
    step_args=processor("prepare.py").run(
        inputs=[code, taken("input", input_url)],
        outputs=[left(name, f"s3://{BUCKET}/wide/prepare/{name}") for name in ("train", "test")],
    ),
    cache_config=cache,
)


def produced(name):
    return prepare.properties.ProcessingOutputConfig.Outputs[name].S3Output.S3Uri


def trainer():
    return ModelTrainer(
        sagemaker_session=session,
        role=ROLE,
        training_image=IMAGE,
        compute=Compute(instance_type="ml.m5.xlarge", instance_count=1),
        output_data_config=OutputDataConfig(s3_output_path=f"s3://{BUCKET}/wide/output"),
        hyperparameters={"epochs": 2},
    ).with_metric_definitions([MetricDefinition(name="score", regex="score=([0-9.]+)")])


data = [InputData(channel_name="train", data_source=produced("train"))]
train = TrainingStep(name="train", step_args=trainer().train(input_data_config=data), cache_config=cache)
tuner = HyperparameterTuner(
    trainer(),
    objective_metric_name="score",
    metric_definitions=[{"Name": "score", "Regex": "score=([0-9.]+)"}],
    hyperparameter_ranges={"rate": ContinuousParameter(0.1, 0.9), "width": IntegerParameter(1, 8)},
    objective_type="Maximize",
    max_jobs=3,
    max_parallel_jobs=2,
    random_seed=7,
)
tune = TuningStep(name="tune", step_args=tuner.tune(inputs=data), cache_config=cache)
model = train.properties.ModelArtifacts.S3ModelArtifacts
create = ModelStep(
    name="own",
    step_args=ModelBuilder(s3_model_data_url=model, image_uri=IMAGE, sagemaker_session=session, role_arn=ROLE).build(),
)
score = TransformStep(
    name="score",
    step_args=Transformer(
        model_name=create.properties.ModelName,
        instance_count=1,
        instance_type="ml.m5.large",
        output_path=f"s3://{BUCKET}/wide/scored",
        strategy="SingleRecord",
        assemble_with="Line",
        sagemaker_session=session,
    ).transform(data=produced("test"), content_type="text/csv", split_type="Line"),
)
report = PropertyFile(name="Report", output_name="report", path="report.json")
evaluate = ProcessingStep(
    name="evaluate",
    step_args=processor("evaluate.py").run(
        inputs=[
            code,
            taken("scored", score.properties.TransformOutput.S3OutputPath),
            taken("best", tune.get_top_model_s3_uri(top_k=0, s3_bucket=BUCKET, prefix="wide/output")),
        ],
        outputs=[left("report", f"s3://{BUCKET}/wide/report")],
    ),
    property_files=[report],
)
figure = JsonGet(step_name=evaluate.name, property_file=report, json_path="score")
account = LambdaStep(
    name="look-up",
    lambda_func=Lambda(function_arn=f"arn:aws:lambda:{REGION}:123456789012:function:look-up", session=session),
    inputs={"figure": figure, "owner": "us"},
    outputs=[LambdaOutput(output_name="limit", output_type=LambdaOutputTypeEnum.Float)],
)
ask = CallbackStep(
    name="ask",
    sqs_queue_url=f"https://sqs.{REGION}.amazonaws.com/123456789012/asked",
    inputs={"limit": account.properties.Outputs["limit"]},
    outputs=[CallbackOutput(output_name="answer", output_type=CallbackOutputTypeEnum.String)],
)
builder = ModelBuilder(s3_model_data_url=model, image_uri=IMAGE, sagemaker_session=session, role_arn=ROLE)
register = ModelStep(
    name="register",
    step_args=builder.register(
        content_types=["text/csv"],
        response_types=["text/csv"],
        inference_instances=["ml.m5.large"],
        transform_instances=["ml.m5.large"],
        model_package_group_name="wide",
        approval_status="PendingManualApproval",
        customer_metadata_properties={"answer": ask.properties.Outputs["answer"]},
    ),
)
fail = FailStep(name="fail", error_message=Join(on=" ", values=["score", figure, "<=", threshold]))
check = ConditionStep(
    name="check",
    conditions=[ConditionGreaterThan(left=figure, right=threshold)],
    if_steps=[register],
    else_steps=[fail],
    depends_on=[ask],
)
pipeline = Pipeline(
    name="wide",
    parameters=[threshold, input_url],
    steps=[prepare, train, tune, create, score, evaluate, account, ask, check],
    sagemaker_session=session,
)
Path(sys.argv[1]).write_text(json.dumps(json.loads(pipeline.definition()), indent=1) + "\n", "utf-8")
