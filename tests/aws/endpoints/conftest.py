"""Registered versions in moto's account, as the pipeline leaves them; and a script for what moto can't do."""

from __future__ import annotations

import datetime
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from botocore.response import StreamingBody

from jobmajor.evaluation.metrics import HEADLINES

if TYPE_CHECKING:
    from tests.aws.conftest import Stubbed

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/test-job-major-clf@sha256:" + "0" * 64
THRESHOLD = "0.75"


def make_evaluation(test_f1: float = 0.8, *, passed: bool = True) -> dict[str, Any]:
    """evaluation.json's content, as far as a decision reads it."""
    check = {"name": "weakest class", "value": 0.05, "limit": 0.1, "passed": passed, "reason": "recall 0.050"}
    return {
        "classification_metrics": {**dict.fromkeys(HEADLINES, 0.8), "test_f1": test_f1, "note": "x"},
        "gate": {"passed": passed, "summary": "", "checks": [check]},
    }


@dataclass(frozen=True)
class Versions:
    """The group's versions; `register` makes one more."""

    account: Account
    names: Names

    def arn(self, number: int = 1) -> str:
        """A version's address."""
        return f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{self.names.group}/{number}"

    def request(self, where: str, **changes: Any) -> dict[str, Any]:
        """CreateModelPackage's parameters; the evaluation stands at `where`."""
        kinds = ["text/csv", "application/json"]
        container = {"Image": IMAGE, "ModelDataUrl": self.names.url("runs", "e1", "model.tar.gz")}
        return {
            "ModelPackageGroupName": self.names.group,
            "ModelApprovalStatus": "PendingManualApproval",
            "InferenceSpecification": {
                "Containers": [container],
                "SupportedContentTypes": kinds,
                "SupportedResponseMIMETypes": kinds,
            },
            "ModelMetrics": {"ModelQuality": {"Statistics": {"ContentType": "application/json", "S3Uri": where}}},
            "CustomerMetadataProperties": {"TestScoreThreshold": THRESHOLD, "ExecutionId": "e1"},
            **changes,
        }

    def register(self, content: bytes | dict[str, Any] | None = None, **changes: Any) -> None:
        """One more version with that evaluation; a passed one where nothing is said."""
        body = make_evaluation() if content is None else content
        key = self.names.key("runs", f"e{len(self.account.sent)}", "evaluation.json")
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.account.change("s3", "PutObject", Bucket=self.names.bucket, Key=key, Body=data)
        where = f"s3://{self.names.bucket}/{key}"
        self.account.change("sagemaker", "CreateModelPackage", **self.request(where, **changes))


@pytest.fixture
def versions(account: Account, names: Names) -> Versions:
    """An empty group, with a bucket for evaluations."""
    account.change("s3", "CreateBucket", Bucket=names.bucket)
    account.change("sagemaker", "CreateModelPackageGroup", ModelPackageGroupName=names.group)
    return Versions(account, names)


NOW = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)


class Script:
    """What a service that changes endpoints would be asked, in its order, and its answers: moto has no such changes."""

    def __init__(self, stubbed: Stubbed, names: Names) -> None:
        self.stubbed, self.names, self.now = stubbed, names, NOW

    def answer(self, operation: str, answer: dict[str, Any], **parameters: Any) -> None:
        """SageMaker's next request and answer."""
        self.stubbed.expect("sagemaker", operation, answer, **parameters)

    def absent(self, operation: str, kind: str) -> None:
        """SageMaker's next request is for a thing that isn't there."""
        self.stubbed.refuse("sagemaker", operation, "ValidationException", f"Could not find {kind} 'x'.")

    def arn(self, number: int) -> str:
        """A version's address."""
        return f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{self.names.group}/{number}"

    def version(self, number: int, status: str = "Approved", *, passed: bool = True) -> None:
        """The version is looked at, its evaluation too."""
        details = {"ModelPackageName": "x", "ModelPackageStatus": "Completed", "CreationTime": NOW}
        body = json.dumps(make_evaluation(passed=passed)).encode()
        where = "s3://bucket/e/evaluation.json"
        request = Versions(self.stubbed, self.names).request(where, ModelApprovalStatus=status)
        del request["ModelPackageGroupName"]
        self.answer(
            "DescribeModelPackage",
            {
                **details,
                **request,
                "ModelPackageArn": self.arn(number),
                "ModelPackageVersion": number,
                "ModelPackageStatusDetails": {"ValidationStatuses": []},
            },
            ModelPackageName=self.arn(number),
        )
        content = {"Body": StreamingBody(io.BytesIO(body), len(body))}
        self.stubbed.expect("s3", "GetObject", content, Bucket="bucket", Key="e/evaluation.json")

    def endpoint(
        self, name: str, config: str, status: str = "InService", reason: str = "", *, pending: str = ""
    ) -> None:
        """The endpoint is looked at."""
        answer = {
            "EndpointName": name,
            "EndpointArn": self.endpoint_arn(name),
            "EndpointConfigName": config,
            "EndpointStatus": status,
            "CreationTime": NOW,
            "LastModifiedTime": NOW,
            **({"FailureReason": reason} if reason else {}),
            **({"PendingDeploymentSummary": {"EndpointConfigName": pending}} if pending else {}),
        }
        self.answer("DescribeEndpoint", answer, EndpointName=name)

    def endpoint_arn(self, name: str) -> str:
        """An endpoint's address."""
        return f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{name}"

    def config_arn(self, name: str) -> str:
        """A configuration's address."""
        return f"arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/{name}"

    def config(self, name: str, instance_type: str = "ml.m5.large", model: str = "model-x", **more: Any) -> None:
        """The configuration is looked at."""
        variant = {"VariantName": "champion", "ModelName": model, "InstanceType": instance_type}
        answer = {
            "EndpointConfigName": name,
            "EndpointConfigArn": self.config_arn(name),
            "ProductionVariants": [variant],
            "CreationTime": NOW,
            **more,
        }
        self.answer("DescribeEndpointConfig", answer, EndpointConfigName=name)

    def model(self, name: str, number: int) -> None:
        """The Model is looked at."""
        answer = {
            "ModelName": name,
            "Containers": [{"ModelPackageName": self.arn(number)}],
            "CreationTime": NOW,
            "ModelArn": f"arn:aws:sagemaker:us-east-1:123456789012:model/{name}",
        }
        self.answer("DescribeModel", answer, ModelName=name)

    def tags(self, arn: str, **tags: str) -> None:
        """A thing's tags are looked at; `_` in a name stands for its `:`."""
        found = [{"Key": key.replace("_", ":", 1).replace("_", "-"), "Value": value} for key, value in tags.items()]
        self.answer("ListTags", {"Tags": found}, ResourceArn=arn)


@pytest.fixture
def script(stubbed: Stubbed, names: Names) -> Script:
    """SageMaker's requests and answers, one after the other; all of them must have come when the test ends."""
    return Script(stubbed, names)
