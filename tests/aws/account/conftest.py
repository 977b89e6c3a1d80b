"""The stack's template as data, and what of it moto's CloudFormation can make."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from cfnlint.decode import cfn_yaml

from jobmajor.aws import stack

# moto warns of these and goes on; cfn-lint checks them, and what is done with them is tested with botocore's Stubber.
UNSUPPORTED = {
    "AWS::Budgets::Budget",
    "AWS::CloudWatch::Alarm",
    "AWS::IAM::OIDCProvider",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SageMaker::ModelPackageGroup",
}


@dataclass(frozen=True)
class Template:
    """The package's own; `text` is its JSON, with the long forms of the functions."""

    text: str

    def parsed(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text)
        return found

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """The properties of each resource of a type, by logical name."""
        found = self.parsed()["Resources"].items()
        return {name: item["Properties"] for name, item in found if item["Type"] == kind}

    @property
    def unsupported(self) -> set[str]:
        """The types that moto can't make."""
        return UNSUPPORTED

    @property
    def supported(self) -> str:
        """The template without those."""
        body = self.parsed()
        body["Resources"] = {name: item for name, item in body["Resources"].items() if item["Type"] not in UNSUPPORTED}
        del body["Resources"]["Key"]["Properties"]["Tags"]  # moto looks for the members of another request in them
        return json.dumps(body)


@pytest.fixture(scope="session")
def template() -> Template:
    return Template(json.dumps(cfn_yaml.loads(stack.template())))
