"""Run Lambda and Callback steps: your Python function replaces the Lambda function or the SQS queue.

It is called as AWS Lambda calls it, `handler(event, context)`. For a Lambda step, the event is the step's Arguments,
and the members of the result are the outputs. For a Callback step, the event is the message for the queue, and the
result is the outputs of SendPipelineExecutionStepSuccess. Those are strings, so a string that parses as the declared
type is converted. An exception in the function fails the step.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sagelocal.definition.expressions import short
from sagelocal.errors import InputError, StepFailed
from sagelocal.jobs.contracts import ARN

if TYPE_CHECKING:
    from collections.abc import Collection

    from sagelocal.definition.steps import Output, Step

TYPES: Final = ("Lambda", "Callback")
TARGETS: Final = {"Lambda": "FunctionArn", "Callback": "SqsQueueUrl"}
REASON_CHARACTERS: Final = 1024
_KINDS: Final[Mapping[str, tuple[tuple[type, ...], str]]] = {
    "String": ((str,), "a string"),
    "Integer": ((int,), "an integer"),
    "Boolean": ((bool,), "true or false"),
    "Float": ((float, int), "a number"),
}


@dataclass(frozen=True, slots=True)
class Context:
    """The context of a call, as in Lambda; for a Callback, `function_name` is the name of the step."""

    function_name: str
    invoked_function_arn: str
    aws_request_id: str


Handler = Callable[[dict[str, Any], Context], Any]


def load(text: str) -> Handler:
    """Import the function that `module:function` names; modules in the working folder are found, too.

    Raises:
        InputError: There is no such function.
    """
    name, _, function = text.partition(":")
    expected = f"handler {text!r}: expected module:function, a function of (event, context)"
    if not name or not function:
        raise InputError(expected)
    before = list(sys.path)
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - the import system wants text
    try:
        found = getattr(importlib.import_module(name), function)
    except (ImportError, AttributeError) as error:
        raise InputError(f"{expected}; {error}") from error
    finally:
        sys.path[:] = before
    if not callable(found):
        raise InputError(f"{expected}; {function} is a {type(found).__name__}")
    handler: Handler = found
    return handler


def has_none(step: Step, known: Collection[str]) -> bool:
    """Return whether the step needs a handler and neither its name nor its target is among `known`."""
    return step.type in TYPES and not {step.name, step.target} & set(known)


def run(
    step: Step, arguments: Mapping[str, Any], handlers: Mapping[str, Handler], execution: Mapping[str, Any]
) -> dict[str, Any]:
    """Call the handler of a step, and return its outputs by name, with the declared types.

    Args:
        step: A Lambda or Callback step.
        arguments: The resolved Arguments of the step.
        handlers: Handlers by the name of a step, the ARN of a function or the URL of a queue.
        execution: The members of `Execution`.

    Raises:
        StepFailed: The handler raised, or an output is missing or of another type.
    """
    if has_none(step, handlers):
        raise StepFailed(step.name, missing(step))
    handler = handlers[step.name if step.name in handlers else step.target]
    token = uuid.uuid4().hex
    event = dict(arguments) if step.type == "Lambda" else _message(arguments, execution, token)
    context = Context(
        step.target.rpartition(":")[2] if step.type == "Lambda" else step.name,
        step.target if step.type == "Lambda" else f"{ARN}:function:{step.name}",
        token,
    )
    try:
        answer = handler(json.loads(json.dumps(event)), context)
    except Exception as error:
        reason = f"its handler raised {type(error).__name__}: {error}"[:REASON_CHARACTERS]
        raise StepFailed(step.name, reason) from error
    given = answer if isinstance(answer, Mapping) else {}
    return {"OutputParameters": {output.name: _value(step, output, given) for output in step.outputs}}


def missing(step: Step) -> str:
    """Return the error message for a step that has no handler."""
    there = "a function" if step.type == "Lambda" else "a queue"
    return (
        f"a {step.type} step asks {there} of the account, and here a Python function of yours: "
        f"name one with --handler {step.name}=module:function"
    )


def _message(arguments: Mapping[str, Any], execution: Mapping[str, Any], token: str) -> dict[str, Any]:
    return {
        "token": token,
        "pipelineArn": execution["PipelineArn"],
        "pipelineExecutionArn": execution["PipelineExecutionArn"],
        "status": "Executing",
        "arguments": dict(arguments),
    }


def _value(step: Step, output: Output, given: Mapping[str, Any]) -> Any:
    if output.name not in given:
        there = f"only {', '.join(map(str, given))}" if given else "nothing"
        raise StepFailed(step.name, f"its handler gave no {output.name!r} ({there}): return an object that has it")
    value = given[output.name]
    if step.type == "Callback" and isinstance(value, str) and output.type != "String":
        value = _read(value)
    types, words = _KINDS[output.type]
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise StepFailed(step.name, f"its handler gave {output.name} {short(value)}, expected {words}")
    return value


def _read(text: str) -> Any:
    try:
        return json.loads(text.lower() if text in {"True", "False"} else text)
    except ValueError:
        return text
