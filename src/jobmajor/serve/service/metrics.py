"""The service's metrics in Prometheus's text format: few enough lines to need no library.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/ (text format 0.0.4).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING

from jobmajor.serve.service.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from jobmajor.model.answers import Coded
    from jobmajor.serve.service.admission import Admission
    from jobmajor.serve.service.champion import Champion

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


_BUCKETS = (*map(str, _SECONDS), "+Inf")
_REQUESTS, _TITLES, _ABSTAINED = "jobmajor_requests_total", "jobmajor_titles_total", "jobmajor_abstained_total"
_BATCHES, _DURATION = "jobmajor_batches_total", "jobmajor_invocation_seconds"
_BUCKET = tuple(f"{_DURATION} {bound}" for bound in _BUCKETS)
IN_WORK, BYTES = "jobmajor_requests_in_work", "jobmajor_bytes_in_work"
SWAPS, FAILURES = "jobmajor_model_swaps_total", "jobmajor_model_swap_failures_total"
WORKERS, RESTARTS = "jobmajor_workers", "jobmajor_worker_restarts_total"
CAPTURED, _UNCAPTURED = "jobmajor_captured_total", "jobmajor_capture_dropped_total"
UNCAPTURED = {reason: f'{_UNCAPTURED}{{reason="{reason}"}}' for reason in ("queue", "disk", "size")}
SHADOWED, _UNSHADOWED = "jobmajor_shadowed_total", "jobmajor_shadow_dropped_total"
UNSHADOWED = {reason: f'{_UNSHADOWED}{{reason="{reason}"}}' for reason in ("queue", "fault", "size")}


class Metrics:
    """Counts since the start, of all workers. The event loop counts requests, and the batcher counts titles."""

    def __init__(self, tally: Tally | None = None) -> None:
        self._tally = tally or Tally()

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count an answered request; `route` is one of the app's paths or "other", so that the series stay few."""
        tally = self._tally
        tally.add(f'{_REQUESTS}{{route="{route}",status="{status}"}}')
        if route == "/invocations" and status == 200:
            tally.add(_BUCKET[bisect_left(_SECONDS, seconds)])
            tally.add(_DURATION, seconds)

    def batch(self, answers: Sequence[Sequence[Coded]]) -> None:
        """Count the titles of a batch. Of several levels, the last and finest says whether the model abstained."""
        self._tally.add(_BATCHES)
        sources = Counter(each.source for each in answers[-1])
        reasons = Counter(each.reason for each in answers[-1] if each.abstain)
        for source, count in sources.items():
            self._tally.add(f'{_TITLES}{{source="{source}"}}', count)
        for reason, count in reasons.items():
            self._tally.add(f'{_ABSTAINED}{{reason="{reason}"}}', count)

    def text(self, champion: Champion, admission: Admission) -> str:
        """Return all counts, and the state of the model and the admission now."""
        self._tally.set(IN_WORK, admission.requests)
        self._tally.set(BYTES, admission.size_bytes)
        sums = self._tally.sums()
        sums.setdefault(SWAPS, champion.swaps)
        sums.setdefault(FAILURES, champion.failures)
        return "\n".join([*_counted(sums), *_histogram(sums), *_now(sums, champion)]) + "\n"


def _counted(sums: Mapping[str, float]) -> Iterator[str]:
    yield from _series(sums, _REQUESTS, "Requests by route and status.")
    yield from _series(sums, _TITLES, "Titles scored, by where the answer comes from.")
    yield from _series(sums, _ABSTAINED, "Titles that a person should review, by reason.")
    yield from _one(_BATCHES, "counter", "Calls of the model.", sums.get(_BATCHES, 0.0))
    yield from _one(CAPTURED, "counter", "Requests recorded by --capture.", sums.get(CAPTURED, 0.0))
    yield from _series(sums, _UNCAPTURED, "Requests of the sample that were not recorded, by reason.")
    yield from _one(SHADOWED, "counter", "Requests that --shadow answered as well.", sums.get(SHADOWED, 0.0))
    yield from _series(sums, _UNSHADOWED, "Requests of its sample that it didn't answer or record, by reason.")


def _series(sums: Mapping[str, float], name: str, text: str) -> Iterator[str]:
    yield from _head(name, "counter", text)
    yield from (f"{each} {sums[each]:.0f}" for each in sorted(sums) if each.startswith(name + "{"))


def _histogram(sums: Mapping[str, float]) -> Iterator[str]:
    total = 0.0
    yield from _head(_DURATION, "histogram", "Time from a request's head to its response, of answered invocations.")
    for bound, name in zip(_BUCKETS, _BUCKET, strict=True):
        total += sums.get(name, 0.0)
        yield f'{_DURATION}_bucket{{le="{bound}"}} {total:.0f}'
    yield f"{_DURATION}_sum {sums.get(_DURATION, 0.0):.6f}"
    yield f"{_DURATION}_count {total:.0f}"


def _now(sums: Mapping[str, float], champion: Champion) -> Iterator[str]:
    yield from _one(IN_WORK, "gauge", "Requests in progress.", sums[IN_WORK])
    yield from _one(BYTES, "gauge", "Bytes of their bodies.", sums[BYTES])
    yield from _one(WORKERS, "gauge", "Processes that answer.", sums.get(WORKERS, 1.0))
    yield from _one(RESTARTS, "counter", "Workers that ended and were replaced.", sums.get(RESTARTS, 0.0))
    yield from _one(SWAPS, "counter", "Models that replaced another.", sums[SWAPS])
    yield from _one(FAILURES, "counter", "Model swaps that failed.", sums[FAILURES])
    yield from _head("jobmajor_model_info", "gauge", "The model that answers.")
    yield f'jobmajor_model_info{{digest="{champion.served.digest}"}} 1'


def _head(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def _one(name: str, kind: str, text: str, value: float) -> Iterator[str]:
    yield from _head(name, kind, text)
    yield f"{name} {value:.0f}"
