"""When a model should not answer, and why: a wrong code costs more than one that a person fills in.

Four reasons, the strongest first: `unknown language` (letters of a script that the model was never taught), `not a
title` (nothing, a number, an address, a placeholder, keys hit at random), `not English` (words of another language in
Latin script), and `unsure` (its own score is below a threshold, which was chosen for a stated precision).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from jobmajor.model.rules import languages
from jobmajor.titles import is_plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

PRECISION = 0.95
NEVER = 2.0  # a threshold that no score reaches
ANSWERED, UNSURE, NOT_A_TITLE, UNKNOWN_LANGUAGE = "", "unsure", "not a title", "unknown language"
NOT_ENGLISH = "not English"
CONTRADICTED = "listed once; the model disagrees"  # of a title that training lists, in place of unsure
NO_TITLES = NOT_A_TITLE, UNKNOWN_LANGUAGE, NOT_ENGLISH  # reasons for no code either: its score would mean nothing
NO_CODE = -1  # stands in arrays of labels where there are fewer codes than asked for
LEAST_KNOWN = 0.35  # below: 1 in 4,500 real titles of validation, 99 in 100 strings of random letters
LEAST_LETTERS = 5  # a shorter text may be an abbreviation that training never saw: unsure, rather than no title
WELL_KNOWN = 0.9  # a text of which more is known is not looked at word by word: 19 in 20 real titles
_MOST_FOREIGN = 0.2  # share of letters of other scripts; one Chinese sign says as much as several Latin letters
_ONE_IN_TEN = 1.2816  # the normal distribution's 90th percentile

PLACEHOLDERS = frozenset(  # as they are normalised
    re.split(
        r",\s+",
        """n a, na, none, null, nil, nan, undefined, unknown, not known, unspecified, not specified, not applicable,
        not available, not provided, not given, no title, no job title, no answer, tbd, tba, tbc, to be determined,
        to be announced, to be confirmed, test, tests, testing, this is a test, test title, test job, title, job title,
        titles, job titles, position title, your title here, enter title, enter job title, title here, blank, empty,
        dummy, foo, foo bar, foobar, bla, blah, blah blah, xx, xyz, abc, abcd, asd, qwe, placeholder, string, text,
        sample text, sample, delete, delete me, ignore, please ignore, do not use, see above, same as above, idk,
        i dont know, dont know, whatever, nothing, refused, missing, default, hello, hello world, and, remote, hybrid,
        on site, onsite, full time, part time, contract, temporary, seasonal, permanent, retired, unemployed,
        work from home, hiring, now hiring, various, vacant, vacancy, other""",
    )
)
LOREM = frozenset(  # its words that no title holds
    re.split(
        r"\s+",
        """lorem ipsum dolor amet consectetur adipiscing elit eiusmod tempor incididunt dolore aliqua veniam quis
        nostrud ullamco laboris aliquip consequat duis aute irure reprehenderit voluptate esse cillum fugiat nulla
        pariatur excepteur sint occaecat cupidatat proident sunt deserunt mollit laborum""",
    )
)
KEYS = re.compile("asdf|sdfg|dfgh|fghj|ghjk|hjkl|lkjh|fdsa|qwer|rewq|zxcv|xcvb|cvbn|qazw|wsxe|edcr|uiop")
ADDRESS = re.compile(
    r"\s*(?:<?(?:mailto:)?[^\s@]*@[^\s@]+>?"  # an e-mail or an account
    r"|[a-z]+://\S+|www\.\S+"
    r"|[\w-]+(?:\.[\w-]+)*\.(?:com|org|edu|gov|info|io|html?|co\.uk)(?:/\S*)?)\s*",  # not "net": ASP.NET
    re.IGNORECASE,
)
_NUMBERS = "0123456789 "
_ZERO, _NINE, _END, _I, _W = b"09\niw"


@dataclass(frozen=True, slots=True)
class _Counts:
    """The letters (beyond ASCII: bytes) and digits of each title, and whether a letter comes three times in a row."""

    letters: NDArray[np.int64]
    digits: NDArray[np.int64]
    repeats: NDArray[np.bool_]


def choose(confidence: ArrayLike, correct: ArrayLike, precision: float = PRECISION) -> float:
    """Return the smallest score at which answers reach a precision, judged by a sample.

    The precision of the answers above a threshold is uncertain, because the sample is finite. So its Wilson lower bound
    (one-sided, 90 %) has to reach `precision`: a threshold does not pass because it admits 10 right answers. Of all
    thresholds that pass, the smallest answers most titles. A larger one may fail: it admits fewer answers, so its bound
    is wider.
    Source: Wilson, E. B. (1927), J. Am. Stat. Assoc. 22(158), 209-212; the rule is that of Geifman, Y. and
    El-Yaniv, R. (2017), Selective Classification for Deep Neural Networks, NeurIPS, with Wilson's bound.

    Args:
        confidence: Shape (titles,); the best answer's score. The titles must not be training titles; the calibration
            may use them.
        correct: Shape (titles,); whether that answer is right.
        precision: The wanted share of right answers among those given, above 0 and below 1.

    Returns:
        One of the scores; answers with at least that score are given. `NEVER` if no score passes.

    >>> choose([0.9] * 60 + [0.5] * 60, [True] * 60 + [False] * 60)
    0.9
    """
    scores = np.asarray(confidence, np.float64)
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    given = np.arange(1, len(falling) + 1)
    right = np.cumsum(np.asarray(correct, np.float64)[order])
    last_of_ties = np.append(falling[1:] != falling[:-1], np.ones(min(len(falling), 1), np.bool_))
    passes = np.flatnonzero((_lower_bound(right, given) >= precision) & last_of_ties)
    return float(falling[passes[-1]]) if len(passes) else NEVER


def _lower_bound(right: NDArray[np.float64], given: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return Wilson's lower bound of a share."""
    share, square = right / given, _ONE_IN_TEN**2
    spread = _ONE_IN_TEN * np.sqrt(share * (1 - share) / given + square / (4 * given**2))
    bound: NDArray[np.float64] = (share + square / (2 * given) - spread) / (1 + square / given)
    return bound


