"""What a model stores beside its scores: the lowest scores at which answers are taken, and the titles of training."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from jobmajor import soc
from jobmajor.errors import InputError
from jobmajor.model.rules import abstain
from jobmajor.model.rules.listed import BLAKE, Listed
from sagelocal.storage import publish

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from jobmajor.model.rules.classes import Known
    from jobmajor.model.rules.prior import Prior
    from jobmajor.soc import Level

DESCRIPTION, ARRAYS = "answers.json", "answers.safetensors"


@dataclass(frozen=True, slots=True)
class Knowledge:
    """The thresholds and the listed titles of a model.

    Attributes:
        thresholds: For each level the score from which on the best answer is taken: `abstain.choose` for 95 %
            precision on validation's distinct titles, any listed code accepted. Without any, all answers are unsure.
        listed: The titles of training.
        prior: The mix of occupations that answers are moved toward. It is the user's, and never saved with the model.
        added: Codes that training never saw, which are the user's as well.
    """

    thresholds: Mapping[Level, float] = field(default_factory=lambda: dict.fromkeys(soc.LEVELS, abstain.NEVER))
    listed: Listed = field(default_factory=Listed.none)
    prior: Prior | None = None
    added: Known | None = None

    def columns(self, codes: tuple[str, ...]) -> tuple[str, ...]:
        """Return the detailed codes of answers, ascending, of a model that knows some."""
        return self.added.columns(codes) if self.added else codes

    def name(self, code: str) -> str:
        """Return the name of a code of any level."""
        names = self.added.classes.names if self.added else {}
        return names.get(code) or soc.name(code)

    def check_crosswalk(self, target: str) -> None:
        """Check that a crosswalk to another classification knows all codes.

        Raises:
            InputError: Codes were added.
        """
        if self.added:
            raise InputError(f"the crosswalk to {target} has none of the codes that you added: leave out either")

    def save(self, folder: Path, about: Mapping[str, Any]) -> None:
        """Write both files."""
        hashed = self.listed.hashed
        body = {"about": about, "hashed": hashed, "precision": abstain.PRECISION, "thresholds": self.thresholds}
        text = json.dumps(body, indent=1, sort_keys=True, allow_nan=False) + "\n"
        publish.write_file(folder / DESCRIPTION, text.encode())
        publish.write_file(folder / ARRAYS, save_arrays(self.listed.to_mapping()))


def load(folder: Path, codes: int) -> tuple[Knowledge, dict[str, Any]]:
    """Read what `Knowledge.save` wrote for a model of so many detailed codes, and what the model says of its origin.

    Raises:
        OSError, ValueError, KeyError, TypeError, SafetensorError: A file is missing, damaged or doesn't fit.
    """
    body = json.loads((folder / DESCRIPTION).read_bytes())
    thresholds: dict[Level, float] = {level: float(body["thresholds"][level]) for level in soc.LEVELS}
    if not all(0 <= value <= abstain.NEVER for value in thresholds.values()):
        raise ValueError(f"a threshold is no number from 0 to {abstain.NEVER:g}")
    hashed = body.get("hashed", BLAKE)  # a model of jobmajor 0.1 does not say
    listed = Listed.from_mapping(load_arrays((folder / ARRAYS).read_bytes()), codes, hashed)
    return Knowledge(thresholds, listed), dict(body["about"])
