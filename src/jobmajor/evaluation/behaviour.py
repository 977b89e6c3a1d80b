"""Measure what a good classifier must do, whatever its F1.

It answers a title that is written in another form equally, and gives no sure answer to a string that is no title.
Source of the idea: Ribeiro, M. T. et al. (2020), Beyond Accuracy: Behavioral Testing of NLP Models
with CheckList, ACL, 4902-4912.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np

from jobmajor.errors import DataError
from jobmajor.titles import is_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

_FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)} | {0x20: 0x3000}  # NFKC maps them back
_ZERO_WIDTH = "\u200b"
_UNSURE_BELOW = 0.5


def _with_zero_width(title: str) -> str:
    middle = len(title) // 2
    return title[:middle] + _ZERO_WIDTH + title[middle:]


def _respellings() -> Mapping[str, Callable[[str], str]]:
    rank = {} if is_plain() else {"sr_prefix": lambda title: f"Sr. {title}"}
    return {
        "upper_case": str.upper,
        "extra_spaces": lambda title: "  " + title.replace(" ", "   ") + " ",
        "full_width": lambda title: title.translate(_FULL_WIDTH),
        "zero_width": _with_zero_width,
        **rank,
    }


def nonsense(count: int = 30, seed: int = 0) -> tuple[str, ...]:
    """Return strings of one to three words of 4 to 9 random letters; a seed always gives the same ones.

    >>> nonsense(3) == nonsense(3)
    True
    """
    rng = random.Random(seed)  # noqa: S311 - test strings, no secrets
    letters = "bcdfghjklmnpqrstvwxyz" * 2 + "aeiou"  # few vowels, so that hardly a real word comes out
    return tuple(
        " ".join("".join(rng.choices(letters, k=rng.randint(4, 9))) for _ in range(rng.randint(1, 3)))
        for _ in range(count)
    )


def kept(
    predict_proba: Callable[[Sequence[str]], NDArray[np.float32]], titles: Sequence[str]
) -> dict[str, NDArray[np.bool_]]:
    """Return, for each form, whether each title keeps its best class in it; arguments as in `behaviour`."""
    usual = predict_proba(titles).argmax(axis=1)
    return {
        name: predict_proba([respell(title) for title in titles]).argmax(axis=1) == usual
        for name, respell in _respellings().items()
    }


def behaviour(
    predict_proba: Callable[[Sequence[str]], NDArray[np.float32]],
    titles: Sequence[str],
    unchanged: Mapping[str, NDArray[np.bool_]] | None = None,
) -> dict[str, Any]:
    """Return the share of titles that keep their best class in each form, and of nonsense without a sure answer.

    Args:
        predict_proba: From titles to probabilities of shape (titles, classes).
        titles: Real ones, as written; at least one.
        unchanged: What `kept` returns for them, if that is known already.

    Returns:
        `titles` (how many), one share for each of `upper_case`, `extra_spaces`, `full_width`,
        `zero_width` and `sr_prefix`; `nonsense_unsure`, the share of nonsense whose best
        probability is below 0.5; and `changed`, up to 3 titles for each rewriting that changed the
        answer. Texts that are no job titles have neither `sr_prefix` nor `nonsense_unsure`: of two
        labels, one always has half of the probability.

    Raises:
        DataError: No title was given.
    """
    if not titles:
        raise DataError("the titles", "none", "at least one", "run prepare again")
    marks = unchanged or kept(predict_proba, titles)
    found: dict[str, Any] = {"titles": len(titles)} | {name: float(same.mean()) for name, same in marks.items()}
    changed = {name: [titles[row] for row in np.flatnonzero(~same)[:3]] for name, same in marks.items()}
    if not is_plain():
        sure = predict_proba(nonsense()).max(axis=1)
        found["nonsense_unsure"] = float((sure < _UNSURE_BELOW).mean())
    return found | {"changed": changed}
