"""What is known about the titles that training lists, weighed together with the model's shares.

A listing is no proof: "Owner" stands once in O*NET, among urologists. So a listing multiplies the share that the model,
which has learned from the listing, too, gives to the code. Only the SOC's own word settles a title.

For a title that training lists, a code's share is in proportion to p(c) · f(c): p is its share by the model, and f is 1
for a code that isn't listed, else

    s(c)^0.4 · e^(1.5 · m(c)) · (e(c) / least e of the listed codes)^0.1

s: of how many of O*NET's own sources the listing is, at least 1. m: 1 where the title is one word of the list that the
code's official title is ("Producers and Directors"), else 0. e: persons employed, plus 5,000; 20,000 persons where the
survey has none. If the SOC names the title (an official title in the plural or the singular, two words or more of the
list that it is, or a Direct Match title), its code has 0.97, and the model shares out the rest: as often as registers
agree with the SOC. The same holds for our own table of titles of the last ten years (`data.direct_match`).

The numbers were fitted on registers of titles, each left out in turn (docs/experiments.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from jobmajor import soc
from jobmajor.data import examples
from jobmajor.model.rules.listed import CONTRADICTED, CURRENT, DIRECT, MEMBER, MOST_SOURCES, NAMED, OFFICIAL, SETTLED
from jobmajor.soc import employment
from jobmajor.tables.packed import Packed
from jobmajor.titles import normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from jobmajor.model.rules.listed import Listed

    Floats = NDArray[np.float64]

SOURCES_POWER, MEMBER_WEIGHT, EMPLOYMENT_POWER = 0.4, 1.5, 0.1
NAMED_SHARE = 0.97
MORE_PERSONS, ABSENT_PERSONS = 5_000.0, 20_000.0
_BLOCK = 20_000  # titles scored at a time: 70 MB
_LEAST = 1e-12  # of a share, so that none of a listed title's is 0
_PAIR = ("text", "code")


@dataclass(frozen=True, slots=True)
class Model:
    """What scores the titles: `codes`, the detailed codes, ascending; `shares`, of texts, shape (titles, codes)."""

    codes: tuple[str, ...]
    shares: Callable[[Sequence[str]], NDArray[np.float32]]


def weigh(listed: Listed, rows: pl.DataFrame, model: Model) -> Listed:
    """Return the listed titles with what is added to the model's shares, instead of the shares of their rows.

    Args:
        listed: What `listed.learn` returned for the rows.
        rows: The rows of training that are titles: columns `text`, `code` and `source`; `codes`, `listed_by` and
            `read_in`, too, if known (see `data.prepare`).
        model: The model, trained on these rows.
    """
    if not len(listed.titles):
        return listed
    texts = rows["text"].unique().sort().to_list()
    texts = [texts[index] for index in np.argsort(Packed.of(texts).hashes()).tolist()]
    marks = _marks(rows, texts)
    title_of = np.repeat(np.arange(len(texts)), np.diff(listed.starts))
    factors = _factors(marks, listed, model.codes)
    parts = []
    for first in range(0, len(texts), _BLOCK):
        cells = np.flatnonzero((title_of >= first) & (title_of < first + _BLOCK))
        block = _Cells(title_of[cells] - first, listed.codes[cells], marks[cells], factors[cells])
        parts.append(block.weighed(model.shares(texts[first : first + _BLOCK]), model.codes))
    extra, kept, kinds = (np.concatenate(part) for part in zip(*parts, strict=True))
    return replace(listed, shares=extra, kept=kept, kinds=kinds, marks=marks)


def _marks(rows: pl.DataFrame, texts: Sequence[str]) -> NDArray[np.uint8]:
    """Return the mark of each listing, in the order of the texts and then of the codes."""
    order = pl.DataFrame({"text": texts, "order": range(len(texts))})
    found = rows.select(_PAIR).unique().join(order, on="text").sort("order", "code")
    found = found.join(_counts(rows), on=_PAIR, how="left", maintain_order="left")
    found = found.join(_listed_by(rows), on=_PAIR, how="left", maintain_order="left")
    marks: NDArray[np.uint8] = np.minimum(found["sources"].fill_null(0).to_numpy(), MOST_SOURCES).astype(np.uint8)
    for index, (text, code, by) in enumerate(found.select(*_PAIR, "by").iter_rows()):
        if examples.DIRECT_MATCH in by:
            marks[index] |= DIRECT
        if examples.CURRENT in by:
            marks[index] |= CURRENT
        if examples.OCCUPATION in by:
            marks[index] |= _official(code).get(text, 0)
    return marks


def _counts(rows: pl.DataFrame) -> pl.DataFrame:
    """Return as `sources` in how many of its sources O*NET read a text under a code."""
    if "read_in" not in rows.columns:
        return rows.select(*_PAIR, pl.lit(0).alias("sources")).clear()
    numbers = rows.select(*_PAIR, pl.col("read_in").str.split(",")).explode("read_in")
    read = numbers.filter(pl.col("read_in") != "")
    return read.group_by(_PAIR).agg(pl.col("read_in").n_unique().alias("sources"))


def _listed_by(rows: pl.DataFrame) -> pl.DataFrame:
    """Return as `by` the sources of all forms that list a text under a code."""
    pairs = [rows.select(*_PAIR, pl.col("source").alias("by"))]
    if "listed_by" in rows.columns:
        several = rows.select("text", pl.col("codes").alias("code"), pl.col("listed_by").alias("by"))
        pairs.append(several.explode("code", "by"))
    return pl.concat(pairs).group_by(_PAIR).agg(pl.col("by").unique().sort().str.join("+"))


@cache
def _official(code: str) -> dict[str, int]:
    """Return the forms of a code's official title with their marks.

    A member of the list that the title is stands for the code if it has two words or more.
    """
    forms = [form for form, _ in examples.occupation_forms(soc.name(code))]
    whole = {form for title in forms[:1] for form in (title, examples.singular(title))}
    return {normalise(form): OFFICIAL if form in whole or " " in form else MEMBER for form in forms}


def _factors(marks: NDArray[np.uint8], listed: Listed, codes: Sequence[str]) -> Floats:
    """Return the factor of each listing."""
    persons = employment.persons()
    known = [persons.get(code) for code in codes]  # another classification's codes are absent alike, which says nothing
    employed = np.array([ABSENT_PERSONS if each is None else each for each in known]) + MORE_PERSONS
    logs = EMPLOYMENT_POWER * np.log(employed)[listed.codes]
    logs -= np.repeat(np.minimum.reduceat(logs, listed.starts[:-1]), np.diff(listed.starts))
    logs += SOURCES_POWER * np.log(np.maximum(marks & MOST_SOURCES, 1).astype(np.float64))
    logs += MEMBER_WEIGHT * ((marks & MEMBER) > 0)
    factors: Floats = np.exp(logs)
    return factors


@dataclass(frozen=True, slots=True)
class _Cells:
    """The listings of some titles: the title, the column of the code, the mark and the factor of each."""

    titles: NDArray[np.intp]
    columns: NDArray[np.int16]
    marks: NDArray[np.uint8]
    factors: Floats

    def weighed(
        self, shares: NDArray[np.float32], codes: Sequence[str]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.uint8]]:
        """Return what is added to each listing, how much is kept of the model's shares, and the kind of each title."""
        count = len(shares)
        model = np.maximum(shares[self.titles, self.columns].astype(np.float64), _LEAST)
        settles = (self.marks & SETTLED) > 0
        total = np.bincount(self.titles, model * (self.factors - 1), count) + 1
        kept, extra = 1 / total, model * (self.factors - 1) / total[self.titles]
        sums = np.bincount(self.titles, model * self.factors * settles, count)
        settled = sums > 0
        part = np.where(settles, model * self.factors, 0) / np.where(settled, sums, 1)[self.titles]
        extra = np.where(settled[self.titles], NAMED_SHARE * part, extra)
        kept = np.where(settled, 1 - NAMED_SHARE, kept)
        is_official = np.bincount(self.titles, (self.marks & NAMED) > 0, count) > 0
        kinds = np.where(is_official, OFFICIAL, 0).astype(np.uint8)
        kinds[self._contradicted(shares, (kept, extra), codes)] |= CONTRADICTED
        return extra.astype(np.float32), kept.astype(np.float32), kinds

    def _contradicted(
        self, shares: NDArray[np.float32], answer: tuple[Floats, Floats], codes: Sequence[str]
    ) -> NDArray[np.bool_]:
        """Tell which titles one source lists once, under another major group than the best one."""
        kept, extra = answer
        _, starts, major_of = np.unique(
            [soc.ancestor(code, "major") for code in codes], return_index=True, return_inverse=True
        )
        summed = np.add.reduceat(shares, starts, axis=1) * kept[:, None]
        np.add.at(summed, (self.titles, major_of[self.columns]), extra)
        is_thin = (np.bincount(self.titles, minlength=len(shares)) == 1)[self.titles] & (self.marks <= 1)
        disagrees = major_of[self.columns] != summed.argmax(axis=1)[self.titles]
        found = np.zeros(len(shares), np.bool_)
        found[self.titles[is_thin & disagrees]] = True
        return found
