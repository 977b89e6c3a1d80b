"""What may be released, what its notes say, and a signature that a changed file breaks."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from tools import release

from jobmajor.native import build as native

ROOT = Path(__file__).resolve().parents[1]
CHANGELOG = """# Changelog

## [1.2.0] - 2026-11-30

### Fixed

- A fault
  of two lines.

### Added

- One thing.
- Another thing.

### Fixed

- A fault
  of two lines.
- A second fault.

## [1.1.0] - unreleased

### Added

- Something old.

## [1.0.0] - 2026-01-01
"""
FILES = {
    "pyproject.toml": '[project]\nname = "jobmajor"\nversion = "1.2.0"\n',
    "packages/sagelocal/pyproject.toml": '[project]\nname = "sagelocal"\nversion = "1.2.0"  # the same\n',
    "src/jobmajor/__init__.py": '__version__ = "1.2.0"\n',
    "src/sagelocal/__init__.py": 'from typing import Final\n\n__version__: Final = "1.2.0"\n',
    "CHANGELOG.md": CHANGELOG,
}
needs_ssh = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="ssh-keygen is not installed: it signs")


def git(root: Path, *words: str) -> None:
    known = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    command = ["git", *known, *words]
    subprocess.run(command, cwd=root, check=True, capture_output=True)


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, "utf-8")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository of version 1.2.0 that may be released."""
    root = tmp_path / "checkout"
    for name, text in FILES.items():
        write(root, name, text)
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "All")
    return root


def test_clean_checkout_may_be_released_with_the_time_of_its_commit(checkout: Path) -> None:
    found = release.examine(checkout)

    assert found.version == "1.2.0"
    assert len(found.commit) == 40
    assert found.epoch > 1_700_000_000


@pytest.mark.parametrize("name", [name for name in FILES if name != "CHANGELOG.md"])
def test_version_that_differs_in_one_file_is_refused(checkout: Path, name: str) -> None:
    write(checkout, name, FILES[name].replace("1.2.0", "1.2.1"))
    git(checkout, "commit", "--quiet", "--all", "--message", "Differ")

    with pytest.raises(release.Refused, match=rf"1\.2\.1 in {name}.*expected one"):
        release.examine(checkout)


@pytest.mark.parametrize("name", ["CHANGELOG.md", "new.txt"])
def test_changed_and_new_files_are_refused(checkout: Path, name: str) -> None:
    write(checkout, name, "changed")

    with pytest.raises(release.Refused, match=f"found 1 changed files, such as {name}"):
        release.examine(checkout)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("CHANGELOG.md", None),
        ("src/jobmajor/__init__.py", None),
        ("pyproject.toml", "["),
        ("pyproject.toml", "[project]\n"),
    ],
)
def test_file_that_is_missing_or_damaged_is_refused(checkout: Path, name: str, text: str | None) -> None:
    if text is None:
        (checkout / name).unlink()
    else:
        write(checkout, name, text)
    git(checkout, "commit", "--quiet", "--all", "--message", "Damaged")

    with pytest.raises(release.Refused, match=f"found (no readable|the versions none in) {Path(name).name}"):
        release.examine(checkout)


def test_system_without_git_is_refused(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(checkout / "nothing"))

    with pytest.raises(release.Refused, match="found no git"):
        release.examine(checkout)


def test_version_whose_tag_exists_is_refused(checkout: Path) -> None:
    git(checkout, "tag", "v1.2.0")

    with pytest.raises(release.Refused, match=r"found the tag v1\.2\.0"):
        release.examine(checkout)


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("1.2", "found no section of 1.2 "),
        ("1.3.0", "found no section of 1.3.0"),
        ("1.1.0", "found 'unreleased' for 1.1.0"),
        ("1.0.0", "found no entry of 1.0.0"),
    ],
)
def test_version_without_a_section_a_day_or_an_entry_is_refused(version: str, said: str) -> None:
    with pytest.raises(release.Refused, match=said):
        release.notes_of(CHANGELOG, version)


def test_notes_are_the_section_by_kind_with_each_entry_once() -> None:
    assert release.notes_of(CHANGELOG, "1.2.0") == (
        "# jobmajor 1.2.0 (2026-11-30)\n\n## Added\n\n- One thing.\n- Another thing.\n\n"
        "## Fixed\n\n- A fault\n  of two lines.\n- A second fault.\n"
    )


def test_notes_of_this_version_hold_every_line_of_its_entries() -> None:
    version = release._version(ROOT)
    text = (ROOT / "CHANGELOG.md").read_text("utf-8").replace("- unreleased", "- 2026-12-01", 1)
    section = text.partition(f"## [{version}]")[2].partition("\n## [")[0]

    notes = set(release.notes_of(text, version).splitlines())

    assert {line for line in section.splitlines()[1:] if line and not line.startswith("### ")} <= notes


