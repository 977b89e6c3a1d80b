"""Answers with their source, and with a warning not to take them: what `Classifier.answer` adds to plain scores.

An override of the user comes first, then what training lists for the title, then the model. An answer abstains if its
best score is below the threshold for the stated precision, or if the text is no title that the model can read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from jobmajor import soc
from jobmajor.model.rules import abstain, overrides

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from jobmajor.model.rules.knowledge import Knowledge
    from jobmajor.model.rules.listed import Listed
    from jobmajor.model.rules.overrides import Overrides
    from jobmajor.soc import Level

EXACT = "exact"  # the source of an answer that training lists, beside those that `overrides` names
_SOURCE = np.dtype(f"<U{max(map(len, (EXACT, overrides.OVERRIDE, overrides.MODEL)))}")


@dataclass(frozen=True, slots=True)
class Answer:
    """One code for a title; `score` is a share, 0 to 1."""

    label: str
    name: str
    score: float


NO_ANSWER = Answer("", "", 0.0)  # the answer of a title that gets no code


@dataclass(frozen=True, slots=True)
class Coded:
    """The answers to one title.

    Attributes:
        answers: Best first, none with a score of 0; given also where `abstain` is set. Only `NO_ANSWER` where there is
            no code: for what is no title, and below the level of the user's code.
        abstain: Whether a person should look at it.
        reason: Why it abstains: "unsure", "not a title" or "unknown language"; else empty.
        source: "override" for an answer of the user, "exact" for one that training lists for the title, else "model".
        ambiguous: In another classification, whether the best occupation of SOC 2018 has several codes at the level.
        level: Only of an answer at the deepest level that is sure: which that is, empty where none is.
    """

    answers: tuple[Answer, ...]
    abstain: bool
    reason: str
    source: str
    ambiguous: bool = False
    level: str = ""


@dataclass(frozen=True, slots=True)
class Sourced:
    """Shares of detailed codes, shape (titles, codes), each row's sum 1; each row's source; and the user's titles."""

    codes: tuple[str, ...]
    shares: NDArray[np.float32]
    source: NDArray[np.str_]
    user: Overrides | None = None


def sourced(
    texts: Sequence[str], codes: tuple[str, ...], shares: NDArray[np.float32], listed: Listed, user: Overrides | None
) -> Sourced:
    """Replace the model's shares by those that training lists, then by the user's; the array `shares` may be changed.

    The result has more columns than `codes` if an override names codes that the model does not answer.
    """
    source = np.full(len(texts), overrides.MODEL, _SOURCE)
    rows, found = listed.find(texts, len(codes))
    shares[rows], source[rows] = found, EXACT
    if user is None:
        return Sourced(codes, shares, source)
    columns = user.columns(codes)
    wide = np.zeros((len(texts), len(columns)), np.float32)
    wide[:, np.searchsorted(columns, codes)] = shares
    wide, whose = overrides.apply(user, texts, columns, wide)
    return Sourced(columns, wide, np.where(whose == overrides.OVERRIDE, whose, source), user)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: titles, the level of the codes, and how many codes.

    `titles` are as people write them, `texts` are normalised, and `read` are the texts with their spelling mended.
    """

    titles: Sequence[str]
    texts: Sequence[str]
    read: Sequence[str]
    level: Level
    k: int


def coded(asked: Asked, found: Sourced, knowledge: Knowledge) -> list[Coded]:
    """Return the k best codes of each title, and whether to take them.

    An answer of the user is always taken, unless most of it is a code above the level, which has no answer there. What
    is no title has no answer. A title that training lists is unsure if it is listed under several codes and none has
    enough of its rows. Answers from such a list include all that are as good as the k-th, since the
    choice between them would be arbitrary.
    """
    classes, starts = _classes(found.codes, asked.level)
    shares = np.add.reduceat(found.shares, starts, axis=1)
    best = shares.max(axis=1)
    reasons = _reasons(asked, found.source, best, knowledge)
    if found.user:
        _limit(shares, reasons, (asked, found.user, classes))
    shares[np.isin(reasons, abstain.NO_TITLES)] = 0
    answers = _answers(shares, classes, asked.k, found.source != overrides.MODEL)
    parts = zip(answers, reasons.tolist(), found.source.tolist(), strict=True)
    return [Coded(each, reason != abstain.ANSWERED, reason, source) for each, reason, source in parts]


@lru_cache(maxsize=8)
def _classes(codes: tuple[str, ...], level: Level) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """Return the codes of a level, and where the detailed codes of each begin."""
    classes, starts = np.unique([soc.ancestor(code, level) for code in codes], return_index=True)
    return tuple(classes.tolist()), starts


def _reasons(
    asked: Asked, source: NDArray[np.str_], best: NDArray[np.float32], knowledge: Knowledge
) -> NDArray[np.str_]:
    threshold = knowledge.thresholds[asked.level]
    known = knowledge.listed.known_share(asked.read)
    reasons = abstain.reasons(asked.titles, asked.texts, best, threshold, known)
    is_listed = source == EXACT
    reasons[is_listed] = np.where(best[is_listed] < threshold, abstain.UNSURE, abstain.ANSWERED)
    reasons[source == overrides.OVERRIDE] = abstain.ANSWERED
    return reasons


def _limit(
    shares: NDArray[np.float32], reasons: NDArray[np.str_], question: tuple[Asked, Overrides, tuple[str, ...]]
) -> None:
    """Take away what the user's codes above the level asked for leave open; a code with most of the whole is taken."""
    asked, user, classes = question
    for row, text in enumerate(asked.texts):
        said = user.at_level(text, asked.level)
        if said is None:
            continue
        reasons[row] = abstain.ANSWERED if max(said.values(), default=0) > overrides.MOST else abstain.UNSURE
        if not user.is_spread:
            shares[row] = 0
            shares[row, [classes.index(code) for code in said]] = list(said.values())


def _answers(
    shares: NDArray[np.float32], classes: tuple[str, ...], k: int, with_ties: NDArray[np.bool_]
) -> Iterator[tuple[Answer, ...]]:
    """Return the k best of each row; equal ones are in the classification's order."""
    order = np.argsort(-shares, axis=1, kind="stable")
    falling = np.take_along_axis(shares, order, axis=1)
    last = falling[:, min(k, len(classes)) - 1, None]
    counts = np.where(with_ties, (falling >= last).sum(axis=1), k)
    counts = np.minimum(counts, (falling > 0).sum(axis=1))
    for row, count in enumerate(counts.tolist()):
        pairs = zip(order[row, :count].tolist(), falling[row, :count].tolist(), strict=True)
        found = tuple(Answer(classes[column], soc.name(classes[column]), score) for column, score in pairs)
        yield found or (NO_ANSWER,)
