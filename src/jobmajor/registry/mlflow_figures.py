"""What MLflow's pages show of a version's run, so that runs can be compared there.

Parameters are what went into a model: settings, data, code and the pipeline's parameters. Metrics are every figure of
its evaluation. Figures of a part are grouped by `/`, as MLflow's pages fold them: `levels/minor/accuracy`.
"""

from __future__ import annotations

import math
import re
import time
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlflow.entities import Metric, Param

    from jobmajor.registry.versions import Candidate

HEADLINES: Final = "classification_metrics"
# What describes the inputs, and belongs to the parameters; and what only a drawing or a table of titles can show. The
# report, which is attached, has it.
_NOT_METRICS: Final = ("dataset", "model", "confusion", "confusions", "gate")
# The member that tells the items of a list apart, by the list's name.
_KEYS: Final = {"per_class": "code", "thresholds": "threshold"}
# What a name of the evaluation does not say where it stands alone: what is counted, and which level or share is meant.
_OF_THE_TEST: Final = ("rows", "titles", "families")
_CLEARER: Final = (
    (re.compile(r"(.*interval[^/]*/(?:.*/)?)level"), r"\1confidence"),
    (re.compile(r"data\.(train|validation|test)"), r"data.share.\1"),
)
_METRICS, _PARAMS = 900, 100  # MLflow takes 1000 entities in a request, 100 of them parameters
_LENGTH: Final = 250  # MLflow's limit for names
_VALUE_LENGTH: Final = 6000  # MLflow's limit for a parameter's value
_NOT_IN_NAMES: Final = re.compile(r"[^\w\-. :/]")  # MLflow takes no other characters


def batches(candidate: Candidate) -> Iterator[tuple[list[Metric], list[Param]]]:
    """Yield a candidate's metrics and parameters in batches that MLflow takes."""
    from mlflow.entities import Metric, Param  # noqa: PLC0415 - loaded when a registry is opened

    now_ms = int(time.time() * 1000)
    values = metrics(candidate.evaluation).items()
    metric = iter([Metric(name, value, now_ms, 0) for name, value in values])
    param = iter([Param(name, value) for name, value in parameters(candidate).items()])
    while any(some := (list(islice(metric, _METRICS)), list(islice(param, _PARAMS)))):
        yield some


def parameters(candidate: Candidate) -> dict[str, str]:
    """Return hyperparameters, release, data and code of a candidate, and the pipeline's parameters, by their names."""
    model = dict(candidate.evaluation.get("model", {}))
    recipe = str(model.get("recipe", ""))
    lineage, data = candidate.lineage, dict(candidate.evaluation.get("dataset", {}))
    found: dict[str, Any] = {
        "code_version": lineage.get("code_version"),
        "definition_digest": lineage.get("definition_digest"),
        "release": lineage.get("source", {}).get("release") or data.get("release"),
        "recipe": recipe or None,
        "refitted": model.get("refitted"),
        **dict(_leaves(model.get("settings", {}), (recipe or "settings",), ".")),
        **dict(_leaves(data, ("data",), ".")),
    }
    named = {_name(name): value for name, value in found.items()} | dict(lineage.get("parameters", {}))
    return {name: str(value)[:_VALUE_LENGTH] for name, value in named.items() if value is not None}


def metrics(evaluation: Mapping[str, Any]) -> dict[str, float]:
    """Return every finite number of an evaluation; the headline figures have their plain names."""
    headlines = evaluation.get(HEADLINES, {})
    others = {name: part for name, part in evaluation.items() if name not in (HEADLINES, *_NOT_METRICS)}
    plain = {f"test_{name}" if name in _OF_THE_TEST else name: value for name, value in headlines.items()}
    found = dict(_leaves(plain, (), "/")) | dict(_leaves(others, (), "/"))
    for check in evaluation.get("gate", {}).get("checks", ()):
        found[f"gate/{check['name']}"] = check.get("value")
    if "passed" in evaluation.get("gate", {}):
        found["gate/passed"] = float(bool(evaluation["gate"]["passed"]))
    return {_name(name): float(value) for name, value in found.items() if _is_figure(value)}


def _is_figure(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _leaves(value: Any, path: tuple[str, ...], sign: str) -> Iterator[tuple[str, Any]]:
    """Yield the values of nested mappings, each with its path; the items of a list if they have a key."""
    if isinstance(value, list | tuple):
        key = _KEYS.get(path[-1]) if path else None
        items = [item for item in value if isinstance(item, dict) and key in item]
        value = {f"{item[key]:.3g}" if isinstance(item[key], float) else str(item[key]): item for item in items}
    if not hasattr(value, "items"):
        yield sign.join(path), value
        return
    for name, item in value.items():
        yield from _leaves(item, (*path, str(name)), sign)


def _name(name: str) -> str:
    """Return a name as MLflow takes it, and as a reader understands it.

    >>> _name("intervals/test_f1/level"), _name("data.test"), _name("slices/a, b/f1")
    ('intervals/test_f1/confidence', 'data.share.test', 'slices/a- b/f1')
    """
    for pattern, clearer in _CLEARER:
        if found := pattern.fullmatch(name):
            name = found.expand(clearer)
    return _NOT_IN_NAMES.sub("-", name)[:_LENGTH]


def headline(evaluation: Mapping[str, Any]) -> dict[str, float]:
    """Return the finite numbers directly below an evaluation's `classification_metrics`."""
    numbers = evaluation.get("classification_metrics", {})
    return {
        name: float(value)
        for name, value in numbers.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }
