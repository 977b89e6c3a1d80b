"""What a profile counts of files and of captured traffic."""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from jobmajor.errors import DataError, InputError
from jobmajor.monitor import check, reference, statistics
from jobmajor.monitor.observe import Capture, File, Observer
from jobmajor.monitor.shape import table
from jobmajor.monitor.traffic import capture
from jobmajor.monitor.traffic.capture import Period
from jobmajor.monitor.traffic.recorder import Bounds, Event, Recorder
from jobmajor.serve.messages.captured import titles

if TYPE_CHECKING:
    from pathlib import Path

    from jobmajor.model.classifier import Classifier
    from jobmajor.monitor.profile import Profile

AT = datetime(2026, 11, 30, 9, tzinfo=UTC)


@pytest.fixture
def observer(classifier: Classifier) -> Observer:
    return Observer(classifier, "digest")


def flagged(profile: Profile) -> dict[str, int]:
    return {name: count for name, count in profile.flagged().items() if count and not name[:2].isdigit()}


def event(number: int, body: str, day: str = "2026-11-01", kind: str = "application/json") -> str:
    """Return a line as SageMaker's data capture writes it."""
    sent = {"observedContentType": kind, "mode": "INPUT", "data": body, "encoding": "JSON"}
    answer = {"observedContentType": kind, "mode": "OUTPUT", "data": "[]", "encoding": "JSON"}
    about = {"eventId": f"event-{number}", "inferenceTime": f"{day}T09:00:00Z"}
    data = {"endpointInput": sent, "endpointOutput": answer}
    return json.dumps({"captureData": data, "eventMetadata": about, "eventVersion": "0"}) + "\n"


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("", {"empty"}),
        ("  ", {"empty"}),
        ("REGISTERED NURSE", {"no lower case"}),
        ("Nurse 2", {"digit"}),
        ("nurse", {"one word"}),
        ("nurse – ward", {"new character"}),
        ("nurse to the right of the ward office", {"over 6 words"}),
        ("registered nurses for the intensive cares", {"over 40 characters"}),
        ("Überschrift", {"one word", "new character"}),
    ],
)
def test_each_property_of_a_title_is_counted(observer: Observer, title: str, expected: set[str]) -> None:
    properties = [flag.name for flag in observer.flags.all if flag.kind == "text" or flag.name == "empty"]

    marks = observer.mark(["registered nurse", title, "registered nurse"]).marks  # neighbours must not leak in

    names = [flag.name for flag in observer.flags.all]
    found = {name for name, bit in zip(names, table(marks, len(names))[1], strict=True) if bit and name in properties}
    assert found - {"unknown word"} == expected


def test_word_that_training_never_saw_is_counted(observer: Observer, splits: Any) -> None:
    known = splits["train"]["text"].to_list()[0].split()[0]

    marked = observer.mark([known, f"{known} qxzzy", f"qxzzy {known}"])

    column = [flag.name for flag in observer.flags.all].index("unknown word")
    assert table(marked.marks, len(observer.flags.all))[:, column].tolist() == [0, 1, 1]


def test_rows_count_as_often_as_their_weight(observer: Observer, tmp_path: Path) -> None:
    path = tmp_path / "titles.csv"
    path.write_text("title,n\nnurse,3\nn/a,2\n,1\nnobody,0\n", "utf-8")

    profile = observer.observe(File(path, weight="n"))

    assert (profile.total, int(profile.units.sum())) == (6, 6)
    assert flagged(profile)["not a title"] == 2
    assert flagged(profile)["empty"] == 1
    assert profile.titles["nurse"][0] == 3
    assert profile.lengths[5] == 3


def test_rows_of_a_unit_are_counted_together(observer: Observer, tmp_path: Path) -> None:
    path = tmp_path / "titles.csv"
    path.write_text("title,day\nNURSE,1\nnurse,1\nCOOK,2\n", "utf-8")

    profile = observer.observe(File(path, unit="day"))

    column = profile.names.index("no lower case")
    lines = sorted(zip(profile.rows.tolist(), profile.counts[:, column].tolist(), profile.units.tolist(), strict=True))
    assert lines == [(1, 1, 1), (2, 1, 1)]


def test_profile_is_the_same_whatever_the_order_of_its_rows(observer: Observer, tmp_path: Path) -> None:
    rows = [f"{title},{unit}" for title in ("nurse", "COOK 2", "", "n/a") for unit in ("a", "b", "c")]
    found = []
    for name, order in (("a.csv", rows), ("b.csv", rows[::-1])):
        (tmp_path / name).write_text("\n".join(["title,unit", *order]) + "\n", "utf-8")
        found.append(observer.observe(File(tmp_path / name, unit="unit")).to_json() | {"about": None})

    assert found[0] == found[1]


