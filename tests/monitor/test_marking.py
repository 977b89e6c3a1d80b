"""A profile says what one gets by answering the titles and counting in Python, title by title."""

from __future__ import annotations

import csv
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from jobmajor.monitor.marking import Marking
from jobmajor.monitor.observe import File, Observer
from jobmajor.monitor.profile import LENGTHS, SCORES
from jobmajor.tables.packed import Packed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from jobmajor.model.answers import Coded
    from jobmajor.model.classifier import Classifier

ODD = ["", "  ", "n/a", "NURSE", "nurse – ward", "Überschrift", "看护", "x" * 1200, "line\ncook", 'a "b"', "asst"]
USUAL = re.compile(r"[ \t&'()+,\-./:;#\"0-9A-Za-z]*")


@pytest.fixture
def observer(classifier: Classifier) -> Observer:
    return Observer(classifier, "digest")


@pytest.fixture
def varied(splits: Any) -> list[str]:
    """Return some thousand different titles, with odd ones among them."""
    titles = splits["train"]["text"].unique(maintain_order=True).to_list()[:400]
    made = [f"{title} {number}".title() for number, title in enumerate(titles * 5)]
    return list(dict.fromkeys([*ODD, *titles, *(title.upper() for title in titles), *made]))


def true_of(title: str, coded: Coded, observer: Observer) -> set[str]:
    """Return the names of the flags of a title, computed in another way than the library does."""
    found, best = {coded.answers[0].label} - {""}, coded.answers[0]
    words = re.findall(rb"[0-9a-z\x80-\xff]+", re.sub(rb"[A-Z]", lambda one: one[0].lower(), title.encode()))
    hashes = [Packed(np.frombuffer(word, np.uint8), np.array([0, len(word)])).hashes()[0] for word in words]
    is_empty = not title.strip(" \n")
    facts = {
        "empty": is_empty,
        "unsure": coded.reason in ("unsure", "listed once; the model disagrees"),
        "confidence below 0.5": bool(best.label) and coded.confidence < 0.5,
        "unknown word": not set(hashes) <= set(observer.flags.words.tolist()),
        "new character": not USUAL.fullmatch(title),
        "no lower case": bool(re.search("[A-Z]", title)) and not re.search("[a-z]", title),
        "digit": bool(re.search("[0-9]", title)),
        "over 40 characters": len(title) > 40,
        "over 6 words": len(words) > 6,
        "one word": len(words) == 1,
        **{name: coded.reason == name and not is_empty for name in ("not a title", "unknown language", "not English")},
    }
    return found | {name for name, fact in facts.items() if fact}


def counted(observer: Observer, rows: Iterable[str]) -> dict[str, Any]:
    """Return what a profile of these rows has to say, counted title by title."""
    times = Counter(title[:1000] for title in rows)
    answers = observer.classifier.answer(list(times), "major")
    flagged, sure, lengths = Counter[str](), np.zeros(SCORES, int), np.zeros(LENGTHS, int)
    codes = {}
    for (title, count), coded in zip(times.items(), answers, strict=True):
        for name in true_of(title, coded, observer):
            flagged[name] += count
        sure[min(int(coded.confidence * SCORES), SCORES - 1)] += count if coded.confidence > 0 else 0
        lengths[min(len(title), LENGTHS - 1)] += count
        codes[title] = coded.answers[0].label
    order = sorted(times.items(), key=lambda item: (-item[1], item[0]))[:2000]
    titles = [[title, count, codes[title]] for title, count in order]
    return {"flagged": flagged, "confidence": sure.tolist(), "lengths": lengths.tolist(), "titles": titles}


def said(observer: Observer, path: Path) -> dict[str, Any]:
    profile = observer.observe(File(path))
    body = profile.to_json()
    flagged = Counter({name: count for name, count in profile.flagged().items() if count})
    return {"flagged": flagged, **{name: body[name] for name in ("confidence", "lengths", "titles")}}


def written(path: Path, titles: Sequence[str], encoding: str = "utf-8") -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([["title"], *([title] for title in titles)])
    return path


def test_profile_of_a_file_is_what_counting_title_by_title_gives(
    observer: Observer, varied: list[str], tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    rows = [*varied, *(varied[index] for index in rng.integers(0, 300, 45_000).tolist())]  # two blocks

    assert said(observer, written(tmp_path / "titles.csv", rows)) == counted(observer, rows)


def test_title_is_read_as_other_commands_read_it_whatever_the_encoding(observer: Observer, tmp_path: Path) -> None:
    rows = ["Bäckerin", "Café waiter", "nurse", "Überschrift", "naïve Görlitz cook"] * 20

    found = said(observer, written(tmp_path / "titles.csv", rows, "cp1252"))

    assert found == counted(observer, rows)


@pytest.mark.parametrize("memo_bytes", [64, 10**6])
def test_memo_changes_no_mark(observer: Observer, varied: list[str], memo_bytes: int) -> None:
    titles = Packed.of([title[:1000] for title in varied])
    expected = observer.flags.answered(observer.classifier.coder(("major",)), [title[:1000] for title in varied])

    with ThreadPoolExecutor(2) as threads:
        marking = Marking(observer.flags, observer.classifier.coder(("major",)), threads, memo_bytes=memo_bytes)
        found = [marking.marked(titles) for _ in range(2)]

    for each in found:
        assert each.marks.tolist() == expected.marks.tolist()
        assert each.labels.tolist() == expected.labels.tolist()
        assert each.confidence.tolist() == expected.confidence.tolist()
