"""Create or update the pipeline from the definition's bytes, and start executions of it.

This module doesn't know what the steps do. A start that is repeated after a lost reply or a kill joins the execution
that it started.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws import quotas
from jobmajor.aws.api.account import token, utc
from jobmajor.aws.api.errors import AlreadyExists, AwsInputError
from jobmajor.aws.executions.execution import EXECUTING, summaries
from jobmajor.pipeline import definition as ours
from sagelocal.definition import parse as definitions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names

CREATED, UPDATED, UNCHANGED = "created", "updated", "unchanged"
_LOOKED_AT: Final = 20  # newest executions that are searched for an equal one that still runs


@dataclass(frozen=True, slots=True)
class Upserted:
    """The pipeline's ARN, and its `change`: `created`, `updated` or `unchanged`."""

    arn: str
    change: str


@dataclass(frozen=True, slots=True)
class Started:
    """An execution's ARN; `joined` is True if it was already running with the same definition and parameters."""

    arn: str
    joined: bool


def upsert(
    account: Account,
    names: Names,
    definition: bytes,
    *,
    role: str | None = None,
    tags: Sequence[Mapping[str, str]] = (),
) -> Upserted:
    """Make these bytes the pipeline's definition; if they are already, nothing is sent.

    Args:
        account: The account.
        names: The pipeline's name, role and tags.
        definition: UTF-8 JSON.
        role: The ARN of the pipeline's role; the one of `names` when None.
        tags: Additional tags, as Key and Value.

    Raises:
        DefinitionError: The service would refuse a step.
    """
    parsed = definitions.parse(definition)
    definitions.check(parsed, definitions.bind(parsed.parameters, {}))
    wanted = {"PipelineDefinition": definition.decode(), "RoleArn": role or names.roles["pipeline"]}
    labels = [*names.tags, *({"Key": item["Key"], "Value": item["Value"]} for item in tags)]
    there = _found(account, names)
    if there is None:
        request_token = token("create", names.pipeline, parsed.digest)
        more = {"PipelineDisplayName": names.pipeline, "ClientRequestToken": request_token, "Tags": labels}
        try:
            made = account.change("sagemaker", "CreatePipeline", PipelineName=names.pipeline, **wanted, **more)
            return Upserted(made["PipelineArn"], CREATED)
        except AlreadyExists:  # somebody else created it meanwhile, with other bytes
            there = account.read("sagemaker", "DescribePipeline", PipelineName=names.pipeline)
    if all(there.get(name) == value for name, value in wanted.items()):
        return Upserted(there["PipelineArn"], UNCHANGED)
    account.change("sagemaker", "UpdatePipeline", PipelineName=names.pipeline, **wanted)
    account.change("sagemaker", "AddTags", ResourceArn=there["PipelineArn"], Tags=labels)
    return Upserted(there["PipelineArn"], UPDATED)


def _found(account: Account, names: Names) -> dict[str, Any] | None:
    return account.find("sagemaker", "DescribePipeline", PipelineName=names.pipeline)


def start(account: Account, names: Names, parameters: Mapping[str, Any], *, again: bool = False) -> Started:
    """Start an execution with these parameters, or join a running one with the same definition and parameters.

    The idempotency token contains the parameters and the newest execution's ARN, so a repeat that doesn't see its
    own first request yet starts nothing twice.

    Args:
        account: The account.
        names: The pipeline's name.
        parameters: Values by name; the others have the definition's defaults.
        again: Whether to start another execution although an equal one is running.

    Raises:
        AwsInputError: The pipeline doesn't exist. QuotaTooSmall: The account may not start its instances.
        InputError: A parameter can't be used.
    """
    there = _found(account, names)
    if there is None and not account.dry:
        raise AwsInputError(f"there is no pipeline {names.pipeline}: run `jobmajor aws pipeline upsert` first")
    given = _texts(there, parameters)
    newest = list(islice(summaries(account, names), _LOOKED_AT))
    if there and not again:
        for summary in newest:
            if _is_equal(account, summary, there, given):
                return Started(summary["PipelineExecutionArn"], joined=True)
    body = json.loads(there["PipelineDefinition"]) if there else ours.build(names.settings)
    quotas.require(account, quotas.of_definition(body, given))
    seen = newest[0]["PipelineExecutionArn"] if newest else ""
    changed = utc(there["LastModifiedTime"]) if there else ""
    answer = account.change(
        "sagemaker",
        "StartPipelineExecution",
        PipelineName=names.pipeline,
        PipelineParameters=[{"Name": name, "Value": value} for name, value in given.items()],
        ClientRequestToken=token("start", names.pipeline, changed, json.dumps(given, sort_keys=True), seen),
    )
    return Started(answer["PipelineExecutionArn"], joined=False)


def _texts(there: Mapping[str, Any] | None, parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters as the request takes them: every value is a string."""
    if there is not None:
        bound = definitions.bind(definitions.parse(there["PipelineDefinition"].encode()).parameters, parameters)
        parameters = {name: bound[name] for name in parameters}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in parameters.items()}


def _is_equal(
    account: Account, summary: Mapping[str, Any], pipeline: Mapping[str, Any], given: Mapping[str, str]
) -> bool:
    """Return whether an execution still runs, with this definition and these parameters."""
    if summary["PipelineExecutionStatus"] != EXECUTING or summary["StartTime"] < pipeline["LastModifiedTime"]:
        return False
    arn = summary["PipelineExecutionArn"]
    found = account.pages(
        "sagemaker", "ListPipelineParametersForExecution", "PipelineParameters", PipelineExecutionArn=arn
    )
    values = {item["Name"]: item["Value"] for item in found}
    return all(values.get(name) == value for name, value in given.items())
