"""The one way to AWS: every request is checked, made at most once in effect, and can be printed instead of sent.

Whatever sends a request in another way is neither in a dry run's list, nor safe to repeat, nor clear when it fails.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, TypeVar

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from jobmajor.aws.api import checks, existing, refusals, waiting
from jobmajor.aws.api.errors import AlreadyThere, NotThere
from jobmajor.aws.api.request import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

T = TypeVar("T")
# After one of these an absent thing is what was wanted.
_UNDO: Final = ("Delete", "Deregister", "Remove", "Disassociate", "Terminate", "Abort")


class Account:
    """Where requests go: one account and region, or nowhere (a dry run).

    Attributes:
        region: Such as us-east-1.
        account_id: 12 digits.
        dry: Whether nothing is sent.
        caller: The ARN of who asks; "" in a dry run.
        sent: The changes that were made, or would be, in their order.
        looked: What a dry run would read, in its order; nothing otherwise.
        tell: Takes each line of progress; nobody listens unless someone is given.
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
        self.looked: list[Call] = []
        self.tell = tell or _to_nobody
        self.clock: waiting.Clock = waiting.MachineClock()
        self._client = client
        self._clients: dict[str, Any] = {}

    @property
    def dry(self) -> bool:
        """Whether nothing is sent."""
        return self._client is None

    def client(self, service: str) -> Any:
        """boto3's client of a service, for what needs one itself; a dry run has none."""
        if self._client is None:
            raise TypeError(f"a dry run has no client of {service}")
        if service not in self._clients:
            self._clients[service] = self._client(service)
        return self._clients[service]

    def find(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any] | None:
        """The answer to a read; None where the thing isn't there, and always in a dry run, as in an empty account."""
        call = self._look(service, operation, parameters)
        if self.dry:
            return None
        try:
            return self._send(call)
        except NotThere:
            return None

    def read(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """The answer to a read that must succeed; a dry run's is a stand-in of that form.

        Raises:
            NotThere: The thing isn't there.
        """
        call = self._look(service, operation, parameters)
        return checks.stand_in(service, operation) if self.dry else self._send(call)

    def pages(self, service: str, operation: str, member: str, /, **parameters: Any) -> Iterator[Any]:
        """Every item of a list, page after page; nothing in a dry run.

        Args:
            service: As botocore calls it.
            operation: Such as ListModelPackages.
            member: Of the answer, such as ModelPackageSummaryList; a path (`a.b`) where it is further inside.
            parameters: The request's.
        """
        call = self._look(service, operation, parameters)
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
        except (BotoCoreError, ClientError) as error:
            raise refusals.refused(error, call, self.caller) from error

    def change(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """The answer to a change, which is made at most once in effect; in a dry run it is recorded, not made.

        What is to be made and is there already, exactly so, counts as made (by an earlier try whose reply was lost,
        or by a run that was killed): the answer then is what the service says of it. What is to be deleted and is
        gone counts as deleted, and the answer is empty.

        Raises:
            AlreadyThere: The name is taken by something else.
        """
        call = self._call(service, operation, parameters)
        answer = checks.stand_in(service, operation) if self.dry else self._changed(call)
        self.sent.append(call.without_bodies())
        return answer

    def _changed(self, call: Call) -> dict[str, Any]:
        try:
            return self._send(call)
        except NotThere:
            if call.operation.startswith(_UNDO):
                return {}
            raise
        except AlreadyThere as error:
            return existing.answer(self.find, call, error)

    def wait(
        self,
        look: Callable[[], T],
        done: Callable[[T], bool],
        *,
        describe: str | Callable[[T], str],
        limit_s: float,
        interval_s: float = 10.0,
    ) -> T:
        """Look again and again until it is done, and tell when something changes; a dry run looks once, at nothing.

        Args:
            look: Reads the state; may raise what ends the waiting.
            done: Whether that state is the end of it.
            describe: What is waited for, in words; of the state that was seen, where it is a function.
            limit_s: When to give up.
            interval_s: Between two looks.

        Raises:
            TimedOut: It wasn't done in time.
        """
        words = describe if callable(describe) else lambda _: describe
        if self.dry:
            return look()
        return waiting.until(look, done, words, self.tell, waiting.Patience(self.clock, limit_s, interval_s))

    def _look(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Call:
        call = self._call(service, operation, parameters)
        if self.dry:
            self.looked.append(call)
        return call

    def _call(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Call:
        return Call(service, operation, parameters, rehearsed=self.dry)

    def _send(self, call: Call) -> dict[str, Any]:
        method = getattr(self.client(call.service), xform_name(call.operation))
        try:
            answer: dict[str, Any] = method(**call.parameters)
        except (BotoCoreError, ClientError) as error:
            raise refusals.refused(error, call, self.caller) from error
        answer.pop("ResponseMetadata", None)
        return answer


def _to_nobody(line: str) -> None:
    """The end of a line that nobody listens to."""


def connect(  # noqa: PLR0913 - six ways to say where, each of them optional
    region: str | None = None,
    profile: str | None = None,
    *,
    role: str | None = None,
    endpoint_url: str | None = None,
    expected_account: str | None = None,
    tell: Callable[[str], None] | None = None,
) -> Account:
    """The account that the credentials are of.

    Args:
        region: Else boto3's own: AWS_REGION or the profile's.
        profile: Of the AWS command line's files, else the usual search.
        role: The ARN of a role to take on.
        endpoint_url: Of all services, for a stand-in of AWS.
        expected_account: 12 digits; another account is refused.
        tell: Takes each line of progress.

    Raises:
        MissingExtra: boto3 isn't installed.
        NoRegion, NoCredentials, WrongAccount: As they say.
    """
    from jobmajor.aws.api import session  # noqa: PLC0415 - brings in boto3, which a dry run can do without

    found = session.open_session(session.SessionOptions(region, profile, role, endpoint_url))
    identity = found.identity(expected_account)
    return Account(found.region, identity["Account"], found.client, caller=identity["Arn"], tell=tell)


def rehearse(region: str = "us-east-1", account_id: str = "000000000000") -> Account:
    """A dry account: takes every request, checks it, sends nothing; needs neither credentials nor a network."""
    return Account(region, account_id)


def token(*parts: str) -> str:
    """The same 64 characters for the same parts: as ClientToken or ClientRequestToken they make a repeat harmless.

    The parts must say what makes this request another one than the last (a digest, an execution's id); the length
    is in the bounds of every service that takes such tokens.

    >>> token("start", "a"), len(token("start", "a")) == 64, token("start", "a") == token("starta")
    ('0', True, False)
    """
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
