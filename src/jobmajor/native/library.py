"""Load the compiled library for this processor, and describe arrays to it.

Where no library was built, everything works in Python, many times slower.
"""

from __future__ import annotations

import ctypes
import os
import struct
from dataclasses import fields
from functools import cache
from typing import Any

import numpy as np

from jobmajor.errors import ArtifactError
from jobmajor.native import build

_POINTER, _NUMBER = ctypes.c_void_p, ctypes.c_int64
# The arguments of each function: p for a pointer, i for a number. Each returns a number, or nothing that is read.
_FUNCTIONS = {
    "jm_append": "piip",
    "jm_blend": "ippip",
    "jm_clean": "pipp",
    "jm_cut": "ippp",
    "jm_fill": "ippppp",
    "jm_find": "p",
    "jm_hash_titles": "ppip",
    "jm_insert": "ppi",
    "jm_judge": "ipppp",
    "jm_look": "piippp",
    "jm_mark_foreign": "p",
    "jm_map": "ipippp",
    "jm_mend": "ipp",
    "jm_pick": "pppipp",
    "jm_rank": "ipipppp",
    "jm_scan": "piipp",
    "jm_scatter": "pipi",
    "jm_spread": "ipipipip",
    "jm_spread_answers": "pp",
}


def cores() -> int:
    """Return the number of cores that this process may use; where the system doesn't say, that of all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Struct:
    """A value that C functions read as a struct; its subclasses are frozen dataclasses.

    A field is an array in C order, an int (int64), a float (32 bits) or another struct. C gets the address of each
    array and the length of its first dimension. Pass the value itself to a function: `ctypes` takes the address of its
    bytes, and keeps the value alive meanwhile.
    """

    __slots__ = ("_as_parameter_",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_as_parameter_", self.packed())

    def packed(self) -> bytes:
        """Return the bytes of the C struct."""
        values = list[Any]()
        kinds = list[Any]()  # for a nested struct its size, for everything else its type
        kind: Any = type(self)
        for name in _names(kind):
            value = getattr(self, name)
            if isinstance(value, np.ndarray):
                values += address(value), len(value)
                kinds += int, int
            elif isinstance(value, Struct):
                values.append(value.packed())
                kinds.append(len(values[-1]))
            else:
                values.append(value)
                kinds.append(type(value))
        return _layout(tuple(kinds)).pack(*values)


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


@cache
def _layout(kinds: tuple[Any, ...]) -> struct.Struct:
    """Return how values of these types, or nested structs of these sizes, lie in memory."""
    letters = ["f" if kind is float else "q" if isinstance(kind, type) else f"0P{kind}s" for kind in kinds]
    return struct.Struct(f"@{''.join(letters)}0P")


def address(array: np.ndarray[Any, Any]) -> int:
    """Return where an array begins in memory, 0 if it is empty; valid as long as the array lives.

    Raises:
        ValueError: It is not in C order, which C code expects.
    """
    if not array.flags.c_contiguous:
        raise ValueError("found an array that is not contiguous, which compiled code can't read")
    if not array.size:
        return 0
    if array.flags.writeable:
        return ctypes.addressof(ctypes.c_char.from_buffer(array.data))  # a fifth of the time that numpy takes
    return int(array.ctypes.data)


@cache
def load() -> Any:
    """Return the functions for this processor, None where none were built or JOBMAJOR_COMPILED is "no".

    Raises:
        ArtifactError: The library was built from other sources than those beside it.
    """
    names = build.names(*build.here())
    first = build.FOLDER / names[min(names)]
    if not build.is_wanted() or not first.exists():
        return None
    best = _opened(first)
    level = max(each for each in names if each <= best.jm_level() and (build.FOLDER / names[each]).exists())
    found = best if level == min(names) else _opened(build.FOLDER / names[level])
    for name, arguments in _FUNCTIONS.items():
        function = getattr(found, name)
        function.argtypes = [_POINTER if kind == "p" else _NUMBER for kind in arguments]
        function.restype = _NUMBER
    return found


def _opened(path: Any) -> Any:
    library = ctypes.CDLL(str(path))
    library.jm_level.restype = _NUMBER
    if build.sources_of(path) != int(build.digest(), 16):
        raise ArtifactError(f"{path} was built from other sources: run `python -m jobmajor.native.build`")
    return library
