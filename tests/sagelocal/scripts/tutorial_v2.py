# mypy: ignore-errors
# The SDK, which this is written with, isn't where mypy runs.
"""In the style of the tutorial that this project finishes: its five steps, cached for 30 days."""

from pathlib import Path

from sagemaker import image_uris
from sagemaker.huggingface import HuggingFace
from sagemaker.inputs import TrainingInput
from sagemaker.model import Model
from sagemaker.model_metrics import MetricsSource, ModelMetrics
from sagemaker.processing import ProcessingInput, ProcessingOutput, ScriptProcessor
from sagemaker.sklearn.processing import SKLearnProcessor
from sagemaker.workflow.condition_step import ConditionStep
from sagemaker.workflow.conditions import ConditionGreaterThan
from sagemaker.workflow.fail_step import FailStep
from sagemaker.workflow.functions import Join, JsonGet
from sagemaker.workflow.model_step import ModelStep
from sagemaker.workflow.parameters import ParameterFloat, ParameterString
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.properties import PropertyFile
from sagemaker.workflow.steps import CacheConfig, ProcessingStep, TrainingStep

PROGRAMS = Path(__file__).parent / "programs"
NAME = "test-job-major-clf"


def get_pipeline(region, role=None, default_bucket=None):
    session = PipelineSession(default_bucket=default_bucket)
    url = f"s3://{default_bucket}/job-major-clf"
    input_url = ParameterString("InputDataUrl", f"{url}/input")
    threshold = ParameterFloat("TestScoreThreshold", 0.75)
    approval = ParameterString("ModelApprovalStatus", "PendingManualApproval")
    cache = CacheConfig(enable_caching=True, expire_after="P30d")
    place = {"role": role, "sagemaker_session": session, "instance_count": 1}
    prepare = ProcessingStep(
        name=f"{NAME}-preprocess-data",
        step_args=SKLearnProcessor(framework_version="1.2-1", instance_type="ml.c5.xlarge", **place).run(
            code=str(PROGRAMS / "prepare.py"),
            inputs=[ProcessingInput(source=input_url, destination="/opt/ml/processing/input")],
            outputs=[
                ProcessingOutput(output_name=name, source=f"/opt/ml/processing/{name}", destination=f"{url}/{name}")
                for name in ("train", "test")
            ],
        ),
        cache_config=cache,
    )
    made = prepare.properties.ProcessingOutputConfig.Outputs
    estimator = HuggingFace(
        entry_point="fit.py",
        source_dir=str(PROGRAMS),
        transformers_version="4.28.1",
        pytorch_version="2.0.0",
        py_version="py310",
        instance_type="ml.g4dn.xlarge",
        output_path=f"{url}/output",
        hyperparameters={"name": "distilbert-base-uncased", "epochs": 5},
        metric_definitions=[{"Name": "eval_f1", "Regex": "'eval_f1': ([0-9.]+)"}],
        **place,
    )
    train = TrainingStep(
        name=f"{NAME}-train",
        step_args=estimator.fit({"train": TrainingInput(made["train"].S3Output.S3Uri)}),
        cache_config=cache,
    )
    image = image_uris.retrieve(
        "huggingface",
        region,
        version="4.28.1",
        base_framework_version="pytorch2.0.0",
        py_version="py310",
        image_scope="inference",
        instance_type="ml.m5.xlarge",
    )
    report = PropertyFile(name="EvaluationReport", output_name="evaluation", path="evaluation.json")
    processor = ScriptProcessor(
        image_uri=estimator.training_image_uri(), command=["python3"], instance_type="ml.c5.xlarge", **place
    )
    evaluate = ProcessingStep(
        name=f"{NAME}-evaluate-model",
        step_args=processor.run(
            code=str(PROGRAMS / "evaluate.py"),
            inputs=[
                ProcessingInput(
                    source=train.properties.ModelArtifacts.S3ModelArtifacts, destination="/opt/ml/processing/model"
                ),
                ProcessingInput(source=made["test"].S3Output.S3Uri, destination="/opt/ml/processing/test"),
            ],
            outputs=[
                ProcessingOutput(
                    output_name="evaluation",
                    source="/opt/ml/processing/evaluation",
                    destination=f"{url}/evaluation",
                )
            ],
        ),
        property_files=[report],
        cache_config=cache,
    )
    model = Model(
        image_uri=image,
        model_data=train.properties.ModelArtifacts.S3ModelArtifacts,
        role=role,
        sagemaker_session=session,
    )
    register = ModelStep(
        name=f"{NAME}-register",
        step_args=model.register(
            content_types=["text/csv"],
            response_types=["text/csv"],
            inference_instances=["ml.t2.medium", "ml.m5.xlarge"],
            transform_instances=["ml.m5.large"],
            model_package_group_name=f"{NAME}-model-group",
            approval_status=approval,
            model_metrics=ModelMetrics(
                model_statistics=MetricsSource(
                    content_type="application/json", s3_uri=f"{url}/evaluation/evaluation.json"
                )
            ),
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
