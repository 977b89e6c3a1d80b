"""Names that follow from what they name.

Creating models, configurations and jobs takes no token that would make a repeated request harmless. A name that
follows from the content does: who comes again, after a kill or a lost reply, finds what is there and goes on.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_DIGEST: Final = 8  # hex digits: among a project's few hundred names two alike are a one in 10^5 chance
_STEM: Final = 63 - len("-v999999999-") - _DIGEST  # the service takes 63 characters
_SHORT: Final = 6


def derived(base: str, version: int, content: Mapping[str, Any]) -> str:
    """The name of a version's thing with this content: `stem-vN-digest`.

    >>> derived("test-model", 3, {"a": 1})
    'test-model-v3-015abd7f'
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return f"{stem(base)}-v{version}-{_hash(text)[:_DIGEST]}"


def stem(base: str) -> str:
    """What all names that are derived from `base` begin with; one that is too long is cut, and kept apart by a hash.

    >>> stem("test-model"), len(stem("x" * 60))
    ('test-model', 43)
    """
    return base if len(base) <= _STEM else f"{base[: _STEM - _SHORT - 1].rstrip('-')}-{_hash(base)[:_SHORT]}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
