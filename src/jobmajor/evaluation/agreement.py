"""Compare a model that was trained on all rows with the one that was judged without those of the test.

The refitted model has seen the test, so nothing about its accuracy can be measured there. But a sound one answers
nearly every title that the judged one gets right in the same manner, and behaves as the gate asks.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from jobmajor.evaluation import checks, gate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of the checks, shares from 0 to 1; each is measured on release 28.1 and on the starter titles."""

    # Titles of the test that the judged model gets right: the refitted one learned them, too.
    min_right: float = 0.97
    # All titles of the test: the two may differ where the judged one is wrong, some 22 of 100.
    min_all: float = 0.75


def agreement(
    judged: NDArray[Any], refitted: NDArray[Any], truth: NDArray[Any], behaviour: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the checks of a refitted model, in the form of `gate.inspect`.

    Args:
        judged: The best class of the judged model for each title, shape (titles,).
        refitted: That of the refitted one, likewise.
        truth: The true class, likewise.
        behaviour: What `behaviour.behaviour` returns for the refitted model.

    >>> import numpy as np
    >>> one = np.array([1, 2, 3, 4])
    >>> agreement(one, one, one, {})["checks"][0]["value"]
    1.0
    """
    limits, right = Limits(), judged == truth
    of_right = float((refitted == judged)[right].mean()) if right.any() else 0.0
    of_all = float((refitted == judged).mean()) if len(judged) else 0.0
    checks = [
        _check("titles that the judged model gets right", of_right, limits.min_right),
        _check("all titles of the test", of_all, limits.min_all),
        *gate.behaves({"behaviour": behaviour}),
    ]
    failed = [f"{check.name}: {check.reason}" for check in checks if check.passed is False]
    summary = "; ".join(failed) or "all passed"
    return {"passed": not failed, "summary": summary, "checks": [asdict(check) for check in checks]}


def _check(name: str, value: float, limit: float) -> checks.Check:
    reason = f"{value:.3f} are answered alike, at least {limit:g} is asked: it must be the same model with more rows"
    return checks.Check(name, value, limit, passed=value >= limit, reason=reason)
