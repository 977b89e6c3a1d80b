"""Lambda and Callback steps with a Python function in the place of the account's: events, outputs, failures."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from sagelocal import cli
from sagelocal.definition import parse as definitions
from sagelocal.errors import DefinitionError, InputError
from sagelocal.run import executor, handlers
from sagelocal.run.executor import RunOptions

if TYPE_CHECKING:
    from pathlib import Path

    from sagelocal.run.handlers import Context, Handler
    from sagelocal.run.records import Execution

ARN = "arn:aws:lambda:us-east-1:111122223333:function:look"
QUEUE = "https://sqs.us-east-1.amazonaws.com/111122223333/queue"


def step(kind: str, outputs: dict[str, str], **arguments: Any) -> dict[str, Any]:
    target = {"FunctionArn": ARN} if kind == "Lambda" else {"SqsQueueUrl": QUEUE}
    declared = [{"OutputName": name, "OutputType": output_type} for name, output_type in outputs.items()]
    return {"Name": "ask", "Type": kind, "Arguments": arguments, "OutputParameters": declared, **target}


def pipeline(asking: dict[str, Any], left: str = "count", right: Any = 1) -> dict[str, Any]:
    """The step, and a choice by one of its outputs."""
    value = {"Get": f"Steps.ask.OutputParameters['{left}']"}
    choice = {
        "Conditions": [{"Type": "Equals", "LeftValue": value, "RightValue": right}],
        "IfSteps": [],
        "ElseSteps": [{"Name": "fail", "Type": "Fail", "Arguments": {"ErrorMessage": "other"}}],
    }
    return {"Version": "2020-12-01", "Steps": [asking, {"Name": "choice", "Type": "Condition", "Arguments": choice}]}


def parse(body: dict[str, Any]) -> definitions.Definition:
    return definitions.parse(json.dumps(body).encode())


def run(home: Path, body: dict[str, Any], handler: Handler, name: str = "ask") -> Execution:
    return executor.run(parse(body), home, RunOptions(handlers={name: handler}))


def test_lambda_gets_its_arguments_as_the_event_and_its_members_are_the_outputs(tmp_path: Path) -> None:
    seen: list[Any] = []

    def handler(event: dict[str, Any], context: Context) -> dict[str, Any]:
        seen.extend((event, context.function_name, context.invoked_function_arn))
        return {"count": len(event["names"]), "more": "is left out"}

    body = pipeline(step("Lambda", {"count": "Integer"}, names=["a"], pipeline={"Get": "Execution.PipelineName"}))

    execution = run(tmp_path, body, handler)

    assert execution.status == "Succeeded"
    assert seen == [{"names": ["a"], "pipeline": "pipeline"}, "look", ARN]
    assert execution.step("ask").properties == {"OutputParameters": {"count": 1}}
    assert execution.step("choice").properties == {"Outcome": True}


def test_callback_gets_the_message_of_its_queue_and_texts_count_as_their_type(tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []

    def handler(event: dict[str, Any], context: Context) -> dict[str, Any]:
        seen.append(event)
        return {"count": "1", "is_good": "True", "share": "0.5", "note": "1"}

    outputs = {"count": "Integer", "is_good": "Boolean", "share": "Float", "note": "String"}
    execution = run(tmp_path, pipeline(step("Callback", outputs, rows="s3://bkt/rows")), handler)

    found = execution.step("ask").properties["OutputParameters"]
    assert found == {"count": 1, "is_good": True, "share": 0.5, "note": "1"}
    assert seen[0]["arguments"] == {"rows": "s3://bkt/rows"}
    assert seen[0]["status"] == "Executing"
    assert seen[0]["pipelineExecutionArn"].endswith(execution.id)
    assert seen[0]["token"]


@pytest.mark.parametrize("name", ["ask", ARN])
def test_handler_is_found_by_the_steps_name_or_by_what_the_step_asks(tmp_path: Path, name: str) -> None:
    body = pipeline(step("Lambda", {"count": "Integer"}))

    assert run(tmp_path, body, lambda _event, _context: {"count": 1}, name).status == "Succeeded"


def test_what_a_handler_raises_is_the_steps_failure(tmp_path: Path) -> None:
    def handler(event: dict[str, Any], context: Context) -> dict[str, Any]:
        raise ValueError("no such name")

    execution = run(tmp_path, pipeline(step("Lambda", {"count": "Integer"})), handler)

    assert execution.step("ask").reason == "its handler raised ValueError: no such name"


@pytest.mark.parametrize(
    ("output_type", "answer", "reason"),
    [
        ("Integer", {"count": "1"}, 'gave count "1", expected an integer'),
        ("Integer", {"count": True}, "gave count true, expected an integer"),
        ("Integer", {"count": 1.5}, "gave count 1.5, expected an integer"),
        ("Boolean", {"count": 1}, "gave count 1, expected true or false"),
        ("Float", {"count": "1"}, 'gave count "1", expected a number'),
        ("String", {"count": 1}, "gave count 1, expected a string"),
        ("String", {"other": 1}, "gave no 'count' (only other)"),
        ("String", None, "gave no 'count' (nothing)"),
    ],
)
def test_output_of_another_type_is_refused(tmp_path: Path, output_type: str, answer: Any, reason: str) -> None:
    body = pipeline(step("Lambda", {"count": output_type}))

    execution = run(tmp_path, body, lambda _event, _context: answer)

    assert reason in str(execution.step("ask").reason)


def test_step_without_a_handler_is_refused_before_anything_runs_with_what_to_do() -> None:
    with pytest.raises(DefinitionError, match="--handler ask=module:function") as caught:
        executor.validate(parse(pipeline(step("Lambda", {"count": "Integer"}))), {})

    assert len(caught.value.problems) == 1


def test_step_that_asks_nothing_is_refused() -> None:
    asking = step("Callback", {"count": "Integer"})
    del asking["SqsQueueUrl"]

    with pytest.raises(DefinitionError, match="SqsQueueUrl: is missing"):
        executor.validate(parse(pipeline(asking)), {}, ["ask"])


def test_reference_to_an_output_that_is_not_declared_or_to_anything_else_is_refused() -> None:
    asking = step("Lambda", {"count": "Integer"})

    with pytest.raises(DefinitionError, match="has no output 'counts', did you mean 'count'"):
        executor.validate(parse(pipeline(asking, left="counts")), {}, ["ask"])
    body = pipeline(asking)
    body["Steps"][1]["Arguments"]["Conditions"][0]["LeftValue"] = {"Get": "Steps.ask.StatusCode"}
    with pytest.raises(DefinitionError, match="OutputParameters"):
        executor.validate(parse(body), {}, ["ask"])


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"OutputParameters": [{"OutputName": "a", "OutputType": "Text"}]}, "expected one of String, Integer"),
        ({"OutputParameters": [{"OutputName": "count"}, {"OutputName": "count"}]}, "declared twice"),
        ({"FunctionArns": ARN}, "did you mean 'FunctionArn'"),
    ],
)
def test_step_that_is_badly_written_is_refused(change: dict[str, Any], fault: str) -> None:
    with pytest.raises(DefinitionError, match=fault):
        parse({"Version": "2020-12-01", "Steps": [{**step("Lambda", {"count": "Integer"}), **change}]})


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module with a handler in the working folder."""
    (tmp_path / "own_handler.py").write_text(
        "def one(event, context):\n    return {'count': event['count']}\nother = 1\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "own_handler", raising=False)
    return "own_handler"


def test_command_takes_handlers_of_the_working_folder(
    tmp_path: Path, module: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "definition.json"
    path.write_text(json.dumps(pipeline(step("Lambda", {"count": "Integer"}, count=1))))
    options = ["--handler", f"ask={module}:one"]

    statuses = [cli.main(["validate", str(path), *options]), cli.main(["run", str(path), *options])]

    assert statuses == [0, 0]
    assert "Succeeded" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("own_handler", "expected module:function"),
        ("own_handler:two", "no attribute 'two'"),
        ("own_handler:other", "other is a int"),
        ("no_such_module:one", "No module named 'no_such_module'"),
    ],
)
def test_handler_that_is_not_there_is_refused(module: str, text: str, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        handlers.load(text)


@pytest.mark.parametrize("kind", ["QualityCheck", "ClarifyCheck", "EMR", "AutoML"])
def test_step_that_runs_in_the_service_alone_is_refused_by_name_with_the_reason(kind: str) -> None:
    body = {"Version": "2020-12-01", "Steps": [{"Name": "check", "Type": kind, "Arguments": {}}]}

    with pytest.raises(DefinitionError, match=rf"steps\[check\]\.Type: {kind} steps don't run here, \w+"):
        executor.validate(parse(body), {})
