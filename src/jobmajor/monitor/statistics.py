"""`statistics.json` and `constraints.json` in the layout that SageMaker's Model Monitor writes and its users read.

Source: "Schema for Statistics" and "Schema for Constraints" in the Amazon SageMaker developer guide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jobmajor.monitor.profile import LEAST_CHANGE, LENGTHS, SCORES
from jobmajor.monitor.shape import is_group

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from jobmajor.monitor.profile import Profile

_VERSION = 0.0
_QUALITY = {"accuracy": "test_accuracy", "weighted_f1": "test_f1"}
_TITLE, _CODE, _CONFIDENCE, _LENGTH = "title", "code", "confidence", "title_length"


def statistics(profile: Profile) -> dict[str, Any]:
    """Return what the rows of a profile are like: the titles, their length, the answers, and the share of each flag."""
    flagged, total = profile.flagged(), profile.total
    missing = flagged["empty"]
    groups = {name: count for name, count in flagged.items() if is_group(name)}
    coded = sum(groups.values())
    features = [
        _text(_TITLE, (total - missing, missing), len(profile.titles), {}),
        _text(_CODE, (coded, total - coded), sum(count > 0 for count in groups.values()), groups),
        _number(_LENGTH, profile.lengths, np.arange(LENGTHS + 1.0), np.arange(LENGTHS)),
        *_confidences(profile),
        *(_share(name, count, total) for name, count in flagged.items() if not is_group(name)),
    ]
    return {"version": _VERSION, "dataset": {"item_count": total}, "features": features}


def constraints(profile: Profile) -> dict[str, Any]:
    """Return what later rows are held to: no fewer titles, no other codes, and shares that differ by chance only."""
    flagged, total = profile.flagged(), max(profile.total, 1)
    groups = [name for name, count in flagged.items() if is_group(name) and count]
    features = [
        _constraint(_TITLE, "String", 1 - flagged["empty"] / total, {}),
        _constraint(_CODE, "String", sum(flagged[name] for name in groups) / total, {"domains": groups}),
        *(
            {**_constraint(name, kind, 1.0, {}), "num_constraints": {"is_non_negative": True}}
            for name, kind in ((_LENGTH, "Integral"), (_CONFIDENCE, "Fractional"))
            if name != _CONFIDENCE or _has_answers(profile)
        ),
    ]
    comparison = {
        "perform_comparison": "Enabled",
        "comparison_threshold": LEAST_CHANGE,
        "comparison_method": "Robust",
    }
    config = {
        "evaluate_constraints": "Enabled",
        "emit_metrics": "Enabled",
        "datatype_check_threshold": 1.0,
        "domain_content_threshold": 1.0,
        "distribution_constraints": comparison,
    }
    return {"version": _VERSION, "features": features, "monitoring_config": config}


def quality(scores: Mapping[str, float]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what Model Monitor's statistics and constraints of predictions hold about how right they are.

    Args:
        scores: An evaluation's `classification_metrics`.
    """
    values = {name: scores[ours] for name, ours in _QUALITY.items()}
    metrics = {name: {"value": value, "standard_deviation": "NaN"} for name, value in values.items()}
    limits = {name: {"threshold": value, "comparison_operator": "LessThanThreshold"} for name, value in values.items()}
    return {"multiclass_classification_metrics": metrics}, {"multiclass_classification_constraints": limits}


def _confidences(profile: Profile) -> list[dict[str, Any]]:
    """Return the statistics of the confidence, where there is one."""
    bins = np.linspace(0, 1, SCORES + 1)
    found = _number(_CONFIDENCE, profile.confidence, bins, (bins[:-1] + bins[1:]) / 2)
    return [found] if _has_answers(profile) else []


def _has_answers(profile: Profile) -> bool:
    """Tell whether a model answered the titles: the codes of a data baseline are true ones, without a confidence."""
    return profile.about.get("model") is not None


def _constraint(name: str, kind: str, completeness: float, strings: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "inferred_type": kind, "completeness": completeness}
    if strings:
        found["string_constraints"] = strings
    return found


def _text(name: str, present: tuple[int, int], distinct: int, counts: dict[str, int]) -> dict[str, Any]:
    buckets = [{"value": value, "count": count} for value, count in counts.items()]
    found: dict[str, Any] = {"common": {"num_present": present[0], "num_missing": present[1]}}
    found["distinct_count"] = float(distinct)
    if buckets:
        found["distribution"] = {"categorical": {"buckets": buckets}}
    return {"name": name, "inferred_type": "String", "string_statistics": found}


def _number(name: str, counts: NDArray[np.int64], edges: Any, values: Any) -> dict[str, Any]:
    """Return the statistics of binned values; each counts as the value that stands for its bin.

    Args:
        name: The feature.
        counts: int64, (bins,); the rows in each bin.
        edges: Shape (bins + 1,).
        values: Shape (bins,).
    """
    total = int(counts.sum())
    mean = float(values @ counts / total) if total else 0.0
    spread = float(np.sqrt((values - mean) ** 2 @ counts / total)) if total else 0.0
    used = np.flatnonzero(counts)
    buckets = [
        {"lower_bound": float(edges[index]), "upper_bound": float(edges[index + 1]), "count": float(counts[index])}
        for index in used
    ]
    found = {
        "common": {"num_present": total, "num_missing": 0},
        "mean": mean,
        "sum": mean * total,
        "std_dev": spread,
        "min": float(edges[used[0]]) if total else 0.0,
        "max": float(edges[used[-1] + 1]) if total else 0.0,
        "distribution": {"kll": {"buckets": buckets}},
    }
    return {"name": name, "inferred_type": "Fractional", "numerical_statistics": found}


def _share(name: str, count: int, total: int) -> dict[str, Any]:
    """Return the statistics of a flag, which is 0 or 1."""
    share = count / max(total, 1)
    buckets = [
        {"lower_bound": 0.0, "upper_bound": 0.5, "count": float(total - count)},
        {"lower_bound": 0.5, "upper_bound": 1.0, "count": float(count)},
    ]
    found = {
        "common": {"num_present": total, "num_missing": 0},
        "mean": share,
        "sum": float(count),
        "std_dev": float(np.sqrt(share * (1 - share))),
        "min": 0.0,
        "max": float(count > 0),
        "distribution": {"kll": {"buckets": buckets}},
    }
    return {"name": name, "inferred_type": "Integral", "numerical_statistics": found}
