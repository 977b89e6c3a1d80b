"""Write aws-calls.md: every request, role, statement and alarm, with its reason and the page that documents it.

`reference.py` writes it with the rest. Tests compare it with the commands' requests and with the templates.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.loaders import Loader
from botocore.model import ServiceModel
from cfnlint.decode import cfn_yaml

from jobmajor.aws import policy
from jobmajor.aws.project import monitoring, project, schedule, stack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

PAGE = Path(__file__).with_name("aws-calls.md")
AUTHORIZATION = (
    "https://docs.aws.amazon.com/service-authorization/latest/reference/"
    "reference_policies_actions-resources-contextkeys.html"
)
TEMPLATES = {
    "stack": stack.template,
    "schedule": schedule.template,
    "monitor": monitoring.template,
    "project": project.template,
}
# By the prefix of a service's actions: botocore's name for it, and where its API reference begins.
SERVICES = {
    "application-autoscaling": (
        "application-autoscaling",
        "https://docs.aws.amazon.com/autoscaling/application/APIReference/API_",
    ),
    "cloudformation": ("cloudformation", "https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_"),
    "cloudwatch": ("cloudwatch", "https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_"),
    "codebuild": ("codebuild", "https://docs.aws.amazon.com/codebuild/latest/APIReference/API_"),
    "codecommit": ("codecommit", "https://docs.aws.amazon.com/codecommit/latest/APIReference/API_"),
    "codepipeline": ("codepipeline", "https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_"),
    "ec2": ("ec2", "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_"),
    "ecr": ("ecr", "https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_"),
    "events": ("events", "https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_"),
    "iam": ("iam", "https://docs.aws.amazon.com/IAM/latest/APIReference/API_"),
    "kms": ("kms", "https://docs.aws.amazon.com/kms/latest/APIReference/API_"),
    "lambda": ("lambda", "https://docs.aws.amazon.com/lambda/latest/api/API_"),
    "logs": ("logs", "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_"),
    "s3": ("s3", "https://docs.aws.amazon.com/AmazonS3/latest/API/API_"),
    "sagemaker": ("sagemaker", "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_"),
    "scheduler": ("scheduler", "https://docs.aws.amazon.com/scheduler/latest/APIReference/API_"),
    "servicecatalog": ("servicecatalog", "https://docs.aws.amazon.com/servicecatalog/latest/dg/API_"),
    "servicequotas": ("service-quotas", "https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_"),
    "sns": ("sns", "https://docs.aws.amazon.com/sns/latest/api/API_"),
}


@cache
def _operations(service: str) -> frozenset[str]:
    return frozenset(ServiceModel(Loader().load_service_model(service, "service-2"), service).operation_names)


def page_of(action: str) -> str:
    """Return the page of an action: its operation's in the API reference, else that of all services' actions."""
    prefix, _, name = action.partition(":")
    if prefix not in SERVICES:
        return AUTHORIZATION
    service, start = SERVICES[prefix]
    if name in _operations(service):
        return f"{start}{name}.html"
    if prefix == "sagemaker" and name in _operations("sagemaker-runtime"):
        return f"{start}runtime_{name}.html"
    return AUTHORIZATION


def sources() -> dict[str, Any]:
    """Return the reasons and pages of what the templates make."""
    found: dict[str, Any] = json.loads(files("jobmajor.aws.project").joinpath("sources.json").read_bytes())
    return found


def resources(template: str, *kinds: str) -> dict[str, dict[str, Any]]:
    """Return the resources of some types in a template, by their logical names."""
    body = json.loads(json.dumps(cfn_yaml.loads(TEMPLATES[template]())))
    return {name: item["Properties"] for name, item in body["Resources"].items() if item["Type"] in kinds}


def statements() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every statement of the templates' policies, as `template Resource.Sid`, without the roles' trust."""
    for template in TEMPLATES:
        for name, item in resources(template, "AWS::KMS::Key").items():
            yield from _named(template, name, item["KeyPolicy"])
        policies = ("AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy", "AWS::IAM::Policy")
        for name, item in resources(template, *policies).items():
            yield from _named(template, name, item["PolicyDocument"])
        for name, item in resources(template, "AWS::IAM::Role").items():
            for one in item.get("Policies", ()):
                yield from _named(template, name, one["PolicyDocument"])


def _named(template: str, name: str, document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for item in document["Statement"]:
        yield f"{template} {name}.{item.get('Sid', '')}", item


def roles() -> dict[str, dict[str, Any]]:
    """Return the roles that the templates make, by their logical names."""
    return {name: item for template in TEMPLATES for name, item in resources(template, "AWS::IAM::Role").items()}


def _list(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _cited(page: str) -> str:
    found = sources()["pages"][page]
    return f"[{page}]({found['url']})" + ("" if found["read"] else " (from memory)")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def _requests() -> str:
    rows = []
    for row in policy.permissions():
        actions = ", ".join(f"[`{action}`]({page_of(action)})" for action in row.actions)
        by = "the command" if row.is_asked else "a service, in the caller's name (from memory)"
        rows.append((f"`{row.sid}`", row.why, actions, ", ".join(f"`{name}`" for name in row.commands), by))
    return _table(("statement", "why", "actions", "commands", "who asks"), rows)


def _statements() -> str:
    known = sources()["statements"]
    rows = []
    for name, item in statements():
        actions = ", ".join(f"`{action}`" for action in _list(item["Action"]))
        rows.append((f"`{name}`", known[name]["why"], actions, _cited(known[name]["page"])))
    return _table(("statement", "why", "actions", "page"), rows)


def _roles() -> str:
    trust = sources()["trust"]
    rows = ((f"`{name}`", item["Description"], _cited(trust[name])) for name, item in roles().items())
    return _table(("role", "what it may do", "who takes it on"), rows)


def _alarms() -> str:
    return _table(
        ("alarm", "when it goes off", "page"),
        ((f"`{name}`", item["why"], _cited(item["page"])) for name, item in sources()["alarms"].items()),
    )


_HEAD = """# Every request, role and alarm on AWS

`docs/reference.py` writes this page from `permissions.json`, `sources.json` and the templates. Tests compare it with
what the commands send and with what the templates make.

No account was at hand, and no page of AWS could be opened. Requests and their members are those of botocore's
descriptions, and parliament checks each action with its resources. **From memory** marks what we know from AWS's
documentation without having read the page; the other pages under "page" were read in stored copies. Addresses of
the API reference follow its scheme."""


def text() -> str:
    """Return the page."""
    sections = {
        "What the commands ask for": _requests,
        "The roles": _roles,
        "The statements of the templates": _statements,
        "The alarms": _alarms,
    }
    return "\n\n".join([_HEAD, *(f"## {title}\n\n{made()}" for title, made in sections.items())]) + "\n"
