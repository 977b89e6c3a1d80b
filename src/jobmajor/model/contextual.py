"""Answers to titles with a second text beside each: duties, a department, an industry.

Title and context pass as one text (`joined`), so whatever takes titles (files, the memo of answers, the service, other
classifications) works with them as it is, and never mixes up equal titles with different contexts.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from jobmajor import soc
from jobmajor.errors import InputError
from jobmajor.model import answers, coder, columns, translate
from jobmajor.model.answers import Asked, Coded
from jobmajor.model.coder import Coder, Wanted
from jobmajor.model.linear import context
from jobmajor.model.rules import overrides as own
from jobmajor.model.rules.classes import CLASS
from jobmajor.model.rules.listed import Listed
from jobmajor.tables.packed import LONGEST
from jobmajor.titles import normalise

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jobmajor.model.answers import Sourced
    from jobmajor.model.linear.context import Context
    from jobmajor.model.rules.knowledge import Knowledge
    from jobmajor.model.rules.overrides import Overrides
    from jobmajor.model.scorer import Scorer
    from jobmajor.model.translate import Translator
    from jobmajor.soc import Level

_BETWEEN = "\x1f"  # the unit separator of ASCII
_LONGEST = LONGEST + 1 + context.LONGEST
_BATCH = 1024  # titles at a time: some 10 MB of shares


def joined(titles: Sequence[str | None], contexts: Sequence[str | None]) -> list[str]:
    r"""Return each title with its context as one text; None is an empty one.

    Raises:
        InputError: There are more of one than of the other.

    >>> joined(["cook", None], ["school", None])
    ['cook\x1fschool', '\x1f']
    """
    if len(titles) != len(contexts):
        raise InputError(f"{len(contexts)} contexts were given with {len(titles)} titles: give one for each title")
    pairs = zip(titles, contexts, strict=True)
    return [
        f"{(title or '')[:LONGEST].replace(_BETWEEN, ' ')}{_BETWEEN}{(given or '')[: context.LONGEST]}"
        for title, given in pairs
    ]


def parted(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    r"""Return the titles and the contexts of joined texts.

    >>> parted(["cook\x1fschool"])
    (['cook'], ['school'])
    """
    parts = [text.partition(_BETWEEN) for text in texts]
    return [title for title, _, _ in parts], [given for _, _, given in parts]


@dataclass(slots=True)
class Contextual:
    """A classifier for joined texts; `Classifier.contextual` returns it.

    Its answers are those of the classifier where the context is empty or says nothing. A user's own answer for a title
    stands, whatever the context, and so does that of a title which the SOC itself names.
    """

    scorer: Scorer
    knowledge: Knowledge = field(repr=False)
    context: Context = field(repr=False)

    @property
    def codes(self) -> tuple[str, ...]:
        """Return the detailed codes that the model can answer, and those that were added to it."""
        return self.knowledge.columns(self.scorer.codes)

    def coder(
        self,
        levels: Sequence[Level] = ("major",),
        k: int = 1,
        *,
        overrides: Overrides | None = None,
        exact: bool = True,
    ) -> Coder:
        """Return what `Classifier.coder` returns, for joined texts."""
        wanted = Wanted(
            self.codes, soc.as_levels(levels), coder.most(k), overrides, exact, _LONGEST, self.knowledge.name
        )
        return Coder(wanted, None, partial(self._answered, wanted=wanted))

    def answer_at(
        self,
        levels: Sequence[Level],
        titles: Iterable[str | None],
        k: int = 1,
        *,
        overrides: Overrides | None = None,
        exact: bool = True,
    ) -> list[list[Coded]]:
        """Return what `Classifier.answer_at` returns, for joined texts."""
        wanted = Wanted(
            self.codes, soc.as_levels(levels), coder.most(k), overrides, exact, _LONGEST, self.knowledge.name
        )
        return self._answered([text or "" for text in columns.as_list(titles)], [k] * len(wanted.levels), wanted)

    def _wanted(self, levels: Sequence[Level], k: int, overrides: Overrides | None, *, exact: bool) -> Wanted:
        name = self.knowledge.name
        return Wanted(self.codes, soc.as_levels(levels), coder.most(k), overrides, exact, _LONGEST, name)

    def to(self, name: str) -> Translator:
        """Return what `Classifier.to` returns, for joined texts."""
        return translate.to(self, name)

    def _answered(self, given: Sequence[str], counts: Sequence[int], wanted: Wanted) -> list[list[Coded]]:
        known = self.knowledge if wanted.exact else replace(self.knowledge, listed=Listed.none())
        found: list[list[Coded]] = [[] for _ in wanted.levels]
        for start in range(0, len(given), _BATCH):
            titles, contexts = parted(given[start : start + _BATCH])
            texts = [normalise(title[:LONGEST])[:LONGEST] for title in titles]
            shares, read = self.scorer.scored(texts)
            sourced = self._pooled(answers.sourced(texts, self.scorer.codes, shares, known, wanted.overrides), contexts)
            for index, (level, k) in enumerate(zip(wanted.levels, counts, strict=True)):
                asked = Asked(titles, texts, read, level, k)
                found[index] += answers.coded(asked, sourced, self.knowledge)
        return found

    def _pooled(self, found: Sourced, contexts: Sequence[str]) -> Sourced:
        """Return shares that are pooled with the contexts, but for titles that the user or the SOC names."""
        rows = np.flatnonzero(~np.isin(found.source, [own.OVERRIDE, answers.NAMED, CLASS]))
        columns_of = np.searchsorted(found.codes, self.codes)  # the user's answers may have more codes than the model
        shares, cells = found.shares.copy(), np.ix_(rows, columns_of)
        shares[cells] = self.context.pooled(shares[cells], [contexts[row] for row in rows.tolist()])
        return replace(found, shares=shares)
