"""The service's metrics in Prometheus's text format: few enough lines to need no library.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/ (text format 0.0.4).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jobmajor.model.answers import Coded
    from jobmajor.serve.service.admission import Admission
    from jobmajor.serve.service.champion import Champion

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """Counts since the start. The event loop counts requests, and the batcher counts titles."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, int]] = Counter()
        self._durations = [0] * (len(_SECONDS) + 1)
        self._seconds = 0.0
        self._titles: Counter[str] = Counter()
        self._abstained: Counter[str] = Counter()
        self._batches = 0

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count an answered request; `route` is one of the app's paths or "other", so that the series stay few."""
        self._requests[route, status] += 1
        if route == "/invocations" and status == 200:
            self._durations[bisect_left(_SECONDS, seconds)] += 1
            self._seconds += seconds

    def batch(self, answers: Sequence[Sequence[Coded]]) -> None:
        """Count the titles of a batch. Of several levels, the last and finest says whether the model abstained."""
        self._batches += 1
        for each in answers[-1]:
            self._titles[each.source] += 1
            if each.abstain:
                self._abstained[each.reason] += 1

    def text(self, champion: Champion, admission: Admission) -> str:
        """Return all counts, and the state of the model and the admission now."""
        return "\n".join([*self._counted(), *self._histogram(), *_now(champion, admission)]) + "\n"

    def _counted(self) -> Iterator[str]:
        yield from _head("jobmajor_requests_total", "counter", "Requests by route and status.")
        for (route, status), count in sorted(self._requests.items()):
            yield f'jobmajor_requests_total{{route="{route}",status="{status}"}} {count}'
        yield from _head("jobmajor_titles_total", "counter", "Titles scored, by where the answer comes from.")
        for source, count in sorted(self._titles.copy().items()):
            yield f'jobmajor_titles_total{{source="{source}"}} {count}'
        yield from _head("jobmajor_abstained_total", "counter", "Titles that a person should review, by reason.")
        for reason, count in sorted(self._abstained.copy().items()):
            yield f'jobmajor_abstained_total{{reason="{reason}"}} {count}'
        yield from _one("jobmajor_batches_total", "counter", "Calls of the model.", self._batches)

    def _histogram(self) -> Iterator[str]:
        name, total = "jobmajor_invocation_seconds", 0
        yield from _head(name, "histogram", "Time from a request's head to its response, of answered invocations.")
        for bound, count in zip([*map(str, _SECONDS), "+Inf"], self._durations, strict=True):
            total += count
            yield f'{name}_bucket{{le="{bound}"}} {total}'
        yield f"{name}_sum {self._seconds:.6f}"
        yield f"{name}_count {total}"


def _now(champion: Champion, admission: Admission) -> Iterator[str]:
    yield from _one("jobmajor_requests_in_work", "gauge", "Requests in progress.", admission.requests)
    yield from _one("jobmajor_bytes_in_work", "gauge", "Bytes of their bodies.", admission.size_bytes)
    yield from _one("jobmajor_model_swaps_total", "counter", "Models that replaced another.", champion.swaps)
    yield from _one("jobmajor_model_swap_failures_total", "counter", "Model swaps that failed.", champion.failures)
    yield from _head("jobmajor_model_info", "gauge", "The model that answers.")
    yield f'jobmajor_model_info{{digest="{champion.served.digest}"}} 1'


def _head(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def _one(name: str, kind: str, text: str, value: int) -> Iterator[str]:
    yield from _head(name, kind, text)
    yield f"{name} {value}"
