"""Equal work has an equal key; an entry counts only while its outputs are whole."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from sagelocal.jobs import contracts
from sagelocal.run import cache
from sagelocal.storage.manifest import FileRecord
from sagelocal.storage.store import FolderStore

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = {"rows": {"rows.txt": FileRecord("aa", 1)}}
ARGUMENTS: dict[str, Any] = {
    "ProcessingResources": {"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1}},
    "AppSpecification": {
        "ImageUri": "image",
        "ContainerEntrypoint": ["python3", "x.py"],
        "ContainerArguments": ["--a", "1"],
    },
    "Environment": {"A": "1"},
    "RoleArn": "role",
    "ProcessingInputs": [
        {
            "InputName": "rows",
            "S3Input": {"S3Uri": "s3://bkt/rows", "LocalPath": "/opt/ml/processing/rows"},
        }
    ],
    "ProcessingOutputConfig": {
        "Outputs": [
            {
                "OutputName": "out",
                "S3Output": {"S3Uri": "s3://bkt/out", "LocalPath": "/opt/ml/processing/out"},
            }
        ]
    },
}


def key(arguments: dict[str, Any], execution: str = "one", content: Any = None, code: str = "code") -> str:
    job = contracts.job("Processing", arguments, execution, "step")
    return cache.key(job, content or CONTENT, code)


def edited(place: str, value: Any) -> dict[str, Any]:
    arguments = copy.deepcopy(ARGUMENTS)
    *way, last = place.split(".")
    target: Any = arguments
    for part in way:
        target = target[int(part)] if part.isdigit() else target[part]
    target[last] = value
    return arguments


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("ProcessingInputs.0.S3Input.S3Uri", "s3://bkt/moved"),
        ("ProcessingOutputConfig.Outputs.0.S3Output.S3Uri", "s3://bkt/elsewhere"),
        ("ProcessingJobName", "name"),
        ("RoleArn", "another"),
        ("Tags", [{"Key": "a", "Value": "b"}]),
        ("ExperimentConfig", {"ExperimentName": "x"}),
    ],
)
def test_what_does_not_change_the_result_does_not_change_the_key(place: str, value: Any) -> None:
    assert key(edited(place, value), execution="two") == key(ARGUMENTS)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("AppSpecification.ContainerArguments", ["--a", "2"]),
        ("AppSpecification.ContainerEntrypoint", ["python3", "y.py"]),
        ("AppSpecification.ImageUri", "other"),
        ("Environment.A", "2"),
        ("Environment.B", "1"),
        ("ProcessingResources.ClusterConfig.InstanceType", "ml.m5.xlarge"),
        ("ProcessingInputs.0.S3Input.LocalPath", "/opt/ml/processing/other"),
        ("ProcessingOutputConfig.Outputs.0.S3Output.LocalPath", "/opt/ml/processing/other"),
        ("ProcessingOutputConfig.Outputs.0.OutputName", "other"),
    ],
)
def test_what_changes_the_work_changes_the_key(place: str, value: Any) -> None:
    assert key(edited(place, value)) != key(ARGUMENTS)


@pytest.mark.parametrize(
    "content",
    [
        {"rows": {"rows.txt": FileRecord("bb", 1)}},
        {"rows": {"other.txt": FileRecord("aa", 1)}},
        {"rows": {"rows.txt": FileRecord("aa", 1), "more.txt": FileRecord("aa", 1)}},
    ],
)
def test_other_content_changes_the_key(content: Any) -> None:
    assert key(ARGUMENTS, content=content) != key(ARGUMENTS)


def test_other_code_changes_the_key() -> None:
    assert key(ARGUMENTS, code="other") != key(ARGUMENTS)


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Path, FolderStore]:
    """A folder of entries that holds one, `k`, created at 100 s, with one published output."""
    store = FolderStore(tmp_path / "s3")
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "a").write_text("1")
    (tmp_path / "made" / "b").write_text("2")
    outputs = {"s3://bkt/out": store.publish("s3://bkt/out", tmp_path / "made")}
    cache.keep(tmp_path / "cache", cache.Entry("k", 100.0, {"P": [1]}, outputs, {"f1": 0.5}))
    return tmp_path / "cache", store


def test_kept_entry_is_found_as_it_was(kept: tuple[Path, FolderStore]) -> None:
    folder, store = kept

    entry = cache.find(folder, "k", store, 100.0)

    assert entry is not None
    assert (entry.properties, entry.metrics, entry.created) == ({"P": [1]}, {"f1": 0.5}, 100.0)
    assert entry.outputs == {"s3://bkt/out": store.listing("s3://bkt/out")}


def test_expired_or_unknown_entry_is_not_found(kept: tuple[Path, FolderStore]) -> None:
    folder, store = kept

    assert cache.find(folder, "k", store, 100.1) is None
    assert cache.find(folder, "other", store, 0.0) is None


@pytest.mark.parametrize("damage", ["edited", "removed"])
def test_entry_with_a_damaged_output_is_not_found(kept: tuple[Path, FolderStore], damage: str) -> None:
    folder, store = kept
    output = store.root / "bkt" / "out" / "a"
    if damage == "edited":
        output.write_text("x")
    else:
        output.unlink()

    assert cache.find(folder, "k", store, 0.0) is None


def test_entry_with_any_byte_flipped_is_not_found(kept: tuple[Path, FolderStore]) -> None:
    folder, store = kept
    path = folder / "k.json"
    whole = path.read_bytes()

    found = []
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        found.append(cache.find(folder, "k", store, 0.0))

    assert found == [None] * len(whole)
    path.write_bytes(whole)
    assert cache.find(folder, "k", store, 0.0) is not None
