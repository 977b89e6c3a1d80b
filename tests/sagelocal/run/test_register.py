"""Every registration is a new version, unless its token was used before."""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING, Any

import pytest

from sagelocal.errors import InputError, PipelineError
from sagelocal.run.register import FolderRegistry, RegisterRequest
from sagelocal.storage.store import FolderStore

if TYPE_CHECKING:
    from pathlib import Path


def request(root: Path, **arguments: Any) -> RegisterRequest:
    arguments = {"ModelPackageGroupName": "group", **arguments}
    return RegisterRequest("register", arguments, FolderStore(root / "s3"), {"id": "one"})


def test_same_model_registered_twice_is_two_versions(tmp_path: Path) -> None:
    registry = FolderRegistry(tmp_path)

    made = [registry(request(tmp_path))["ModelPackageVersion"] for _ in range(2)]

    assert made == [1, 2]
    assert [version["ModelPackageVersion"] for version in registry.versions("group")] == [1, 2]


def test_token_used_before_gives_the_version_that_it_made(tmp_path: Path) -> None:
    registry = FolderRegistry(tmp_path)
    first = registry(request(tmp_path, ClientToken="a"))
    registry(request(tmp_path))

    assert registry(request(tmp_path, ClientToken="a")) == first
    with pytest.raises(PipelineError, match="use a new one"):
        registry(request(tmp_path, ClientToken="a", ModelApprovalStatus="Approved"))
    assert len(registry.versions("group")) == 2


@pytest.mark.parametrize("group", ["", "..", "a/../..", "-a", "a" * 64, "a b", "a\n"])
def test_group_that_the_service_would_not_take_is_refused(tmp_path: Path, group: str) -> None:
    with pytest.raises(InputError, match="ModelPackageGroupName"):
        FolderRegistry(tmp_path)(request(tmp_path, ModelPackageGroupName=group))

    assert list(tmp_path.iterdir()) == []


def add(root: Path, count: int) -> None:
    for _ in range(count):
        FolderRegistry(root)(request(root))


def test_versions_of_processes_at_once_are_unique_and_without_gaps(tmp_path: Path) -> None:
    processes = [multiprocessing.get_context("fork").Process(target=add, args=(tmp_path, 10)) for _ in range(4)]

    for process in processes:
        process.start()
    for process in processes:
        process.join()

    found = [version["ModelPackageVersion"] for version in FolderRegistry(tmp_path).versions("group")]
    assert found == list(range(1, 41))
