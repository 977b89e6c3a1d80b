"""What is installed: a missing extra is a note with its command, broken code is a failure."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobmajor.doctor import finding, installation
from jobmajor.native import build, library
from sagelocal import extras
from sagelocal.jobs import sandbox

if TYPE_CHECKING:
    from jobmajor.doctor.finding import Finding


def found() -> dict[str, Finding]:
    return {each.what: each for each in installation.findings()}


@pytest.fixture
def metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Metadata of an installation that has one extra and lacks three."""
    needed = [
        *("numpy>=2", "typer; extra == 'serve'", "uvloop-none; (sys_platform != 'linux') and extra == 'serve'"),
        *("none-such>=1; extra == 'train'", "typer; extra == 'aws'", "jobmajor[train]; extra == 'aws'"),
        *(f"none-{number}; extra == 'ui'" for number in range(1, 6)),
    ]
    folder = tmp_path / "site" / "jobmajor-9.9.dist-info"
    folder.mkdir(parents=True)
    lines = [f"Requires-Dist: {line}" for line in needed]
    (folder / "METADATA").write_text("\n".join(["Name: jobmajor", "Version: 9.9", *lines, ""]), "utf-8")
    monkeypatch.syspath_prepend(folder.parent)


def test_this_installation_is_sound(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)

    every = found()

    assert finding.is_sound(every.values())
    assert every["packages"].status == every["settings"].status == finding.OK


@pytest.mark.usefixtures("metadata")
@pytest.mark.skipif(sys.platform != "linux", reason="the metadata names packages for other systems than Linux")
def test_missing_extra_is_a_note_with_the_command_and_what_it_includes_counts() -> None:
    every = found()

    assert every["extras"].found == "serve"
    assert every["extra train"].status == every["extra aws"].status == finding.NOTE
    assert every["extra aws"].found == "not installed; lacks none-such"
    assert every["extra ui"].found == "not installed; lacks none-1, none-2, none-3, none-4 and 1 more"
    assert every["extra aws"].cure == extras.install_command("aws", "jobmajor")
    assert "jobmajor[aws]" in every["extra aws"].cure


def test_base_package_that_is_gone_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)

    packages = found()["packages"]

    assert packages.status == finding.FAILED
    assert packages.cure.endswith("--force-reinstall threadpoolctl")


def built(folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None) -> Finding:
    """Return what is found where the libraries have this content; None for no library."""
    monkeypatch.delenv("JOBMAJOR_COMPILED", raising=False)
    for name in build.names(*build.here()).values():
        if content is not None:
            (folder / name).write_bytes(content)
    for name in build.FILES:
        (folder / name).write_bytes((build.FOLDER / name).read_bytes())
    monkeypatch.setattr(build, "FOLDER", folder)
    library.load.cache_clear()
    try:
        return found()["compiled code"]
    finally:
        library.load.cache_clear()


def test_library_that_can_not_be_loaded_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = built(tmp_path, monkeypatch, b"\x7fELF cut short")

    assert compiled.status == finding.FAILED
    assert compiled.cure.endswith("-m jobmajor.native.build")


def test_library_that_was_not_built_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = built(tmp_path, monkeypatch, None)

    assert compiled.status == finding.NOTE
    assert compiled.cure.endswith("-m jobmajor.native.build")


def test_compiled_code_that_is_turned_off_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBMAJOR_COMPILED", "no")

    compiled = found()["compiled code"]

    assert (compiled.status, compiled.cure) == (finding.NOTE, "unset JOBMAJOR_COMPILED")


def test_machine_without_namespaces_is_a_note_with_the_way_to_allow_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "refusal", lambda: "namespace: [Errno 1] Operation not permitted")

    namespaces = found()["namespaces"]

    assert namespaces.status == finding.NOTE
    assert "kernel.apparmor_restrict_unprivileged_userns=0" in namespaces.cure


def test_faulty_settings_are_a_failure_that_names_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("jobmajor.toml").write_text("[aws]\nnonsense = 1\n", "utf-8")

    faulty = found()["settings"]

    assert faulty.status == finding.FAILED
    assert "'aws.nonsense': found 'an unknown key'" in faulty.found
