"""Send requests to AWS: each is checked first, safe to repeat, and printed instead of sent in a dry run.

A request that bypasses this module is missing from a dry run's list, isn't safe to repeat, and fails unclearly.
"""

from __future__ import annotations

import hashlib
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final, TypeVar

from botocore import xform_name

from jobmajor.aws.api import checks, existing, refusals, waiting
from jobmajor.aws.api.errors import AlreadyExists, NotFound
from jobmajor.aws.api.request import Call

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Iterator, Mapping

T = TypeVar("T")
# These operations count as done when the resource is already gone.
_UNDO: Final = ("Delete", "Deregister", "Remove", "Disassociate", "Terminate", "Abort")


class Account:
    """One account and region to send requests to; in a dry run nothing is sent.

    Attributes:
        region: Such as us-east-1.
        account_id: 12 digits.
        dry: Whether this is a dry run.
        caller: The caller's ARN; "" in a dry run.
        sent: The changes that were made, or would be made in a dry run, in order.
        reads: The reads that a dry run would make, in order; empty otherwise.
        tell: Called with each line of progress.
    """

    def __init__(
        self,
        region: str,
        account_id: str,
        client: Callable[[str], Any] | None = None,
        *,
        caller: str = "",
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self.region, self.account_id, self.caller = region, account_id, caller
        self.sent: list[Call] = []
        self.reads: list[Call] = []
        self.tell = tell or _to_nobody
        self.clock: waiting.Clock = waiting.MachineClock()
        self._client = client
        self._clients: dict[str, Any] = {}

    @property
    def dry(self) -> bool:
        """Return whether this is a dry run, which sends nothing."""
        return self._client is None

    def client(self, service: str) -> Any:
        """Return boto3's client for a service; a dry run has none."""
        if self._client is None:
            raise TypeError(f"a dry run has no client of {service}")
        if service not in self._clients:
            self._clients[service] = self._client(service)
        return self._clients[service]

    def find(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any] | None:
        """Return the answer to a read, or None if the resource doesn't exist; always None in a dry run."""
        call = self._recorded(service, operation, parameters)
        if self.dry:
            return None
        try:
            return self._send(call)
        except NotFound:
            return None

    def read(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """Return the answer to a read that must succeed; a dry run gets a placeholder of the same shape.

        Raises:
            NotFound: The resource doesn't exist.
        """
        call = self._recorded(service, operation, parameters)
        return checks.placeholder(service, operation) if self.dry else self._send(call)

    def pages(self, service: str, operation: str, member: str, /, **parameters: Any) -> Iterator[Any]:
        """Yield every item of a list operation, across all pages; nothing in a dry run.

        Args:
            service: botocore's name for the service.
            operation: Such as ListModelPackages.
            member: The answer's member that holds the items, such as ModelPackageSummaryList; may be a path (`a.b`).
            parameters: The request's members.
        """
        call = self._recorded(service, operation, parameters)
        if not self.dry:
            yield from self._pages(call, member)

    def _pages(self, call: Call, member: str) -> Iterator[Any]:
        client, name = self.client(call.service), xform_name(call.operation)
        try:
            if not client.can_paginate(name):
                yield from checks.at(member, self._send(call)) or ()
                return
            for page in client.get_paginator(name).paginate(**call.parameters):
                yield from checks.at(member, page) or ()
        except refusals.REFUSALS as error:
            raise refusals.refused(error, call, self.caller) from error

    def change(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """Make a change and return the service's answer; a dry run records the change without making it.

        A change is safe to repeat after a lost reply or a killed run. If the resource to create already exists with
        the requested content, the answer describes the existing one. If the resource to delete is already gone, the
        answer is empty.

        Raises:
            AlreadyExists: The name is taken by a different resource.
        """
        call = self._call(service, operation, parameters)
        answer = checks.placeholder(service, operation) if self.dry else self._changed(call)
        self.sent.append(call.without_bodies())
        return answer

    def _changed(self, call: Call) -> dict[str, Any]:
        try:
            return self._send(call)
        except NotFound:
            if call.operation.startswith(_UNDO):
                return {}
            raise
        except AlreadyExists as error:
            return existing.answer(self.find, call, error)

    def wait(
        self,
        read_state: Callable[[], T],
        done: Callable[[T], bool],
        *,
        describe: str | Callable[[T], str],
        limit_s: float,
        interval_s: float = 10.0,
    ) -> T:
        """Poll a state until it is done, and report each change; a dry run polls once.

        Args:
            read_state: Reads the state; an exception ends the waiting.
            done: Whether a state is final.
            describe: A description of what is waited for, or a function from a state to one.
            limit_s: How long to wait at most, in seconds.
            interval_s: Seconds between two polls.

        Raises:
            TimedOut: The state wasn't final within `limit_s`.
        """
        words = describe if callable(describe) else lambda _: describe
        if self.dry:
            return read_state()
        return waiting.until(read_state, done, words, self.tell, waiting.Polling(self.clock, limit_s, interval_s))

    def _recorded(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Call:
        call = self._call(service, operation, parameters)
        if self.dry:
            self.reads.append(call)
        return call

    def _call(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Call:
        return Call(service, operation, parameters, dry=self.dry)

    def _send(self, call: Call) -> dict[str, Any]:
        method = getattr(self.client(call.service), xform_name(call.operation))
        try:
            answer: dict[str, Any] = method(**call.parameters)
        except refusals.REFUSALS as error:
            raise refusals.refused(error, call, self.caller) from error
        answer.pop("ResponseMetadata", None)
        return answer


def _to_nobody(line: str) -> None:
    """Discard a line of progress."""


def connect(  # noqa: PLR0913 - six optional settings of a connection
    region: str | None = None,
    profile: str | None = None,
    *,
    role: str | None = None,
    endpoint_url: str | None = None,
    expected_account: str | None = None,
    tell: Callable[[str], None] | None = None,
) -> Account:
    """Return the account that the credentials belong to.

    Args:
        region: The region; None takes AWS_REGION or the profile's region.
        profile: A profile of the AWS command line's files; None searches for credentials as boto3 does.
        role: The ARN of a role to assume.
        endpoint_url: The endpoint of all services, for a local replacement of AWS.
        expected_account: 12 digits; credentials of another account are refused.
        tell: Called with each line of progress.

    Raises:
        MissingExtra: boto3 isn't installed.
        NoRegion, NoCredentials, WrongAccount: See each class.
    """
    from jobmajor.aws.api import session  # noqa: PLC0415 - brings in boto3, which a dry run can do without

    found = session.open_session(session.SessionOptions(region, profile, role, endpoint_url))
    identity = found.identity(expected_account)
    return Account(found.region, identity["Account"], found.client, caller=identity["Arn"], tell=tell)


def dry_account(region: str = "us-east-1", account_id: str = "000000000000") -> Account:
    """Return a dry run's account: it checks every request and sends none, without credentials or a network."""
    return Account(region, account_id)


def token(*parts: str) -> str:
    """Return an idempotency token of 64 characters for ClientToken or ClientRequestToken; equal parts give equal ones.

    The parts must contain whatever distinguishes this request from the previous one, such as a digest or an
    execution's id. Every service that takes such tokens accepts this length.
    >>> token("start", "a"), len(token("start", "a")) == 64, token("start", "a") == token("starta")
    ('0', True, False)
    """
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def utc(time: datetime.datetime, timespec: str = "auto") -> str:
    """Return a service's time as ISO 8601 in UTC; botocore gives it in the zone of the machine.

    >>> from datetime import datetime, timedelta, timezone
    >>> utc(datetime(2026, 1, 1, 16, tzinfo=timezone(timedelta(hours=-8))))
    '2026-01-02T00:00:00+00:00'
    """
    return time.astimezone(UTC).isoformat(timespec=timespec)
