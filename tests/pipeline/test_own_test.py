"""Two models on a labelled file of the user: what that decides, when one of them is to become the champion."""

from __future__ import annotations

import csv
import shutil
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from jobmajor.cli.main import main
from jobmajor.data import labelled as labels
from jobmajor.data import reviewed
from jobmajor.data.labelled import TitleFile
from jobmajor.errors import DataError, InputError, PromotionHeld, PromotionRefused
from jobmajor.evaluation import gate
from jobmajor.evaluation.checks import HOLD, PROMOTE, REFUSE, Check
from jobmajor.model import thresholds
from jobmajor.pipeline import own_test
from jobmajor.registry.loading import open_registry
from jobmajor.registry.versions import Approval, Candidate
from jobmajor.settings import Linear
from sagelocal.storage import archive
from sagelocal.storage.store import FolderStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from jobmajor.model.classifier import Classifier

PASSED = {"passed": True, "outcome": "promote", "threshold": 0.5, "test_f1": 0.8, "checks": [], "reasons": []}


@pytest.fixture(scope="module")
def other(splits: Mapping[str, pl.DataFrame]) -> Classifier:
    """A model that learned less."""
    some = splits["train"].filter(pl.int_range(pl.len()) % 4 == 0)
    return thresholds.fit(some, splits["validation"], Linear(hidden=4, epochs=1), {"recipe": "linear"})


