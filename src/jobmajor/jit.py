"""How Numba is asked for machine code, the same for all kernels. Importing this file loads it: half a second.

No compiled function calls one of another file: what is kept on disk is made anew when its own file changes, and would
not see a change in the other one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import numba

if TYPE_CHECKING:
    from collections.abc import Callable

_Function = TypeVar("_Function", bound="Callable[..., Any]")

# `_nrt` off: nothing in a kernel allocates, and counting references to what is there took a third of the time.
_PLAIN: dict[str, Any] = {"nogil": True, "boundscheck": False, "_nrt": False}
# Sums and maxima may be taken in any order, and no value is "not a number": only so they are taken many at once.
_ANY_ORDER = {"contract", "reassoc", "nsz", "nnan"}


def inner(function: _Function) -> _Function:
    """The function as machine code, for compiled functions of its own file only: it is made and kept with those."""
    return cast("_Function", numba.njit(**_PLAIN)(function))


def vectorised(function: _Function) -> _Function:
    """As `inner`, for loops over numbers that may be taken in any order."""
    return cast("_Function", numba.njit(**_PLAIN, fastmath=_ANY_ORDER)(function))


def entry(function: _Function) -> _Function:
    """As `inner`, for callers in Python, and kept on disk where a folder for that can be written, else made anew.

    Its arguments are arrays, numbers and plain tuples of them: what is kept names the types of its arguments, and
    one that a later version of this package no longer has would keep it from loading.
    """
    try:
        kept = numba.njit(**_PLAIN, cache=True)(function)
    except RuntimeError:  # neither beside the package nor in the user's folder for such things
        return inner(function)
    return cast("_Function", kept)
