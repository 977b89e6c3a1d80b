"""Waiting requests are answered together, each gets what it would have got alone, and none holds the others up."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any, cast

import pytest

from jobmajor.model.answers import Answer, Coded
from jobmajor.serve.messages import rendering
from jobmajor.serve.messages.media import JSON
from jobmajor.serve.messages.parameters import RequestParameters
from jobmajor.serve.service.batcher import SLICE, Job, RequestBatcher
from jobmajor.serve.service.champion import LoadedModel

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from jobmajor.model.classifier import Classifier
    from jobmajor.soc import Level

POISON = "poison"


class Echo:
    """Answers each title with itself; holds while `go` is not set, and fails at poison."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.go, self.is_asked = threading.Event(), threading.Event()

    def answer_at(
        self, levels: Sequence[Level], titles: list[str], k: int, *, exact: bool, **_: object
    ) -> list[list[Coded]]:
        self.calls.append(titles)
        self.is_asked.set()
        assert self.go.wait(60)
        if POISON in titles:
            raise ValueError(POISON)
        return [
            [Coded((Answer(title, level, 1.0),) * k, abstain=exact, reason="", source="model") for title in titles]
            for level in levels
        ]


@pytest.fixture
def echo() -> Echo:
    return Echo()


def served(echo: Echo, digest: str = "one") -> LoadedModel:
    return LoadedModel(cast("Classifier", echo), digest, digest)


def labels(parts: list[bytes | rendering.Packed]) -> list[str]:
    plain = [b"".join(rendering.unpacked(part)) for part in parts]
    return [each[0]["label"] for each in json.loads(b"[" + b",".join(plain) + b"]")]


