"""The mix of occupations of a user's file, which answers are moved toward: what `jobmajor adapt` estimates.

A model's shares are right for the mix of occupations that training had. For titles of another mix, each share is
multiplied by the ratio of both mixes, and the shares are scaled to sum to 1 again. The ratio is damped to its square
root: files also have other wordings than training, and the whole ratio takes those for another mix
(docs/experiments.md).
Source: Saerens, M., Latinne, P. and Decaestecker, C. (2002), Neural Computation 14(1), 21-41.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jobmajor import arguments, soc
from jobmajor.errors import DataError
from sagelocal.storage import publish

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

FORMAT = 1
STRENGTH = 0.5  # the power of the ratio
MAX_BYTES = 2**20
_CLOSE = 1e-3
_EXPECTED, _DO = "what `jobmajor adapt` wrote", "make it again with `jobmajor adapt FILE`"


@dataclass(frozen=True)
class Prior:
    """A mix of occupations, by major group.

    Attributes:
        mix: The share of each major group among the file's distinct titles; above 0, sums to 1.
        source: The same of the titles that the model was trained on.
        titles: How many distinct titles of the file it was estimated from.
        labelled: How many of them had a code; 0 if the mix was estimated from answers.
    """

    mix: Mapping[str, float]
    source: Mapping[str, float]
    titles: int
    labelled: int

    def __post_init__(self) -> None:
        arguments.check(self)

    @property
    def digest(self) -> str:
        """Return the sha256 of the contents, 64 hex digits."""
        return hashlib.sha256(self._text().encode()).hexdigest()

    @property
    def ratios(self) -> dict[str, float]:
        """Return what the share of each major group is multiplied by, before shares are scaled to sum to 1."""
        return {code: (share / self.source[code]) ** STRENGTH for code, share in self.mix.items()}

    def weights(self, codes: Sequence[str]) -> NDArray[np.float32]:
        """Return the ratio of each detailed code's major group, shape (codes,); 1 for a group not in the mix."""
        ratios = self.ratios
        return np.array([ratios.get(soc.place(code, "major"), 1.0) for code in codes], np.float32)

    def write(self, path: str | Path) -> None:
        """Write the file that `read` reads, at once."""
        publish.write_file(arguments.path("path", path), self._text().encode())

    def _text(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, sort_keys=True, allow_nan=False) + "\n"


def moved(shares: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return shares, shape (titles, codes), times the weights of the codes, each row's sum 1 again.

    >>> moved(np.array([[0.5, 0.5]], np.float32), np.array([3, 1], np.float32)).tolist()
    [[0.75, 0.25]]
    """
    found: NDArray[np.float32] = shares * weights
    found /= found.sum(axis=1, keepdims=True)
    return found


def read(path: str | Path) -> Prior:
    """Read a file of `jobmajor adapt`.

    Raises:
        DataError: It is missing, or no such file.
    """
    path = arguments.path("path", path)
    try:
        with path.open("rb") as file:
            return _parsed(json.loads(file.read(MAX_BYTES)))
    except OSError as error:
        raise DataError(path, error.strerror or "no file", _EXPECTED, _DO) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        why = f"no key {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(path, f"no prior ({why})", _EXPECTED, _DO) from error


def _parsed(body: Any) -> Prior:
    if not isinstance(body, dict) or body["format"] != FORMAT:
        raise ValueError(f"expected a JSON object of format {FORMAT}")
    mix, source = _shares(body["mix"]), _shares(body["source"])
    if mix.keys() != source.keys():
        raise ValueError("`mix` and `source` have different groups")
    return Prior(mix, source, _count(body["titles"]), _count(body["labelled"]))


def _shares(given: Any) -> dict[str, float]:
    majors = set(soc.codes("major"))
    if not isinstance(given, dict) or not given or not given.keys() <= majors:
        raise ValueError(f"expected shares of major groups of {soc.current()}")
    if not all(isinstance(share, float | int) and 0 < share <= 1 for share in given.values()):
        raise ValueError("expected shares above 0")
    if abs(math.fsum(given.values()) - 1) > _CLOSE:
        raise ValueError("expected shares that sum to 1")
    return {code: float(share) for code, share in given.items()}


def _count(given: Any) -> int:
    if not isinstance(given, int) or isinstance(given, bool) or given < 0:
        raise ValueError("expected counts of titles")
    return given
