"""What an SDK asks of an account while a script defines a pipeline: who it is, its role, and to keep the pipeline.

Nothing is made up: what this stand-in can't know or do is refused by name. Pipelines that a script creates, and the
parameters of those that it starts, are kept here for the caller.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from sagelocal.loopback.wire import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sagelocal.loopback.wire import Request

ROLE: Final = "sagelocal"
_TARGETS: Final = {"SageMaker": "sagemaker", "AWSLambda": "lambda", "AmazonSSM": "ssm"}
# Questions about an execution that hasn't begun: the script waits for what only a run can give.
_WAITS: Final = (
    "DescribePipelineExecution",
    "ListPipelineExecutionSteps",
    "ListPipelineParametersForExecution",
    "DescribePipelineDefinitionForExecution",
    "StopPipelineExecution",
    "ListPipelineExecutions",
)
# Requests for what sagelocal.toml may give, and the member that names it.
_READS: Final = {"ssm:GetParameter": "Name", "secretsmanager:GetSecretValue": "SecretId"}


@dataclass(slots=True)
class Account:
    """The stand-in for an account.

    `pipelines` are the definitions that the script created, by name, in order: text, or the address of the text.
    `started` are the parameters of the last start, by the pipeline's name, `selected` the steps that it selected.
    `refused` names the requests that were refused. `waits` is set once the script asks for the outcome of an execution.
    `mark` is a file that is made with the first pipeline, for the script's process to see. Unless it `keeps`, it says
    who is asking and refuses the rest.
    `values` are the parameters and secrets that it knows, by `ssm:NAME` or `secretsmanager:NAME`.
    """

    number: str
    region: str
    pipelines: dict[str, str] = field(default_factory=dict)
    started: dict[str, dict[str, str]] = field(default_factory=dict)
    selected: dict[str, tuple[str, ...]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    waits: threading.Event = field(default_factory=threading.Event)
    mark: Path | None = None
    keeps: bool = True
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def role(self) -> str:
        """The ARN of the role that jobs are said to have."""
        return f"arn:aws:iam::{self.number}:role/{ROLE}"

    def __call__(self, request: Request) -> Answer:
        """Answer a request to any service but S3."""
        target = request.header("x-amz-target")
        if target:
            return self._json(request, target)
        if self.keeps and request.service == "lambda" and request.path.startswith("/2015-03-31/functions"):
            return self._lambda(request)
        form = {name: values[0] for name, values in parse_qs(request.read().decode(errors="replace")).items()}
        answers = {"GetCallerIdentity": self._identity, "GetRole": self._get_role}
        action = form.get("Action", f"{request.method} {request.path}")
        if action in answers:
            return _xml(action, answers[action](form))
        return self._refuse(request.service or "a service", action, _query_error)

    def _json(self, request: Request, target: str) -> Answer:
        prefix, _, operation = target.partition(".")
        service = _TARGETS.get(prefix, request.service or prefix)
        answers: dict[str, Callable[[dict[str, Any]], Any]] = {
            "CreatePipeline": self._keep,
            "UpdatePipeline": self._keep,
            "DescribePipeline": self._describe,
            "StartPipelineExecution": self._start,
            "ListPipelineExecutions": lambda _asked: {"PipelineExecutionSummaries": []},
            "AddTags": lambda asked: {"Tags": asked.get("Tags", [])},
            "ListTags": lambda _asked: {"Tags": []},
            "CreateModelPackageGroup": self._group,
        }
        if service == "sagemaker" and operation in _WAITS and self.started:
            self.waits.set()
            return _json_error("ValidationException", "no run has begun: this script is compiled")
        if f"{service}:{operation}" in _READS and self.keeps:
            return self._read(service, operation, json.loads(request.read() or b"{}"))
        if service != "sagemaker" or operation not in answers or not self.keeps:
            return self._refuse(service, operation, _json_error)
        try:
            return _json(answers[operation](json.loads(request.read() or b"{}")))
        except KeyError as error:
            return _json_error("ResourceNotFound", f"Pipeline {error} does not exist")

    def _read(self, service: str, operation: str, asked: Mapping[str, Any]) -> Answer:
        name = str(asked[_READS[f"{service}:{operation}"]])
        found = self.values.get(f"{service}:{name}")
        if found is None:
            self.refused.append(f"{service}:{operation}")
            advice = f'give "{service}:{name}" a value in [account] of sagelocal.toml'
            return _json_error("AccessDeniedException", f"no account is asked here: {advice}")
        arn = f"arn:aws:{service}:{self.region}:{self.number}:{name}"
        if service == "ssm":
            return _json({"Parameter": {"Name": name, "Type": "String", "Value": found, "Version": 1, "ARN": arn}})
        return _json({"ARN": arn, "Name": name, "SecretString": found})

    def _keep(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        name, given = asked["PipelineName"], asked.get("PipelineDefinition")
        location = asked.get("PipelineDefinitionS3Location")
        if location:
            given = f"s3://{location['Bucket']}/{location['ObjectKey']}"
        if given is not None:  # an update may change other things only
            self.pipelines.pop(name, None)
            self.pipelines[name] = given
            if self.mark:
                self.mark.touch()
        return {"PipelineArn": self._arn(name)}

    def _describe(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        name = asked["PipelineName"].rpartition("/")[2]
        return {
            "PipelineArn": self._arn(name),
            "PipelineName": name,
            "PipelineDefinition": self.pipelines[name],
            "PipelineStatus": "Active",
            "RoleArn": self.role,
        }

    def _start(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        name = asked["PipelineName"].rpartition("/")[2]
        if name not in self.pipelines:
            raise KeyError(name)
        self.started[name] = {item["Name"]: item["Value"] for item in asked.get("PipelineParameters", ())}
        chosen = (asked.get("SelectiveExecutionConfig") or {}).get("SelectedSteps", ())
        self.selected[name] = tuple(step["StepName"] for step in chosen)
        return {"PipelineExecutionArn": f"{self._arn(name)}/execution/compiled"}

    def _group(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        name = asked["ModelPackageGroupName"]
        return {"ModelPackageGroupArn": f"{self._sagemaker}:model-package-group/{name}"}

    def _lambda(self, request: Request) -> Answer:
        """Answer for functions that Lambda steps bring along; their code is not kept, since nothing here runs it."""
        name = request.path.split("/")[3] if request.path.count("/") > 2 else ""
        if request.method == "GET":
            return Answer(404, b"{}", {"x-amzn-ErrorType": "ResourceNotFoundException"})
        body = json.loads(request.read() or b"{}")
        name = body.get("FunctionName") or name
        arn = f"arn:aws:lambda:{self.region}:{self.number}:function:{name}"
        return _json({"FunctionName": name, "FunctionArn": arn, "State": "Active"})

    def _identity(self, _form: Mapping[str, str]) -> str:
        arn = f"arn:aws:sts::{self.number}:assumed-role/{ROLE}/compile"
        return f"<Arn>{arn}</Arn><UserId>AROA:compile</UserId><Account>{self.number}</Account>"

    def _get_role(self, form: Mapping[str, str]) -> str:
        name = escape(form.get("RoleName", ROLE))
        arn = f"arn:aws:iam::{self.number}:role/{name}"
        return (
            f"<Role><Path>/</Path><RoleName>{name}</RoleName><RoleId>AROA</RoleId><Arn>{arn}</Arn>"
            "<CreateDate>2020-01-01T00:00:00Z</CreateDate></Role>"
        )

    def _refuse(self, service: str, operation: str, error: Callable[[str, str], Answer]) -> Answer:
        self.refused.append(f"{service}:{operation}")
        return error("AccessDeniedException", f"no account is asked here, so {service}:{operation} has no answer")

    @property
    def _sagemaker(self) -> str:
        return f"arn:aws:sagemaker:{self.region}:{self.number}"

    def _arn(self, name: str) -> str:
        return f"{self._sagemaker}:pipeline/{name}"


def _json(body: Any) -> Answer:
    return Answer(body=json.dumps(body).encode(), headers={"Content-Type": "application/x-amz-json-1.1"})


def _json_error(code: str, text: str) -> Answer:
    headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-ErrorType": code}
    return Answer(400, json.dumps({"__type": code, "message": text}).encode(), headers)


def _xml(action: str, body: str) -> Answer:
    text = f"<{action}Response><{action}Result>{body}</{action}Result></{action}Response>"
    return Answer(body=text.encode(), headers={"Content-Type": "text/xml"})


def _query_error(code: str, text: str) -> Answer:
    body = f"<ErrorResponse><Error><Code>{code}</Code><Message>{escape(text)}</Message></Error></ErrorResponse>"
    return Answer(400, body.encode(), {"Content-Type": "text/xml"})
