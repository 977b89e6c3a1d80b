from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobmajor.serve.http import idle
from jobmajor.serve.service.admission import Limits
from jobmajor.serve.service.service import ServiceOptions

from ..conftest import LIMIT_S, running, until

if TYPE_CHECKING:
    import pytest

    from jobmajor.serve.service.champion import Champion


@dataclass
class Connection:
    client: tuple[str, int] | None
    waits_since: float
    is_waiting: bool = True


def test_longest_waiting_connections_of_an_address_are_surplus() -> None:
    held = [Connection(("10.0.0.1", port), waits_since=100 - port) for port in range(5)]
    other = Connection(("10.0.0.2", 9), waits_since=1)

    assert idle.surplus([*held, other], most=3, now=200) == [held[4], held[3]]


def test_connections_that_work_or_have_just_been_answered_are_left_open() -> None:
    working = [Connection(("10.0.0.1", port), 1, is_waiting=False) for port in range(9)]
    answered = [Connection(("10.0.0.1", port), 199.5) for port in range(9)]

    assert idle.surplus(working, most=3, now=200) == []
    assert idle.surplus(answered, most=3, now=200) == []


def test_addresses_of_one_network_count_as_one() -> None:
    held = [Connection((f"2001:db8::{port}", port), waits_since=port) for port in range(1, 5)]

    assert idle.surplus(held, most=3, now=200) == held[:1]


def test_connection_without_an_address_is_never_surplus() -> None:
    assert idle.surplus([Connection(None, 1)] * 9, most=3, now=200) == []


def test_service_closes_idle_connections_beyond_the_limit_and_answers_the_next(
    champion: Champion, monkeypatch: pytest.MonkeyPatch
) -> None:
    just_now_s = idle._JUST_NOW_S
    monkeypatch.setattr(idle, "_JUST_NOW_S", float("inf"))  # none is closed before all are seen
    with running(champion, ServiceOptions(limits=Limits(waiting=3))) as found:
        held = [socket.create_connection(("127.0.0.1", found.port), LIMIT_S) for _ in range(9)]
        connections = found.server.server_state.connections
        until(lambda: len(connections) == 9, "nine connections")
        monkeypatch.setattr(idle, "_JUST_NOW_S", just_now_s)
        until(lambda: len(connections) == 3, "three connections")
        status = found.post(json={"instances": ["nurse"]}).status_code
        for each in held:
            each.close()

    assert status == 200