def reasons(
    titles: Sequence[str],
    texts: Sequence[str],
    confidence: NDArray[np.floating],
    threshold: float,
    known_share: NDArray[np.floating],
) -> NDArray[np.str_]:
    """Return why each title gets no answer, `ANSWERED` (empty) where it gets one.

    Args:
        titles: As people write them.
        texts: The same, normalised.
        confidence: The best answer's score at the level asked for, shape (titles,).
        threshold: From `choose`, for that level; a lower score is unsure.
        known_share: How much of each text the model has seen in training: of its words and its runs of 4 bytes (a
            blank before and after each word) taken together, the share seen; shape (titles,), 0 for an empty text.

    Returns:
        Of those reasons that apply to a title the strongest: unknown language, not a title, not English, unsure.
    """
    if is_plain():
        sure = np.where(confidence >= threshold, ANSWERED, UNSURE)
        return np.where([bool(text) for text in texts], sure, NOT_A_TITLE).astype(f"<U{len(CONTRADICTED)}")
    counts = _counts(texts)
    strange = known_share < LEAST_KNOWN
    found = np.where(strange | ~(confidence >= threshold), UNSURE, ANSWERED).astype(f"<U{len(CONTRADICTED)}")
    found[strange & (counts.letters >= LEAST_LETTERS)] = NOT_A_TITLE
    unfamiliar = _where(known_share < WELL_KNOWN)
    found[[row for row in unfamiliar if languages.is_other(texts[row])]] = NOT_ENGLISH
    found[(counts.letters < 2) | (counts.letters <= counts.digits) | counts.repeats] = NOT_A_TITLE
    found[[row for row in unfamiliar if _is_filler(texts[row])]] = NOT_A_TITLE
    found[[row for row in _where(counts.digits > 0) if texts[row].rstrip(_NUMBERS) in PLACEHOLDERS]] = NOT_A_TITLE
    found[[row for row, text in enumerate(texts) if text in PLACEHOLDERS]] = NOT_A_TITLE
    found[_addresses(titles)] = NOT_A_TITLE
    found[[row for row, text in enumerate(texts) if not text.isascii() and is_foreign(text)]] = UNKNOWN_LANGUAGE
    return found


def _addresses(titles: Sequence[str]) -> list[int]:
    """Return the rows that hold nothing but the address of a mailbox, an account or a page."""
    suspects = (row for row, title in enumerate(titles) if "." in title or "@" in title or "://" in title)
    return [row for row in suspects if ADDRESS.fullmatch(titles[row])]


def _where(chosen: NDArray[np.bool_]) -> list[int]:
    rows: list[int] = np.flatnonzero(chosen).tolist()
    return rows


def _counts(texts: Sequence[str]) -> _Counts:
    buffer = np.frombuffer("\n".join([*texts, ""]).encode(), np.uint8)
    ends = np.flatnonzero(buffer == _END)  # (titles,)
    is_letter = buffer > _NINE
    thrice = is_letter[2:] & (buffer[2:] == buffer[1:-1]) & (buffer[2:] == buffer[:-2])
    thrice &= (buffer[2:] != _I) & (buffer[2:] != _W)  # "iii" is a rank, and "www" begins an address
    repeats = np.zeros(len(texts), np.bool_)
    repeats[np.searchsorted(ends, np.flatnonzero(thrice))] = True
    digits = (buffer >= _ZERO) & (buffer <= _NINE)
    return _Counts(_up_to(is_letter, ends), _up_to(digits, ends), repeats)


def _up_to(signs: NDArray[np.bool_], ends: NDArray[np.intp]) -> NDArray[np.int64]:
    """Return how many of the signs each title has."""
    return np.diff(np.cumsum(signs)[ends], prepend=0)


def _is_filler(text: str) -> bool:
    """Tell whether half of the words are runs of neighbouring keys, or those of "Lorem ipsum"."""
    words = text.split()
    return 2 * sum(word in LOREM or KEYS.search(word) is not None for word in words) >= max(len(words), 1)


def is_foreign(text: str) -> bool:
    """Return whether more than a fifth of the letters are of another script than Latin."""
    letters = [sign for sign in text if sign.isalpha()]
    return sum(not _is_latin(sign) for sign in letters) > _MOST_FOREIGN * len(letters)


@lru_cache(maxsize=4096)
def _is_latin(letter: str) -> bool:
    return "LATIN" in unicodedata.name(letter, "")
