"""The runbook has an entry for all that can call a person: alarms, rules, budgets, metrics, statuses, outcomes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jobmajor.aws.endpoints import rollout, scaling
from jobmajor.evaluation import checks
from jobmajor.serve.service import metrics

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "runbook.md").read_text("utf-8")
TEMPLATES = sorted((ROOT / "src" / "jobmajor" / "aws" / "project").glob("*.yaml"))
ALARMED = re.compile(r'(?:AlarmName|BudgetName): !Sub "\$\{Project\}([\w-]+)"')
RULE = re.compile(r'Type: AWS::Events::Rule\n(?:.*\n)*?      Name: !Sub "\$\{Project\}([\w-]+)"')
# Rules that start something; they send nothing to a person.
STARTS = {"-push", "-new-data", "-approved"}
SERIES = re.compile(r'"(jobmajor_\w+)"')


def test_every_alarm_rule_and_budget_has_an_entry() -> None:
    found = {name for path in TEMPLATES for name in ALARMED.findall(path.read_text("utf-8"))}
    rules = {name for path in TEMPLATES for name in RULE.findall(path.read_text("utf-8"))} - STARTS

    assert {"-alert-pipeline-failed", "-alert-monitor-absent", "-monthly"} <= found
    assert rules == {"-check-failed"}
    assert [name for name in found | rules if f"`…{name}`" not in PAGE] == []


def test_every_alarm_of_an_endpoint_has_an_entry() -> None:
    names = [*rollout.alarm_names("{endpoint}"), scaling.wake_alarm("{endpoint}")]

    assert [name for name in names if f"`{name}`" not in PAGE] == []


def test_every_metric_has_an_entry() -> None:
    sources = [Path(metrics.__file__), ROOT / "src" / "jobmajor" / "monitor" / "violations.py"]
    text = "".join(path.read_text("utf-8") for path in sources)
    found = {*SERIES.findall(text), *re.findall(r"# TYPE (jobmajor_monitor_\w+) ", text)}

    assert len(found) > 12
    assert [name for name in sorted(found) if name not in PAGE] == []


@pytest.mark.parametrize("status", [0, 1, 2, 130])
def test_every_exit_status_has_an_entry(status: int) -> None:
    assert f"\n| {status} | " in PAGE.partition("## Exit statuses")[2]


def test_every_outcome_of_the_gate_that_needs_a_person_has_an_entry() -> None:
    assert [name for name in checks.OUTCOMES if name != checks.PROMOTE and f"**`{name}`.**" not in PAGE] == []


def test_every_status_that_the_service_refuses_with_has_an_entry() -> None:
    table = PAGE.partition("## Statuses of the service")[2].partition("\n## ")[0]
    told = {int(each) for row in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE) for each in row.split(", ")}
    sources = (ROOT / "src" / "jobmajor" / "serve").rglob("*.py")
    raised = {int(each) for path in sources for each in re.findall(r"Refusal\((\d{3}),", path.read_text("utf-8"))}

    assert {401, 422, 503} <= raised
    assert raised - told == set()
