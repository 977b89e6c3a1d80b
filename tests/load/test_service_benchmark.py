"""The benchmark of the service measures what it says, on both services, and publishes nothing where one fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from benchmarks import service
from benchmarks.service import OURS, SOCKIT, TEXTBOOK
from tools.load.client import request

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.long  # starts two services; only `make bench` needs it
def test_both_services_are_measured_by_the_same_requests(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "SECONDS", 0.3)
    told: list[str] = []

    found = service.measure(model_folder, [f"nurse {number}" for number in range(1100)], told.append, rounds=1)

    assert set(found[OURS]) == set(found[TEXTBOOK])
    assert all(value > 0 for name in (OURS, TEXTBOOK) for key, value in found[name].items() if "µs" not in key)
    assert len(told) == 3


def test_ratio_is_ours_divided_by_the_peer_s() -> None:
    found = {OURS: {"requests/s": 300.0, "p50": 2.0}, TEXTBOOK: {"requests/s": 100.0, "p50": 4.0}, SOCKIT: {}}

    ratios, figures = service.tables(found)

    assert ratios.columns[1:] == (TEXTBOOK,)
    assert ratios.rows == (("requests/s", "3.00"), ("p50", "0.50"))
    assert figures.rows[0] == ("requests/s", "300", "100")


@pytest.mark.slow
def test_request_that_is_not_answered_ends_the_measurement(model_folder: Path) -> None:
    with service._ours(model_folder) as (port, _), pytest.raises(ConnectionError, match="were not answered"):
        service._asked(port, [request(b"no JSON")], 0.2, 1)
