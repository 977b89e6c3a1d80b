"""Titles that people have coded: an organisation's own overrides or labelled titles, as a source of training.

`write` brings any table of titles and codes into one form, whose digest is part of the address that a run reads. `add`
puts its titles into training. A title whose words are those of a title of validation or test is withheld, so that
neither the thresholds nor the gate see a model that knows its answer. `hold_out` keeps a part of the titles as a test
of their own, which no model is ever trained on.
"""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from jobmajor import soc
from jobmajor.data import labelled
from jobmajor.data.examples import REVIEWED
from jobmajor.errors import ArtifactError
from jobmajor.titles import family_key, normalise
from sagelocal.storage import publish

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from jobmajor.data.labelled import TitleFile

TEST = 0.2  # of the families of reviewed titles
FILE, NOTE = "reviewed.csv", "none.txt"
TESTED = "reviewed.parquet"  # beside the test: reviewed titles that no model is trained on
_COLUMNS = ("title", "code")


@dataclass(frozen=True, slots=True)
class Used:
    """How many reviewed titles are in training, and how many are not, by reason.

    Attributes:
        trained: In training, with at least one code.
        tested: In the test of their own.
        withheld: With the words of a title of validation or test.
        coarse: With codes above the detailed level only: they say too little for training, but still override.
        strange: With codes only that the release has no title of.
    """

    trained: int = 0
    tested: int = 0
    withheld: int = 0
    coarse: int = 0
    strange: int = 0


def write(file: TitleFile, folder: Path) -> int:
    """Write the titles of a table with their codes into a folder, and return how many titles there are.

    Rows that say "not a job" or have no known code are left out. The result does not depend on the order of the rows.

    Raises:
        InputError: The table can't be used, or no row can.
    """
    found = labelled.read(file)
    codes: dict[str, set[str]] = {}
    for title, truth in zip(found.titles, found.truths, strict=True):
        if text := normalise(title):
            codes.setdefault(text, set()).update(code for each in truth for code in each)
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows((text, code) for text in sorted(codes) for code in sorted(codes[text]))
    publish.write_file(folder / FILE, buffer.getvalue().encode())
    return len(codes)


def write_none(folder: Path) -> None:
    """Write the note that stands where nothing was reviewed: an input without any file fails on SageMaker."""
    publish.write_file(folder / NOTE, b"No reviewed titles.\n")


def read(folder: Path) -> pl.DataFrame:
    """Return the titles of a folder that `write` or `write_none` filled: columns `title` and `code`.

    Raises:
        ArtifactError: The file is damaged.
    """
    schema = dict.fromkeys(_COLUMNS, pl.String)
    path = folder / FILE
    if not path.is_file():
        return pl.DataFrame(schema=schema)
    try:
        found = pl.read_csv(path, schema=schema)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ArtifactError(f"{path} can't be read ({error}): start again with --reviewed FILE") from error
    if found.null_count().sum_horizontal().item() or not found["code"].is_in(list(soc.table())).all():
        raise ArtifactError(f"{path} has cells that are no title or code: start again with --reviewed FILE")
    return found


def hold_out(titles: pl.DataFrame, share: float = TEST) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the titles to learn from, and those of the reviewed titles' own test.

    Whether a title is in the test follows from its words alone. So the test only grows with the titles, and a champion
    was never trained on it, whenever that was.

    Args:
        titles: As `read` returns them.
        share: Of the families that are in the test, 0 to 1.
    """
    words = titles["title"].map_elements(family_key, return_dtype=pl.String)
    is_test = words.map_elements(lambda family: _draw(family) < share, return_dtype=pl.Boolean)
    return titles.filter(~is_test), titles.filter(is_test)


def _draw(family: str) -> float:
    digest = hashlib.sha256(f"reviewed test:{family}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8]) / 2**64


def add(parts: Mapping[str, pl.DataFrame], titles: pl.DataFrame) -> tuple[dict[str, pl.DataFrame], Used]:
    """Add titles to training, as examples of the source `reviewed`; nothing changes in validation and test.

    Args:
        parts: The splits, as `prepare` makes them.
        titles: As `read` returns them.
    """
    if not len(titles):
        return dict(parts), Used()
    words = titles["title"].map_elements(family_key, return_dtype=pl.String)
    texts = titles["title"].map_elements(normalise, return_dtype=pl.String)
    held_out = pl.concat([part.select("title", "text") for name, part in parts.items() if name != "train"])
    held_words = held_out["title"].map_elements(family_key, return_dtype=pl.String).unique()
    is_held = words.is_in(held_words.implode()) | texts.is_in(held_out["text"].implode())
    is_detailed = titles["code"].is_in(list(soc.detailed_codes()))
    is_known = titles["code"].is_in(parts["train"]["code"].unique().implode())
    known = titles.with_columns(texts.alias("text")).filter(~is_held & is_detailed & is_known)
    used = Used(
        trained=known["title"].n_unique(),
        withheld=titles.filter(is_held)["title"].n_unique(),
        coarse=_only(titles.filter(~is_held), titles.filter(is_detailed)),
        strange=_only(titles.filter(~is_held & is_detailed), titles.filter(is_known)),
    )
    return {**parts, "train": pl.concat([parts["train"], _examples(known, parts["train"].columns)])}, used


def _only(titles: pl.DataFrame, others: pl.DataFrame) -> int:
    """Return how many titles have no row among others."""
    return titles.join(others, on="title", how="anti")["title"].n_unique()


def _examples(titles: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    examples = titles.with_columns(
        pl.col("code").implode().over("title", mapping_strategy="join").alias("codes"),
        pl.lit(REVIEWED).alias("source"),
        pl.lit("").alias("read_in"),
        (pl.col("code") + ".00").alias("onet_code"),
        pl.lit(-1, pl.Int64).alias("family"),
    )
    listed_by = pl.col("codes").list.eval(pl.lit(REVIEWED)).alias("listed_by")
    return examples.with_columns(listed_by).select(columns)
