"""Where a model comes from: all that a version's record and a manifest say, and no fault where they say less."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from jobmajor.registry import loading, origin
from jobmajor.registry.versions import Approval, Candidate, Event, Version
from sagelocal.storage import manifest

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = "ab" * 32
FILE = {"sha256": "cd" * 32, "size_bytes": 1234}
LINEAGE: dict[str, Any] = {
    "data": {
        "release": "28.1",
        "edition": "text",
        "digest": "ef" * 32,
        "rows": {"test": 700, "train": 5000, "validation": 600},
        "reviewed": {"trained": 12, "tested": 3, "withheld": 1, "coarse": 0, "strange": 0},
    },
    "files": {"data": {"Sample.txt": FILE}, "reviewed": {"reviewed.csv": FILE}},
    "settings": {"penalty": 1.0},
    "code": {"jobmajor": "0.2.0", "commit": "12" * 20},
    "code_version": "34" * 32,
    "execution_id": "abc123",
    "definition_digest": "56" * 32,
    "retrain": {"reasons": ["15 new labels"]},
    "judged": "78" * 32,
}
DECISION = {"passed": True, "outcome": "hold", "checks": [{"passed": True}, {"passed": None}], "reasons": ["legal"]}


def version(folder: Path, **lineage: Any) -> Version:
    made = "2026-11-30T06:22:32+00:00"
    return Version(3, DIGEST, "Approved", ("champion",), made, {"test_f1": 0.77}, DECISION, lineage, folder)


def test_version_leads_back_to_everything_that_made_it(tmp_path: Path) -> None:
    earlier = Event(2, "promote", "2026-11-01T00:00:00+00:00")
    events = [earlier, Event(3, "promote", "2026-12-01T08:00:00+00:00", "ann", "ok")]

    found = origin.of_model(manifest.Manifest({}), version(tmp_path, **LINEAGE), events)

    assert origin.told(found) == [
        ("version", "3, champion, Approved, made 2026-11-30 06:22 UTC"),
        ("model", "abababababab"),
        ("titles", "O*NET 28.1, text, digest efefefefefef"),
        ("file", "Sample.txt, 1,234 bytes, sha256 cdcdcdcdcdcd"),
        ("rows", "train 5,000, validation 600, test 700"),
        ("labels", "reviewed titles: 12 in training, 3 in a test of their own, 1 withheld, as a test has their words"),
        ("file", "reviewed.csv, 1,234 bytes, sha256 cdcdcdcdcdcd"),
        ("settings", "penalty 1.0"),
        ("code", "jobmajor 0.2.0, commit 121212121212, sources 343434343434"),
        ("run", "abc123, definition 565656565656"),
        ("because", "15 new labels"),
        ("evaluation", "F1 0.7700, of the model 787878787878, which then learned from all rows"),
        ("decision", "hold, 1 of 2 checks passed"),
        ("reason", "legal"),
        ("champion", "promoted 2026-12-01 08:00 UTC by ann: ok"),
    ]
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("value", [None, 7, "text", [], {"x": []}])
@pytest.mark.parametrize("name", [*LINEAGE])
def test_record_that_says_less_or_something_else_is_no_fault(tmp_path: Path, name: str, value: Any) -> None:
    odd = version(tmp_path, **{**LINEAGE, name: value})

    lines = origin.told(origin.of_model(manifest.Manifest({}), odd, ()))

    assert lines[0][0] == "version"
    assert lines[-1] == ("champion", "never")
    assert origin.told(origin.of_model(manifest.Manifest({}), replace(odd, decision=None, metrics={}), ()))


def test_model_of_no_registry_says_what_its_manifest_says(model_folder: Path, tmp_path: Path) -> None:
    found = loading.origin_of(manifest.read(model_folder), tmp_path)

    lines = dict(origin.told(found))
    assert lines["model"].endswith("in no registry")
    assert lines["titles"] == "starter titles"
    assert not {"version", "decision", "run"} & {*lines}


@pytest.mark.slow
def test_registry_is_read_without_mlflow_and_says_the_same(model_folder: Path, blank: Path, tmp_path: Path) -> None:
    registry = loading.open_registry(shutil.copytree(blank, tmp_path, dirs_exist_ok=True))
    kept = registry.register(Candidate(model_folder, {}, {"passed": True, "reasons": []}, "Approved", LINEAGE))
    registry.promote(kept.number, Approval("ann", "looked at it"))
    made = manifest.read(registry.get(kept.number).folder)

    found = loading.origin_of(made, tmp_path)

    assert found == origin.of_model(made, registry.get(kept.number), registry.history())
    assert found["approvals"][0]["reason"] == "looked at it"
    assert dict(origin.told(found))["champion"].endswith("by ann: looked at it")
