"""Answers to titles by a model and what its package knows: by compiled code where there is any, else by numpy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jobmajor import soc
from jobmajor.errors import InputError
from jobmajor.model import answers, coder, columns
from jobmajor.model.answers import Asked, Coded
from jobmajor.model.coder import Coder, Wanted
from jobmajor.model.rules import overrides as own_titles
from jobmajor.model.rules.classes import Classes, Known, read
from jobmajor.model.rules.listed import POLYNOMIAL, Listed
from jobmajor.native import library
from jobmajor.tables.packed import LONGEST
from jobmajor.titles import normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from jobmajor.model.kernels.pipeline import Compiled
    from jobmajor.model.kernels.shares import Kernel
    from jobmajor.model.linear.context import Context
    from jobmajor.model.rules.knowledge import Knowledge
    from jobmajor.model.rules.overrides import Overrides
    from jobmajor.model.scorer import Scorer
    from jobmajor.soc import Level
    from jobmajor.tables.packed import Packed

_BATCH = 4096  # titles scored at a time, each up to
_COMPILED_FROM = 200  # titles: fewer are answered by numpy before the model's arrays are ordered for compiled code


@dataclass(frozen=True, slots=True)
class Asking:
    """How titles are to be answered.

    Attributes:
        k: How many codes at most.
        overrides: The user's titles with their codes.
        exact: Whether a title that training lists is answered by what it is listed under.

    Raises:
        InputError: k is no number from 1 on, or these are no overrides.
    """

    k: int = 1
    overrides: Overrides | None = None
    exact: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", coder.most(self.k))
        own_titles.check(self.overrides)


class Answering:
    """A model that answers titles.

    Attributes:
        fewest: From so many titles on, compiled code answers them.
    """

    def __init__(self, scorer: Scorer, knowledge: Knowledge) -> None:
        self._scorer, self._knowledge = scorer, knowledge
        self.fewest = _COMPILED_FROM

    def shares(self, titles: Iterable[str | None], starts: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the share of each code of a level, by the model alone; shape (titles, codes of the level).

        Args:
            titles: As people write them.
            starts: The column where each code's detailed codes begin.
        """
        given = columns.held(titles)
        if len(given) >= self.fewest and self.kernel:
            return self.kernel.shares(columns.packed(given), starts)
        texts = [clean(title) for title in columns.as_list(given)]
        found = np.empty((len(texts), len(starts)), np.float32)
        for block in blocks(texts):
            detailed = self._scorer.shares(texts[block])
            is_summed = len(starts) < len(self._scorer.codes)
            found[block] = np.add.reduceat(detailed, starts, axis=1) if is_summed else detailed
        return found

    def answer_at(self, levels: Sequence[Level], titles: Iterable[str | None], how: Asking) -> list[list[Coded]]:
        """Return for each level the answers to each title; compiled code reads each title once for all levels."""
        given = columns.held(titles)
        is_compiled = len(given) >= self.fewest and self.compiled is not None
        if is_compiled and how.overrides is None:
            return self._coded(columns.packed(given), levels, how)
        texts = [(title or "")[:LONGEST] for title in columns.as_list(given)]
        if not is_compiled or how.overrides is None:
            return [self._answered(texts, level, how) for level in levels]
        is_own = [clean(title) in how.overrides.codes for title in texts]
        own, others = ([title for title, mine in zip(texts, is_own, strict=True) if mine is of] for of in (True, False))
        rest = self._coded(columns.packed(others), levels, replace(how, overrides=None))
        pairs = zip(levels, rest, strict=True)
        return [_woven(is_own, self._answered(own, level, how), plain) for level, plain in pairs]

    def coder(self, levels: Sequence[Level], how: Asking) -> Coder:
        """Return a coder, which answers as `answer_at` does, but as arrays, and never with more than k codes."""
        return self._coder(levels, how, how.k)

    def _coder(self, levels: Sequence[Level], how: Asking, k: int) -> Coder:
        codes, name = self._knowledge.columns(self._scorer.codes), self._knowledge.name
        wanted = Wanted(codes, tuple(levels), k, how.overrides, how.exact, name=name)
        return Coder(wanted, self.compiled, partial(self._by_python, wanted.levels, how))

    @cached_property
    def compiled(self) -> Compiled | None:
        """Return the compiled code that answers, None if the recipe has none, or if codes were added to the model."""
        if self.kernel is None or self._knowledge.added or self._knowledge.listed.hashed != POLYNOMIAL:
            return None
        from jobmajor.model.kernels.pipeline import Compiled  # noqa: PLC0415 - only where there is compiled code

        return Compiled(self._scorer.codes, self._knowledge, self.kernel)

    @cached_property
    def kernel(self) -> Kernel | None:
        """Return the compiled code that scores, None if the recipe has none or none was built."""
        learned = self._scorer.learned
        if learned is None or library.load() is None:
            return None
        from jobmajor.model.kernels.shares import Kernel  # noqa: PLC0415 - only where there is compiled code

        return Kernel(learned)

    def _coded(self, titles: Packed, levels: Sequence[Level], how: Asking) -> list[list[Coded]]:
        """Do what `_answered` does, by compiled code; titles with a tie at the k-th code are answered by Python."""
        asked = self._coder(levels, how, how.k + 1)
        codes, found = asked.code(titles), []
        for index, level in enumerate(levels):
            coded, tied = coder.coded(codes, (index, level), asked.classes[index], how.k)
            again = self._answered([titles.title(row) for row in tied], level, how)
            for row, each in zip(tied, again, strict=True):
                coded[row] = each
            found.append(coded)
        return found

    def _by_python(
        self, levels: Sequence[Level], how: Asking, given: Sequence[str], counts: Sequence[int]
    ) -> list[list[Coded]]:
        pairs = zip(levels, counts, strict=True)
        return [self._answered(given, level, replace(how, k=count)) for level, count in pairs]

    def _answered(self, given: Sequence[str], level: Level, how: Asking) -> list[Coded]:
        """Answer without compiled code; tests hold compiled code to this."""
        known = self._knowledge if how.exact else replace(self._knowledge, listed=Listed.none())
        found: list[Coded] = []
        for block in blocks(given):
            texts = [clean(title) for title in given[block]]
            shares, read = self._scorer.scored(texts)
            asked = Asked(given[block], texts, read, level, how.k)
            sourced = answers.sourced(texts, self._scorer.codes, shares, known, how.overrides)
            found += answers.coded(asked, sourced, self._knowledge)
        return found


