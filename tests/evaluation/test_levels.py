from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from jobmajor import soc
from jobmajor.evaluation.evaluate import by_level
from jobmajor.model.classifier import Classifier
from jobmajor.model.linear.arrays import Arrays, Blend
from jobmajor.model.linear.features import bags
from jobmajor.model.linear.model import LinearModel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

# In the order of preference of the model below, whatever the title.
CODES = ("11-1011", "11-1021", "11-2011", "11-2021", "11-2022", "15-1252", "29-1141")


def stubborn() -> Classifier:
    """Prefers the first group to the second to the third, and shares evenly within each."""
    arrays = Arrays(
        buckets=np.array([-1, bags(["nurse"]).buckets[-1]], np.int32),
        gains=np.array([0, 1], np.float32),
        weights=np.zeros((2, 3), np.float32),
        bias=np.array([3, -1, -3], np.float32),
        entry_starts=np.zeros(3, np.int32),
        entry_codes=np.zeros(0, np.int16),
        entry_values=np.zeros(0, np.float32),
        code_totals=np.zeros(len(CODES), np.float32),
        word_buckets=np.zeros(0, np.int32),
        word_checks=np.zeros(0, np.uint32),
        word_parts=np.zeros((0, 3, 1), np.int8),
        word_scales=np.zeros((3, 1), np.float32),
        hidden_bias=np.zeros(1, np.float32),
        outputs=np.zeros((1, len(CODES)), np.float32),
        output_bias=np.zeros(len(CODES), np.float32),
    )
    blend = Blend(linear=5.0, shift=0.0, counts=0.0, network=0.0)
    return Classifier(LinearModel(arrays, CODES, blend), {})


def answered(titles: pl.DataFrame, model: Classifier) -> dict[str, tuple[NDArray[np.float32], Sequence[str]]]:
    shares = model.predict_proba(titles["title"], "detailed")
    return {level: (model.sum_up(shares, level), model.classes(level)) for level in soc.LEVELS}


def counted(*codes: str) -> pl.DataFrame:
    return pl.DataFrame({"title": ["anything"] * len(codes), "code": codes})


def test_hits_are_counted_at_each_level_by_hand() -> None:
    rows = counted("11-1011", "11-2011", "15-1252", "43-4051")

    found = by_level(rows, answered(rows, stubborn()))

    # Shares: nearly all to 11-, a fifth of it to each code; of its minor groups 11-2000 has three fifths, of its broad
    # ones 11-2020 two. 43- it never answers; 15-1252 is the sixth of the codes, and fifth of five broad groups.
    assert found == {
        "major": {"accuracy": 0.5, "top_5": 0.75},
        "minor": {"accuracy": 0.25, "top_5": 0.75},
        "broad": {"accuracy": 0.0, "top_5": 0.75},
        "detailed": {"accuracy": 0.25, "top_5": 0.5},
    }


def test_finer_levels_are_never_easier(classifier: Classifier, splits: Mapping[str, pl.DataFrame]) -> None:
    found = by_level(splits["validation"], answered(splits["validation"], classifier))

    assert list(found) == list(soc.LEVELS)
    accuracy = [found[level]["accuracy"] for level in soc.LEVELS]
    assert accuracy[0] > accuracy[-1]
    assert all(found[level]["accuracy"] <= found[level]["top_5"] <= 1 for level in soc.LEVELS)


def test_titles_learned_are_found_again_at_every_level(
    classifier: Classifier, splits: Mapping[str, pl.DataFrame]
) -> None:
    alone = splits["train"].filter(pl.col("codes").list.len() == 1)

    found = by_level(alone, answered(alone, classifier))

    assert min(each["top_5"] for each in found.values()) == pytest.approx(1, abs=0.1)
