"""The service meets its goals under load as far as they can be counted, and each trial catches a planted fault.

Times and rates are not asserted, as the machine is shared. They are printed, and `python -m tools.load` judges them.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from tools.load import goals, models, trials
from tools.load.service import Place
from tools.load.trials import Sizes

if TYPE_CHECKING:
    from pathlib import Path

    from tools.load.trials import Figures

# Together they take over a minute and want the machine alone. `make test` has a short test of each: a busy service in
# http/test_limits.py, swaps in service/test_swaps.py, SIGTERM under load in http/test_programs.py.
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("load")]
SHORT = Sizes(steady_s=3, overload_s=2, swaps=6, ends=3, measure_s=0.9, warm_s=0.5)
FAILING = """
from jobmajor.serve.service import batcher
real, asked = batcher.RequestBatcher._answer, []
def fail(self, batch):
    asked.append(batch)
    if len(asked) % 50 == 0:
        raise RuntimeError
    real(self, batch)
batcher.RequestBatcher._answer = fail
batcher.RequestBatcher._isolate_fault = lambda self, batch, error: [setattr(job, "error", error) for job, _ in batch]
"""
LEAKING = """
from jobmajor.serve.service import batcher
real, kept = batcher.RequestBatcher._answer, []
def keep(self, batch):
    kept.extend(b"x" * 60_000 + bytes(len(kept) % 7) for _ in batch)
    real(self, batch)
batcher.RequestBatcher._answer = keep
"""
UNHEALTHY = """
from jobmajor.serve.http import middleware, protocol
middleware.EXEMPT = protocol.EXEMPT = frozenset()
"""
MIXING = """
from dataclasses import replace
from jobmajor.serve.service import champion
real, first = champion.ModelSource.load, []
def mix(self):
    new = real(self)
    first.append(new.classifier)
    return replace(new, classifier=first[0])
champion.ModelSource.load = mix
"""
ABRUPT = """
from jobmajor.serve import server
real = server.Server.shutdown
async def end(self, sockets=None):
    for connection in [*self.server_state.connections]:
        connection.transport.abort()
    await real(self, sockets)
server.Server.shutdown = end
"""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two models that answer differently."""
    return models.two(tmp_path_factory.mktemp("models"))


@pytest.fixture
def link(two: list[Path], tmp_path: Path) -> Path:
    """A link to the first of them, to be pointed to the other."""
    found = tmp_path / "served"
    found.symlink_to(two[0])
    return found


def tell(trial: str, figures: Figures) -> list[str]:
    """Print the figures; the counts that are wrong, in words."""
    sys.stdout.write(json.dumps({trial: figures}) + "\n")
    return goals.wrongs({trial: figures})


def test_below_capacity_every_request_is_answered(two: list[Path]) -> None:
    assert tell("steady", trials.steady(Place(two[0]), SHORT)) == []


def test_request_that_fails_and_memory_that_leaks_are_caught(two: list[Path]) -> None:
    failing = trials.steady(Place(two[0], fault=FAILING), SHORT)
    leaking = trials.steady(Place(two[0], fault=LEAKING), SHORT)

    assert goals.wrongs({"steady": failing}) == [f"steady: errors is {failing['errors']:g}"]
    assert [goal.figure for goal, _, met in goals.judged({"steady": leaking}) if not met][-1:] == ["memory_grown_mb"]


def test_far_above_capacity_each_no_says_when_to_come_again_and_health_is_answered(two: list[Path]) -> None:
    found = trials.overload(Place(two[0]), SHORT)

    assert tell("overload", found) == []
    assert found["recovery_s"] < float("inf")


def test_health_that_is_refused_like_any_request_is_caught(two: list[Path]) -> None:
    found = trials.overload(Place(two[0], fault=UNHEALTHY), SHORT)

    assert goals.wrongs({"overload": found}) == [f"overload: pings_failed is {found['pings_failed']:g}"]


def test_no_request_fails_and_no_answer_is_another_model_s_while_models_swap(two: list[Path], link: Path) -> None:
    found = trials.swaps(Place(link, poll_s=0.05), two, SHORT)

    assert tell("swaps", found) == []
    assert found["swaps"] == SHORT.swaps


def test_answer_of_one_model_under_the_name_of_another_is_caught(two: list[Path], link: Path) -> None:
    found = trials.swaps(Place(link, poll_s=0.05, fault=MIXING), two, SHORT)

    assert goals.wrongs({"swaps": found}) == [f"swaps: mixed is {found['mixed']:g}"]


def test_no_request_that_was_taken_is_lost_at_an_end(two: list[Path]) -> None:
    assert tell("ends", trials.ends(Place(two[0], drain_s=0.3), SHORT)) == []


def test_end_that_cuts_connections_is_caught(two: list[Path]) -> None:
    found = trials.ends(Place(two[0], drain_s=0.1, fault=ABRUPT), Sizes(ends=3))

    assert f"ends: lost is {found['lost']:g}" in goals.wrongs({"ends": found})
