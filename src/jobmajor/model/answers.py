"""Answers with their source, and with a warning not to take them: what `Classifier.answer` adds to plain scores.

An override of the user comes first, then what training lists for the title, weighed together with the model
(`rules.weights`), then the model alone. An answer abstains if its best score is below the threshold for the stated
precision, or if the text is no title that the model can read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from jobmajor import soc
from jobmajor.model.rules import abstain, confidence, overrides, prior
from jobmajor.model.rules.classes import CLASS
from jobmajor.model.rules.listed import CONTRADICTED, OFFICIAL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from jobmajor.model.rules.knowledge import Knowledge
    from jobmajor.model.rules.overrides import Overrides
    from jobmajor.soc import Level

# Sources beside those that `overrides` and `classes` name: titles that training lists, and that the SOC itself names.
EXACT, NAMED = "exact", "official"
_SOURCE = np.dtype(f"<U{max(map(len, (EXACT, NAMED, CLASS, overrides.OVERRIDE, overrides.MODEL)))}")


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
        reason: Why it abstains: "unsure", "not a title", "not English", "unknown language", or "listed once; the model
            disagrees"; else empty.
        source: "override" for an answer of the user, "official" where the SOC names the title, "exact" where training
            lists it, "class" where a code that was added to the model has the largest share, else "model".
        ambiguous: In another classification, whether the best occupation of SOC 2018 has several codes at the level.
        level: Only of an answer at the deepest level that is sure: which that is, empty where none is.
        confidence: How often a best answer with this score is right on titles that people write, 0 to 1; 1 for an
            answer of the user.
    """

    answers: tuple[Answer, ...]
    abstain: bool
    reason: str
    source: str
    ambiguous: bool = False
    level: str = ""
    confidence: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Sourced:
    """Shares of detailed codes, shape (titles, codes), each row's sum 1; each row's source; and the user's titles.

    `contradicted` tells for each row whether the model disagrees with a single listing.
    """

    codes: tuple[str, ...]
    shares: NDArray[np.float32]
    source: NDArray[np.str_]
    contradicted: NDArray[np.bool_]
    user: Overrides | None = None


def sourced(
    texts: Sequence[str],
    codes: tuple[str, ...],
    shares: NDArray[np.float32],
    known: Knowledge,
    user: Overrides | None,
) -> Sourced:
    """Weigh the model's shares with what is known, then replace them by the user's; may change `shares`.

    The mix of occupations of the user's file moves all but the titles that the SOC itself names. The result has more
    columns than `codes` if codes were added to the model, or if an override names codes that it does not answer.
    """
    listed = known.listed
    source, contradicted = np.full(len(texts), overrides.MODEL, _SOURCE), np.zeros(len(texts), np.bool_)
    rows, titles = listed.find(texts)
    kinds = listed.kinds[titles]
    shares[rows] = listed.weigh(titles, shares[rows])
    source[rows], contradicted[rows] = np.where(kinds & OFFICIAL, NAMED, EXACT), (kinds & CONTRADICTED) > 0
    if known.added:
        shares, is_named = known.added.widened(texts, codes, shares, source == NAMED)
        codes, source[is_named] = known.columns(codes), CLASS
    if known.prior:
        others = source != NAMED
        shares[others] = prior.moved(shares[others], known.prior.weights(codes))
    if user is None:
        return Sourced(codes, shares, source, contradicted)
    columns = user.columns(codes)
    wide = np.zeros((len(texts), len(columns)), np.float32)
    wide[:, np.searchsorted(columns, codes)] = shares
    wide, whose = overrides.apply(user, texts, columns, wide)
    return Sourced(columns, wide, np.where(whose == overrides.OVERRIDE, whose, source), contradicted, user)


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
    is no title has no answer. Answers to a title that training lists include all that are as good as the k-th, since
    the choice between them would be arbitrary.
    """
    classes, starts = _classes(found.codes, asked.level)
    shares = np.add.reduceat(found.shares, starts, axis=1)
    best = shares.max(axis=1)
    reasons = _reasons(asked, found, best, knowledge)
    if found.user:
        _limit(shares, reasons, (asked, found.user, classes))
    shares[np.isin(reasons, abstain.NO_TITLES)] = 0
    answers = _answers(shares, classes, (asked.k, found.source != overrides.MODEL), knowledge)
    scores, source = shares.max(axis=1), _source(found, knowledge)
    sure = np.where((source == overrides.OVERRIDE) & (scores > 0), 1.0, confidence.of(scores, asked.level))
    parts = zip(answers, reasons.tolist(), source.tolist(), sure.tolist(), strict=True)
    return [
        Coded(each, reason != abstain.ANSWERED, reason, source, confidence=sure) for each, reason, source, sure in parts
    ]


def _source(found: Sourced, knowledge: Knowledge) -> NDArray[np.str_]:
    """Return the sources, with that of titles whose best detailed code was added to the model."""
    if not knowledge.added:
        return found.source
    is_added = np.isin(found.codes, knowledge.added.classes.codes)[found.shares.argmax(axis=1)]
    return np.where(is_added & (found.source != overrides.OVERRIDE), np.str_(CLASS), found.source)


@lru_cache(maxsize=8)
def _classes(codes: tuple[str, ...], level: Level) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """Return the codes of a level, and where the detailed codes of each begin."""
    classes, starts = np.unique([soc.place(code, level) for code in codes], return_index=True)
    return tuple(classes.tolist()), starts


def _reasons(asked: Asked, found: Sourced, best: NDArray[np.float32], knowledge: Knowledge) -> NDArray[np.str_]:
    threshold = knowledge.thresholds[asked.level]
    known = knowledge.listed.known_share(asked.read)
    reasons = abstain.reasons(asked.titles, asked.texts, best, threshold, known)
    is_listed = (found.source == EXACT) | (found.source == NAMED)
    unsure = np.where(found.contradicted, abstain.CONTRADICTED, abstain.UNSURE)
    reasons[is_listed] = np.where(best < threshold, unsure, abstain.ANSWERED)[is_listed]
    is_class = found.source == CLASS
    reasons[is_class] = np.where(best > overrides.MOST, abstain.ANSWERED, abstain.UNSURE)[is_class]
    users = found.source == overrides.OVERRIDE
    reasons[users] = np.where(best > 0, abstain.ANSWERED, abstain.NOT_A_TITLE)[users]
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
    shares: NDArray[np.float32],
    classes: tuple[str, ...],
    wanted: tuple[int, NDArray[np.bool_]],
    knowledge: Knowledge,
) -> Iterator[tuple[Answer, ...]]:
    """Return the k best of each row, with all as good as the k-th where `wanted` says so; (k, of each row).

    Equal ones are in the classification's order.
    """
    k, with_ties = wanted
    order = np.argsort(-shares, axis=1, kind="stable")
    falling = np.take_along_axis(shares, order, axis=1)
    last = falling[:, min(k, len(classes)) - 1, None]
    counts = np.where(with_ties, (falling >= last).sum(axis=1), k)
    counts = np.minimum(counts, (falling > 0).sum(axis=1))
    for row, count in enumerate(counts.tolist()):
        pairs = zip(order[row, :count].tolist(), falling[row, :count].tolist(), strict=True)
        found = tuple(Answer(classes[column], knowledge.name(classes[column]), score) for column, score in pairs)
        yield found or (NO_ANSWER,)
