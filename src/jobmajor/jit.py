"""How Numba compiles kernels, with the same options for all of them. Importing this module loads Numba: half a second.

A compiled function calls only functions of the file that it is in. Numba recompiles what it cached on disk when that
file changes; it would not see a change in another file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import numba

if TYPE_CHECKING:
    from collections.abc import Callable

_Function = TypeVar("_Function", bound="Callable[..., Any]")

# `_nrt` off: kernels allocate nothing, and reference counting took a third of the time.
_PLAIN: dict[str, Any] = {"nogil": True, "boundscheck": False, "_nrt": False}
# Sums and maxima may be taken in any order, and no value is NaN; otherwise the compiler could not vectorise them.
_ANY_ORDER = {"contract", "reassoc", "nsz", "nnan"}


def inner(function: _Function) -> _Function:
    """Compile a function that only compiled functions of the same file call; it is cached with them."""
    return cast("_Function", numba.njit(**_PLAIN)(function))


def vectorised(function: _Function) -> _Function:
    """Compile a function as `inner` does, for loops over numbers that may be taken in any order."""
    return cast("_Function", numba.njit(**_PLAIN, fastmath=_ANY_ORDER)(function))


def entry(function: _Function) -> _Function:
    """Compile a function as `inner` does, for callers in Python; cache it on disk where a folder can be written.

    Its arguments must be arrays, numbers and plain tuples of them. The cache names the types of the arguments, and a
    type that a later version of this package no longer has would keep the cache from loading.
    """
    try:
        kept = numba.njit(**_PLAIN, cache=True)(function)
    except RuntimeError:  # neither beside the package nor in the user's folder for such things
        return inner(function)
    return cast("_Function", kept)
