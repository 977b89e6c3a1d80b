"""A trained system's answers to the scored rows, as figures. Pure but for asking the system.

They are those of an evaluation (`jobmajor.evaluation.metrics`), at every level, for systems whose scores need not be
probabilities and whose classes need not be the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from benchmarks.rewrites import REWRITES, typo
from benchmarks.systems import NO_ANSWER
from jobmajor import soc
from jobmajor.evaluation import metrics
from jobmajor.evaluation.judged import is_counted, majors_listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from benchmarks.protocols import Parts
    from benchmarks.systems import Coder, System
    from jobmajor.soc import Level

    Floats = NDArray[np.floating[Any]]
    Flags = NDArray[np.bool_]

PRECISION = 0.95  # of what is accepted without a look
_TOP = 5


@dataclass(frozen=True, slots=True)
class Sheet:
    """Answers laid beside the truth at one level.

    Attributes:
        classes: All that the system knows or a row has.
        scores: Shape (rows, classes); minus infinity for a class that the system doesn't know.
        truth: Shape (rows,); a column of `scores`.
        listed: Shape (rows, classes); whether any row of the release lists that code for the row's text.
        stands: Shape (rows,); one row for each distinct text.
    """

    classes: tuple[str, ...]
    scores: Floats
    truth: NDArray[np.int64]
    listed: Flags
    stands: Flags

    @property
    def answers(self) -> NDArray[np.int64]:
        """Shape (rows,); the best class, of equal ones the first."""
        best: NDArray[np.int64] = self.scores.argmax(axis=1)
        return best

    @property
    def correct(self) -> Flags:
        """Shape (rows,); whether the answer is the row's own code."""
        right: Flags = self.answers == self.truth
        return right

    @property
    def accepted(self) -> Flags:
        """Shape (rows,); whether the sole best answer is any listed code."""
        return metrics.any_code_hits(self.scores, self.listed)

    @property
    def confidence(self) -> Floats:
        """Shape (rows,); the best score, minus infinity where nothing was answered."""
        best: Floats = self.scores.max(axis=1)
        if NO_ANSWER in self.classes:
            best = np.where(self.answers == self.classes.index(NO_ANSWER), -np.inf, best)
        return best


def lay(counted: pl.DataFrame, scores: Floats, known: Sequence[str], level: Level) -> Sheet:
    """`scores` of `known` classes beside what is true of the rows."""
    true = [soc.ancestor(code, level) for code in counted["code"]]
    listed = [{soc.ancestor(code, level) for code in codes} for codes in counted["codes"]]
    classes = tuple(sorted(set(known).union(true, *listed)))
    place = {code: column for column, code in enumerate(classes)}
    laid = np.full((counted.height, len(classes)), -np.inf, scores.dtype)
    laid[:, [place[code] for code in known]] = scores
    marked = np.zeros(laid.shape, bool)
    for row, codes in enumerate(listed):
        marked[row, [place[code] for code in codes]] = True
    first = counted.with_row_index("n").sort("text", "title", "code").unique("text", keep="first", maintain_order=True)
    stands = np.zeros(counted.height, bool)
    stands[first["n"].to_numpy()] = True
    return Sheet(classes, laid, np.array([place[code] for code in true]), marked, stands)


def quality(sheet: Sheet) -> dict[str, float]:
    """Accuracy, weighted and macro F1, top 5, and the share of distinct titles answered with any listed code.

    The macro F1 is the mean over the codes that occur in truth or answers, as in `metrics.macro_f1`; leaving a title
    unanswered is no class of its own in it.
    """
    matrix = metrics.confusion_matrix(sheet.truth, sheet.answers, len(sheet.classes))
    f1 = metrics.class_scores(matrix).f1
    is_known = np.take_along_axis(sheet.scores, sheet.truth[:, None], axis=1)[:, 0] > -np.inf
    occurs = (matrix.sum(axis=0) + matrix.sum(axis=1)) > 0
    if NO_ANSWER in sheet.classes:
        occurs[sheet.classes.index(NO_ANSWER)] = False
    return {
        "accuracy": float(sheet.correct.mean()),
        "weighted_f1": float(metrics.weighted_f1(matrix)),
        "macro_f1": float(f1[occurs].mean()),
        "top_5": float(((metrics.ranks(sheet.scores, sheet.truth) < _TOP) & is_known).mean()),
        "any_listed": float(sheet.accepted[sheet.stands].mean()),
    }


