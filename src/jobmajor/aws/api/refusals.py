"""Turn botocore's exceptions into errors that say what went wrong and what to do.

The services differ: where one has an error code for a fact, another only has a sentence.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from botocore import exceptions
from botocore.parsers import ResponseParserError

from jobmajor.aws.api.errors import (
    AccessDenied,
    AlreadyExists,
    AwsError,
    AwsInputError,
    CallFailed,
    NoCredentials,
    NoRegion,
    NotFound,
)

if TYPE_CHECKING:
    from jobmajor.aws.api.request import Call

# What a request may end with.
REFUSALS: Final = (exceptions.BotoCoreError, exceptions.ClientError, ResponseParserError)
_DENIED: Final = re.compile(r"AccessDenied(Exception)?|UnauthorizedOperation|AuthorizationError(Exception)?|403")
_UNKNOWN_CALLER: Final = re.compile(
    r"ExpiredToken(Exception)?|UnrecognizedClientException|InvalidClientTokenId|InvalidAccessKeyId"
    r"|SignatureDoesNotMatch|InvalidSignatureException|AuthFailure|InvalidToken|RequestExpired"
)
_MISSING: Final = re.compile(r".*(NotFound|NoSuch|DoesNotExist)\w*|404|NonExistentQueue")
_MISSING_WORDS: Final = re.compile(r"does(n't| not) exist|(could|can) ?not (be )?f(i|ou)nd|not found|no .* found", re.I)
_TAKEN: Final = re.compile(
    r"(?!.*(Not|Non)Exist).*Exist\w*|.*AlreadyOwned\w*|ResourceInUse\w*|PreconditionFailed"
    r"|ConditionalRequestConflict|.*Duplicate\w*"
)
_TAKEN_WORDS: Final = re.compile(r"already (exist|in use)|must be unique|existing (model|endpoint)", re.I)
_GENERIC: Final = re.compile(r"Validation(Exception|Error)|Conflict(Exception)?|InvalidRequest\w*|BadRequest\w*")
_CREATES: Final = ("Create", "Put", "Register", "Complete", "Start")
_NOT_ALLOWED: Final = re.compile(
    r"(?:User: (?P<who>\S+) is|you are) not authorized to perform: (?P<action>[\w-]+:\w+)"
    r'(?: on resource: "?(?P<resource>[^\s,"]+))?'
)
_ROLE: Final = re.compile(r"arn:[\w-]+:(?:sts::\d*:assumed-role|iam::\d*:role)/(?:[^\s]*/)?(?P<role>[\w+=,.@-]+)")
_NO_CREDENTIALS: Final = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.SSOError,
    exceptions.TokenRetrievalError,
    exceptions.ProfileNotFound,
    exceptions.ConfigNotFound,
)
# The actions that S3's requests need, where they differ from the operation's name.
_S3_ACTIONS: Final = {
    "CompleteMultipartUpload": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "DeleteObjects": "DeleteObject",
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "ListBuckets": "ListAllMyBuckets",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjectVersions": "ListBucketVersions",
    "ListObjectsV2": "ListBucket",
    "ListParts": "ListMultipartUploadParts",
    "UploadPart": "PutObject",
}
_PREFIXES: Final = {
    "application-autoscaling": "application-autoscaling",
    "sagemaker-runtime": "sagemaker",
    "service-quotas": "servicequotas",
}


def refused(error: Exception, call: Call, caller: str) -> AwsError:
    """Return the error for a failed request; `caller` is the caller's ARN."""
    if isinstance(error, exceptions.ClientError):
        return _answered(error, call, caller)
    return unsent(error) or CallFailed(call.service, call.operation, type(error).__name__, str(error))


def unsent(error: Exception) -> AwsError | None:
    """Return the error for a request that never reached the service (no region, credentials or network), else None."""
    if isinstance(error, exceptions.NoRegionError):
        return NoRegion()
    if isinstance(error, _NO_CREDENTIALS):
        return NoCredentials(str(error).rstrip("."))
    if isinstance(error, exceptions.InvalidRegionError | exceptions.UnknownServiceError):
        return AwsInputError(f"{error}: check --region")
    if isinstance(error, exceptions.SSLError):
        do = "name your network's certificates in AWS_CA_BUNDLE, REQUESTS_CA_BUNDLE or SSL_CERT_FILE, or correct it"
        return AwsError(f"AWS can't be trusted ({error}): {do}")
    if isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError | ResponseParserError):
        # The last one is a page of HTML where the service answers in XML.
        why = "something else answers in its place" if isinstance(error, ResponseParserError) else error
        return AwsError(f"AWS can't be reached ({why}): check the network, the proxy and the region")
    return None


def _answered(error: exceptions.ClientError, call: Call, caller: str) -> AwsError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    message = str(error.response.get("Error", {}).get("Message", ""))
    if _UNKNOWN_CALLER.fullmatch(code):
        return NoCredentials(f"{code}: {message.rstrip('.')}")
    if _DENIED.fullmatch(code) or _NOT_ALLOWED.search(message):
        return _denied(message, call, caller)
    is_generic = _GENERIC.fullmatch(code) is not None
    is_taken = _TAKEN.fullmatch(code) or (is_generic and _TAKEN_WORDS.search(message))
    if is_taken and call.operation.startswith(_CREATES):
        return AlreadyExists(call.service, call.operation, message or code)
    if _MISSING.fullmatch(code) or (is_generic and _MISSING_WORDS.search(message)):
        return NotFound(call.service, call.operation, code, message)
    tries = int(error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)) + 1
    again = f" (after {tries} tries)" if tries > 1 else ""
    return CallFailed(call.service, call.operation, code, message.rstrip(".") + again)


def _denied(message: str, call: Call, caller: str) -> AccessDenied:
    said = _NOT_ALLOWED.search(message)
    who = (said["who"] if said else None) or caller
    action = said["action"] if said else action_of(call.service, call.operation)
    resource = (said["resource"] if said else None) or _resource(call)
    return AccessDenied(action, role_of(who), resource, is_explicit="explicit deny" in message)


def role_of(arn: str) -> str:
    """Return the role's name from a caller's ARN; the ARN itself if the caller is no role.

    >>> role_of("arn:aws:sts::123456789012:assumed-role/ci/build-7"), role_of("arn:aws:iam::123456789012:user/ann")
    ('ci', 'arn:aws:iam::123456789012:user/ann')
    """
    if ":assumed-role/" in arn:
        return arn.split("/")[1]
    found = _ROLE.match(arn)
    return found["role"] if found else arn or "the caller"


def action_of(service: str, operation: str) -> str:
    """Return the name that policies use for a request.

    >>> action_of("s3", "HeadObject"), action_of("sagemaker-runtime", "InvokeEndpoint")
    ('s3:GetObject', 'sagemaker:InvokeEndpoint')
    """
    name = _S3_ACTIONS.get(operation, operation) if service == "s3" else operation
    return f"{_PREFIXES.get(service, service)}:{name}"


def _resource(call: Call) -> str:
    """Return the ARN of the request's bucket or object; `*` for services other than S3."""
    bucket, key = call.parameters.get("Bucket"), call.parameters.get("Key")
    if call.service != "s3" or not bucket:
        return "*"
    return f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"
