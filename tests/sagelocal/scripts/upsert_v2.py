# mypy: ignore-errors
# The SDK, which this is written with, isn't where mypy runs.
"""A script that makes its pipeline, starts it and waits, with a profile and credentials of its own."""

import boto3
import sagemaker
from sagemaker.workflow.fail_step import FailStep
from sagemaker.workflow.parameters import ParameterString
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession


def main():
    boto = boto3.Session("AKIAIOSFODNN7EXAMPLE", "secret", region_name="us-east-1", profile_name="production")
    session = PipelineSession(boto_session=boto)
    why = ParameterString("Why", "no")
    pipeline = Pipeline(
        name="fails",
        parameters=[why],
        steps=[FailStep(name="fail", error_message=why)],
        sagemaker_session=session,
    )
    role = sagemaker.get_execution_role(sagemaker_session=session)
    pipeline.upsert(role_arn=role, tags=[{"Key": "project", "Value": "own"}])
    pipeline.start(parameters={"Why": "because"}).wait()
    raise SystemExit("it waited for nothing")


if __name__ == "__main__":
    main()
