"""Map the arrays of a safetensors file instead of reading them, so that processes share their memory.

The library's own readers copy each array.

Source: https://huggingface.co/docs/safetensors (format: eight bytes with the header's length, the header, the arrays).
"""

from __future__ import annotations

import json
import mmap
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import safe_open

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_LENGTH_BYTES = 8
_TYPES = {"F32": "<f4", "I32": "<i4", "U32": "<u4", "I16": "<i2", "I8": "|i1"}


def load(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file by name; they can't be written to, and keep the file mapped.

    Raises:
        SafetensorError: The file is damaged.
        KeyError: An array has a type that the linear model has not.
    """
    with safe_open(path, framework="numpy"):  # verifies the header: types, shapes and places that fit the file
        pass
    with path.open("rb") as file:
        whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    begin = _LENGTH_BYTES + int.from_bytes(whole[:_LENGTH_BYTES], "little")
    described = json.loads(whole[_LENGTH_BYTES:begin])
    described.pop("__metadata__", None)
    return {name: _array(whole, begin, each) for name, each in described.items()}


def _array(whole: mmap.mmap, begin: int, described: dict[str, Any]) -> NDArray[Any]:
    kind, shape = np.dtype(_TYPES[described["dtype"]]), described["shape"]
    start, end = described["data_offsets"]
    if start == end:
        return np.empty(shape, kind)
    found = np.frombuffer(whole, kind, (end - start) // kind.itemsize, begin + start).reshape(shape)
    return found if found.flags.aligned else found.copy()
