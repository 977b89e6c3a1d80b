"""Titles for the queue: of a file or of traffic those without a sure answer, of a check those that moved."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from jobmajor.errors import DataError
from jobmajor.model.rules import overrides
from jobmajor.model.rules.overrides import NOT_A_JOB
from jobmajor.monitor import violations
from jobmajor.monitor.observe import Capture
from jobmajor.monitor.traffic import capture as captures
from jobmajor.review import doubtful
from jobmajor.tables import formats
from jobmajor.titles import normalise
from sagelocal.storage import manifest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from jobmajor.model.classifier import Classifier
    from jobmajor.model.rules.overrides import Overrides
    from jobmajor.monitor.observe import File
    from jobmajor.review.queue import Queue
    from jobmajor.soc import Level


class Arrived(NamedTuple):
    """How many titles were put into the queue, and how many of them were new to it."""

    titles: int
    new: int


def from_traffic(queue: Queue, source: File | Capture, classifier: Classifier, level: Level = "major") -> Arrived:
    """Put the titles of a file or of captured traffic without a sure answer into a queue, but those with a label.

    The rows of traffic are counted by day, so that periods may overlap.

    Raises:
        InputError: The file or the folder can't be used, or it holds hashes instead of titles.
    """
    if isinstance(source, Capture):
        return _from_capture(queue, source, classifier, level)
    title = source.title or formats.title_column(source.path)
    table = doubtful.Source(source.path, title, source.weight)
    found = doubtful.find(table, classifier, level=level, overrides=labels(queue))
    about = [manifest.hash_file(source.path), title, source.weight or ""]
    return Arrived(len(found), queue.add(found, f"file {' '.join(about)}"))


def _from_capture(queue: Queue, source: Capture, classifier: Classifier, level: Level) -> Arrived:
    days: dict[str, Counter[str]] = defaultdict(Counter)
    for record in captures.read(source.folder, source.period):
        if record.is_hashed:
            do = "record titles (`jobmajor serve --capture` without hashes), or name a file"
            raise DataError(source.folder, "hashes instead of titles", "titles that a person can read", do)
        with suppress(ValueError):  # a request that was refused
            days[f"{record.at:%Y-%m-%d}" if record.at else ""].update(source.titles(record.body, record.kind))
    known = labels(queue)
    rows = sum(days.values(), Counter())
    answered = doubtful.answered(_unlabelled(rows, known), classifier, level=level)
    found = {normalise(each.title): each for each in answered}
    new = 0
    for day, titles in days.items():
        of_day = ((normalise(title), count) for title, count in _unlabelled(titles, known).items())
        wanted = (replace(found[text], rows=count) for text, count in of_day if text in found)
        new += queue.add(wanted, f"capture {source.folder.resolve()} {day}")
    return Arrived(len(found), new)


def from_check(queue: Queue, path: Path, classifier: Classifier, level: Level = "major") -> Arrived:
    """Put the titles whose share rose since a check's reference into a queue, also those with a sure answer.

    A title is as new as the part of its share that the reference had not.

    Raises:
        DataError: The file is no check's.
    """
    try:
        body = json.loads(path.read_bytes())
        risen = {str(each["title"]): _rise(body, each) for each in body["titles"]}
        rows = {str(each["title"]): float(each["found"]) for each in body["titles"]}
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise violations.not_a_check(path) from error
    wanted = _unlabelled({title: count for title, count in rows.items() if risen[title] > 0}, labels(queue))
    answered = doubtful.answered(wanted, classifier, level=level, with_sure=True)
    found = [replace(each, novelty=max(each.novelty, risen[each.title])) for each in answered]
    return Arrived(len(found), queue.add(found, f"check {manifest.hash_file(path)}"))


def _rise(body: Mapping[str, Any], moved: Mapping[str, Any]) -> float:
    """Return the part of a title's share that the reference had not, 0 to 1."""
    before = (moved["reference"] or 0) / body["reference"]["rows"]
    after = moved["found"] / body["checked"]["rows"]
    return max(0.0, 1 - before / after) if after else 0.0


def labels(queue: Queue) -> Overrides:
    """Return the labels of a queue as `Classifier.answer` takes them."""
    found = queue.labels()
    return overrides.Overrides({text: {} if code == NOT_A_JOB else {code: 1.0} for text, code in found.items()})


def _unlabelled(rows: Mapping[str, float], labelled: Overrides) -> dict[str, float]:
    """Return the rows of the titles without a label, each as it is written most often."""
    written: dict[str, str] = {}
    found: dict[str, float] = defaultdict(float)
    for title, count in sorted(rows.items(), key=lambda item: -item[1]):
        text = normalise(title)
        if text and labelled.find(text) is None:
            found[written.setdefault(text, title)] += count
    return dict(found)
