"""Bootstrap through a faulty proxy to moto's CloudFormation: one stack, whatever is refused or lost.

moto creates a stack at once, so none is incomplete, and it ignores CreateStack's tokens. CloudFormation promises one
stack for equal tokens, so these tests check that the tokens are equal. test_stack.py covers incomplete stacks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest
import urllib3

from jobmajor.aws.api.errors import AwsError
from jobmajor.aws.project import stack

if TYPE_CHECKING:
    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names


@dataclass
class World:
    """moto, once reached directly (`account`), and once through the faulty proxy (`faulty`)."""

    account: Account
    faulty: Account
    proxy: Any
    names: Names
    body: str

    def bootstrap(self) -> stack.Stack:
        return stack.bootstrap(self.faulty, self.names, body=self.body)

    def stacks(self) -> list[str]:
        return [item["StackName"] for item in self.account.pages("cloudformation", "DescribeStacks", "Stacks")]

    def buckets(self) -> list[str]:
        return [item["Name"] for item in self.account.pages("s3", "ListBuckets", "Buckets")]

    def tokens(self) -> list[str]:
        """Return the tokens of every CreateStack request, including refused and lost ones."""
        bodies = [dict(parse_qsl(seen.body.decode())) for seen in self.proxy.seen if b"CreateStack" in seen.body]
        return [body["ClientRequestToken"] for body in bodies]


@pytest.fixture
def world(account: Account, faulty: Account, proxy: Any, names: Names, template: Any) -> World:
    return World(account, faulty, proxy, names, template.supported)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_throttling_and_lost_replies_make_one_stack(world: World, seed: int) -> None:
    world.proxy.one_in_five(seed)
    for _ in range(3):
        world.bootstrap()

    assert world.stacks() == [world.names.stack]
    assert world.buckets() == [world.names.bucket]
    assert len(set(world.tokens())) == 1


@pytest.mark.parametrize("fault", ["lose", "throttle"])
def test_creation_that_is_tried_again_carries_the_same_token(world: World, fault: str) -> None:
    left = [fault]
    world.proxy.fault = lambda seen: left.pop() if left and b"Action=CreateStack" in seen.body else ""

    made = world.bootstrap()

    first, second = world.tokens()
    assert first == second
    assert (made.change, world.stacks()) == (stack.CREATED, [world.names.stack])


@pytest.mark.long
def test_bootstrap_that_breaks_off_at_any_request_is_finished_by_the_next(world: World, moto: str) -> None:
    world.proxy.seen.clear()  # who asks was looked up
    world.bootstrap()
    count = len(world.proxy.seen)
    for last in range(count):
        urllib3.request("POST", f"{moto}/moto-api/reset", timeout=30)
        break_off(world.proxy, last)
        with pytest.raises(AwsError):
            world.bootstrap()

        world.proxy.fault = lambda _: ""
        world.bootstrap()

        assert world.stacks() == [world.names.stack]
        assert world.buckets() == [world.names.bucket]
    assert count >= 5


def break_off(proxy: Any, last: int) -> None:
    """Pass on this many requests, lose the reply to the next one, and refuse all later ones."""
    proxy.seen.clear()

    def fault(_: Any) -> str:
        place = len(proxy.seen) - 1
        return "" if place < last else "lose" if place == last else "throttle"

    proxy.fault = fault
