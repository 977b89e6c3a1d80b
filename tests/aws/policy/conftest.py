"""Check policies: with moto's IAM, and with IAM's rules in a few lines where moto has none."""

from __future__ import annotations

import fnmatch
import json
from typing import TYPE_CHECKING, Any, Final

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core.authorization import disable_iam_authentication, enable_iam_authentication
from moto.core.responses import BaseResponse
from moto.iam.responses import IamResponse
from moto.sts.responses import TokenResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

REGION = "us-east-1"
Need = tuple[str, str]

# The requests that S3 asks other actions for than their own names.
_REQUESTS: Final = {
    "DeleteObjectVersion": "DeleteObject",
    "GetObjectVersion": "GetObject",
    "ListAllMyBuckets": "ListBuckets",
    "ListBucket": "ListObjectsV2",
    "ListBucketMultipartUploads": "ListMultipartUploads",
    "ListBucketVersions": "ListObjectVersions",
    "ListMultipartUploadParts": "ListParts",
}
# What tells one request of S3 from another at the same address.
_MORE: Final = {
    "AbortMultipartUpload": {"UploadId": "x"},
    "DeleteObjectVersion": {"VersionId": "x"},
    "GetObjectVersion": {"VersionId": "x"},
    "ListMultipartUploadParts": {"UploadId": "x"},
}


class Asked:
    """Sends requests with the credentials of a role, whose policies can be replaced."""

    def __init__(self) -> None:
        self.resource = "*"
        self._iam = boto3.client("iam", REGION)
        trust = {"Version": "2012-10-17", "Statement": []}
        made = self._iam.create_role(RoleName="probe", AssumeRolePolicyDocument=json.dumps(trust))
        found = boto3.client("sts", REGION).assume_role(RoleArn=made["Role"]["Arn"], RoleSessionName="test")[
            "Credentials"
        ]
        self._session = boto3.Session(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"], REGION)
        self._clients: dict[str, Any] = {}

    def become(self, documents: list[dict[str, Any]]) -> None:
        """Replace the role's policies by these."""
        with disable_iam_authentication():
            for name in self._iam.list_role_policies(RoleName="probe")["PolicyNames"]:
                self._iam.delete_role_policy(RoleName="probe", PolicyName=name)
            for number, document in enumerate(documents):
                body = json.dumps(document).replace('"cloudwatch:', '"monitoring:')  # its name in signatures
                self._iam.put_role_policy(RoleName="probe", PolicyName=f"p{number}", PolicyDocument=body)

    def may(self, need: Need) -> bool:
        """Return whether moto's IAM allows the request; its result doesn't matter."""
        action, self.resource = need
        service, _, operation = action.partition(":")
        service = f"{service}-runtime" if action.startswith("sagemaker:Invoke") else service
        with enable_iam_authentication():
            try:
                self._send(service, operation)
            except ClientError as error:
                return "AccessDenied" not in str(error)  # whose code is a bare 403 in some services
            except Exception:  # moto stumbles over the empty request after it looked at the policies
                return True
        return True

    def _send(self, service: str, operation: str) -> None:
        if service not in self._clients:
            config = Config(parameter_validation=False, retries={"total_max_attempts": 1})
            self._clients[service] = self._session.client(service, config=config)
        client = self._clients[service]
        name = _snake(client, _REQUESTS.get(operation, operation) if service == "s3" else operation)
        bucket, _, path = self.resource.removeprefix("arn:aws:s3:::").partition("/")
        parameters = {"Bucket": bucket, **({"Key": path} if path else {})} if service == "s3" else {}
        parameters |= _MORE.get(operation, {})
        getattr(client, name)(**parameters)


def _snake(client: Any, operation: str) -> str:
    names: dict[str, str] = client.meta.method_to_api_mapping
    return next(name for name, real in names.items() if real == operation)


def probing() -> Iterator[Asked]:
    with mock_aws(), pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        probe = Asked()
        for kind in (BaseResponse, TokenResponse, IamResponse):
            patch.setattr(kind, "_determine_resource", lambda self: probe.resource, raising=False)
        yield probe


asked = pytest.fixture(probing)
# For modules that ask nothing else of AWS: its clients are made once.
asked_throughout = pytest.fixture(probing, scope="module")


class Iam:
    """IAM's rules that moto lacks: conditions and iam:PassRole."""

    OPERATORS: Final[Mapping[str, Callable[[str, Any], bool]]] = {
        "StringEquals": str.__eq__,
        "StringLike": lambda wanted, found: fnmatch.fnmatchcase(found, wanted),
        "ArnLike": lambda wanted, found: fnmatch.fnmatchcase(found, wanted),
        "Bool": str.__eq__,
        "ForAnyValue:StringEquals": lambda wanted, found: wanted in found,
    }

    @staticmethod
    def listed(value: Any) -> list[Any]:
        return value if isinstance(value, list) else [value]

    @classmethod
    def without(cls, documents: list[dict[str, Any]], action: str) -> list[dict[str, Any]]:
        def rest(item: dict[str, Any]) -> dict[str, Any]:
            left = [other for other in cls.listed(item["Action"]) if other != action]
            return {**item, "Action": left or ["none:None"]}

        return [{**one, "Statement": [rest(item) for item in one["Statement"]]} for one in documents]

    @classmethod
    def actions(cls, documents: list[dict[str, Any]]) -> set[str]:
        return {action for one in documents for item in one["Statement"] for action in cls.listed(item["Action"])}

    @classmethod
    def holds(cls, condition: dict[str, Any], context: Mapping[str, Any]) -> bool:
        """Return whether every operator and key of a condition holds; a key that the request lacks doesn't."""
        return all(
            name in context and any(cls.OPERATORS[operator](wanted, context[name]) for wanted in cls.listed(values))
            for operator, names in condition.items()
            for name, values in names.items()
        )

    @classmethod
    def allows(cls, documents: list[dict[str, Any]], action: str, resource: str, **context: Any) -> bool:
        about = {name.replace("__", ":"): value for name, value in context.items()}
        return any(
            action in cls.listed(item["Action"])
            and any(fnmatch.fnmatchcase(resource, wanted) for wanted in cls.listed(item["Resource"]))
            and cls.holds(item.get("Condition", {}), about)
            for one in documents
            for item in one["Statement"]
        )


@pytest.fixture(scope="session")
def iam() -> type[Iam]:
    return Iam
