"""The plan of a deployment, checked as a whole before anything is created.

SageMaker refuses wrong combinations one request at a time, sometimes after minutes of starting instances. This module
refuses them at once, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from jobmajor.aws.api.errors import AwsInputError

REAL_TIME, SERVERLESS, ASYNC = "real-time", "serverless", "async"
MODES: Final = (REAL_TIME, SERVERLESS, ASYNC)
STAGING, PRODUCTION = "staging", "production"
STAGES: Final = (STAGING, PRODUCTION)
MEMORY_MB: Final = (1024, 2048, 3072, 4096, 5120, 6144)  # what serverless offers
_MOST_CONCURRENCY: Final = 200  # the service's limit for one serverless endpoint


@dataclass(frozen=True, slots=True)
class Fleet:
    """The instances of a real-time or async endpoint.

    Attributes:
        instance_type: Such as ml.m5.large.
        least: The minimum number of instances; 0 only for async, which then costs nothing while no request waits.
        most: The maximum number of instances; equal to `least` turns scaling off.
        invocations_per_minute: The load of one instance that scaling aims at; AWS recommends half of what a load test
            found it to bear. Source: AWS, SageMaker developer guide, "Load testing your auto scaling configuration".
        backlog: The waiting requests per async instance that scaling aims at.
    """

    instance_type: str = "ml.m5.large"
    least: int = 1
    most: int = 4
    invocations_per_minute: int = 3000
    backlog: int = 5


@dataclass(frozen=True, slots=True)
class Serverless:
    """A serverless endpoint: its memory, which also determines its CPU, and its concurrent requests."""

    memory_mb: int = 2048
    concurrency: int = 5


@dataclass(frozen=True, slots=True)
class Rollout:
    """How traffic moves from the old fleet to the new one.

    Attributes:
        canary_instances: How many instances of the new fleet answer first; 0 for all at once. The service takes at most
            half the fleet, so a fleet of one instance has no canary.
        bake_s: How long alarms are watched before the rest follows, and again before the old fleet is removed.
        max_error_share: The share of a minute's requests that may end in a 5xx before the alarm goes off, 0 to 1.
        max_latency_ms: The model's latency at the 99th percentile of a minute's requests.
    """

    canary_instances: int = 1
    bake_s: int = 600
    max_error_share: float = 0.01
    max_latency_ms: int = 1000


@dataclass(frozen=True, slots=True)
class Plan:
    """A deployment of one version.

    Attributes:
        version: Its number.
        mode: One of `MODES`.
        stage: One of `STAGES`.
        capture_percent: The share of requests and answers that is captured; serverless captures none.
        shadow: A version that gets a copy of every request, and whose answers are discarded; None for none.

    Raises:
        AwsInputError: A value out of its range, or a combination that the service doesn't support.
    """

    version: int
    mode: str = REAL_TIME
    stage: str = STAGING
    fleet: Fleet = field(default_factory=Fleet)
    serverless: Serverless = field(default_factory=Serverless)
    rollout: Rollout = field(default_factory=Rollout)
    capture_percent: int = 100
    shadow: int | None = None

    def __post_init__(self) -> None:
        for name, value, is_allowed, expected in (*self._choices(), *self._amounts(), *self._combinations()):
            if not is_allowed:
                raise AwsInputError(f"{name}: found {value}, expected {expected}")

    @property
    def has_fleet(self) -> bool:
        """Return whether it runs on instances, as opposed to serverless."""
        return self.mode != SERVERLESS

    @property
    def captures(self) -> bool:
        """Return whether traffic is captured: async keeps it in its output, and serverless can't."""
        return self.mode == REAL_TIME and self.capture_percent > 0

    def _choices(self) -> tuple[tuple[str, object, bool, str], ...]:
        memory = ", ".join(map(str, MEMORY_MB))
        return (
            ("--mode", self.mode, self.mode in MODES, f"one of {', '.join(MODES)}"),
            ("--stage", self.stage, self.stage in STAGES, f"one of {', '.join(STAGES)}"),
            ("--memory", self.serverless.memory_mb, self.serverless.memory_mb in MEMORY_MB, f"one of {memory} (MB)"),
        )

    def _amounts(self) -> tuple[tuple[str, object, bool, str], ...]:
        fleet, rollout = self.fleet, self.rollout
        return (
            _range("version", self.version, 1, 999_999_999),
            _range("--instances", fleet.least, 0 if self.mode == ASYNC else 1, 1000),
            _range("--max-instances", fleet.most, max(1, fleet.least), 1000),
            _range("--invocations-per-minute", fleet.invocations_per_minute, 1, 10**7),
            _range("--backlog", fleet.backlog, 1, 10**6),
            _range("--concurrency", self.serverless.concurrency, 1, _MOST_CONCURRENCY),
            _range("--canary-instances", rollout.canary_instances, 0, max(1, fleet.least // 2)),
            _range("--bake-seconds", rollout.bake_s, 0, 3600),
            _range("--max-error-share", rollout.max_error_share, 0, 1),
            _range("--max-latency-ms", rollout.max_latency_ms, 1, 60_000),
            _range("--capture-percent", self.capture_percent, 0, 100),
        )

    def _combinations(self) -> tuple[tuple[str, object, bool, str], ...]:
        is_supported = self.shadow is None or self.mode == REAL_TIME
        is_other = self.shadow != self.version
        return (
            (
                "--shadow",
                self.mode,
                is_supported,
                f"mode {REAL_TIME}, the only one that supports a shadow",
            ),
            ("--shadow", self.shadow, is_other, "another version than the one that answers"),
        )


def _range(name: str, value: float, low: float, high: float) -> tuple[str, object, bool, str]:
    return name, value, low <= value <= high, f"a number from {low:,} to {high:,}"
