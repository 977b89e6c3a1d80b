"""The titles of the test whose answer differs between candidate and champion, those with the largest effect first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from jobmajor.evaluation.judged import Judged

_MOST: Final = 100
CANDIDATE, CHAMPION, NEITHER = "candidate", "champion", "neither"


def changed(new: Judged, old: Judged) -> dict[str, Any]:
    """Return how many titles and rows get another answer, and the titles with the largest effect.

    The effect of a title is its rows times the share of its probability that moved to other groups.

    Args:
        new: The candidate's answers.
        old: The champion's answers to the same rows, with the same classes.

    Returns:
        `rows`, `titles`, `lost_titles`, and `largest`: up to 100 of the titles with `title`, `rows`, `effect`, `truth`
        (the groups that its rows have), the answer of each model with its share, and `right`: which of the two has the
        right answer for more of the rows, "neither" for none of them.
    """
    differs = np.flatnonzero(new.predicted != old.predicted)
    moved = np.abs(new.scores[differs].astype(np.float64) - old.scores[differs]).sum(axis=1) / 2
    rows = new.frame.select("text", "title")[differs].rows()
    titles: dict[str, list[tuple[int, float]]] = {}
    named: dict[str, str] = {}
    for row, share, (text, title) in zip(differs.tolist(), moved.tolist(), rows, strict=True):
        titles.setdefault(text, []).append((row, share))
        named[text] = min(named.get(text, title), title)
    found = [_title(named[text], places, new, old) for text, places in titles.items()]
    found.sort(key=lambda each: (-each["effect"], each["title"]))
    lost = sum(each["right"] == CHAMPION for each in found)
    return {"rows": len(differs), "titles": len(found), "lost_titles": lost, "largest": found[:_MOST]}


def _title(title: str, places: list[tuple[int, float]], new: Judged, old: Judged) -> dict[str, Any]:
    rows = np.array([row for row, _ in places])
    first = rows[0]
    won = int(new.correct[rows].sum()) - int(old.correct[rows].sum())
    return {
        "title": title,
        "rows": len(rows),
        "effect": round(sum(share for _, share in places), 6),
        "truth": sorted({new.classes[place] for place in new.truth[rows]}),
        "candidate": new.classes[new.predicted[first]],
        "champion": old.classes[old.predicted[first]],
        "candidate_share": round(float(new.confidence[first]), 6),
        "champion_share": round(float(old.confidence[first]), 6),
        "right": CANDIDATE if won > 0 else CHAMPION if won < 0 else NEITHER,
    }
