# mypy: ignore-errors
# The SDK, which this is written with, isn't where mypy runs.
"""In the style of the tutorial that this project finishes, as SDK v3 writes it: the training's code is a SourceCode."""

from pathlib import Path

from sagemaker.core import image_uris
from sagemaker.core.model_metrics import MetricsSource, ModelMetrics
from sagemaker.core.processing import ScriptProcessor
from sagemaker.core.shapes import (
    MetricDefinition,
    OutputDataConfig,
    ProcessingInput,
    ProcessingOutput,
    ProcessingS3Input,
    ProcessingS3Output,
)
from sagemaker.core.training.configs import Compute, InputData, SourceCode
from sagemaker.core.workflow.conditions import ConditionGreaterThan
from sagemaker.core.workflow.functions import Join, JsonGet
from sagemaker.core.workflow.parameters import ParameterFloat, ParameterString
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.core.workflow.properties import PropertyFile
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.fail_step import FailStep
from sagemaker.mlops.workflow.model_step import ModelStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.steps import CacheConfig, ProcessingStep, TrainingStep
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.train import ModelTrainer

PROGRAMS = Path(__file__).parent / "programs"
NAME = "test-job-major-clf"


def taken(name, url):
    place = ProcessingS3Input(
        s3_uri=url, local_path=f"/opt/ml/processing/{name}", s3_data_type="S3Prefix", s3_input_mode="File"
    )
    return ProcessingInput(input_name=name, s3_input=place)


def left(name, url):
    place = ProcessingS3Output(s3_uri=url, local_path=f"/opt/ml/processing/{name}", s3_upload_mode="EndOfJob")
    return ProcessingOutput(output_name=name, s3_output=place)


def image(scope, region, instance_type):
    return image_uris.retrieve(
        "huggingface",
        region,
        version="4.28.1",
        base_framework_version="pytorch2.0.0",
        py_version="py310",
        image_scope=scope,
        instance_type=instance_type,
    )


def get_pipeline(region, role=None, default_bucket=None):
    session = PipelineSession(default_bucket=default_bucket)
    url = f"s3://{default_bucket}/job-major-clf"
    input_url = ParameterString("InputDataUrl", f"{url}/input")
    threshold = ParameterFloat("TestScoreThreshold", 0.75)
    approval = ParameterString("ModelApprovalStatus", "PendingManualApproval")
    cache = CacheConfig(enable_caching=True, expire_after="P30d")
    sklearn = image_uris.retrieve("sklearn", region, version="1.2-1", py_version="py3", instance_type="ml.c5.xlarge")
    place = {"role": role, "sagemaker_session": session, "instance_count": 1, "instance_type": "ml.c5.xlarge"}
    prepare = ProcessingStep(
        name=f"{NAME}-preprocess-data",
        step_args=ScriptProcessor(image_uri=sklearn, command=["python3"], **place).run(
            code=str(PROGRAMS / "prepare.py"),
            inputs=[taken("input", input_url)],
            outputs=[left(name, f"{url}/{name}") for name in ("train", "test")],
        ),
        cache_config=cache,
    )
    made = prepare.properties.ProcessingOutputConfig.Outputs
    training_image = image("training", region, "ml.g4dn.xlarge")
    trainer = ModelTrainer(
        sagemaker_session=session,
        role=role,
        training_image=training_image,
        source_code=SourceCode(source_dir=str(PROGRAMS), entry_script="fit.py"),
        compute=Compute(instance_type="ml.g4dn.xlarge", instance_count=1),
        output_data_config=OutputDataConfig(s3_output_path=f"{url}/output"),
        hyperparameters={"name": "distilbert-base-uncased", "epochs": 5},
    ).with_metric_definitions([MetricDefinition(name="eval_f1", regex="'eval_f1': ([0-9.]+)")])
    train = TrainingStep(
        name=f"{NAME}-train",
        step_args=trainer.train(
            input_data_config=[InputData(channel_name="train", data_source=made["train"].S3Output.S3Uri)]
        ),
        cache_config=cache,
    )
    report = PropertyFile(name="EvaluationReport", output_name="evaluation", path="evaluation.json")
    evaluate = ProcessingStep(
        name=f"{NAME}-evaluate-model",
        step_args=ScriptProcessor(image_uri=training_image, command=["python3"], **place).run(
            code=str(PROGRAMS / "evaluate.py"),
            inputs=[
                taken("model", train.properties.ModelArtifacts.S3ModelArtifacts),
                taken("test", made["test"].S3Output.S3Uri),
            ],
            outputs=[left("evaluation", f"{url}/evaluation")],
        ),
        property_files=[report],
        cache_config=cache,
    )
    builder = ModelBuilder(
        s3_model_data_url=train.properties.ModelArtifacts.S3ModelArtifacts,
        image_uri=image("inference", region, "ml.m5.xlarge"),
        sagemaker_session=session,
        role_arn=role,
    )
    statistics = MetricsSource(content_type="application/json", s3_uri=f"{url}/evaluation/evaluation.json")
    register = ModelStep(
        name=f"{NAME}-register",
        step_args=builder.register(
            content_types=["text/csv"],
            response_types=["text/csv"],
            inference_instances=["ml.t2.medium", "ml.m5.xlarge"],
            transform_instances=["ml.m5.large"],
            model_package_group_name=f"{NAME}-model-group",
            approval_status=approval,
            model_metrics=ModelMetrics(model_statistics=statistics),
        ),
    )
    fail = FailStep(
        name=f"{NAME}-fail", error_message=Join(on=" ", values=["Execution failed due to f1 score <", threshold])
    )
    score = JsonGet(step_name=evaluate.name, property_file=report, json_path="classification_metrics.test_f1")
    check = ConditionStep(
        name=f"{NAME}-check-test-score",
        conditions=[ConditionGreaterThan(left=score, right=threshold)],
        if_steps=[register],
        else_steps=[fail],
    )
    return Pipeline(
        name=f"{NAME}-pipeline",
        parameters=[input_url, threshold, approval],
        steps=[prepare, train, evaluate, check],
        sagemaker_session=session,
    )
