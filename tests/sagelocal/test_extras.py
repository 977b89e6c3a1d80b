"""What a person reads who lacks an extra: the words have to work where they are typed."""

from __future__ import annotations

import json
import re
import shlex
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobmajor.errors import MissingExtra
from sagelocal import extras

if TYPE_CHECKING:
    from collections.abc import Callable

    Installed = Callable[..., None]

ROOT = Path(__file__).resolve().parents[2]
NEEDED = {"aws": ["boto3", "polars", "sqlalchemy"], "formats": ["pyarrow"], "train": ["polars>=1", "scikit-learn"]}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installed:
    """Metadata of an installation from a folder, a file or an index, which is found before the real one."""

    def make(origin: dict[str, Any] | None, installer: str = "pip", name: str = "jobmajor") -> None:
        folder = tmp_path / "site" / f"{name}-9.9.dist-info"
        folder.mkdir(parents=True)
        lines = [f"Requires-Dist: {need}; extra == '{extra}'" for extra, needs in NEEDED.items() for need in needs]
        (folder / "METADATA").write_text("\n".join([f"Name: {name}", "Version: 9.9", *lines, ""]), "utf-8")
        (folder / "INSTALLER").write_text(f"{installer}\n", "utf-8")
        if origin is not None:
            (folder / "direct_url.json").write_text(json.dumps(origin), "utf-8")
        monkeypatch.syspath_prepend(folder.parent)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "env" / "bin" / "python"))
    return make


def test_checkout_is_installed_again_from_its_folder(installed: Installed, tmp_path: Path) -> None:
    installed({"url": tmp_path.as_uri(), "dir_info": {"editable": True}})

    assert extras.install_command("train", "jobmajor") == "env/bin/python -m pip install -e '.[train]'"


def test_checkout_elsewhere_is_named_with_its_path(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "my code").mkdir()
    installed({"url": (tmp_path / "my code").as_uri(), "dir_info": {"editable": True}})

    assert shlex.split(extras.install_command("train", "jobmajor"))[-2:] == ["-e", "my code[train]"]


def test_wheel_in_a_file_is_installed_again_from_that_file(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "jobmajor-9.9-py3-none-any.whl").touch()
    installed({"url": (tmp_path / "jobmajor-9.9-py3-none-any.whl").as_uri(), "archive_info": {}})

    assert extras.install_command("aws", "jobmajor").endswith(" install 'jobmajor-9.9-py3-none-any.whl[aws]'")


@pytest.mark.parametrize("origin", [None, {"url": "file:///nowhere/jobmajor.whl", "archive_info": {}}])
def test_installation_from_an_index_or_a_file_that_is_gone_is_named(
    origin: dict[str, Any] | None, installed: Installed
) -> None:
    installed(origin)

    assert extras.install_command("serve", "jobmajor") == "env/bin/python -m pip install 'jobmajor[serve]'"


def test_pip_of_an_active_environment_is_named_by_its_short_name(
    installed: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(None)
    program = tmp_path / "env" / "bin" / "pip"
    program.parent.mkdir(parents=True)
    program.touch(0o755)
    monkeypatch.setenv("PATH", str(program.parent))

    assert extras.install_command("serve", "jobmajor") == "pip install 'jobmajor[serve]'"


def test_environment_of_uv_is_changed_by_uv(installed: Installed) -> None:
    installed(None, "uv")

    assert extras.install_command("aws", "jobmajor") == "uv pip install --python env/bin/python 'jobmajor[aws]'"


@pytest.mark.parametrize(
    ("module", "command", "extra"),
    [
        ("polars", "run", "train"),  # the smallest extra that has it
        ("polars", "aws", "aws"),  # the command is an extra, too
        ("sklearn", "run", "train"),  # a module with another name than its package
        ("numpy", "run", None),
        ("jobmajor", "run", None),
    ],
)
def test_extra_is_found_by_the_module_that_is_missing(
    module: str, command: str, extra: str | None, installed: Installed
) -> None:
    installed(None)

    assert extras.extra_of(module, command, "jobmajor") == extra


def test_failed_import_becomes_one_line_and_others_stay(installed: Installed) -> None:
    installed(None)

    with (
        pytest.raises(MissingExtra, match=r"^jobmajor models needs the extra 'train': "),
        extras.named("jobmajor models", MissingExtra),
    ):
        raise ModuleNotFoundError("No module named 'polars'", name="polars.dataframe")
    with pytest.raises(ModuleNotFoundError, match="nothing of ours"), extras.named("jobmajor models", MissingExtra):
        raise ModuleNotFoundError("nothing of ours", name="unknown")


def test_extra_is_required_before_any_work(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NEEDED, "spark", ["numpy", "surely-no-such-package"])
    installed(None)

    extras.require("jobmajor run", "unknown", MissingExtra)
    with pytest.raises(MissingExtra, match="spark"):
        extras.require("a", "spark", MissingExtra)


@pytest.mark.parametrize("name", ["jobmajor", "sagelocal"])
def test_each_distribution_names_its_own_extras(name: str, installed: Installed) -> None:
    installed(None, name=name)

    kind = {"jobmajor": MissingExtra, "sagelocal": extras.MissingExtra}[name]

    assert str(kind("S3 itself", "aws")).endswith(f" -m pip install '{name}[aws]'")
    words = rf"{name} run needs the extra 'formats': .*'{name}\[formats\]'"
    with pytest.raises(kind, match=words), extras.named(f"{name} run", kind):
        raise ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow")


def test_sagelocal_in_a_checkout_is_installed_again_from_its_own_folder(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "packages" / "sagelocal").mkdir(parents=True)
    installed({"url": (tmp_path / "packages/sagelocal").as_uri(), "dir_info": {"editable": True}}, name="sagelocal")

    command = extras.install_command("s3", "sagelocal")

    assert shlex.split(command)[-2:] == ["-e", "packages/sagelocal[s3]"]


def needed(project: dict[str, Any]) -> set[str]:
    return {re.split(r"[<>=!~]", line)[0] for line in project["dependencies"]}


def test_base_install_has_what_answers_titles_and_nothing_more() -> None:
    project = read("pyproject.toml")

    assert needed(project) == {"numpy", "safetensors", "sagelocal", "threadpoolctl", "typer"}
    assert {"aws", "formats", "serve", "train"} <= project["optional-dependencies"].keys()


def test_sagelocal_alone_needs_a_command_line_and_the_service_s_description_and_nothing_more() -> None:
    project = read("packages/sagelocal/pyproject.toml")

    assert needed(project) == {"botocore", "rich", "typer"}
    assert project["optional-dependencies"].keys() == {"s3", "ui"}


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / name).read_text("utf-8"))["project"]
    return found
