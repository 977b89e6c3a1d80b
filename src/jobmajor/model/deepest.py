"""Answers at the deepest level that is sure, each title at its own: what `--level best` does.

A file gets one column of codes then, which holds as much as the model is sure of: 29-1141 for one title, 29-0000 for
another, and nothing for a third. A title that is sure at no level has no code, so nobody counts a guess by mistake.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from jobmajor import soc
from jobmajor.arguments import shown
from jobmajor.errors import InputError
from jobmajor.model import columns, frames
from jobmajor.model.answers import NO_ANSWER, Coded
from jobmajor.model.coder import Coder
from jobmajor.model.rules.abstain import NO_CODE
from jobmajor.model.translate import Translated, TranslatingCoder, Translator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from jobmajor.model.coder import Codes
    from jobmajor.model.rules.overrides import Overrides
    from jobmajor.soc import Level
    from jobmajor.soc.classifications import Classification
    from jobmajor.tables.packed import Packed


class Coders(Protocol):
    """A coder for some levels: `coder.Coder` or `translate.TranslatingCoder`."""

    k: int

    @property
    def classes(self) -> tuple[tuple[str, ...], ...]:
        """Return for each level the codes that may be answered."""
        ...

    @property
    def name(self) -> Callable[[str], str]:
        """Return what gives the name of a code."""
        ...

    def code(self, titles: Packed) -> Codes | Translated:
        """Return the answers to packed titles."""
        ...


class Model(Protocol):
    """What answers at given levels: a `Classifier`, or a `Translator`."""

    def answer_at(
        self,
        levels: Sequence[Level],
        titles: Iterable[str | None],
        k: int = 1,
        *,
        overrides: Overrides | None = None,
        exact: bool = True,
    ) -> list[list[Coded]]:
        """Return for each level the answers to each title."""
        ...

    def coder(
        self, levels: Sequence[Level], k: int, *, overrides: Overrides | None = None, exact: bool = True
    ) -> Coders:
        """Return a coder for some levels."""
        ...


class DeepestCoder:
    """Answers titles as arrays with a single level, whose codes are those of all four.

    Attributes:
        levels: The name of that level, "best".
        k: Codes for each title, at most; all of one level.
        target: The classification of the codes, None for SOC 2018.
        sizes: How many codes each of the four levels has.
    """

    levels = (soc.BEST_LEVEL,)

    def __init__(self, coder: Coders) -> None:
        """Take a coder for all four levels, from coarse to fine."""
        self._coder, self.k = coder, coder.k
        self.target: Classification | None = coder.target if isinstance(coder, TranslatingCoder) else None
        self.sizes = tuple(map(len, coder.classes))

    @property
    def classes(self) -> tuple[tuple[str, ...], ...]:
        """Return the codes that may be answered, level by level."""
        return (tuple(code for codes in self._coder.classes for code in codes),)

    @property
    def name(self) -> Callable[[str], str]:
        """Return what gives the name of a code in `classes`."""
        return self._coder.name

    def code(self, titles: Packed) -> Codes | Translated:
        """Return the answers to packed titles: of one level, and without codes where no level is sure."""
        found = self._coder.code(titles)
        is_sure = found.reasons == 0  # (titles, levels)
        has_none, rows = ~is_sure.any(axis=1), np.arange(len(is_sure))
        level = np.where(has_none, 0, len(soc.LEVELS) - 1 - is_sure[:, ::-1].argmax(axis=1))
        offsets = np.concatenate([[0], np.cumsum(self.sizes)])[level]
        labels, scores = found.labels[rows, level], found.scores[rows, level].copy()  # (titles, k)
        labels = np.where(labels == NO_CODE, NO_CODE, labels + offsets[:, None]).astype(np.int16)
        labels[has_none], scores[has_none] = NO_CODE, 0
        chosen: dict[str, NDArray[Any]] = {"labels": labels, "scores": scores, "reasons": found.reasons[rows, level]}
        if isinstance(found, Translated):
            chosen["ambiguous"] = found.ambiguous[rows, level] & ~has_none
        return found._replace(**{name: values[:, None] for name, values in chosen.items()})


AnyCoder = Coder | TranslatingCoder | DeepestCoder


@dataclass(frozen=True)
class Deepest:
    """A model that answers each title at the deepest level that is sure; `deepest` returns it."""

    model: Model

    def coder(self, k: int = 1, *, overrides: Overrides | None = None, exact: bool = True) -> DeepestCoder:
        """Return a coder, which answers many titles as arrays.

        Raises:
            InputError: k is below 1.
        """
        return DeepestCoder(self.model.coder(soc.LEVELS, k, overrides=overrides, exact=exact))

    def answer(
        self, titles: Iterable[str | None], k: int = 1, *, overrides: Overrides | None = None, exact: bool = True
    ) -> list[Coded]:
        """Return the answers to each title at its deepest level that is sure, and which that is (`Coded.level`).

        A title that is sure at no level has `answers.NO_ANSWER`, no level, and the reason of its major group.
        Arguments are as for `Classifier.answer`.
        """
        levels = self.model.answer_at(soc.LEVELS, columns.held(titles), k, overrides=overrides, exact=exact)
        return [_deepest(each, self._names) for each in zip(*levels, strict=True)]

    def answer_frame(
        self, titles: Iterable[str | None], k: int = 1, *, overrides: Overrides | None = None, exact: bool = True
    ) -> Any:
        """Return what `answer` returns as a table; a row for each title, for each answer if k is above 1."""
        held = columns.held(titles)
        found = self.answer(held, k, overrides=overrides, exact=exact)
        return frames.frame(held, found, "", ranked=k > 1, translated=isinstance(self.model, Translator))

    @property
    def _names(self) -> tuple[str, ...]:
        return self.model.target.level_names if isinstance(self.model, Translator) else soc.LEVELS


def _deepest(levels: Sequence[Coded], names: Sequence[str]) -> Coded:
    for each, name in zip(reversed(levels), reversed(names), strict=True):
        if not each.abstain:
            return replace(each, level=name)
    return replace(levels[0], answers=(NO_ANSWER,), ambiguous=False, confidence=0.0)


def deepest(model: Model) -> Deepest:
    """Return a model that answers each title at the deepest level that is sure: a column to count and to join by.

    Args:
        model: A classifier, or one whose answers are in another classification (`Classifier.to`).

    Raises:
        InputError: It is none.
    """
    if not hasattr(model, "answer_at"):
        raise InputError(f"a model is {shown(model)}: expected a Classifier, such as jobmajor.load() returns")
    return Deepest(model)
