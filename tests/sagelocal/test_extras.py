"""What a person reads who lacks an extra: the words have to work where they are typed."""

from __future__ import annotations

import json
import shlex
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sagelocal import extras
from sagelocal.extras import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Callable

    Installed = Callable[..., None]

ROOT = Path(__file__).resolve().parents[2]
NEEDED = {"aws": ["boto3", "polars", "sqlalchemy"], "formats": ["pyarrow"], "train": ["polars>=1", "scikit-learn"]}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installed:
    """Metadata of an installation from a folder, a file or an index, which is found before the real one."""

    def make(origin: dict[str, Any] | None, installer: str = "pip") -> None:
        folder = tmp_path / "site" / "jobmajor-9.9.dist-info"
        folder.mkdir(parents=True)
        lines = [f"Requires-Dist: {name}; extra == '{extra}'" for extra, names in NEEDED.items() for name in names]
        (folder / "METADATA").write_text("\n".join(["Name: jobmajor", "Version: 9.9", *lines, ""]), "utf-8")
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

    assert extras.install_command("train") == "env/bin/python -m pip install -e '.[train]'"


def test_checkout_elsewhere_is_named_with_its_path(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "my code").mkdir()
    installed({"url": (tmp_path / "my code").as_uri(), "dir_info": {"editable": True}})

    assert shlex.split(extras.install_command("train"))[-2:] == ["-e", "my code[train]"]


def test_wheel_in_a_file_is_installed_again_from_that_file(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "jobmajor-9.9-py3-none-any.whl").touch()
    installed({"url": (tmp_path / "jobmajor-9.9-py3-none-any.whl").as_uri(), "archive_info": {}})

    assert extras.install_command("aws").endswith(" install 'jobmajor-9.9-py3-none-any.whl[aws]'")


@pytest.mark.parametrize("origin", [None, {"url": "file:///nowhere/jobmajor.whl", "archive_info": {}}])
def test_installation_from_an_index_or_a_file_that_is_gone_is_named(
    origin: dict[str, Any] | None, installed: Installed
) -> None:
    installed(origin)

    assert extras.install_command("serve") == "env/bin/python -m pip install 'jobmajor[serve]'"


def test_pip_of_an_active_environment_is_named_by_its_short_name(
    installed: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(None)
    program = tmp_path / "env" / "bin" / "pip"
    program.parent.mkdir(parents=True)
    program.touch(0o755)
    monkeypatch.setenv("PATH", str(program.parent))

    assert extras.install_command("serve") == "pip install 'jobmajor[serve]'"


def test_environment_of_uv_is_changed_by_uv(installed: Installed) -> None:
    installed(None, "uv")

    assert extras.install_command("aws") == "uv pip install --python env/bin/python 'jobmajor[aws]'"


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

    assert extras.extra_of(module, command) == extra


def test_failed_import_becomes_one_line_and_others_stay(installed: Installed) -> None:
    installed(None)

    with (
        pytest.raises(MissingExtra, match=r"^jobmajor models needs the extra 'train': "),
        extras.named("jobmajor models"),
    ):
        raise ModuleNotFoundError("No module named 'polars'", name="polars.dataframe")
    with pytest.raises(ModuleNotFoundError, match="nothing of ours"), extras.named("jobmajor models"):
        raise ModuleNotFoundError("nothing of ours", name="unknown")


def test_extra_is_required_before_any_work(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NEEDED, "spark", ["numpy", "surely-no-such-package"])
    installed(None)

    extras.require("jobmajor run", "unknown")
    with pytest.raises(MissingExtra, match="spark"):
        extras.require("a", "spark")


def test_base_install_has_what_answers_titles_and_nothing_more() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    names = {line.partition(">")[0] for line in project["dependencies"]}

    assert names == {"numpy", "safetensors", "threadpoolctl", "typer"}
    assert {"aws", "formats", "serve", "train"} <= project["optional-dependencies"].keys()
