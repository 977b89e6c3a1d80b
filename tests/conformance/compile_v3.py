# mypy: ignore-errors
# The SDK, which this is written with, isn't where mypy runs.
"""The pipeline of `jobmajor.pipeline.definition`, written with SageMaker's SDK v3; prints the compiled definition.

It runs in an environment of its own, where jobmajor is not, so nothing of ours is in it: what the SDK has a way to say
is said in that way. It needs no account; whatever tries to call one fails.
"""

import json
import sys

import boto3
from sagemaker.core.drift_check_baselines import DriftCheckBaselines
from sagemaker.core.model_metrics import MetricsSource, ModelMetrics
from sagemaker.core.network import NetworkConfig
from sagemaker.core.processing import Processor
from sagemaker.core.shapes import (
    MetricDefinition,
    OutputDataConfig,
    ProcessingInput,
    ProcessingOutput,
    ProcessingS3Input,
    ProcessingS3Output,
    StoppingCondition,
    Tag,
)
from sagemaker.core.training.configs import Compute, InputData, Networking
from sagemaker.core.workflow.conditions import ConditionEquals, ConditionGreaterThan
from sagemaker.core.workflow.execution_variables import ExecutionVariables
from sagemaker.core.workflow.functions import Join, JsonGet
from sagemaker.core.workflow.parameters import ParameterFloat, ParameterInteger, ParameterString
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.core.workflow.properties import PropertyFile
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.fail_step import FailStep
from sagemaker.mlops.workflow.model_step import ModelStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.retry import (
    SageMakerJobExceptionTypeEnum,
    SageMakerJobStepRetryPolicy,
    StepExceptionTypeEnum,
    StepRetryPolicy,
)
from sagemaker.mlops.workflow.steps import CacheConfig, ProcessingStep, TrainingStep
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.train import ModelTrainer
from sagemaker.train.defaults import TrainDefaults

REGION = "us-east-1"
HYPERPARAMETERS = {
    "recipe": "linear",
    "penalty": "1.0",
    "word_gain": "2.0",
    "smoothing": "0.03",
    "widest": "200",
    "hidden": "256",
    "epochs": "12",
    "rate": "0.003",
    "dropout": "0.3",
    "phrases": "0.5",
    "reviewed": "1.0",
    "codes_loss": "0.3",
    "seed": "0",
}
METRICS = ("validation_accuracy", "validation_f1", "validation_f1_macro", "train_seconds")
KINDS = ["text/csv", "application/json", "application/jsonlines"]
TAGS = [{"Key": "jobmajor:project", "Value": "test-job-major-clf"}]

processing_type = ParameterString("ProcessingInstanceType", "ml.c5.xlarge")
training_type = ParameterString("TrainingInstanceType", "ml.m5.xlarge")
training_count = ParameterInteger("TrainingInstanceCount", 1)
approval = ParameterString(
    "ModelApprovalStatus", "PendingManualApproval", ["PendingManualApproval", "Approved", "Rejected"]
)
threshold = ParameterFloat("TestScoreThreshold", 0.75)
input_url = ParameterString("InputDataUrl", "s3://jobmajor-local/job-major-clf/input")
reviewed_url = ParameterString("ReviewedDataUrl", "s3://jobmajor-local/job-major-clf/review/none")
champion_url = ParameterString("ChampionModelUrl", "s3://jobmajor-local/job-major-clf/champion/none")
bucket = ParameterString("Bucket", "jobmajor-local")
role = ParameterString("RoleArn", "arn:aws:iam::000000000000:role/jobmajor-local")
image = ParameterString("ImageUri", "000000000000.dkr.ecr.us-east-1.amazonaws.com/jobmajor:local")
parameters = [
    *(processing_type, training_type, training_count, approval, threshold, input_url, reviewed_url, champion_url),
    *(bucket, role, image),
]