def test_reference_survives_its_file(observer: Observer, tmp_path: Path) -> None:
    path = tmp_path / "titles.csv"
    path.write_text("title\nnurse\nCOOK\n", "utf-8")
    profile = observer.observe(File(path))

    reference.save(profile, tmp_path / "reference.json")

    assert reference.load(tmp_path / "reference.json").to_json() == profile.to_json()


@pytest.mark.parametrize(
    "body", ["", "{}", "[]", "nonsense", '{"version": 2}', '{"version": 1, "rows": "x"}', "[" * 9999]
)
def test_other_file_is_no_reference(tmp_path: Path, body: str) -> None:
    (tmp_path / "x.json").write_text(body, "utf-8")

    with pytest.raises(DataError, match="expected a reference that `jobmajor monitor baseline` wrote"):
        reference.load(tmp_path / "x.json")


@pytest.mark.parametrize(
    "change", [{"units": [0]}, {"counts": [[2]]}, {"rows": [1, 1]}, {"lengths": [1]}, {"about": {}}]
)
def test_reference_with_a_damaged_part_is_refused(observer: Observer, tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "titles.csv"
    path.write_text("title\nnurse\n", "utf-8")
    body = observer.observe(File(path)).to_json()
    (tmp_path / "x.json").write_text(json.dumps(body | change), "utf-8")

    with pytest.raises(DataError, match="no reference"):
        reference.load(tmp_path / "x.json")


def test_captured_requests_of_a_period_are_read(observer: Observer, tmp_path: Path) -> None:
    folder = tmp_path / "endpoint" / "variant" / "2026" / "11"
    folder.mkdir(parents=True)
    encoded = json.loads(event(2, "", "2026-11-02"))
    encoded["captureData"]["endpointInput"] |= {
        "data": base64.b64encode(b"title\ncook\n").decode(),
        "encoding": "BASE64",
        "observedContentType": "text/csv",
    }
    lines = [event(1, '{"instances": ["nurse", "NURSE"]}'), json.dumps(encoded) + "\n", event(3, "{", "2026-11-02")]
    (folder / "a.jsonl").write_text("".join(lines) + event(4, '["late"]', "2026-11-03")[:-9], "utf-8")

    whole = observer.observe(Capture(tmp_path, titles))
    day = observer.observe(Capture(tmp_path, titles, Period(date(2026, 11, 2), date(2026, 11, 2))))

    assert (whole.total, int(whole.units.sum())) == (3, 2)
    assert list(day.titles) == ["cook"]


@pytest.mark.parametrize("line", ["nonsense", "{}", '{"captureData": {}}', "[]", "[" * 9999])
def test_line_that_is_no_captured_request_is_refused_by_its_number(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.jsonl").write_text(event(1, '["nurse"]') + line + "\n", "utf-8")

    with pytest.raises(DataError, match=r"a\.jsonl, line 2: found no captured request"):
        list(capture.read(tmp_path))


def recorded(
    folder: Path, titles: list[str], observer: Observer, digest: str = "one", *, is_hashed: bool = True
) -> None:
    """Record titles one by one, with the answers of a model."""
    writer = Recorder(folder, Bounds())
    for title, coded in zip(titles, observer.classifier.answer(titles, "major"), strict=True):
        best = coded.answers[0]
        item = {"code": best.label, "confidence": coded.confidence, "reason": coded.reason}
        answer = json.dumps({"predictions": [[item]], "model": digest}).encode()
        body = json.dumps([f"h{title}" if title and is_hashed else title]).encode()
        writer.write(Event(AT, "application/json", body, "application/json", answer, is_hashed=is_hashed).line(), AT)


def test_recorded_answers_count_as_those_to_the_titles_do(observer: Observer, tmp_path: Path) -> None:
    given = ["registered nurse", "line cook", "", "n/a", "Bäckereifachverkäuferin", "看护", "asst", "nurse cook"]
    for name, is_hashed in (("hashed", True), ("plain", False)):
        recorded(tmp_path / name, given, observer, is_hashed=is_hashed)

    hashed, plain = (observer.observe(Capture(tmp_path / name, titles)) for name in ("hashed", "plain"))

    text = {flag.name for flag in observer.flags.all if flag.kind == "text"}
    assert hashed.flagged() == {name: 0 if name in text else count for name, count in plain.flagged().items()}
    assert hashed.confidence.tolist() == plain.confidence.tolist()
    assert (hashed.about["model"], hashed.about["titles"]) == ("one", "hashed")
    assert not hashed.titles
    assert not hashed.lengths.any()
    statistics.statistics(hashed), statistics.constraints(hashed)


def test_hashes_beside_titles_or_of_two_models_are_refused(observer: Observer, tmp_path: Path) -> None:
    recorded(tmp_path / "models", ["nurse"], observer)
    recorded(tmp_path / "mixed", ["nurse"], observer)
    recorded(tmp_path / "models", ["cook"], observer, "two")
    recorded(tmp_path / "mixed", ["nurse"], observer, is_hashed=False)

    with pytest.raises(DataError, match="found answers of 2 models"):
        observer.observe(Capture(tmp_path / "models", titles))
    with pytest.raises(DataError, match="found both titles and hashes of titles"):
        observer.observe(Capture(tmp_path / "mixed", titles))


def test_reference_of_titles_is_refused_for_hashes(observer: Observer, tmp_path: Path) -> None:
    for name, is_hashed in (("hashed", True), ("plain", False)):
        recorded(tmp_path / name, ["nurse"] * 20, observer, "digest", is_hashed=is_hashed)
    hashed, plain = (observer.observe(Capture(tmp_path / name, titles)) for name in ("hashed", "plain"))

    with pytest.raises(InputError, match="made of titles, and this has hashes of titles: make a reference of hashes"):
        check.check(plain, hashed, observer.flags.all)


@pytest.mark.parametrize(
    "answer", [b"nonsense", b"{}", b"[]", b'{"predictions": [[]], "model": ""}', b'{"predictions": 1}']
)
def test_hashed_capture_with_other_answers_is_refused(observer: Observer, tmp_path: Path, answer: bytes) -> None:
    event = Event(AT, "application/json", b'["h1", "h2"]', "application/json", answer, is_hashed=True)
    Recorder(tmp_path, Bounds()).write(event.line(), AT)

    with pytest.raises(DataError, match="expected answers as jobmajor serve --capture-hashed records them"):
        observer.observe(Capture(tmp_path, titles))


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("2026-12", date(2026, 12, 1), date(2026, 12, 31)),
        ("2026-11-05", date(2026, 11, 5), date(2026, 11, 5)),
        ("2026-11-05..2026-12-01", date(2026, 11, 5), date(2026, 12, 1)),
        ("2026-11-05..yesterday", date(2026, 11, 5), date(2026, 11, 29)),
        ("today", date(2026, 11, 30), date(2026, 11, 30)),
        ("1d", date(2026, 11, 29), date(2026, 11, 29)),
        ("30d", date(2026, 10, 31), date(2026, 11, 29)),
        ("all", None, None),
    ],
)
def test_period_is_read_from_a_few_words(text: str, first: date | None, last: date | None) -> None:
    assert Period.parse(text, date(2026, 11, 30)) == Period(first, last)


