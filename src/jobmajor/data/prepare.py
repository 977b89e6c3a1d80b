"""Split the examples into train, validation and test, so that no form of a title is in two of them.

With a split by distinct text alone, one test row in twenty has another form, short or parenthesised, in training. Here
all forms of a row, and all titles with one set of words, are a family, and a family goes to one split as a whole.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from jobmajor.data import direct_match
from jobmajor.data.examples import (
    COUNTED,
    CURRENT,
    DESCRIPTION,
    DIRECT_MATCH,
    OCCUPATION,
    build,
    major_group,
    phrases,
    with_codes,
)
from jobmajor.data.folder import OWN
from jobmajor.errors import DataError
from jobmajor.titles import family_key, normalise

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from jobmajor.data.onet import Tables
    from jobmajor.settings import Split

SPLITS = ("train", "validation", "test")
COLUMNS = ("title", "text", "code", "codes", "listed_by", "source", "read_in", "onet_code", "family")


def prepare(tables: Tables, settings: Split) -> dict[str, pl.DataFrame]:
    """Return the splits of a release, with Direct Match titles and phrases of descriptions in training.

    Raises:
        DataError: A split would be empty.
    """
    parts = split(build(tables), settings)
    if tables.release == OWN:
        return with_phrases(parts, phrases(tables))
    parts = with_current(with_direct_match(parts, tables.direct_match), direct_match.current())
    return with_phrases(parts, phrases(tables))


def families(examples: pl.DataFrame) -> pl.DataFrame:
    """Return the examples with `family` (an integer) and `key` (the family's first set of words, its name).

    Two examples are of one family if they come from one row or have the same set of words, or are joined by a
    chain of such pairs: the connected components of the graph of rows and word sets.
    """
    keys = examples["title"].map_elements(family_key, return_dtype=pl.String)
    key_ids = keys.rank("dense").to_numpy().astype(np.int64) - 1
    row_ids = examples["row"].rank("dense").to_numpy().astype(np.int64) - 1
    key_count, size = key_ids.max() + 1, key_ids.max() + row_ids.max() + 2
    edges = coo_array((np.ones(len(key_ids), np.int8), (key_ids, row_ids + key_count)), shape=(size, size))
    _, labels = connected_components(edges, directed=False)
    named = examples.with_columns(pl.Series("component", labels[key_ids]), keys.alias("key"))
    named = named.with_columns(pl.col("key").min().over("component"))
    return named.drop("component").with_columns((pl.col("key").rank("dense").cast(pl.Int64) - 1).alias("family"))


def settle(examples: pl.DataFrame) -> pl.DataFrame:
    """Drop derived forms that repeat a counted row of their code, and sort the examples by content.

    Every counted row of the release stays, even if two are equal: the headline metrics count rows.
    """
    statement = ["text", "code"]
    order = ["onet_code", "source", "text", "title"]
    counted = examples.filter(pl.col("source") == COUNTED)
    derived = examples.filter(pl.col("source") != COUNTED).join(counted, on=statement, how="anti")
    derived = derived.sort(order).unique(statement, keep="first", maintain_order=True)
    return pl.concat([counted, derived]).sort(order)


def assign(examples: pl.DataFrame, settings: Split) -> pl.DataFrame:
    """Return the examples with `split`, drawn for whole families, with equal shares within each major group.

    A family belongs to the major group that most of its rows have. Within a group, families are sorted by
    sha256(seed, key), which depends neither on the order of rows nor on a library's generator, and are cut where the
    counted rows reach the shares. A group without a counted row goes to training.
    """
    major = major_group(pl.col("code"))
    by_family = (
        examples.group_by("family", "key")
        .agg(
            major.sort().mode(maintain_order=True).first().alias("major"),
            (pl.col("source") == COUNTED).sum().alias("rows"),
        )
        .with_columns(
            pl.col("key").map_elements(lambda key: _draw(settings.seed, key), return_dtype=pl.String).alias("draw")
        )
        .sort("major", "draw")
    )
    before = (pl.col("rows").cum_sum() - pl.col("rows")).over("major")
    position = (before / pl.col("rows").sum().over("major")).fill_nan(0.0)
    train = 1 - settings.validation - settings.test
    split = (
        pl.when(position < train)
        .then(pl.lit("train"))
        .when(position < train + settings.validation)
        .then(pl.lit("validation"))
        .otherwise(pl.lit("test"))
    )
    chosen = by_family.with_columns(split.alias("split")).select("family", "split")
    return examples.join(chosen, on="family", how="left", maintain_order="left")


def _draw(seed: int, key: str) -> str:
    return hashlib.sha256(f"{seed}:{key}".encode("utf-8", "surrogatepass")).hexdigest()


def split(examples: pl.DataFrame, settings: Split) -> Mapping[str, pl.DataFrame]:
    """Return the three splits by name, each with `COLUMNS`.

    Raises:
        DataError: A split would be empty.
    """
    settled = settle(with_codes(families(examples)))  # codes first: a dropped repetition lists its code, too
    drawn = assign(settled, settings)
    parts = _without_echoes({name: drawn.filter(pl.col("split") == name) for name in SPLITS})
    for name, part in parts.items():
        if not (part["source"] == COUNTED).any():
            raise DataError(
                "the release",
                f"{len(examples)} examples",
                f"enough for a {name} split",
                "use a larger release",
            )
    return parts


def _without_echoes(parts: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Drop the rows of training, and of validation, whose normalised title is in a stricter split.

    The family key is frozen and the normaliser is not, so "Sr. Buyer" and "Senior Buyer" may be two families. The test
    keeps all its rows; only the looser splits lose some.
    """
    test = parts["test"]
    validation = parts["validation"].join(test, on="text", how="anti", maintain_order="left")
    held_out = pl.concat([validation, test])
    train = parts["train"].join(held_out, on="text", how="anti", maintain_order="left")
    splits = {"train": train, "validation": validation, "test": test}
    return {name: part.select(COLUMNS) for name, part in splits.items()}


def with_phrases(parts: Mapping[str, pl.DataFrame], found: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Add phrases of descriptions (`examples.phrases`) to training.

    Two kinds of phrases are left out: one with the words of a held-out title would reveal its code, and one that is
    already a training title adds nothing.
    """
    return _added(parts, _strange_to(parts.values(), found))


def with_direct_match(parts: Mapping[str, pl.DataFrame], titles: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Add the SOC's Direct Match titles (columns `code` and `title`), in general to training.

    A title with the words of a held-out one goes to the split that holds it, as a derived form, so that the model which
    the test judges knows no answer of it. One that the file gives several codes is left out. The split of other titles
    does not depend on the file.
    """
    texts = titles["title"].map_elements(normalise, return_dtype=pl.String)
    one_code = titles.with_columns(texts.alias("text")).filter(
        (pl.col("text") != "") & (pl.col("code").n_unique().over("text") == 1)
    )
    return _spread(parts, _examples(DIRECT_MATCH, one_code))


def with_current(parts: Mapping[str, pl.DataFrame], titles: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Add `direct_match.current`'s titles as `with_direct_match` does; what the SOC itself says stays its own word.

    Titles of codes that training has not are left out: they would add occupations to a release of a few.
    """
    titles = titles.filter(pl.col("code").is_in(parts["train"]["code"].unique().implode()))
    texts = titles["title"].map_elements(normalise, return_dtype=pl.String)
    found, source = _examples(CURRENT, titles.with_columns(texts.alias("text"))), pl.col("source")
    for part in parts.values():
        said = part.filter(source.str.starts_with(OCCUPATION) | (source == DIRECT_MATCH))
        found = found.join(said, on=["text", "code"], how="anti", maintain_order="left")
    return _spread(parts, found)


def _spread(parts: Mapping[str, pl.DataFrame], new: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Add examples to training, but those with the words of a held-out title to the split that holds it."""
    found, rest = dict(parts), new
    for name in ("test", "validation"):
        if name in parts:
            strange = _strange_to([parts[name]], rest)
            found = _added(found, rest.join(strange, on="text", how="anti", maintain_order="left"), name)
            rest = strange
    return _added(found, rest)


def _examples(source: str, titles: pl.DataFrame) -> pl.DataFrame:
    return titles.unique("text", keep="first", maintain_order=True).with_columns(
        pl.lit(source).alias("source"), (pl.col("code") + ".00").alias("onet_code")
    )


def _strange_to(parts: Collection[pl.DataFrame], new: pl.DataFrame) -> pl.DataFrame:
    """Return the examples whose text, and whose set of words, no title of some parts has."""
    titles = pl.concat([part.select("title", "text") for part in parts])
    words = titles["title"].map_elements(family_key, return_dtype=pl.String).unique()
    keys = new["title"].map_elements(family_key, return_dtype=pl.String)
    return new.filter(~keys.is_in(words.implode()) & ~pl.col("text").is_in(titles["text"].implode()))


def _added(parts: Mapping[str, pl.DataFrame], new: pl.DataFrame, name: str = "train") -> dict[str, pl.DataFrame]:
    """Add examples of one code, which belong to no family, to a split."""
    added = new.with_columns(
        pl.concat_list("code").alias("codes"),
        pl.concat_list("source").alias("listed_by"),
        pl.lit("").alias("read_in"),
        pl.lit(-1, pl.Int64).alias("family"),
    )
    return {**parts, name: pl.concat([parts[name], added.select(COLUMNS)])}


def titles(examples: pl.DataFrame) -> pl.DataFrame:
    """Return the examples that are titles, without phrases of descriptions."""
    return examples.filter(pl.col("source") != DESCRIPTION)
