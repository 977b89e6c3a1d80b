"""How many people have each occupation: employment by detailed code, for weighing codes that a title is listed under.

The survey omits the self-employed, people who work in private households or on most farms, and the armed forces, so a
small number is weak evidence: who uses it smooths and damps it. 20 codes are absent; no number is not zero. The survey
publishes 28 codes as 12 sums, and each member gets an equal part of its sum. In `oews_2023.tsv`, these members are on
one line.

Source: U.S. Bureau of Labor Statistics, Occupational Employment and Wage Statistics, May 2023 (public domain).
"""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@cache
def persons() -> Mapping[str, float | None]:
    """Return the number of persons employed in each of the 867 detailed codes, in the order of the classification.

    None marks a code that the survey doesn't cover: the military, and fishing and hunting workers.

    >>> persons()["41-2011"], persons()["55-3016"]
    (3298660.0, None)
    """
    text = resources.files(__package__).joinpath("oews_2023.tsv").read_text("utf-8")
    rows = csv.reader(text.splitlines()[1:], delimiter="\t", quoting=csv.QUOTE_NONE)
    found: dict[str, float | None] = {}
    for codes, employed in rows:
        members = codes.split()
        found.update(dict.fromkeys(members, float(employed) / len(members) if employed else None))
    return dict(sorted(found.items()))