@pytest.mark.parametrize(
    "text", ["", "x", "2026", "2026-13", "2026-11-31", "0d", "-1d", "2026-11-01..", "..", "9999-12", "٣d"]
)
def test_other_words_are_no_period(text: str) -> None:
    with pytest.raises(InputError, match=r"the period is .*: expected all, a day"):
        Period.parse(text, date(2026, 11, 30))


def test_period_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(InputError, match="ends before it begins"):
        Period.parse("2026-11-02..2026-11-01")


def test_weight_may_have_commas_between_thousands_as_in_other_commands(observer: Observer, tmp_path: Path) -> None:
    path = tmp_path / "titles.csv"
    path.write_text('title,n\nnurse,"1,200"\ncook,\n', "utf-8")

    assert observer.observe(File(path, weight="n")).total == 1200


@pytest.mark.parametrize("cell", ["x", "-1", "1.5", "inf", "nan"])
def test_weight_that_is_no_count_is_refused(observer: Observer, tmp_path: Path, cell: str) -> None:
    path = tmp_path / "titles.csv"
    path.write_text(f"title,n\nnurse,{cell}\n", "utf-8")

    with pytest.raises(InputError, match="whole numbers"):
        observer.observe(File(path, weight="n"))


def test_statistics_have_the_layout_of_model_monitor(observer: Observer, tmp_path: Path) -> None:
    path = tmp_path / "titles.csv"
    path.write_text('title\nnurse\n""\nn/a\n', "utf-8")
    profile = observer.observe(File(path))

    found, limits = statistics.statistics(profile), statistics.constraints(profile)

    features = {feature["name"]: feature for feature in found["features"]}
    assert found["dataset"] == {"item_count": 3}
    assert features["title"]["string_statistics"]["common"] == {"num_present": 2, "num_missing": 1}
    assert features["code"]["string_statistics"]["common"] == {"num_present": 1, "num_missing": 2}
    assert features["not a title"]["numerical_statistics"]["mean"] == pytest.approx(1 / 3)
    assert features["title_length"]["numerical_statistics"]["mean"] == pytest.approx((5 + 0 + 3) / 3)
    assert [feature["name"] for feature in limits["features"]] == ["title", "code", "title_length", "confidence"]
    assert np.isclose(limits["features"][0]["completeness"], 2 / 3)