boto = boto3.Session("nobody", "nothing", region_name=REGION)
config = {"SchemaVersion": "1.0", "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}}}
session = PipelineSession(boto_session=boto, default_bucket="jobmajor-local", sagemaker_config=config)
session._default_bucket = "jobmajor-local"  # it would ask S3 whether there is one
cache = CacheConfig(enable_caching=True, expire_after="P30D")
calls = StepRetryPolicy(
    [StepExceptionTypeEnum.SERVICE_FAULT, StepExceptionTypeEnum.THROTTLING], 2.0, interval_seconds=30, max_attempts=5
)
broken = SageMakerJobStepRetryPolicy(
    failure_reason_types=[SageMakerJobExceptionTypeEnum.INTERNAL_ERROR],
    backoff_rate=2.0,
    interval_seconds=60,
    max_attempts=3,
)
scarce = SageMakerJobStepRetryPolicy(
    exception_types=[SageMakerJobExceptionTypeEnum.CAPACITY_ERROR],
    backoff_rate=1.5,
    interval_seconds=300,
    expire_after_mins=480,
)
limited = SageMakerJobStepRetryPolicy(
    exception_types=[SageMakerJobExceptionTypeEnum.RESOURCE_LIMIT],
    backoff_rate=1.5,
    interval_seconds=120,
    expire_after_mins=60,
)


def run_url(*parts):
    where = ["s3:/", bucket, "job-major-clf", "runs", ExecutionVariables.PIPELINE_EXECUTION_ID]
    return Join(on="/", values=[*where, *parts])


def processor(step):
    return Processor(
        role=role,
        image_uri=image,
        instance_count=1,
        instance_type=processing_type,
        entrypoint=["python3", "-m", "jobmajor.steps", step],
        volume_size_in_gb=30,
        max_runtime_in_seconds=3600,
        sagemaker_session=session,
        tags=TAGS,
        network_config=NetworkConfig(enable_network_isolation=True, encrypt_inter_container_traffic=True),
    )


def taken(name, url):
    place = ProcessingS3Input(
        s3_uri=url, local_path=f"/opt/ml/processing/{name}", s3_data_type="S3Prefix", s3_input_mode="File"
    )
    return ProcessingInput(input_name=name, s3_input=place)


def left(name):
    folder = name.replace("-", "_")
    place = ProcessingS3Output(
        s3_uri=run_url(folder), local_path=f"/opt/ml/processing/output/{folder}", s3_upload_mode="EndOfJob"
    )
    return ProcessingOutput(output_name=name, s3_output=place)


def output(step, name):
    return step.properties.ProcessingOutputConfig.Outputs[name].S3Output.S3Uri


preprocess = ProcessingStep(
    name="preprocess-data",
    step_args=processor("prepare").run(
        inputs=[taken("input", input_url), taken("reviewed", reviewed_url)],
        outputs=[left(name) for name in ("train", "validation", "test", "baseline")],
        arguments=["--seed", "2140", "--validation", "0.1", "--test", "0.1"],
    ),
    cache_config=cache,
    retry_policies=[calls, broken, scarce, limited],
)

TrainDefaults.get_role = staticmethod(lambda role, sagemaker_session: role)  # it would ask IAM about the role
trainer = ModelTrainer(
    sagemaker_session=session,
    role="arn:aws:iam::000000000000:role/jobmajor-local",  # takes no parameter
    training_image=image,
    base_job_name="jobmajor",  # else it would take it from the image, which is a parameter
    compute=Compute(instance_type=training_type, instance_count=training_count, volume_size_in_gb=30),
    networking=Networking(enable_network_isolation=True, enable_inter_container_traffic_encryption=True),
    stopping_condition=StoppingCondition(max_runtime_in_seconds=3600),
    output_data_config=OutputDataConfig(s3_output_path=run_url("output")),
    hyperparameters=HYPERPARAMETERS,
    tags=[Tag(key=item["Key"], value=item["Value"]) for item in TAGS],
).with_metric_definitions([MetricDefinition(name=name, regex=f"{name}=([0-9.]+)") for name in METRICS])
train = TrainingStep(
    name="train",
    step_args=trainer.train(
        input_data_config=[
            InputData(channel_name=name, data_source=output(preprocess, name)) for name in ("train", "validation")
        ]
    ),
    cache_config=cache,
    retry_policies=[calls, broken, scarce, limited],
)
model = train.properties.ModelArtifacts.S3ModelArtifacts

report = PropertyFile(name="EvaluationReport", output_name="evaluation", path="evaluation.json")
evaluate = ProcessingStep(
    name="evaluate-model",
    step_args=processor("evaluate").run(
        inputs=[taken("model", model), taken("test", output(preprocess, "test")), taken("champion", champion_url)],
        outputs=[left(name) for name in ("evaluation", "prediction-baseline")],
        arguments=["--seed", "2140"],
    ),
    property_files=[report],
    cache_config=cache,
    retry_policies=[calls, broken, scarce, limited],
)


def evaluated(path):
    return JsonGet(step_name=evaluate.name, property_file=report, json_path=path)


def joined(*values):
    return Join(on="", values=[*values])


def metrics(step, name, file):
    return MetricsSource(content_type="application/json", s3_uri=joined(output(step, name), f"/{file}"))


builder = ModelBuilder(s3_model_data_url=model, image_uri=image, sagemaker_session=session, role_arn=trainer.role)
register = ModelStep(
    name="register",
    step_args=builder.register(
        model_package_group_name="test-job-major-clf-model-group",
        content_types=KINDS,
        response_types=KINDS,
        inference_instances=["ml.t2.medium", "ml.m5.large", "ml.m5.xlarge"],
        transform_instances=["ml.m5.large"],
        model_metrics=ModelMetrics(
            model_statistics=metrics(evaluate, "prediction-baseline", "statistics.json"),
            model_constraints=metrics(evaluate, "prediction-baseline", "constraints.json"),
            model_data_statistics=metrics(preprocess, "baseline", "statistics.json"),
            model_data_constraints=metrics(preprocess, "baseline", "constraints.json"),
        ),
        drift_check_baselines=DriftCheckBaselines(
            model_statistics=metrics(evaluate, "prediction-baseline", "statistics.json"),
            model_constraints=metrics(evaluate, "prediction-baseline", "constraints.json"),
            model_data_statistics=metrics(preprocess, "baseline", "statistics.json"),
            model_data_constraints=metrics(preprocess, "baseline", "constraints.json"),
        ),
        approval_status=approval,
        customer_metadata_properties={
            "EvaluationUrl": joined(output(evaluate, "evaluation"), "/evaluation.json"),
            "TestScoreThreshold": joined(threshold),
            "ComparedWith": champion_url,
            "ExecutionId": ExecutionVariables.PIPELINE_EXECUTION_ID,
        },
    ),
    retry_policies=[calls],
)
fail = FailStep(
    name="fail",
    error_message=joined(
        "Execution failed due to the gate: weighted F1 ",
        evaluated("classification_metrics.test_f1"),
        " (more than ",
        threshold,
        " is asked), other checks: ",
        evaluated("gate.summary"),
    ),
)
check = ConditionStep(
    name="check-test-score",
    conditions=[
        ConditionGreaterThan(left=evaluated("classification_metrics.test_f1"), right=threshold),
        ConditionEquals(left=evaluated("gate.passed"), right=True),
    ],
    if_steps=[register],
    else_steps=[fail],
)
pipeline = Pipeline(
    name="test-job-major-clf-pipeline",
    parameters=parameters,
    steps=[preprocess, train, evaluate, check],
    sagemaker_session=session,
)
json.dump(json.loads(pipeline.definition()), sys.stdout, indent=1)
sys.stdout.write("\n")
