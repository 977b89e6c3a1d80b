"""The content of `evaluation.json` as one value, with the gate's findings."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from jobmajor.evaluation import gate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The results of an evaluation, in the order of `evaluation.json`.

    Attributes:
        classification_metrics: This and the five after it are what `evaluate.evaluate` returns.
        per_class: One entry for each class.
        confusion: The classes and their confusion matrix.
        slices: Figures of rows that have something in common.
        calibration: How well stated confidence matches accuracy.
        confusions: The most common mistakes.
        levels: What `evaluate.by_level` returns.
        behaviour: What `behaviour.behaviour` returns.
        champion: The comparison with the champion; None if there is no champion yet.
        dataset: The origin of the titles and their split.
        model: The model's digest, origin and settings.
        reviewed: The figures of the reviewed titles' own test; None without any.
    """

    classification_metrics: Mapping[str, Any]
    per_class: Sequence[Mapping[str, Any]]
    confusion: Mapping[str, Any]
    slices: Mapping[str, Any]
    calibration: Mapping[str, Any]
    confusions: Sequence[Mapping[str, Any]]
    levels: Mapping[str, Any]
    behaviour: Mapping[str, Any]
    champion: Mapping[str, Any] | None
    dataset: Mapping[str, Any]
    model: Mapping[str, Any]
    reviewed: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the content of `evaluation.json`, with the gate's findings at its end."""
        body = {item.name: getattr(self, item.name) for item in fields(self)}
        return {**body, "gate": gate.inspect(body)}
