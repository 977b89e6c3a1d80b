"""Another champion takes over under load: no request fails, and no answer mixes two models."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from jobmajor.serve.service.champion import Champion, ModelSource
from jobmajor.serve.service.service import ServiceOptions

from ..conftest import LIMIT_S, running, saved, until

if TYPE_CHECKING:
    from pathlib import Path

    from jobmajor.model.classifier import Classifier

SWAPS, CLIENTS = 10, 2


def ask(url: str, stop: threading.Event, found: list[tuple[int, Any]]) -> None:
    """Add statuses and models of one client's requests until it is stopped."""
    with httpx.Client(base_url=url, timeout=LIMIT_S) as client:
        while not stop.is_set():
            answer = client.post("/invocations", content='"a"\n' * 300, headers={"content-type": "application/jsonl"})
            models = {line.rpartition('"model":"')[2] for line in answer.text.splitlines()}
            found.append((answer.status_code, models))


@pytest.mark.slow
def test_no_request_fails_and_none_is_mixed_while_models_swap(classifier: Classifier, tmp_path: Path) -> None:
    folders = [saved(classifier, tmp_path / name, name) for name in ("one", "two")]
    link, stop = tmp_path / "model", threading.Event()
    link.symlink_to(folders[0])
    champion = Champion(ModelSource(tmp_path, link))
    answered: list[list[tuple[int, Any]]] = [[] for _ in range(CLIENTS)]

    def are_further_than(counts: list[int]) -> bool:
        """Whether each client has two more answers: it asked for the second of them after these counts."""
        return all(len(each) >= count + 2 for each, count in zip(answered, counts, strict=True))

    with running(champion, ServiceOptions(poll_s=3600.0)) as found, ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(ask, found.url, stop, each) for each in answered]
        try:
            for number in range(1, SWAPS + 1):
                (tmp_path / "next").symlink_to(folders[number % 2])
                (tmp_path / "next").replace(link)
                assert champion.refresh()
                counts = [len(each) for each in answered]
                until(lambda counts=counts: are_further_than(counts), "answers of each client")  # type: ignore[misc]
        finally:
            stop.set()
        for each in clients:
            each.result()
        answers = [each for found_by in answered for each in found_by]

    assert {status for status, _ in answers} == {200}
    assert {len(models) for _, models in answers} == {1}
    assert len({model for _, models in answers for model in models}) == 2


def test_service_looks_for_another_champion_by_itself(classifier: Classifier, tmp_path: Path) -> None:
    folders = [saved(classifier, tmp_path / name, name) for name in ("one", "two")]
    link = tmp_path / "model"
    link.symlink_to(folders[0])
    champion = Champion(ModelSource(tmp_path, link))

    with running(champion, ServiceOptions(poll_s=0.02)) as found:
        before = found.get("/version").json()["model"]
        (tmp_path / "next").symlink_to(folders[1])
        (tmp_path / "next").replace(link)
        until(lambda: champion.swaps == 1, "the swap")

        assert found.get("/version").json()["model"] == champion.served.digest != before
        assert "jobmajor_model_swaps_total 1" in found.get("/metrics").text
