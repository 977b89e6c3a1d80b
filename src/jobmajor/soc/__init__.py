"""The Standard Occupational Classification 2018: its codes, crosswalks to other classifications, and employment.

`from jobmajor import soc` brings the structure. `soc.crosswalks` and `soc.employment` are separate modules, so that a
step that doesn't use them doesn't depend on their tables.
"""

from __future__ import annotations

from jobmajor.soc.chosen import LEVELS, Level, SocCode
from jobmajor.soc.structure import (
    ALL_LEVELS,
    BEST_LEVEL,
    ancestor,
    as_levels,
    codes,
    current,
    detailed_codes,
    example,
    is_new,
    level_words,
    majors,
    name,
    parse,
    parse_level,
    parse_levels,
    place,
    short,
    table,
    use,
)

__all__ = [
    "ALL_LEVELS",
    "BEST_LEVEL",
    "LEVELS",
    "Level",
    "SocCode",
    "ancestor",
    "as_levels",
    "codes",
    "current",
    "detailed_codes",
    "example",
    "is_new",
    "level_words",
    "majors",
    "name",
    "parse",
    "parse_level",
    "parse_levels",
    "place",
    "short",
    "table",
    "use",
]
