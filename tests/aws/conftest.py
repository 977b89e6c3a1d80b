"""Accounts to test with: in moto's server, in a dry run, and with scripted answers.

Also registered versions in moto's account, as the pipeline registers them, and the stack's template as data.
"""

from __future__ import annotations

import datetime
import functools
import io
import json
import os
import random
import threading
import time
import types
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import boto3
import botocore.endpoint
import botocore.session
import pytest
import typer
import urllib3
from botocore import xform_name
from botocore.response import StreamingBody
from botocore.stub import Stubber
from cfnlint.decode import cfn_yaml
from moto.server import ThreadedMotoServer

from jobmajor.aws.api import account as calls
from jobmajor.aws.api import session
from jobmajor.aws.names import Names
from jobmajor.aws.project import stack
from jobmajor.evaluation.metrics import HEADLINES
from jobmajor.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

REGION = "us-east-1"
ACCOUNT_ID = "123456789012"  # moto's


def leave_user(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Hide the user's AWS settings and credentials, and set ones that moto accepts."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        patch.delenv(name)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(folder / "no-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "no-credentials"),
    }.items():
        patch.setenv(name, value)


@pytest.fixture(autouse=True)
def _no_user(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's credentials and the machine's metadata service away from every test."""
    leave_user(monkeypatch, tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session", autouse=True)
def _made_once() -> Iterator[None]:
    """Read botocore's service descriptions once, and build the command line's parser once, in each process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", functools.cache(botocore.session.create_loader))
        patch.setattr(typer.main, "get_command", functools.cache(typer.main.get_command))
        yield


@pytest.fixture(scope="session")
def moto_server() -> Iterator[str]:
    """Yield the URL of moto's server, which each process starts once; tests use `moto`, which also empties it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def moto(moto_server: str) -> str:
    """Return the URL of moto's server, emptied."""
    assert urllib3.request("POST", f"{moto_server}/moto-api/reset", timeout=30).status == 200
    return moto_server


class FakeClock:
    """A clock whose time passes only by `sleep`; `slept` lists the durations."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> float:
        return sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture(scope="session")
def moto_session(moto_server: str, tmp_path_factory: pytest.TempPathFactory) -> session.Session:
    """Return a session with moto, which each process opens once."""
    with pytest.MonkeyPatch.context() as patch:
        leave_user(patch, tmp_path_factory.getbasetemp())
        return session.open_session(session.SessionOptions(REGION, endpoint_url=moto_server))


@pytest.fixture(scope="session")
def moto_client(moto_session: session.Session) -> Callable[[str], Any]:
    """Return a function from a service to its client of moto, which each process creates once."""
    return functools.cache(moto_session.client)


@pytest.fixture(scope="session")
def moto_caller(moto_session: session.Session) -> str:
    """Return the caller's ARN in moto."""
    return moto_session.identity(ACCOUNT_ID)["Arn"]


@pytest.fixture
def account(moto: str, moto_caller: str, moto_client: Callable[[str], Any]) -> calls.Account:
    """Return an account in `moto`, with a fake clock."""
    connected = calls.Account(REGION, ACCOUNT_ID, moto_client, caller=moto_caller)
    connected.clock = FakeClock()
    return connected


@pytest.fixture
def dry_account() -> calls.Account:
    """Return a dry run's account, which checks every request and sends none."""
    return calls.dry_account(REGION, ACCOUNT_ID)


@pytest.fixture
def settings() -> Settings:
    """Return the default settings."""
    return Settings()


@pytest.fixture
def names(settings: Settings) -> Names:
    """Return the default settings' names in moto's account."""
    return Names.of(settings, REGION, ACCOUNT_ID)


@functools.cache
def _offline_client(service: str) -> Any:
    """Return a client that only a Stubber answers; each process creates it once."""
    return boto3.Session("testing", "testing", region_name=REGION).client(service)


class Stubbed(calls.Account):
    """An account with scripted services: exactly the expected requests, in this order, get the scripted answers.

    botocore's Stubber checks both against the service's shapes. `finish` checks that every request was sent.
    """

    def __init__(self) -> None:
        self.stubs: dict[str, Any] = {}
        caller = f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/tester/test"
        super().__init__(REGION, ACCOUNT_ID, self._stubbed, caller=caller)
        self.clock = FakeClock()

    def _stubbed(self, service: str) -> Any:
        client = _offline_client(service)
        self.stubs[service] = Stubber(client)
        self.stubs[service].activate()
        return client

    def stub(self, service: str) -> Any:
        """Return the service's Stubber."""
        self.client(service)
        return self.stubs[service]

    def expect(self, service: str, operation: str, answer: dict[str, Any], **parameters: Any) -> None:
        """Script the next request and its answer; without parameters, any are accepted."""
        self.stub(service).add_response(xform_name(operation), answer, parameters or None)

    def refuse(self, service: str, operation: str, code: str, message: str = "") -> None:
        """Script the next request and the error that answers it."""
        self.stub(service).add_client_error(xform_name(operation), code, message)

    def release(self) -> None:
        """Remove the scripts from the clients, which other tests share."""
        for stub in self.stubs.values():
            stub.deactivate()

    def finish(self) -> None:
        """Fail if an expected request was never sent."""
        for stub in self.stubs.values():
            stub.assert_no_pending_responses()


@pytest.fixture
def stubbed() -> Iterator[Stubbed]:
    """Yield a scripted account; at the end, every request that `expect` and `refuse` scripted must have been sent."""
    account = Stubbed()
    yield account
    account.release()
    account.finish()


@pytest.fixture
def told(account: calls.Account) -> list[str]:
    """Return the list of progress lines that `account` reports."""
    lines: list[str] = []
    account.tell = lines.append
    return lines


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that reached the proxy; `operation` is the operation's name in a JSON API, else method and path."""

    operation: str
    body: bytes


class Proxy(ThreadingHTTPServer):
    """A faulty proxy to moto: it asks `fault` what to do with each request.

    ""          pass it on
    "throttle"  refuse it, as a service does after too many requests
    "lose"      pass it on, and drop the connection before the reply

    Requests that moto only pretends to handle don't reach it: `answers` contains a JSON API's answers by operation, in
    order; the last one is repeated.
    """

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Line)
        self.target = target
        self.seen: list[Seen] = []
        self.fault: Callable[[Seen], str] = lambda _: ""
        self.answers: dict[str, list[bytes]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def one_in_five(self, seed: int) -> None:
        """Refuse or lose a fifth of all requests, at random."""
        rng = random.Random(seed)  # noqa: S311 - it draws faults, no secrets
        self.fault = lambda _: rng.choice(("throttle", "lose")) if rng.random() < 0.2 else ""

    def first(self, fault: str, operation: str) -> None:
        """Apply `fault` to the first request whose operation begins with `operation`."""
        left = [fault]
        self.fault = lambda seen: left.pop() if left and seen.operation.startswith(operation) else ""


class _Line(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Handle every HTTP method alike."""
        if name.startswith("do_"):
            return self._pass
        raise AttributeError(name)

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        target = self.headers.get("X-Amz-Target", "")
        seen = Seen(target.rpartition(".")[2] or f"{self.command} {self.path}", body)
        self.server.seen.append(seen)
        fault = self.server.fault(seen)
        if fault == "throttle":
            self._refuse(is_json=bool(target))
            return
        told = self.server.answers.get(seen.operation)
        if told:
            self._answer(200, told.pop(0) if len(told) > 1 else told[0], {})
            return
        url = f"{self.server.target}{self.path}"
        answer = urllib3.request(
            self.command, url, body=body, headers=dict(self.headers), redirect=False, retries=False, timeout=60
        )
        if fault == "lose":
            self.close_connection = True
            return
        self._answer(answer.status, answer.data, dict(answer.headers))

    def _refuse(self, *, is_json: bool) -> None:
        text = '{"__type": "ThrottlingException", "message": "Rate exceeded"}'
        xml = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
        status, body = (400, text) if is_json else (503, xml)
        self._answer(status, b"" if self.command == "HEAD" else body.encode(), {})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection") or self.command == "HEAD":
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Discard the server's log."""


@pytest.fixture
def proxy(moto: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """Yield a proxy to `moto` that can be made faulty; botocore's pauses between retries take no time."""
    pauses = types.SimpleNamespace(**{**vars(time), "sleep": lambda _: None})
    monkeypatch.setattr(botocore.endpoint, "time", pauses)
    server = Proxy(moto)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def faulty(proxy: Proxy) -> calls.Account:
    """Return an account in moto, reached through `proxy`."""
    return calls.connect(REGION, endpoint_url=proxy.url)


# moto ignores these types with a warning; cfn-lint checks them, and the Stubber's tests cover requests about them.
UNSUPPORTED = {
    "AWS::Budgets::Budget",
    "AWS::CloudWatch::Alarm",
    "AWS::CodeBuild::Project",
    "AWS::IAM::OIDCProvider",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SageMaker::ModelPackageGroup",
}


@dataclass(frozen=True)
class Template:
    """The stack's template; `text` is JSON, with the long forms of CloudFormation's functions."""

    text: str

    def parsed(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text)
        return found

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the properties of each resource of a type, by logical name."""
        found = self.parsed()["Resources"].items()
        return {name: item["Properties"] for name, item in found if item["Type"] == kind}

    @property
    def unsupported(self) -> set[str]:
        """Return the types that moto can't create."""
        return UNSUPPORTED

    @property
    def supported(self) -> str:
        """Return the template without the unsupported types."""
        body = self.parsed()
        body["Resources"] = {name: item for name, item in body["Resources"].items() if item["Type"] not in UNSUPPORTED}
        del body["Resources"]["Key"]["Properties"]["Tags"]  # moto expects another request's members in them
        return json.dumps(body)


@pytest.fixture(scope="session")
def template() -> Template:
    return Template(json.dumps(cfn_yaml.loads(stack.template())))


IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/test-job-major-clf@sha256:" + "0" * 64
THRESHOLD = "0.75"


def make_evaluation(test_f1: float = 0.8, *, passed: bool = True) -> dict[str, Any]:
    """Return the part of an evaluation.json that a decision reads."""
    check = {"name": "weakest class", "value": 0.05, "limit": 0.1, "passed": passed, "reason": "recall 0.050"}
    return {
        "classification_metrics": {**dict.fromkeys(HEADLINES, 0.8), "test_f1": test_f1, "note": "x"},
        "gate": {"passed": passed, "summary": "", "checks": [check]},
    }


@dataclass(frozen=True)
class Versions:
    """The group's versions; `register` adds one."""

    account: calls.Account
    names: Names

    def arn(self, number: int = 1) -> str:
        """Return a version's ARN."""
        return f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{self.names.group}/{number}"

    def request(self, where: str, **changes: Any) -> dict[str, Any]:
        """Return CreateModelPackage's parameters; `where` is the evaluation's address."""
        kinds = ["text/csv", "application/json"]
        container = {"Image": IMAGE, "ModelDataUrl": self.names.url("runs", "e1", "model.tar.gz")}
        return {
            "ModelPackageGroupName": self.names.group,
            "ModelApprovalStatus": "PendingManualApproval",
            "InferenceSpecification": {
                "Containers": [container],
                "SupportedContentTypes": kinds,
                "SupportedResponseMIMETypes": kinds,
            },
            "ModelMetrics": {"ModelQuality": {"Statistics": {"ContentType": "application/json", "S3Uri": where}}},
            "CustomerMetadataProperties": {"TestScoreThreshold": THRESHOLD, "ExecutionId": "e1"},
            **changes,
        }

    def register(self, content: bytes | dict[str, Any] | None = None, **changes: Any) -> None:
        """Register a version with this evaluation; by default one that passed."""
        body = make_evaluation() if content is None else content
        key = self.names.key("runs", f"e{len(self.account.sent)}", "evaluation.json")
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.account.change("s3", "PutObject", Bucket=self.names.bucket, Key=key, Body=data)
        where = f"s3://{self.names.bucket}/{key}"
        self.account.change("sagemaker", "CreateModelPackage", **self.request(where, **changes))


@pytest.fixture
def versions(account: calls.Account, names: Names) -> Versions:
    """Return an empty group, with a bucket for evaluations."""
    account.change("s3", "CreateBucket", Bucket=names.bucket)
    account.change("sagemaker", "CreateModelPackageGroup", ModelPackageGroupName=names.group)
    return Versions(account, names)


NOW = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)


class Script:
    """Scripts requests and answers of endpoints that change over time, which moto can't simulate."""

    def __init__(self, stubbed: Stubbed, names: Names) -> None:
        self.stubbed, self.names, self.now = stubbed, names, NOW

    def answer(self, operation: str, answer: dict[str, Any], **parameters: Any) -> None:
        """Script SageMaker's next request and answer."""
        self.stubbed.expect("sagemaker", operation, answer, **parameters)

    def absent(self, operation: str, kind: str) -> None:
        """Script a request for a resource that doesn't exist."""
        self.stubbed.refuse("sagemaker", operation, "ValidationException", f"Could not find {kind} 'x'.")

    def arn(self, number: int) -> str:
        """Return a version's ARN."""
        return f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{self.names.group}/{number}"

    def version(self, number: int, status: str = "Approved", *, passed: bool = True) -> None:
        """Script reads of a version and its evaluation."""
        details = {"ModelPackageName": "x", "ModelPackageStatus": "Completed", "CreationTime": NOW}
        body = json.dumps(make_evaluation(passed=passed)).encode()
        where = "s3://bucket/e/evaluation.json"
        request = Versions(self.stubbed, self.names).request(where, ModelApprovalStatus=status)
        del request["ModelPackageGroupName"]
        self.answer(
            "DescribeModelPackage",
            {
                **details,
                **request,
                "ModelPackageArn": self.arn(number),
                "ModelPackageVersion": number,
                "ModelPackageStatusDetails": {"ValidationStatuses": []},
            },
            ModelPackageName=self.arn(number),
        )
        content = {"Body": StreamingBody(io.BytesIO(body), len(body))}
        self.stubbed.expect("s3", "GetObject", content, Bucket="bucket", Key="e/evaluation.json")

    def endpoint(
        self, name: str, config: str, status: str = "InService", reason: str = "", *, pending: str = ""
    ) -> None:
        """Script a read of the endpoint."""
        answer = {
            "EndpointName": name,
            "EndpointArn": self.endpoint_arn(name),
            "EndpointConfigName": config,
            "EndpointStatus": status,
            "CreationTime": NOW,
            "LastModifiedTime": NOW,
            **({"FailureReason": reason} if reason else {}),
            **({"PendingDeploymentSummary": {"EndpointConfigName": pending}} if pending else {}),
        }
        self.answer("DescribeEndpoint", answer, EndpointName=name)

    def endpoint_arn(self, name: str) -> str:
        """Return an endpoint's ARN."""
        return f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{name}"

    def config_arn(self, name: str) -> str:
        """Return a configuration's ARN."""
        return f"arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/{name}"

    def config(self, name: str, instance_type: str = "ml.m5.large", model: str = "model-x", **more: Any) -> None:
        """Script a read of the configuration."""
        variant = {"VariantName": "champion", "ModelName": model, "InstanceType": instance_type}
        answer = {
            "EndpointConfigName": name,
            "EndpointConfigArn": self.config_arn(name),
            "ProductionVariants": [variant],
            "CreationTime": NOW,
            **more,
        }
        self.answer("DescribeEndpointConfig", answer, EndpointConfigName=name)

    def model(self, name: str, number: int) -> None:
        """Script a read of the Model."""
        answer = {
            "ModelName": name,
            "Containers": [{"ModelPackageName": self.arn(number)}],
            "CreationTime": NOW,
            "ModelArn": f"arn:aws:sagemaker:us-east-1:123456789012:model/{name}",
        }
        self.answer("DescribeModel", answer, ModelName=name)

    def tags(self, arn: str, **tags: str) -> None:
        """Script a read of a resource's tags; the first `_` in a name means `:`, later ones mean `-`."""
        found = [{"Key": key.replace("_", ":", 1).replace("_", "-"), "Value": value} for key, value in tags.items()]
        self.answer("ListTags", {"Tags": found}, ResourceArn=arn)


@pytest.fixture
def script(stubbed: Stubbed, names: Names) -> Script:
    """Return a script of SageMaker's requests and answers; all of them must have been used when the test ends."""
    return Script(stubbed, names)
