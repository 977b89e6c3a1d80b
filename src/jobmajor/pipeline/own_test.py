"""A candidate and the champion on a labelled file of the user, when one of them is to become the champion.

It stands outside of the definition. The models compared are those that would serve, which were refitted on all rows,
and the file stays on this machine. A champion of another release can be compared as well: neither model learned from
the file. Titles that either did learn from, as reviewed ones, are left out.
"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jobmajor.data import labelled, reviewed
from jobmajor.errors import DataError
from jobmajor.evaluation import gate
from jobmajor.evaluation.checks import HOLD, PROMOTE, REFUSE, Limits
from jobmajor.evaluation.comparison import paired, verdicts
from jobmajor.evaluation.hits import count
from jobmajor.home import Workspace
from jobmajor.model import classifier
from jobmajor.pipeline.outside import answered
from jobmajor.registry.loading import open_registry
from jobmajor.titles import family_key
from sagelocal.storage.store import FolderStore

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobmajor.data.labelled import Labelled, TitleFile
    from jobmajor.evaluation.checks import Check
    from jobmajor.model.classifier import Classifier
    from jobmajor.registry.versions import Approval, Version

_FEW = 20  # titles that count at a level; below, no interval says anything


@dataclass(frozen=True, slots=True)
class Sides:
    """The folders of the two models, and the addresses of the reviewed titles that each learned from."""

    candidate: Path
    champion: Version | None
    reviewed: Sequence[str]


def judge(file: TitleFile, sides: Sides, home: Path, *, seed: int = 0) -> dict[str, Any]:
    """Compare two models on a labelled file.

    Returns:
        `file` (its name), `sha256`, `titles`, `left_out` (the titles that a model learned from), and `levels`: at each
        level that the file's codes reach, what `paired.Paired.to_json` returns and `titles`. The levels of a file with
        too few titles, or without a champion, are none.

    Raises:
        InputError: The file can't be used.
    """
    given = labelled.read(file)
    known = _known(home, sides.reviewed)
    kept = [row for row, title in enumerate(given.titles) if family_key(title) not in known]
    found = {
        "file": Path(file.path).name,
        "sha256": hashlib.sha256(Path(file.path).read_bytes()).hexdigest(),
        "titles": len(kept),
        "left_out": len(given.titles) - len(kept),
        "levels": {},
    }
    if not kept:
        raise DataError(file.path, "only titles that a model learned from", "others", "name another file")
    if sides.champion is None:
        return found
    rest = labelled.Labelled([given.titles[row] for row in kept], [given.truths[row] for row in kept])
    models = classifier.load(sides.candidate), classifier.load(sides.champion.folder)
    return {**found, "champion": sides.champion.number, "levels": _levels(rest, models, seed)}


def decided(decision: gate.Decision, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return a decision, as plain data, with what the comparison on a labelled file adds to it: `own_test`."""
    return {**gate.with_checks(decision, _checks(found)).to_dict(), "own_test": dict(found)}


def _checks(found: Mapping[str, Any]) -> list[Check]:
    limits, where = Limits(), found["file"]
    checks = [verdicts.own_titles(f"{level} level of {where}", each, limits) for level, each in found["levels"].items()]
    return checks or [verdicts.nothing_to_compare(where, found, limits)]


def against(file: TitleFile, models: tuple[Classifier, Classifier], *, seed: int = 0) -> dict[str, Any]:
    """Compare two models on a labelled file by the rule of `decided`, wherever they are registered.

    Titles that a model learned from are not left out: nothing here knows which these are.

    Args:
        file: The labelled file.
        models: The candidate, and the champion.
        seed: For the resamples.

    Returns:
        `file`, `titles` and `levels`, as `judge` does; `checks`, and `outcome`, one of `checks.OUTCOMES`.

    Raises:
        InputError: The file can't be used.
    """
    given = labelled.read(file)
    found = {"file": Path(file.path).name, "titles": len(given.titles), "levels": _levels(given, models, seed)}
    checks = _checks({**found, "champion": True})
    is_refused, is_held = any(each.passed is False for each in checks), any(each.holds for each in checks)
    outcome = REFUSE if is_refused else HOLD if is_held else PROMOTE
    return {**found, "outcome": outcome, "checks": [asdict(each) for each in checks]}


def promote(home: Path, number: int, file: TitleFile, approval: Approval) -> Version:
    """Compare a version with the champion on a labelled file, record what it decides, and promote the version.

    Raises:
        PromotionRefused: The gate or the comparison refuses it.
        PromotionHeld: They ask for a reason, and none is given.
        InputError: The file can't be used.
    """
    registry = open_registry(home)
    version, champion = registry.get(number), registry.champion()
    version.require_passed()
    if champion is None or champion.number != number:
        addresses = [address for each in (version, champion) if each for address in learned(each.lineage)]
        found = judge(file, Sides(version.folder, champion, addresses), home)
        registry.decide(number, decided(gate.from_dict(version.decision or {}), found))
    else:  # nothing to compare; a file that can't be read is refused all the same
        labelled.read(file)
    return registry.promote(number, approval)


def learned(lineage: Mapping[str, Any]) -> list[str]:
    """Return the address of the reviewed titles that a version learned from, as its lineage has it."""
    address = dict(lineage.get("parameters") or {}).get("ReviewedDataUrl")
    return [str(address)] if address else []


def _known(home: Path, addresses: Sequence[str]) -> set[str]:
    """Return the words of the reviewed titles that a model learned from."""
    store, found = FolderStore(Workspace(home.absolute()).buckets), set[str]()
    for address in sorted(set(addresses)):
        if reviewed.FILE in store.listing(address):
            with tempfile.TemporaryDirectory() as name:
                store.download(address, Path(name))
                found |= set(map(family_key, reviewed.read(Path(name))["title"]))
    return found


def _levels(given: Labelled, models: tuple[Classifier, Classifier], seed: int) -> dict[str, Any]:
    answers = [answered(model, given.titles, exact=True)[0] for model in models]
    sides = [{level: count(given, each[level], level) for level in each} for each in answers]
    new = sides[0]
    levels = [level for level in new if new[level].counted.sum() >= _FEW]
    if not levels:
        return {}
    right = tuple(np.column_stack([side[level].right for level in levels]) for side in sides)
    total = np.column_stack([new[level].weight for level in levels])
    families = np.array(list(map(family_key, given.titles)))
    found = paired.ratios((right[0], right[1]), total, families, seed=seed)
    return {
        level: {**each.to_json(), "titles": int(new[level].counted.sum())}
        for level, each in zip(levels, found, strict=True)
    }