def calibration(sheet: Sheet) -> dict[str, float]:
    """The expected calibration error in 15 bins of equal mass, and what chance alone would make it.

    Unanswered titles state nothing and are left out.
    """
    stated = np.isfinite(sheet.confidence)
    shares = np.minimum(sheet.confidence[stated], 1.0)  # sums in single precision may come out a hair above
    bins = metrics.reliability(shares, sheet.correct[stated])
    return {
        "ece": metrics.expected_calibration_error(bins),
        "ece_by_chance": metrics.chance_calibration_error(bins),
    }


def widest(confidence: Floats, right: Flags, precision: float = PRECISION) -> tuple[float, float]:
    """The least threshold above which the answers are right often enough, and the share that they are.

    Equal confidences are accepted together or not at all; nothing is accepted (infinity, 0) where no threshold does.

    >>> widest(np.array([0.9, 0.8, 0.7, 0.7]), np.array([True, True, False, True]), 0.75)
    (0.7, 1.0)
    """
    order = np.argsort(-confidence, kind="stable")
    sorted_confidence = confidence[order]
    share_right = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    is_last = np.append(sorted_confidence[1:] != sorted_confidence[:-1], True)  # of its equals
    good = np.flatnonzero(is_last & (share_right >= precision) & np.isfinite(sorted_confidence))
    if not good.size:
        return float("inf"), 0.0
    return float(sorted_confidence[good[-1]]), float((good[-1] + 1) / len(order))


def acceptance(sheet: Sheet, threshold: float) -> dict[str, float]:
    """What a threshold found on validation accepts of the distinct titles, any listed code counting as right.

    `oracle` is the largest share that some threshold would have accepted at that precision, found on these very
    titles: no promise, but how the baseline's figure was measured.
    """
    confidence, right = sheet.confidence[sheet.stands], sheet.accepted[sheet.stands]
    taken = confidence >= threshold
    return {
        "threshold": threshold if np.isfinite(threshold) else 0.0,
        "share": float(taken.mean()),
        "precision": float(right[taken].mean()) if taken.any() else 1.0,
        "oracle": widest(confidence, right)[1],
    }


def slips(sheet: Sheet, mistyped: Sheet, threshold: float) -> dict[str, float]:
    """How many answers one slip changes: of all distinct titles that have one, and of the accepted ones."""
    changed = sheet.answers != mistyped.answers
    counts = sheet.stands & mistyped.stands
    taken = counts & (sheet.confidence >= threshold)
    return {
        "flips": float(changed[counts].mean()),
        "accepted_flips": float(changed[taken].mean()) if taken.any() else 0.0,
    }


def _rules() -> Mapping[str, pl.Expr]:
    words = pl.col("text").str.count_matches(" ") + 1
    fixed = {
        "ambiguous": majors_listed().list.len() > 1,
        "unambiguous": majors_listed().list.len() == 1,
        "short (1 word)": words == 1,
        "long (5 words or more)": words >= 5,
    }
    return fixed | {f"group {code[:2]}": pl.col("code").str.head(2) == code[:2] for code in soc.majors()}


def by_slice(counted: pl.DataFrame, sheet: Sheet) -> dict[str, dict[str, float]]:
    """Accuracy of rows that have something in common; slices without a row are left out."""
    found = {}
    for name, rule in _rules().items():
        inside = counted.select(rule.alias("inside"))["inside"].to_numpy()
        if inside.any():
            found[name] = {"rows": int(inside.sum()), "accuracy": float(sheet.correct[inside].mean())}
    return found


