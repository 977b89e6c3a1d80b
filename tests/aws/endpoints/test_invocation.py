"""Invoking an endpoint: the body and its limits, and the check that each title gets an answer."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.response import StreamingBody

from jobmajor.aws.api.account import token
from jobmajor.aws.api.errors import AwsError, AwsInputError
from jobmajor.aws.endpoints import invocation
from jobmajor.aws.endpoints.endpoint import DeploymentFailed

if TYPE_CHECKING:
    from tests.aws.conftest import Script, Stubbed

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names

ENDPOINT = "test-job-major-clf-endpoint"
NURSE = {"label": "29-0000", "name": "Healthcare Practitioners and Technical Occupations", "score": 0.98}
MIB = 2**20


def stream(answer: object) -> StreamingBody:
    data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return StreamingBody(io.BytesIO(data), len(data))


def answered(script: Script, answer: object, titles: list[str]) -> None:
    """Script a real-time endpoint with this answer."""
    script.endpoint(ENDPOINT, "config")
    script.config("config")
    script.stubbed.expect(
        "sagemaker-runtime",
        "InvokeEndpoint",
        {"Body": stream(answer), "ContentType": "application/json"},
        EndpointName=ENDPOINT,
        Body=json.dumps({"instances": titles}).encode(),
        ContentType="application/json",
        Accept="application/json",
    )


def test_titles_are_sent_as_instances_and_their_answers_come_back(
    stubbed: Stubbed, names: Names, script: Script
) -> None:
    answer = {"predictions": [[NURSE], []], "model": "v3"}
    answered(script, answer, ["nurse", "añejador"])

    assert invocation.invoke(stubbed, names, "production", ["nurse", "añejador"]) == answer


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ({"predictions": [[NURSE]]}, "returned 1 answers to 2 titles"),
        ({"predictions": {}}, "returned no answers to 2 titles"),
        ([], "returned no answers to 2 titles"),
        (b"body", "didn't answer with JSON"),
    ],
)
def test_answer_to_something_else_is_refused(
    stubbed: Stubbed, names: Names, script: Script, answer: object, fault: str
) -> None:
    answered(script, answer, ["a", "b"])

    with pytest.raises(AwsError, match=fault):
        invocation.invoke(stubbed, names, "production", ["a", "b"])


@pytest.mark.parametrize(("mode", "limit"), [("real-time", 6 * MIB), ("serverless", 4 * MIB)])
def test_body_up_to_the_limit_is_taken_and_a_byte_more_refused(mode: str, limit: int) -> None:
    around = len(b'{"instances": [""]}')

    fits = invocation.body(["x" * (limit - around)], mode)

    assert len(fits) == limit
    with pytest.raises(AwsInputError, match=rf"a body of {limit + 1:,} bytes, and a {mode} endpoint takes {limit:,}"):
        invocation.body(["x" * (limit - around + 1)], mode)


def test_no_title_is_refused() -> None:
    with pytest.raises(AwsInputError, match="no title was given"):
        invocation.body([], "real-time")


def test_missing_endpoint_is_a_no(stubbed: Stubbed, names: Names, script: Script) -> None:
    script.absent("DescribeEndpoint", "endpoint")

    with pytest.raises(DeploymentFailed, match=f"no endpoint {ENDPOINT}"):
        invocation.invoke(stubbed, names, "production", ["nurse"])


def queue(script: Script, names: Names, body: bytes) -> None:
    """Script an async endpoint that accepts the request."""
    script.endpoint(ENDPOINT, "config")
    script.config("config", AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": "s3://out/p"}})
    uri = names.url("async_requests", ENDPOINT, f"{token(body.decode())}.json")
    key = uri.removeprefix(f"s3://{names.bucket}/")
    put = {"Bucket": names.bucket, "Key": key, "Body": body, "ContentType": "application/json"}
    script.stubbed.expect("s3", "PutObject", {}, **put)
    places = {"OutputLocation": "s3://out/p/1.out", "FailureLocation": "s3://out/f/1.out"}
    kinds = {"ContentType": "application/json", "Accept": "application/json"}
    script.stubbed.expect(
        "sagemaker-runtime", "InvokeEndpointAsync", places, EndpointName=ENDPOINT, InputLocation=uri, **kinds
    )


def looked(script: Script, key: str, answer: object | None) -> None:
    if answer is None:
        script.stubbed.refuse("s3", "GetObject", "NoSuchKey")
    else:
        script.stubbed.expect("s3", "GetObject", {"Body": stream(answer)}, Bucket="out", Key=key)


def test_async_answer_is_fetched_when_it_is_there(stubbed: Stubbed, names: Names, script: Script) -> None:
    answer = {"predictions": [[NURSE]]}
    queue(script, names, b'{"instances": ["nurse"]}')
    for found in (None, None, answer):
        looked(script, "p/1.out", found)
        looked(script, "f/1.out", None)

    assert invocation.invoke(stubbed, names, "production", ["nurse"]) == answer


def test_async_failure_is_told(stubbed: Stubbed, names: Names, script: Script) -> None:
    queue(script, names, b'{"instances": ["nurse"]}')
    looked(script, "p/1.out", None)
    looked(script, "f/1.out", b"the model has no such column")

    with pytest.raises(AwsError, match="couldn't answer: the model has no such column"):
        invocation.invoke(stubbed, names, "production", ["nurse"])


def test_dry_run_shows_the_request_without_looking_for_the_endpoint(dry_account: Account, names: Names) -> None:
    invocation.invoke(dry_account, names, "staging", ["nurse"])

    (call,) = dry_account.sent
    wanted: dict[str, Any] = call.to_dict()["parameters"]
    assert wanted["EndpointName"] == f"{ENDPOINT}-staging"
    assert wanted["Body"] == '{"instances": ["nurse"]}'
