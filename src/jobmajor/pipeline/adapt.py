"""Estimate the mix of occupations of a user's file: what `jobmajor adapt` does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from jobmajor import arguments, soc
from jobmajor.data import labelled
from jobmajor.data.labelled import TitleFile
from jobmajor.errors import NotAdapted
from jobmajor.model.coder import REASONS
from jobmajor.model.rules import abstain
from jobmajor.model.rules.prior import Prior
from jobmajor.registry import loading
from jobmajor.tables import formats
from jobmajor.tables.block import AS_IT_IS, Reading
from jobmajor.tables.packed import Packed
from jobmajor.titles import said

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from jobmajor.model.classifier import Classifier

    Floats = NDArray[np.float64]

LEAST_TITLES: Final = 100  # distinct titles, without codes
LEAST_LABELLED: Final = 30  # distinct titles with codes
_UNLABELLED_DOUBT, _LABELLED_DOUBT = 5.0, 25.0  # titles of training's mix that are added to those of the file
_STEPS: Final = 50
_NO_TITLES: Final = [REASONS.index(reason) for reason in abstain.NO_TITLES]


def adapt(
    file: str | Path | TitleFile,
    column: str = "title",
    *,
    reading: Reading = AS_IT_IS,
    model: Classifier | str | Path | None = None,
    home: str | Path | None = None,
) -> Prior:
    """Estimate the mix of occupations among a file's distinct titles; `Classifier.adapted` uses it.

    Each distinct title counts once, however many rows it has.

    Args:
        file: A file of titles in any format that `code_file` reads; a `TitleFile` if known codes are to be counted, in
            place of the model's answers.
        column: The column of titles; a `TitleFile` names its own.
        reading: How to read the file, where its own bytes don't decide; a `TitleFile` has its own.
        model: A classifier, a model's folder or `model.tar.gz`; None takes the champion.
        home: The champion's workspace.

    Raises:
        InputError: The file or a column can't be used, or there is no such model.
        NotAdapted: The file has too few titles, or two halves of it differ as much as the file and training do.
    """
    path = arguments.path("file", file.path if isinstance(file, TitleFile) else file)
    column = arguments.text("column", column)
    arguments.instance("reading", reading, Reading)
    classifier = loading.classifier_of(model, home)
    if not isinstance(file, TitleFile):
        return of_titles(_titles(path, column, reading), classifier, where=str(file))
    known = _known(file, classifier.classes("major"))
    return replace(_prior(str(file.path), classifier, known, (_LABELLED_DOUBT, LEAST_LABELLED)), labelled=len(known))


def of_titles(titles: Sequence[str], classifier: Classifier, *, where: str = "the titles") -> Prior:
    """Estimate the mix of occupations among distinct titles from the answers to them.

    Raises:
        NotAdapted: As `adapt`; it says `where` the titles are from.
    """
    return _prior(where, classifier, _answered(classifier, titles), (_UNLABELLED_DOUBT, LEAST_TITLES))


def _prior(where: str, classifier: Classifier, shares: Floats, least: tuple[float, int]) -> Prior:
    classes, counts = classifier.classes("major"), classifier.training_mix("major") + 1
    source: Floats = counts / counts.sum()  # each above 0
    _check(where, shares, source, least)
    return Prior(_by_code(classes, _mix(shares, source, least[0])), _by_code(classes, source), len(shares), 0)


def _titles(path: Path, column: str, reading: Reading) -> list[str]:
    found: dict[str, str] = {}
    for block in formats.rows(path, [column], reading):
        for (title,) in block.cells:
            found.setdefault(labelled.key(title), title)
    return list(found.values())


def _answered(classifier: Classifier, titles: Sequence[str]) -> Floats:
    """Return the shares of the major groups for each title that is one, shape (titles, majors)."""
    groups = len(classifier.classes("major"))
    codes = classifier.coder(("major",), groups).code(Packed.of(titles))
    shares = np.zeros((len(titles), groups + 1))  # the last column takes what has no code
    np.put_along_axis(shares, codes.labels[:, 0].astype(np.int64), codes.scores[:, 0].astype(np.float64), axis=1)
    is_title = ~np.isin(codes.reasons[:, 0], _NO_TITLES)
    found: Floats = shares[is_title, :groups]
    return found


def _known(file: TitleFile, classes: Sequence[str]) -> Floats:
    """Return the share of each major group among the rows of each labelled title, shape (titles, majors)."""
    given = labelled.read(file)
    column = {code: index for index, code in enumerate(classes)}
    found = np.zeros((len(given.titles), len(classes)))
    for row, truth in enumerate(given.truths):
        for codes, weight in truth.items():
            groups = [column[code] for code in labelled.at_level(codes, "major") if code in column]
            found[row, groups] += weight / max(len(groups), 1)
    found = found[found.sum(axis=1) > 0]
    shares: Floats = found / found.sum(axis=1, keepdims=True)
    return shares


def _mix(shares: Floats, source: Floats, doubt: float) -> Floats:
    """Return the mix by expectation-maximization; shares of 0 and 1, which known codes give, are left as they are."""
    mix = source
    for _ in range(_STEPS):
        found = shares * (mix / source)
        found /= found.sum(axis=1, keepdims=True)
        mix = (found.sum(axis=0) + doubt * source) / (len(shares) + doubt)
    return mix


def _check(path: str, shares: Floats, source: Floats, least: tuple[float, int]) -> None:
    """Raise `NotAdapted` unless the titles are enough to tell the file's mix from training's."""
    doubt, fewest = least
    if len(shares) < fewest:
        raise NotAdapted(path, f"{len(shares)} {said('distinct titles')}", f"at least {fewest}")
    halves = np.random.default_rng(0).permutation(len(shares)) % 2
    one, other = (_mix(shares[halves == half], source, doubt) for half in (0, 1))
    apart, away = (abs(first - second).sum() / 2 for first, second in ((one, other), ((one + other) / 2, source)))
    if apart >= away:
        raise NotAdapted(
            path,
            f"{said('two halves whose mixes of occupations differ')} by {apart:.0%}, and from training's by {away:.0%}",
            "halves that are more alike",
        )


def _by_code(classes: Sequence[str], shares: Floats) -> Mapping[str, float]:
    return dict(zip(classes, shares.tolist(), strict=True))


def report(prior: Prior) -> dict[str, Any]:
    """Return the mix by major group as plain data that fits into JSON, the largest change first."""
    ratios = prior.ratios
    order = sorted(ratios, key=lambda code: -abs(np.log(ratios[code])))
    rows = [
        {
            "code": code,
            "name": soc.name(code),
            "training": prior.source[code],
            "file": prior.mix[code],
            "factor": ratios[code],
        }
        for code in order
    ]
    return {"prior": prior.digest, "titles": prior.titles, "labelled": prior.labelled, "groups": rows}