def _rewritten(counted: pl.DataFrame, rows: NDArray[np.bool_], titles: Sequence[str], coder: Coder) -> Sheet:
    """The sheet of those rows under other titles."""
    return lay(counted.filter(pl.Series(rows)), coder.scores(titles, "major"), coder.classes("major"), "major")


def by_rewrite(counted: pl.DataFrame, sheet: Sheet, coder: Coder) -> dict[str, dict[str, float]]:
    """Accuracy of the rows that can be rewritten: as they are (`before`) and rewritten."""
    found = {}
    for name, rewrite in REWRITES.items():
        titles = [rewrite(title) for title in counted["title"]]
        rows = np.array([title is not None for title in titles])
        if rows.any():
            changed = _rewritten(counted, rows, [title for title in titles if title is not None], coder)
            found[name] = {
                "rows": int(rows.sum()),
                "before": float(sheet.correct[rows].mean()),
                "accuracy": float(changed.correct.mean()),
            }
    return found


def with_lookup(train: pl.DataFrame, counted: pl.DataFrame, sheet: Sheet, level: Level) -> Sheet:
    """The same answers, but for a text that stands in training: first its most frequent code there.

    Of equally frequent codes the first in the classification's order.
    """
    ancestor = pl.col("code").replace_strict({code: soc.ancestor(code, level) for code in train["code"].unique()})
    known = (
        train.group_by("text", ancestor)
        .len()
        .sort(["text", "len", "code"], descending=[False, True, False])
        .unique("text", keep="first", maintain_order=True)
    )
    remembered = dict(zip(known["text"], known["code"], strict=True))
    scores = sheet.scores.copy()
    place = {code: column for column, code in enumerate(sheet.classes)}
    for row, text in enumerate(counted["text"]):
        column = place.get(remembered.get(text, NO_ANSWER + "none"))
        if column is not None:
            scores[row, column] = np.inf
    return Sheet(sheet.classes, scores, sheet.truth, sheet.listed, sheet.stands)


def measure(system: System, coder: Coder, parts: Parts, *, is_row_wise: bool) -> dict[str, Any]:
    """Every figure of a trained system on the scored rows.

    Returns:
        `levels` (each with `quality` and, of probabilities, `calibration`; `lookup` beside, where texts may stand in
        training), and for systems of major groups `acceptance`, `slips`, `slices` and `rewrites`.
    """
    counted = parts.counted
    sheets = {
        level: lay(counted, coder.scores(counted["title"].to_list(), level), coder.classes(level), level)
        for level in system.levels
    }
    levels: dict[str, Any] = {}
    for level, sheet in sheets.items():
        levels[level] = quality(sheet) | (calibration(sheet) if system.states_shares else {})
        if is_row_wise:
            levels[level]["lookup"] = quality(with_lookup(parts.train, counted, sheet, level))
    found: dict[str, Any] = {"rows": counted.height, "titles": int(counted["text"].n_unique()), "levels": levels}
    return found | (_of_majors(coder, parts, sheets["major"]) if "major" in sheets else {})


def _of_majors(coder: Coder, parts: Parts, sheet: Sheet) -> dict[str, Any]:
    counted = parts.counted
    validation = parts.validation.filter(is_counted())
    seen = lay(validation, coder.scores(validation["title"].to_list(), "major"), coder.classes("major"), "major")
    threshold, _ = widest(seen.confidence[seen.stands], seen.accepted[seen.stands])
    slipped = [typo(title) for title in counted["title"]]
    rows = np.array([title is not None for title in slipped])
    mistyped = _rewritten(counted, rows, [title for title in slipped if title is not None], coder)
    return {
        "acceptance": acceptance(sheet, threshold),
        "slips": slips(_only(sheet, rows), mistyped, threshold),
        "slices": by_slice(counted, sheet),
        "rewrites": by_rewrite(counted, sheet, coder),
    }


def _only(sheet: Sheet, rows: Flags) -> Sheet:
    return Sheet(sheet.classes, sheet.scores[rows], sheet.truth[rows], sheet.listed[rows], sheet.stands[rows])