def built(dist: Path, *, licence: bytes, extra: bytes = b"", version: str = "1.2.0") -> None:
    """Files of the names of a release, with the least that is checked."""
    dist.mkdir(exist_ok=True)
    systems = [f"jobmajor-1.2.0-py3-none-{system}.whl" for system in native.TARGETS]
    for name in [*systems, "sagelocal-1.2.0-py3-none-any.whl", "jobmajor-1.2.0.tar.gz", "sagelocal-1.2.0.tar.gz"]:
        project = name.partition("-")[0]
        told = f"Name: {project}\nVersion: {version}\nLicense-Expression: MIT\n".encode()
        folder = f"{project}-1.2.0"
        if name.endswith(".whl"):
            info = f"{folder}.dist-info"
            members = {f"{info}/METADATA": told, f"{info}/licenses/LICENSE": licence, f"{project}/a.py": extra}
            with zipfile.ZipFile(dist / name, "w") as archive:
                for member, content in members.items():
                    archive.writestr(member, content)
        else:
            members = {f"{folder}/PKG-INFO": told, f"{folder}/LICENSE": licence, f"{folder}/src/a.py": extra}
            with tarfile.open(dist / name, "w:gz") as packed:
                for member, content in members.items():
                    entry = tarfile.TarInfo(member)
                    entry.size = len(content)
                    packed.addfile(entry, BytesIO(content))


def test_files_as_they_should_be_pass_and_faults_are_named(tmp_path: Path) -> None:
    dist, licence = tmp_path / "dist", (ROOT / "LICENSE").read_bytes()
    built(dist, licence=licence)
    assert len(release.check(ROOT, dist, "1.2.0")) == len(native.TARGETS) + 3

    faults: dict[str, dict[str, Any]] = {
        "names .*expected no path of this machine": {"licence": licence, "extra": f"x = '{ROOT}/a'".encode()},
        "expected one, equal to the repository's": {"licence": b"Another"},
        r"'1\.2\.1'.*expected \('jobmajor', '1\.2\.0', 'MIT'\)": {"licence": licence, "version": "1.2.1"},
    }
    for said, content in faults.items():
        built(dist, **content)
        with pytest.raises(release.Failed, match=said):
            release.check(ROOT, dist, "1.2.0")
    (dist / "sagelocal-1.2.0.tar.gz").unlink()
    with pytest.raises(release.Failed, match="remove it and build again"):
        release.check(ROOT, dist, "1.2.0")


def new_key(path: Path) -> Path:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "throwaway", "-f", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    """Two files with their digests, signed."""
    dist = tmp_path / "dist"
    dist.mkdir()
    files = [dist / "a.whl", dist / "b.tar.gz"]
    for path in files:
        path.write_bytes(path.name.encode())
    release.write_sums(dist, files)
    release.sign(dist, new_key(tmp_path / "key"))
    return dist


@needs_ssh
def test_signature_verifies_until_a_file_or_a_digest_changes(signed: Path) -> None:
    signers = signed / "allowed_signers"
    release.verify(signed, signers)
    command = ["sha256sum", "--check", "--quiet", "SHA256SUMS"]
    if shutil.which(command[0]):
        subprocess.run(command, cwd=signed, check=True, capture_output=True)

    (signed / "a.whl").write_bytes(b"changed")
    with pytest.raises(release.Failed, match=r"a\.whl is missing or not what SHA256SUMS says"):
        release.verify(signed, signers)

    release.write_sums(signed, [signed / "a.whl", signed / "b.tar.gz"])
    with pytest.raises(release.Failed, match="ssh-keygen -Y verify"):
        release.verify(signed, signers)


@needs_ssh
def test_signature_of_a_key_that_is_not_allowed_fails(signed: Path, tmp_path: Path) -> None:
    with pytest.raises(release.Failed, match="ssh-keygen -Y verify"):
        release.sign(signed, new_key(tmp_path / "other"), signed / "allowed_signers")

    assert not (signed / "SHA256SUMS.sig").exists()


@needs_ssh
def test_file_that_is_no_key_is_refused_in_one_line_before_anything_is_built(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no key")
    key = new_key(tmp_path / "key")

    with pytest.raises(release.Refused, match="found no SSH key") as found:
        release._keys(tmp_path / "text", None)

    assert "\n" not in str(found.value)
    release._keys(key, None)
    release._keys(key.with_suffix(".pub"), None)


def test_signers_without_a_key_are_refused(tmp_path: Path) -> None:
    (tmp_path / "signers").write_text("")

    with pytest.raises(release.Refused, match="--signers without --key"):
        release._keys(None, tmp_path / "signers")


def test_key_that_is_not_there_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    with pytest.raises(release.Refused, match="found no file"):
        release._keys(tmp_path / "missing", None)


def test_makefile_passes_its_arguments_on() -> None:
    assert "\t$(BIN)/python tools/release.py $(ARGS)\n" in (ROOT / "Makefile").read_text("utf-8")