def _woven(is_first: Sequence[bool], first: list[Coded], second: list[Coded]) -> list[Coded]:
    """Return answers from two lists, each next one from the first where `is_first` says so."""
    sources = iter(second), iter(first)
    return [next(sources[is_mine]) for is_mine in is_first]


def blocks(texts: Sequence[str]) -> Iterator[slice]:
    """Yield the parts of many texts that are scored at a time."""
    return (slice(start, start + _BATCH) for start in range(0, len(texts), _BATCH))


def clean(title: str | None) -> str:
    """Normalise a title, and cut it before and after: a hostile title may have signs that become many letters."""
    return normalise((title or "")[:LONGEST])[:LONGEST]


def extended(
    model: tuple[Scorer, Knowledge, Context | None], given: Classes | Path | str
) -> tuple[Knowledge, Context | None]:
    """Return what a model knows, and its context, with classes, or those of a file, beside its codes.

    Raises:
        DataError: The file can't be used.
        InputError: The model answers one of the codes already, or its recipe can't answer others.
    """
    from jobmajor.model.linear.described import Described  # noqa: PLC0415 - it takes long, and only here

    scorer, knowledge, context = model
    if scorer.learned is None:
        raise InputError(f"the model's recipe {scorer.recipe!r} can't answer codes of a file: take a linear model")
    classes = (given if isinstance(given, Classes) else read(Path(given))).check(scorer.codes)
    entries = classes.entries
    odds = Described(scorer.learned, [each.titles for each in entries], [each.description for each in entries])
    texts = {each.code: f"{each.name} {each.description}" for each in classes.entries}
    return replace(knowledge, added=Known(classes, odds)), context.widened(scorer.codes, texts) if context else None


def share_of(
    scorer: Scorer, knowledge: Knowledge, label: str, level: Level
) -> Callable[[Sequence[str]], NDArray[np.float32]] | None:
    """Return what gives the share of a code of a level, for normalised titles, by a model with added codes.

    None if neither the model nor what was added has the code.
    """
    codes, added = scorer.codes, knowledge.added
    if added is None or label not in added.classes.names:
        return None
    inside = [soc.place(code, level) == label for code in knowledge.columns(codes)]

    def share(texts: Sequence[str]) -> NDArray[np.float32]:
        shares, _ = added.widened(texts, codes, scorer.shares(texts), np.zeros(len(texts), np.bool_))
        total: NDArray[np.float32] = shares[:, inside].sum(axis=1)
        return total

    return share
