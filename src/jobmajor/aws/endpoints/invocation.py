"""Send titles to an endpoint of any mode, and read its answers.

The service answers a body that is too large with a bare 413 after the upload; here it is refused before.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws.api.account import token
from jobmajor.aws.api.errors import AwsError, AwsInputError
from jobmajor.aws.endpoints import config as configs
from jobmajor.aws.endpoints import endpoint as endpoints
from jobmajor.aws.endpoints.endpoint import DeploymentFailed
from jobmajor.aws.endpoints.plan import ASYNC, REAL_TIME, SERVERLESS
from sagelocal.storage.address import split

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names

_MIB: Final = 2**20
LIMITS: Final = {REAL_TIME: 6 * _MIB, SERVERLESS: 4 * _MIB, ASYNC: 1024 * _MIB}  # bytes of one body
_JSON: Final = "application/json"
_ASYNC_S: Final = 900.0  # an async fleet may have to start its first instance
_MAX_ANSWER_BYTES: Final = 1024 * _MIB


def body(titles: Sequence[str], mode: str) -> bytes:
    """Return the request's body.

    Raises:
        AwsInputError: There is no title, or the body is too large for the mode.
    """
    if not titles:
        raise AwsInputError("no title was given: give some as arguments, or a file of them with --input")
    # UTF-8 can't encode a lone surrogate; JSON's escapes can, so the server refuses it with a message.
    data = json.dumps({"instances": list(titles)}, ensure_ascii=True).encode()
    if len(data) > LIMITS[mode]:
        raise AwsInputError(
            f"{len(titles):,} titles make a body of {len(data):,} bytes, and a {mode} endpoint takes {LIMITS[mode]:,}: "
            "ask for fewer at a time, or run a transform (jobmajor aws deploy --mode transform)"
        )
    return data


def invoke(account: Account, names: Names, stage: str, titles: Sequence[str]) -> dict[str, Any]:
    """Send titles and return the endpoint's answer: `predictions` has a list of answers for each title, in order.

    Raises:
        DeploymentFailed: The endpoint doesn't exist.
        AwsInputError: There is no title, or too many.
        AwsError: The response isn't an answer to these titles.
    """
    name = configs.staged(names.endpoint, stage)
    mode = _mode(account, name)
    data = body(titles, mode)
    if mode == ASYNC:
        answer = _queue(account, names, name, data)
    else:
        found = account.change(
            "sagemaker-runtime",
            "InvokeEndpoint",
            EndpointName=name,
            Body=data,
            ContentType=_JSON,
            Accept=_JSON,
        )
        answer = b"" if account.dry else found["Body"].read(_MAX_ANSWER_BYTES)
    return {"predictions": []} if account.dry else _read(answer, len(titles), name)


def _mode(account: Account, name: str) -> str:
    if account.dry:
        return REAL_TIME
    found = endpoints.find(account, name)
    if found is None:
        raise DeploymentFailed(f"there is no endpoint {name}: deploy a version first")
    config = account.read("sagemaker", "DescribeEndpointConfig", EndpointConfigName=found.config)
    return configs.mode_of(config)


def _queue(account: Account, names: Names, name: str, data: bytes) -> bytes:
    """Send a request to an async endpoint, and wait for its answer; both are objects in the bucket."""
    uri = names.url("async_requests", name, f"{token(data.decode())}.json")
    bucket, parts = split(uri)
    account.change("s3", "PutObject", Bucket=bucket, Key="/".join(parts), Body=data, ContentType=_JSON)
    queued = account.change(
        "sagemaker-runtime",
        "InvokeEndpointAsync",
        EndpointName=name,
        InputLocation=uri,
        ContentType=_JSON,
        Accept=_JSON,
    )
    found, failed = account.wait(
        lambda: (_object(account, queued["OutputLocation"]), _object(account, queued.get("FailureLocation", ""))),
        any,
        describe=f"waiting for {queued['OutputLocation']}",
        limit_s=_ASYNC_S,
        interval_s=2.0,
    )
    if not found:
        raise AwsError(f"endpoint {name} couldn't answer: {failed[:500].decode('utf-8', 'replace')}")
    return found


def _object(account: Account, uri: str) -> bytes:
    """Return an object's content; empty if it doesn't exist yet."""
    if not uri:
        return b""
    bucket, parts = split(uri)
    found = account.find("s3", "GetObject", Bucket=bucket, Key="/".join(parts))
    content: bytes = found["Body"].read(_MAX_ANSWER_BYTES) if found else b""
    return content


def _read(data: bytes, count: int, name: str) -> dict[str, Any]:
    try:
        answer = json.loads(data)
    except ValueError as error:
        raise AwsError(f"endpoint {name} didn't answer with JSON ({error}): see its log") from error
    predictions = answer.get("predictions") if isinstance(answer, dict) else None
    if not isinstance(predictions, list) or len(predictions) != count:
        found = len(predictions) if isinstance(predictions, list) else "no"
        raise AwsError(f"endpoint {name} returned {found} answers to {count} titles: see its log")
    return dict(answer)
