"""Each request, role, statement and alarm has its reason and its page, and docs/aws-calls.md lists them all."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobmajor.aws import policy
from jobmajor.aws.endpoints import rollout, scaling

from .test_commands import asked_in_the_sources

if TYPE_CHECKING:
    from types import ModuleType

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture(scope="module")
def calls() -> ModuleType:
    spec = importlib.util.spec_from_file_location("calls", DOCS / "calls.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_page_is_what_its_script_writes(calls: ModuleType) -> None:
    assert (DOCS / "aws-calls.md").read_text("utf-8") == calls.text()


def test_every_permission_has_a_reason_of_one_sentence() -> None:
    for row in policy.permissions():
        assert row.why.endswith("."), row.sid
        assert "\n" not in row.why


def test_every_statement_of_the_templates_has_a_reason_and_a_page(calls: ModuleType) -> None:
    names = [name for name, _ in calls.statements()]

    assert len(names) == len(set(names))
    assert not [name for name in names if name.endswith(".")]  # a statement without a Sid
    assert set(names) == set(calls.sources()["statements"])


def test_every_role_says_what_it_may_do_and_who_takes_it_on(calls: ModuleType) -> None:
    assert set(calls.roles()) == set(calls.sources()["trust"])
    assert all(role["Description"] for role in calls.roles().values())


def test_every_alarm_has_a_reason_and_a_page(calls: ModuleType) -> None:
    made = [item for name in calls.TEMPLATES for item in calls.resources(name, "AWS::CloudWatch::Alarm").values()]
    names = {item["AlarmName"]["Fn::Sub"].replace("${Project}", "{project}") for item in made}
    names |= {*rollout.alarm_names("{endpoint}"), scaling.wake_alarm("{endpoint}")}

    assert names == set(calls.sources()["alarms"])


def test_pages_are_addresses_that_are_used(calls: ModuleType) -> None:
    found = calls.sources()
    used = {item["page"] for kind in ("statements", "alarms") for item in found[kind].values()}

    assert used | set(found["trust"].values()) == set(found["pages"])
    assert all(page["url"].startswith("https://") for page in found["pages"].values())
    assert any(page["read"] for page in found["pages"].values())


def test_every_request_is_listed_with_the_page_of_its_operation(calls: ModuleType) -> None:
    page = calls.text()
    actions = {action for row in policy.permissions() for action in row.actions}

    assert asked_in_the_sources() <= actions | {"sts:GetCallerIdentity"}
    for action in actions:
        assert f"[`{action}`]({calls.page_of(action)})" in page
    assert calls.page_of("sagemaker:CreateEndpoint").endswith("/API_CreateEndpoint.html")
    assert calls.page_of("sagemaker:InvokeEndpoint").endswith("/API_runtime_InvokeEndpoint.html")
    assert calls.page_of("iam:PassRole") == calls.AUTHORIZATION
