"""What a label of a title is worth: its rows, times how uncertain its answer is, times how new its words are.

The product is the order of the queue. `benchmarks/labels.py` compares it with labels chosen at random, and
docs/experiments.md has the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from jobmajor.model.rules import abstain, confidence
from jobmajor.titles import normalise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jobmajor.model.answers import Coded
    from jobmajor.model.classifier import Classifier
    from jobmajor.soc import Level

# Of what is taken for no title: few of them are one, and what a person says of the others is no lesson for a model.
_NO_TITLE: Final = 0.1


def uncertainty(coded: Sequence[Coded], level: Level) -> NDArray[np.float64]:
    """Return the chance that each best answer at a level is wrong, 0 to 1."""
    found: NDArray[np.float64] = 1 - confidence.of([each.answers[0].score for each in coded], level)
    found[[each.reason in abstain.NO_TITLES for each in coded]] = _NO_TITLE
    return found


def novelty(titles: Sequence[str], classifier: Classifier) -> NDArray[np.float64]:
    """Return how new titles are to the model: 0.5 where training has seen all words and letters, 1 where none."""
    known = classifier.knowledge.listed.known_share([normalise(title) for title in titles])
    return np.asarray(1 - known / 2, np.float64)
