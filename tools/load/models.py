"""Two small models of starter titles that differ in what they answer, and not only in name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from jobmajor.data import examples, onet, prepare, source
from jobmajor.model import thresholds
from jobmajor.settings import Linear, Split

if TYPE_CHECKING:
    from pathlib import Path

_EVERY = 17


def two(root: Path) -> list[Path]:
    """Their folders below `root`; each has learned its own seventeenth of the titles."""
    return [_made(root / name, rest) for name, rest in (("one", 0), ("two", 5))]


def _made(folder: Path, rest: int) -> Path:
    starter = onet.read(source.STARTER_FOLDER)
    group = pl.col("onet_code").str.head(2)
    titles = starter.titles.filter(pl.int_range(pl.len()).over(group) % _EVERY == rest)
    occupations = starter.occupations.join(titles, on="onet_code", how="semi", maintain_order="left")
    parts = prepare.split(examples.build(replace(starter, titles=titles, occupations=occupations)), Split())
    folder.mkdir()
    thresholds.fit(parts["train"], parts["validation"], Linear()).save(
        folder, code_version="load", source={"release": "starter"}
    )
    return folder
