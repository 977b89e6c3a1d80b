"""Credentials, region and retries, found where boto3 looks for them.

Only this module makes boto3's clients.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobmajor.aws.api import refusals
from jobmajor.aws.api.errors import AwsError, AwsInputError, NoCredentials, NoRegion, WrongAccount
from jobmajor.errors import MissingExtra

try:
    import boto3
    from botocore.config import Config
    from botocore.credentials import (
        AssumeRoleCredentialFetcher,
        CredentialProvider,
        CredentialResolver,
        DeferredRefreshableCredentials,
    )
    from botocore.exceptions import BotoCoreError
    from botocore.session import Session as BotocoreSession
except ImportError as error:
    raise MissingExtra("jobmajor aws", "aws") from error

if TYPE_CHECKING:
    from collections.abc import Mapping

_REGION: Final = re.compile(r"[a-z]{2,3}(-[a-z]+)+-\d")
_TRIES: Final = 8  # the last pause is up to 20 s, so some 90 s of throttling pass unnoticed
_CONNECT_S: Final = 10
_READ_S: Final = 70  # an endpoint may take 60 s to answer


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How to connect; None takes what boto3 finds."""

    region: str | None = None
    profile: str | None = None
    role: str | None = None
    endpoint_url: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """boto3's session in one region; `bundle` is a file of trusted certificates, None for those that botocore finds."""

    boto: Any
    region: str
    endpoint_url: str | None
    bundle: str | None = None

    def client(self, service: str) -> Any:
        """Return a client that retries with growing pauses after throttling, server errors and lost replies."""
        # A local replacement of S3 has no host name for each bucket.
        is_local = self.endpoint_url or os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT_URL_S3")
        s3 = {"addressing_style": "path"} if is_local else {}
        config = Config(
            retries={"mode": "standard", "total_max_attempts": _TRIES},
            connect_timeout=_CONNECT_S,
            read_timeout=_READ_S,
            tcp_keepalive=True,
            user_agent_extra="jobmajor",
            s3=s3,
        )
        return self.boto.client(
            service, region_name=self.region, endpoint_url=self.endpoint_url, verify=self.bundle, config=config
        )

    def identity(self, expected_account: str | None = None) -> Mapping[str, str]:
        """Return the caller's `Account` and `Arn`.

        Raises:
            NoCredentials: There are none, or AWS refused them.
            WrongAccount: They belong to another account.
        """
        try:
            found: Mapping[str, str] = self.client("sts").get_caller_identity()
        except refusals.REFUSALS as error:
            raise _not_known(error) from error
        if expected_account and found["Account"] != expected_account:
            raise WrongAccount(expected_account, found["Account"], found["Arn"])
        return found


def open_session(options: SessionOptions) -> Session:
    """Open a session without sending anything.

    Raises:
        NoRegion: No region is configured.
        NoCredentials: There are no credentials.
        AwsInputError: The region or the profile isn't valid.
    """
    try:
        # boto3 reads AWS_DEFAULT_REGION only; AWS's other tools read AWS_REGION first.
        boto = boto3.Session(profile_name=options.profile, region_name=options.region or os.environ.get("AWS_REGION"))
        region = boto.region_name
        if not region:
            raise NoRegion
        if not _REGION.fullmatch(region):
            raise AwsInputError(f"found the region {region!r}, expected one such as us-east-1")
        if boto.get_credentials() is None:
            raise NoCredentials("none were found")
        if options.role:
            boto = _assuming(boto, region, options)
    except BotoCoreError as error:
        raise _not_known(error) from error
    return Session(boto, region, options.endpoint_url, _bundle(options))


def _not_known(error: Exception) -> AwsError:
    return refusals.unsent(error) or NoCredentials(str(error).rstrip("."))


def _bundle(options: SessionOptions) -> str | None:
    """Return the file SSL_CERT_FILE, which OpenSSL reads and botocore does not; None leaves the choice to botocore."""
    found = os.environ.get("SSL_CERT_FILE")
    if not found or os.environ.get("REQUESTS_CA_BUNDLE"):
        return None
    return None if BotocoreSession(profile=options.profile).get_config_variable("ca_bundle") else found


class _Role(CredentialProvider):  # type: ignore[misc]  # botocore has no types
    """A role's credentials, renewed before they expire: a deployment may take longer than an hour."""

    METHOD = "jobmajor-role"

    def __init__(self, fetcher: AssumeRoleCredentialFetcher) -> None:
        super().__init__()
        self._fetcher = fetcher

    def load(self) -> DeferredRefreshableCredentials:
        """Return the credentials; botocore calls this."""
        return DeferredRefreshableCredentials(self._fetcher.fetch_credentials, self.METHOD)


def _assuming(boto: Any, region: str, options: SessionOptions) -> Any:
    def sts(name: str, **keys: Any) -> Any:
        return boto.client(name, region_name=region, endpoint_url=options.endpoint_url, verify=_bundle(options), **keys)

    fetcher = AssumeRoleCredentialFetcher(
        sts, boto.get_credentials(), options.role, extra_args={"RoleSessionName": "jobmajor"}
    )
    inner = BotocoreSession()
    inner.register_component("credential_provider", CredentialResolver([_Role(fetcher)]))
    return boto3.Session(botocore_session=inner, region_name=region)
