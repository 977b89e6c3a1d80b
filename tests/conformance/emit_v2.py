# mypy: ignore-errors
# The SDK, which this is written with, isn't where mypy runs.
"""A pipeline of other people's, with every kind of step that runs here, as SDK v2 (2.257.7) emits it.

It wrote tests/sagelocal/definitions/sdk_v2_wide.json: python emit_v2.py FILE. It needs no account.
"""

import json
import sys
from pathlib import Path

import boto3
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.lambda_helper import Lambda
from sagemaker.model import Model
from sagemaker.processing import ProcessingInput, ProcessingOutput, ScriptProcessor
from sagemaker.transformer import Transformer
from sagemaker.tuner import ContinuousParameter, HyperparameterTuner, IntegerParameter
from sagemaker.workflow.callback_step import CallbackOutput, CallbackOutputTypeEnum, CallbackStep
from sagemaker.workflow.condition_step import ConditionStep
from sagemaker.workflow.conditions import ConditionGreaterThan
from sagemaker.workflow.fail_step import FailStep
from sagemaker.workflow.functions import Join, JsonGet
from sagemaker.workflow.lambda_step import LambdaOutput, LambdaOutputTypeEnum, LambdaStep
from sagemaker.workflow.model_step import ModelStep
from sagemaker.workflow.parameters import ParameterFloat, ParameterString
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.properties import PropertyFile
from sagemaker.workflow.steps import CacheConfig, ProcessingStep, TrainingStep, TransformStep, TuningStep

REGION, BUCKET = "us-east-1", "bkt"
ROLE = "arn:aws:iam::123456789012:role/sm"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/own:1"

boto = boto3.Session("nobody", "nothing", region_name=REGION)
session = PipelineSession(boto_session=boto, default_bucket=BUCKET)
session._default_bucket = BUCKET  # it would ask S3 whether there is one
threshold = ParameterFloat("Threshold", 0.5)
input_url = ParameterString("InputDataUrl", f"s3://{BUCKET}/wide/input/")
cache = CacheConfig(enable_caching=True, expire_after="P30D")


def script(name):
    return ScriptProcessor(
        role=ROLE,
        image_uri=IMAGE,
        command=["python3"],
        instance_count=1,
        instance_type="ml.c5.xlarge",
        base_job_name=name,
        sagemaker_session=session,
    )


prepare = ProcessingStep(
    name="prepare",
    step_args=script("prepare").run(
        code=f"s3://{BUCKET}/wide/code/prepare.py",
        inputs=[ProcessingInput(input_name="input", source=input_url, destination="/opt/ml/processing/input")],
        outputs=[
            ProcessingOutput(
                output_name=name,
                source=f"/opt/ml/processing/{name}",
                destination=f"s3://{BUCKET}/wide/prepare/{name}",
            )
            for name in ("train", "test")
        ],
    ),
    cache_config=cache,
)


def produced(name):
    return prepare.properties.ProcessingOutputConfig.Outputs[name].S3Output.S3Uri


def estimator(**more):
    return Estimator(
        image_uri=IMAGE,
        role=ROLE,
        instance_count=1,
        instance_type="ml.m5.xlarge",
        output_path=f"s3://{BUCKET}/wide/output",
        sagemaker_session=session,
        metric_definitions=[{"Name": "score", "Regex": "score=([0-9.]+)"}],
        hyperparameters={"epochs": 2},
        **more,
    )


data = {"train": TrainingInput(produced("train"))}
train = TrainingStep(name="train", step_args=estimator().fit(data), cache_config=cache)
tuner = HyperparameterTuner(
    estimator(),
    objective_metric_name="score",
    metric_definitions=[{"Name": "score", "Regex": "score=([0-9.]+)"}],
    hyperparameter_ranges={"rate": ContinuousParameter(0.1, 0.9), "width": IntegerParameter(1, 8)},
    objective_type="Maximize",
    max_jobs=3,
    max_parallel_jobs=2,
    random_seed=7,
)
tune = TuningStep(name="tune", step_args=tuner.fit(data), cache_config=cache)
model = Model(
    image_uri=IMAGE,
    model_data=train.properties.ModelArtifacts.S3ModelArtifacts,
    role=ROLE,
    sagemaker_session=session,
)
create = ModelStep(name="own", step_args=model.create(instance_type="ml.m5.large"))
transformer = Transformer(
    model_name=create.properties.ModelName,
    instance_count=1,
    instance_type="ml.m5.large",
    output_path=f"s3://{BUCKET}/wide/scored",
    strategy="SingleRecord",
    assemble_with="Line",
    sagemaker_session=session,
)
score = TransformStep(
    name="score",
    step_args=transformer.transform(data=produced("test"), content_type="text/csv", split_type="Line"),
)
report = PropertyFile(name="Report", output_name="report", path="report.json")
evaluate = ProcessingStep(
    name="evaluate",
    step_args=script("evaluate").run(
        code=f"s3://{BUCKET}/wide/code/evaluate.py",
        inputs=[
            ProcessingInput(
                input_name="scored",
                source=score.properties.TransformOutput.S3OutputPath,
                destination="/opt/ml/processing/scored",
            ),
            ProcessingInput(
                input_name="best",
                source=tune.get_top_model_s3_uri(top_k=0, s3_bucket=BUCKET, prefix="wide/output"),
                destination="/opt/ml/processing/best",
            ),
        ],
        outputs=[
            ProcessingOutput(
                output_name="report",
                source="/opt/ml/processing/report",
                destination=f"s3://{BUCKET}/wide/report",
            )
        ],
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
register = ModelStep(
    name="register",
    step_args=model.register(
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
