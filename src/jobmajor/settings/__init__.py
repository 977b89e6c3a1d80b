"""Every name and number that a user may want to change, with its unit and its reason.

They come from `jobmajor.toml`; a missing key has its default. An unknown key, a wrong type or a value out of range is
an error that names the key. Environment variables name only folders and secrets.
"""

from __future__ import annotations

from jobmajor.settings.reading import FILE, HOME, HOME_VARIABLE, build, home, read
from jobmajor.settings.sections import (
    RECIPES,
    Aws,
    Data,
    Jobs,
    Linear,
    Names,
    Settings,
    Split,
    Thresholds,
    Train,
    Transformer,
)

__all__ = [
    "FILE",
    "HOME",
    "HOME_VARIABLE",
    "RECIPES",
    "Aws",
    "Data",
    "Jobs",
    "Linear",
    "Names",
    "Settings",
    "Split",
    "Thresholds",
    "Train",
    "Transformer",
    "build",
    "home",
    "read",
]