@pytest.fixture(scope="module")
def both(classifier: Classifier, other: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1, the champion, and version 2, which waits; no test changes them."""
    root = tmp_path_factory.mktemp("both")
    registry = open_registry(root / "home")
    for number, model in enumerate((classifier, other), 1):
        folder = root / f"model-{number}"
        folder.mkdir()
        model.save(folder, rows={}, code_version="1", settings={}, source={})
        registry.register(Candidate(folder, {}, PASSED, "PendingManualApproval", {}))
    registry.promote(1)
    return root / "home"


@pytest.fixture
def home(both: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(both, tmp_path / "home")


def labelled(path: Path, titles: Iterable[str], model: Classifier) -> TitleFile:
    """Titles with the codes that a model gives them, so that it is always right."""
    named = list(titles)
    codes = [coded.answers[0].label for coded in model.answer(named, "detailed")]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("title", "code"), *zip(named, codes, strict=True)])
    return TitleFile(path)


@pytest.fixture
def titles(splits: Mapping[str, pl.DataFrame], classifier: Classifier, other: Classifier) -> list[str]:
    found = pl.concat([splits["validation"], splits["test"]])["text"].unique(maintain_order=True).to_list()
    both = zip(found, *(model.answer(found, "detailed") for model in (classifier, other)), strict=True)
    return [title for title, *each in both if all(coded.answers for coded in each)]


def test_version_that_loses_on_the_users_titles_is_refused_for_good(
    home: Path, titles: list[str], classifier: Classifier, tmp_path: Path
) -> None:
    file = labelled(tmp_path / "ours.csv", titles, classifier)

    with pytest.raises(PromotionRefused, match=r"level of ours\.csv: accuracy 1\.000 → 0\."):
        own_test.promote(home, 2, file, Approval("ann", "I want it"))

    version = open_registry(home).get(2)
    assert version.outcome == REFUSE
    assert version.decision
    found = version.decision["own_test"]
    assert (found["champion"], found["titles"], found["left_out"]) == (1, len(labels.read(file).titles), 0)
    with pytest.raises(PromotionRefused):  # without the file, too
        open_registry(home).promote(2, Approval("ann", "I want it"))


def test_version_that_wins_on_the_users_titles_is_promoted(
    home: Path, titles: list[str], other: Classifier, tmp_path: Path
) -> None:
    version = own_test.promote(home, 2, labelled(tmp_path / "ours.csv", titles, other), Approval("ann"))

    assert version.aliases == ("champion",)
    assert version.decision
    verdicts = {level: each["verdict"] for level, each in version.decision["own_test"]["levels"].items()}
    assert verdicts["detailed"] == "better"


def test_few_titles_are_noted_and_decide_nothing(
    home: Path, titles: list[str], classifier: Classifier, tmp_path: Path
) -> None:
    version = own_test.promote(home, 2, labelled(tmp_path / "few.csv", titles[:5], classifier), Approval("ann"))

    assert version.decision
    assert version.decision["reasons"] == ["few.csv: not compared: 5 titles are too few to tell"]


def test_titles_that_a_model_learned_from_are_left_out(
    titles: list[str], classifier: Classifier, tmp_path: Path
) -> None:
    known = labelled(tmp_path / "known.csv", titles[:10], classifier)
    reviewed.write(known, tmp_path)
    (tmp_path / "staged").mkdir()
    (tmp_path / reviewed.FILE).rename(tmp_path / "staged" / reviewed.FILE)
    store = FolderStore(tmp_path / "home" / "s3")
    store.publish("s3://bucket/review/1", tmp_path / "staged")
    sides = own_test.Sides(tmp_path, None, ["s3://bucket/review/1"])

    file = labelled(tmp_path / "ours.csv", titles[:30], classifier)

    found = own_test.judge(file, sides, tmp_path / "home")

    assert (found["left_out"], found["levels"]) == (len(labels.read(known).titles), {})
    assert found["titles"] == len(labels.read(file).titles) - found["left_out"] > 0
    with pytest.raises(DataError, match="only titles that a model learned from"):
        own_test.judge(known, sides, tmp_path / "home")


def test_downloaded_versions_are_compared_by_their_archives(
    titles: list[str], classifier: Classifier, other: Classifier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As versions of an account are, before one is approved."""
    best, worse = (tmp_path / f"{name}.tar.gz" for name in ("best", "worse"))
    for model, path in ((classifier, best), (other, worse)):
        folder = tmp_path / path.stem
        folder.mkdir()
        model.save(folder, code_version="1", source={})
        archive.pack(folder, path)
    file, few = (
        labelled(tmp_path / name, titles[:most], classifier) for name, most in (("ours.csv", None), ("f.csv", 5))
    )

    def ask(table: TitleFile, model: Path, against: Path) -> tuple[int, str]:
        status = main(["evaluate", "--titles", str(table.path), "--model", str(model), "--against", str(against)])
        return status, capsys.readouterr().out

    lost, won, unclear = ask(file, worse, best), ask(file, best, worse), ask(few, worse, best)

    assert lost[0] == 1
    assert "outcome: refuse\n" in lost[1]
    assert "detailed level of ours.csv: accuracy 1.000 → 0." in lost[1]
    assert (won[0], won[1].splitlines()[-1]) == (0, "outcome: promote")
    assert (unclear[0], unclear[1].splitlines()[-1]) == (0, "f.csv: not compared: 5 titles are too few to tell")


def test_file_without_codes_is_refused_before_anything_is_recorded(home: Path, tmp_path: Path) -> None:
    (tmp_path / "bare.csv").write_text("title\nnurse\n", "utf-8")

    with pytest.raises(InputError, match="code"):
        own_test.promote(home, 2, TitleFile(tmp_path / "bare.csv"), Approval("ann"))

    assert open_registry(home).get(2).decision == PASSED


def _check(passed: bool | None, *, holds: bool = False) -> Check:
    return Check("ours", 0.0, 0.0, passed, "because", holds)


@pytest.mark.parametrize(
    ("before", "check", "outcome"),
    [
        ({}, _check(True), PROMOTE),
        ({}, _check(None, holds=True), HOLD),
        ({}, _check(False), REFUSE),
        ({"checks": [{"name": "groups", "passed": None, "reason": "x", "holds": True}]}, _check(True), HOLD),
        ({"passed": False, "checks": [{"name": "groups", "passed": False, "reason": "x"}]}, _check(True), REFUSE),
        ({"passed": False}, _check(True), REFUSE),
        ({"test_f1": 0.4}, _check(True), REFUSE),
        ({"checks": [{"name": "ours", "passed": None, "reason": "x", "holds": True}]}, _check(True), PROMOTE),
    ],
)
def test_further_checks_hold_or_refuse_but_never_accept(before: dict[str, Any], check: Check, outcome: str) -> None:
    recorded = PASSED | before

    found = gate.with_checks(gate.from_dict(recorded), [check])

    assert (found.outcome, found.passed) == (outcome, outcome != REFUSE)
    assert gate.from_dict(found.to_dict()) == found


def test_hold_by_the_users_titles_needs_a_reason(home: Path) -> None:
    held = gate.with_checks(gate.from_dict(PASSED), [_check(None, holds=True)]).to_dict()
    open_registry(home).decide(2, held)

    with pytest.raises(PromotionHeld, match="ours: because"):
        open_registry(home).promote(2)
    assert open_registry(home).promote(2, Approval("ann", "it is fine")).number == 2
