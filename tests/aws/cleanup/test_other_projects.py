"""Cleanup never touches another project: each kind's listing compares the tag's value, and stacks go in their order.

Each service is answered with one item of everything that it lists, made of botocore's shapes; nothing is sent.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from jobmajor.aws.api.account import Account
from jobmajor.aws.cleanup import cleanup
from jobmajor.aws.names import TAG

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.model import OperationModel, Shape

    from jobmajor.aws.cleanup.tagged import ResourceKind
    from jobmajor.aws.names import Names

REGION, ACCOUNT_ID = "us-east-1", "123456789012"
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
NEXT_PAGE = {
    *("NextToken", "nextToken", "NextMarker", "Marker", "IsTruncated"),
    *("NextKeyMarker", "NextVersionIdMarker", "ContinuationToken"),
}
NOUNS = {"lambda": "function:", "scheduler": "schedule-group/", "logs": "log-group:", "sns": "", "cloudwatch": "alarm:"}
SCALARS = {"timestamp": NOW, "integer": 1, "long": 1, "float": 1.0, "double": 1.0, "boolean": False, "blob": b""}


class Service:
    """Answers every request with one item of each list, whose project tag has the value `project`."""

    def __init__(self, project: str, names: Names) -> None:
        self.project, self.names = project, names
        self.asked: list[str] = []
        self.service = ""

    def client(self, service: str) -> Any:
        client = boto3.Session("testing", "testing", region_name=REGION).client(service)
        client.meta.events.register("before-call.*.*", self.answer)
        return client

    def answer(self, model: OperationModel, **_: Any) -> tuple[Any, dict[str, Any]]:
        self.asked.append(model.name)
        self.service = model.service_model.service_name
        body = self.sample("", model.output_shape, ()) if model.output_shape else {}
        return _Ok(), {**body, "ResponseMetadata": {}}

    def sample(self, name: str, shape: Shape, above: tuple[str, ...]) -> Any:
        if shape.type_name == "structure":
            if {member.lower() for member in shape.members} == {"key", "value"}:
                return {member: self.project if member.lower() == "value" else TAG for member in shape.members}
            inside = (*above, shape.name)
            members = {key: item for key, item in shape.members.items() if key not in NEXT_PAGE}
            return {key: self.sample(key, item, inside) for key, item in members.items() if item.name not in inside}
        if shape.type_name == "list":
            return [self.sample(name, shape.member, above)]
        if shape.type_name == "map":
            return {TAG: self.project}
        if shape.type_name != "string":
            return SCALARS[shape.type_name]
        return self.text(name, shape)

    def text(self, name: str, shape: Shape) -> str:
        if name == "ResourceId":
            return "endpoint/thing/variant/champion"
        if name == "ExperimentName" and self.project == self.names.project:
            return self.names.pipeline
        if name.lower().endswith("arn"):
            return f"arn:aws:{self.service}:{REGION}:{ACCOUNT_ID}:{NOUNS.get(self.service, 'x/')}thing"
        return str(shape.enum[0]) if shape.enum else "thing"


class _Ok:
    status_code = 200


@pytest.fixture
def finding(names: Names) -> Callable[[str, ResourceKind], list[str]]:
    """Return a function that lists a kind in an account where everything carries the tag with that value."""

    def found(project: str, kind: ResourceKind) -> list[str]:
        service = Service(project, names)
        listed = [resource.name for resource in kind.find(Account(REGION, ACCOUNT_ID, service.client), names)]
        assert service.asked  # it looked
        return listed

    return found


@pytest.mark.parametrize("kind", cleanup.KINDS, ids=lambda kind: kind.name)
def test_kind_lists_what_carries_the_project_s_tag_and_nothing_with_another_value(
    kind: ResourceKind, names: Names, finding: Callable[[str, ResourceKind], list[str]]
) -> None:
    assert len(finding(names.project, kind)) == 1
    for other in (f"{names.project}-2", names.project[:-1], "", names.project.upper()):
        assert finding(other, kind) == []


def test_stacks_go_before_the_one_that_they_depend_on(stubbed: Any, names: Names) -> None:
    def described(name: str, status: str = "CREATE_COMPLETE", project: str = names.project) -> dict[str, Any]:
        tags = [{"Key": TAG, "Value": project}]
        return {"StackName": name, "StackId": f"id-{name}", "StackStatus": status, "CreationTime": NOW, "Tags": tags}

    first, last = f"{names.project}-schedule", names.stack
    stubbed.expect(
        "cloudformation",
        "DescribeStacks",
        {
            "Stacks": [
                described(last),
                described("gone", "DELETE_COMPLETE"),
                described("others", project="other"),
                described(first),
                described("SC-123-pp-abc"),
            ]
        },
    )
    (kind,) = (kind for kind in cleanup.KINDS if kind.name == "stack")

    found = [resource.name for resource in kind.find(stubbed, names)]

    assert found == [first, "SC-123-pp-abc", last]


def test_stacks_are_the_last_kind_and_what_starts_jobs_is_the_first() -> None:
    order = [kind.name for kind in cleanup.KINDS]

    assert order[-1] == "stack"
    assert order.index("schedule group") < order.index("execution") < order.index("training job")
    assert order.index("endpoint") < order.index("endpoint config") < order.index("model")
    assert order.index("version") < order.index("model group")
    assert order.index("rule") < order.index("pipeline")
