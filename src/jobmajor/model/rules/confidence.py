"""How often an answer with a score is right on titles that people write: the score, corrected for the world outside.

A score is a share that comes true on O*NET's titles. On registers and job ads, sure answers are wrong more often. One
sigmoid of the score's logit for each level corrects this. Its two numbers were fitted on titles new in a release, on a
register of jobs and on ESCO's labels, by distinct titles; on each of these left out, the calibration error is 0.002 to
0.021 above chance, 0.004 to 0.044 without (docs/experiments.md). In another classification than SOC 2018, nothing is
known of the world outside, and the confidence is the score.
Source: Platt, J. (1999), Probabilistic outputs for support vector machines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jobmajor.soc import chosen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from jobmajor.soc import Level

ENOUGH = 0.88  # from here on, 95 in 100 answers were right on the files left out, 93 of ESCO's
_FITTED: Mapping[Level, tuple[float, float]] = {  # added to the logit after its factor, and the factor
    "major": (0.030, 0.776),
    "minor": (0.117, 0.784),
    "broad": (0.084, 0.752),
    "detailed": (0.034, 0.726),
}
_NEAREST = 1e-6  # to 0 and to 1


def of(scores: ArrayLike, level: Level) -> NDArray[np.float64]:
    """Return the confidence of best answers at a level, 0 to 1, in the order of the scores; that of a score of 0 is 0.

    >>> of([0.0, 0.5, 0.926, 1.0], "major").round(2).tolist()
    [0.0, 0.51, 0.88, 1.0]
    """
    given = np.asarray(scores, np.float64)
    if not chosen.now().is_soc:
        return given
    added, factor = _FITTED[level]
    shares = np.clip(given, _NEAREST, 1 - _NEAREST)
    found = 1 / (1 + np.exp(-added - factor * np.log(shares / (1 - shares))))
    return np.where(given > 0, found, 0.0)


def score(confidence: float, level: Level) -> float:
    """Return the score that has a confidence, between 0 and 1, at a level.

    >>> round(score(0.88, "major"), 3)
    0.926
    """
    if not chosen.now().is_soc:
        return confidence
    added, factor = _FITTED[level]
    return float(1 / (1 + np.exp((added - np.log(confidence / (1 - confidence))) / factor)))


def least(level: Level) -> float:
    """Return the score below which no answer is taken, whatever validation says of it; 0 outside of SOC 2018."""
    return score(ENOUGH, level) if chosen.now().is_soc else 0.0