def run(batcher: RequestBatcher, what: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    batcher.start()
    try:
        return asyncio.run(what())
    finally:
        batcher.stop()


async def behind(echo: Echo, batcher: RequestBatcher, jobs: list[Job]) -> list[Any]:
    """The results of jobs that were all waiting when the first one was done."""
    first = asyncio.create_task(batcher.score(Job(["first"], RequestParameters(), JSON, served(echo))))
    await asyncio.to_thread(echo.is_asked.wait, 60)
    waiting = [asyncio.create_task(batcher.score(job)) for job in jobs]
    await asyncio.sleep(0)  # until each stands in the line
    echo.go.set()
    await first
    return await asyncio.gather(*waiting, return_exceptions=True)


def test_requests_that_wait_are_scored_in_one_call_and_each_gets_its_own(echo: Echo) -> None:
    batcher, model = RequestBatcher(), served(echo)
    jobs = [Job([f"{name}{number}" for number in range(3)], RequestParameters(), JSON, model) for name in "abc"]

    found = run(batcher, lambda: behind(echo, batcher, jobs))

    assert [labels(parts) for parts in found] == [["a0", "a1", "a2"], ["b0", "b1", "b2"], ["c0", "c1", "c2"]]
    assert echo.calls[1:] == [["a0", "a1", "a2", "b0", "b1", "b2", "c0", "c1", "c2"]]


def test_requests_of_other_options_or_another_model_are_not_mixed(echo: Echo) -> None:
    batcher, old, new = RequestBatcher(), served(echo, "old"), served(echo, "new")
    jobs = [
        Job(["a"], RequestParameters(), JSON, old),
        Job(["b"], RequestParameters(), JSON, new),
        Job(["c"], RequestParameters(("minor",)), JSON, new),
    ]

    found = run(batcher, lambda: behind(echo, batcher, jobs))

    assert [labels(parts) for parts in found] == [["a"], ["b"], ["c"]]
    assert echo.calls[1:] == [["a"], ["b"], ["c"]]


def test_long_request_is_cut_and_a_short_one_behind_it_does_not_wait_for_its_end(echo: Echo) -> None:
    batcher, model, done = RequestBatcher(), served(echo), []
    long = Job([str(number) for number in range(SLICE * 4)], RequestParameters(), JSON, model)
    short = Job(["short"], RequestParameters(), JSON, served(echo, "other"))

    async def both() -> list[Any]:
        tasks = [asyncio.create_task(batcher.score(job)) for job in (long, short)]
        for job, task in zip(("long", "short"), tasks, strict=True):
            task.add_done_callback(lambda _, job=job: done.append(job))  # type: ignore[misc]  # mypy: a default in a lambda
        await asyncio.to_thread(echo.is_asked.wait, 60)
        echo.go.set()
        return await asyncio.gather(*tasks)

    found = run(batcher, both)

    assert done == ["short", "long"]
    assert labels(found[0]) == [str(number) for number in range(SLICE * 4)]
    assert max(map(len, echo.calls)) == SLICE


def test_fault_of_one_request_is_its_own(echo: Echo) -> None:
    batcher, model = RequestBatcher(), served(echo)
    jobs = [Job([title], RequestParameters(), JSON, model) for title in ("a", POISON, "b")]

    before, fault, after = run(batcher, lambda: behind(echo, batcher, jobs))

    assert (labels(before), labels(after)) == (["a"], ["b"])
    assert isinstance(fault, ValueError)


def test_what_nobody_waits_for_is_not_scored(echo: Echo) -> None:
    batcher, model = RequestBatcher(), served(echo)

    async def leave() -> None:
        first = asyncio.create_task(batcher.score(Job(["first"], RequestParameters(), JSON, model)))
        await asyncio.to_thread(echo.is_asked.wait, 60)
        gone = asyncio.create_task(batcher.score(Job(["gone"], RequestParameters(), JSON, model)))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        echo.go.set()
        await first
        await batcher.score(Job(["last"], RequestParameters(), JSON, model))

    run(batcher, leave)

    assert echo.calls == [["first"], ["last"]]


def test_request_without_titles_is_answered(echo: Echo) -> None:
    echo.go.set()
    batcher = RequestBatcher()

    assert run(batcher, lambda: batcher.score(Job([], RequestParameters(), JSON, served(echo)))) == []


def test_what_waits_at_the_end_is_still_scored(echo: Echo) -> None:
    echo.go.set()
    batcher = RequestBatcher()

    async def late() -> list[bytes | rendering.Packed]:
        task = asyncio.create_task(batcher.score(Job(["a"] * (3 * SLICE), RequestParameters(), JSON, served(echo))))
        await asyncio.to_thread(echo.is_asked.wait, 60)
        await asyncio.to_thread(batcher.stop)
        return await task

    batcher.start()

    assert len(labels(asyncio.run(late()))) == 3 * SLICE


def quick(echo: Echo, digest: str = "quick") -> LoadedModel:
    return LoadedModel(cast("Classifier", echo), digest, digest, is_quick=True)


async def together(batcher: RequestBatcher, jobs: list[Job]) -> list[Any]:
    return await asyncio.gather(*(batcher.score(job) for job in jobs), return_exceptions=True)


def test_few_titles_of_a_quick_model_are_scored_by_the_loop_itself_and_together(echo: Echo) -> None:
    echo.go.set()
    batcher, model = RequestBatcher(), quick(echo)  # not started: no thread could answer
    jobs = [Job([name], RequestParameters(), JSON, model) for name in "abc"]

    found = asyncio.run(together(batcher, jobs))

    assert [labels(parts) for parts in found] == [["a"], ["b"], ["c"]]
    assert echo.calls == [["a", "b", "c"]]


def test_request_that_the_loop_scores_is_never_cut(echo: Echo) -> None:
    echo.go.set()
    batcher, model = RequestBatcher(), quick(echo)
    jobs = [Job([name] * 24, RequestParameters(), JSON, model) for name in "abc"]

    found = asyncio.run(together(batcher, jobs))

    assert [labels(parts) for parts in found] == [["a"] * 24, ["b"] * 24, ["c"] * 24]
    assert [len(call) for call in echo.calls] == [48, 24]


def test_loop_scores_one_model_and_one_wish_at_a_time_and_a_fault_is_its_own(echo: Echo) -> None:
    echo.go.set()
    batcher, old, new = RequestBatcher(), quick(echo, "old"), quick(echo, "new")
    jobs = [
        Job(["a"], RequestParameters(), JSON, old),
        Job([POISON], RequestParameters(), JSON, new),
        Job(["c"], RequestParameters(), JSON, new),
    ]

    before, fault, after = asyncio.run(together(batcher, jobs))

    assert (labels(before), labels(after)) == (["a"], ["c"])
    assert isinstance(fault, ValueError)
    assert echo.calls[0] == ["a"]


@pytest.mark.parametrize(
    ("titles", "levels"),
    [(["a"] * 25, ("major",)), (["a"] * 9, ("major", "minor", "broad")), (["a" * 2001], ("major",))],
)
def test_what_takes_long_is_left_to_the_thread(echo: Echo, titles: list[str], levels: tuple[Level, ...]) -> None:
    assert not Job(titles, RequestParameters(levels), JSON, quick(echo)).is_short
    assert not Job(["a"], RequestParameters(), JSON, served(echo)).is_short
    assert Job(["a"], RequestParameters(), JSON, quick(echo)).is_short


def test_while_the_thread_scores_the_loop_neither_waits_nor_asks_the_model_at_the_same_time(echo: Echo) -> None:
    batcher, model = RequestBatcher(), quick(echo)

    async def both() -> list[Any]:
        long = asyncio.create_task(batcher.score(Job(["long"] * 25, RequestParameters(), JSON, model)))
        await asyncio.to_thread(echo.is_asked.wait, 60)
        short = asyncio.create_task(batcher.score(Job(["short"], RequestParameters(), JSON, model)))
        await asyncio.sleep(0.05)
        assert not short.done()
        echo.go.set()
        return [await long, await short]

    found = run(batcher, both)

    assert [labels(parts) for parts in found] == [["long"] * 25, ["short"]]
    assert echo.calls == [["long"] * 25, ["short"]]
