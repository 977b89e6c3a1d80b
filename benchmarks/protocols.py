"""What may be learned from and what is scored, under four protocols.

A figure says nothing without its protocol: by row, a title may stand in training under another code; by family, no
form of it may; by occupation, nobody of that occupation was ever seen. The tutorial's own is here because its
readers know its figures, wrong labels included.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

import polars as pl

from jobmajor.data import examples, prepare
from jobmajor.data.examples import COUNTED
from jobmajor.settings import Split
from jobmajor.titles import normalise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobmajor.data.onet import Tables

Protocol = Literal["tutorial", "row", "family", "occupation"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
ROW_WISE: tuple[Protocol, ...] = ("tutorial", "row")  # a scored text may stand in training: shown with lookup too
_PARENTHESISED = re.compile(r"\(([^()]*)\)")
_PARENTHESES = re.compile(r"\(.*?\)")


@dataclass(frozen=True, slots=True)
class Parts:
    """Three frames with `prepare.COLUMNS`; only the rows of source "alternate" in `scored` are counted.

    Nothing is chosen or calibrated on `scored`: in development it is a tenth that is held out of training, and the
    test isn't read; in a final run it is the test.
    """

    train: pl.DataFrame
    validation: pl.DataFrame
    scored: pl.DataFrame

    @property
    def counted(self) -> pl.DataFrame:
        """The scored rows that the figures count."""
        return self.scored.filter(pl.col("source") == COUNTED)

    @property
    def of_titles(self) -> Parts:
        """The same without phrases of descriptions: what a system sees that learns from titles alone."""
        return replace(self, train=prepare.titles(self.train))

    @property
    def digest(self) -> str:
        """sha256 of every row, in order: results are kept under it."""
        total = hashlib.sha256()
        for part in (self.train, self.validation, self.scored):
            rows = part.select("title", "text", "code", "source", pl.col("codes").list.join(" ")).iter_rows()
            total.update("\x1e".join("\x1f".join(row) for row in rows).encode("utf-8", "surrogatepass"))
        return total.hexdigest()


def draw(tables: Tables, protocol: Protocol, seed: int, *, final: bool = False) -> Parts:
    """The parts under a protocol.

    Args:
        tables: A release.
        protocol: How what is held out is chosen.
        seed: Of the draw.
        final: Score the test. Otherwise the test is dropped unseen, and a tenth of all rows, drawn from training by
            the same rule as the test, is scored instead.
    """
    if protocol == "family":
        parts = dict(prepare.split(examples.build(tables), Split(seed=seed)))
    else:
        rows = _tutorial_rows(tables) if protocol == "tutorial" else _rows(tables)
        parts = _drawn(rows, _UNITS[protocol], seed)
    if not final:
        held_out = _drawn(parts["train"], _UNITS[protocol], seed, shares=(7 / 8, 0.0))
        parts |= {"train": held_out["train"], "test": held_out["test"]}
    found = Parts(parts["train"], parts["validation"], parts["test"])
    parted = found if protocol in ROW_WISE else _parted(found, *_APART[protocol])
    return parted if protocol == "tutorial" else _described(parted, tables)


_UNITS = {"tutorial": "family", "row": "row", "family": "family", "occupation": "onet_code"}
_APART = {"family": ("text",), "occupation": ("text", "family")}


def _rows(tables: Tables) -> pl.DataFrame:
    """All forms of all rows, with families and codes, as `prepare.split` has them before it draws."""
    return prepare.settle(examples.with_codes(prepare.families(examples.build(tables))))


def _parted(parts: Parts, *columns: str) -> Parts:
    """The parts without what a stricter one has, too, by any of the columns; the scored rows stay as they are."""
    train, validation = parts.train, parts.validation
    for column in columns:
        validation = validation.join(parts.scored, on=column, how="anti", maintain_order="left")
        held_out = pl.concat([parts.validation, parts.scored], how="diagonal")
        train = train.join(held_out, on=column, how="anti", maintain_order="left")
    return Parts(train, validation, parts.scored)


def _described(parts: Parts, tables: Tables) -> Parts:
    """The parts with descriptions' phrases in training, as the pipeline has them; of occupations in training only."""
    phrases = examples.phrases(tables)
    phrases = phrases.filter(pl.col("onet_code").is_in(parts.train["onet_code"].implode()))
    named = {"train": parts.train, "validation": parts.validation, "test": parts.scored}
    titles = {name: part.select(prepare.COLUMNS) for name, part in named.items()}
    return Parts(prepare.with_phrases(titles, phrases)["train"], parts.validation, parts.scored)


def _drawn(
    rows: pl.DataFrame, unit: str, seed: int, shares: tuple[float, float] = (0.8, 0.1)
) -> dict[str, pl.DataFrame]:
    """Train, validation and test by whole units, alike within each major group; `shares` of train and validation.

    The order is that of sha256(seed, unit), as in `prepare.assign`; the shares are of counted rows.
    """
    major = pl.col("code").str.head(2)
    named = pl.col(unit).cast(pl.String).map_elements(lambda name: _place(seed, name), return_dtype=pl.String)
    units = (
        rows.group_by(unit)
        .agg(major.sort().mode(maintain_order=True).first().alias("major"), (pl.col("source") == COUNTED).sum())
        .with_columns(named.alias("draw"))
        .sort("major", "draw")
    )
    middle = (pl.col("source").cum_sum() - pl.col("source") / 2).over("major")  # an occupation may be a tenth by itself
    place = (middle / pl.col("source").sum().over("major")).fill_nan(0.0)
    train, validation = shares
    part = pl.when(place < train).then(0).when(place < train + validation).then(1).otherwise(2).alias("part")
    chosen = rows.join(units.select(unit, part), on=unit, maintain_order="left")
    return {name: chosen.filter(pl.col("part") == number).drop("part") for number, name in enumerate(prepare.SPLITS)}


def _place(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}:bench:{name}".encode("utf-8", "surrogatepass")).hexdigest()


def _tutorial_rows(tables: Tables) -> pl.DataFrame:
    """The tutorial's examples with its faults: its occupations' codes, its duplicates, its lower case.

    Each alternate title without what stands in parentheses, and what stands in the first ones; each occupation's
    title without "Other" or "and", under the code of the alternate title of the same row number. Repetitions of
    title and O*NET code go before the titles are lower-cased.
    Source: rgmartin/job-major-clf, preprocessing.
    """
    seen = dict.fromkeys(_tutorial_examples(tables))  # keeps the order
    rows = [(title.lower().strip(), code) for title, code in seen]
    frame = pl.DataFrame(rows, schema=["title", "onet_code"], orient="row").with_row_index("row")
    frame = frame.with_columns(
        pl.col("title").map_elements(normalise, return_dtype=pl.String).alias("text"),
        pl.col("onet_code").str.head(7).alias("code"),
        pl.lit(COUNTED).alias("source"),
        pl.col("row").cast(pl.Int64).alias("family"),  # it knows of none: every row is its own
    ).filter(pl.col("text") != "")
    return examples.with_codes(frame)


def _tutorial_examples(tables: Tables) -> Iterator[tuple[str, str]]:
    rows = list(tables.titles.select("title", "onet_code").iter_rows())
    for title, code in rows:
        if found := _PARENTHESISED.search(title):
            yield found[1], code
    for title, code in rows:
        yield _PARENTHESES.sub("", title), code
    for title, (_, another_rows_code) in zip(tables.occupations["title"], rows, strict=False):
        if "Other" not in title and "and" not in title:
            yield title, another_rows_code
