"""Build, check and sign a release into dist/: python tools/release.py --key FILE. It uploads nothing and makes no tag.

`make wheels` builds what users install, `make wheel-check` also uses it; the times within the archives are those of the
commit, so that two builds of one commit give the same bytes. The wheel for Windows is the exception: its linker writes
the time into each library, and ziglang has no option against it.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jobmajor.native import build as native

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT: Final = Path(__file__).resolve().parents[1]
NAMESPACE: Final = "jobmajor-release"  # what a signature is for: one made for another purpose is refused
SIGNER: Final = "jobmajor"
KINDS: Final = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")  # those of Keep a Changelog
_LICENCE: Final = "MIT"
_MOST_MB: Final = 100  # the Python Package Index takes no larger file unless it is asked
_SUMS, _SIGNATURE = "SHA256SUMS", "SHA256SUMS.sig"
_VERSION: Final = re.compile(r'^(?:version|__version__\b[^=\n]*?) *= *"([^"]+)"', re.MULTILINE)
_DECLARED: Final = ("pyproject.toml", "packages/sagelocal/pyproject.toml")
_VERSIONS: Final = (*_DECLARED, "src/jobmajor/__init__.py", "src/sagelocal/__init__.py")


class Refused(Exception):
    """What keeps a release from being built: nothing has been written."""


class Failed(Exception):
    """What is wrong with the files that were built, or with their signature."""


@dataclass(frozen=True, slots=True)
class Release:
    """A version that may be released, its commit, the commit's time in seconds since 1970, and the notes."""

    version: str
    commit: str
    epoch: int
    notes: str


def main(words: Sequence[str]) -> int:
    """Return 0, 1 if a check fails or nothing is signed, or 2 if there is nothing to release."""
    parser = argparse.ArgumentParser(description="Build, check and sign a release into dist/.")
    parser.add_argument("--key", type=Path, help="the private SSH key that signs, or a public one that ssh-agent holds")
    parser.add_argument("--signers", type=Path, help="allowed signers to verify with; else made from the key")
    parser.add_argument("--unsigned", action="store_true", help="end with status 0 although nothing is signed")
    parser.add_argument("--quick", action="store_true", help="don't install the wheels and use them (make wheel-check)")
    options = parser.parse_args(words)
    dist = ROOT / "dist"
    try:
        release = examine(ROOT)
        _keys(options.key, options.signers)
        _build(ROOT, release, "wheels" if options.quick else "wheel-check")
        files = check(ROOT, dist, release.version)
        (dist / "NOTES.md").write_text(release.notes, "utf-8")
        write_sums(dist, files)
        if options.key:
            sign(dist, options.key, options.signers)
    except (Refused, Failed) as error:
        sys.stderr.write(f"{error}\n")
        return 2 if isinstance(error, Refused) else 1
    _next(release, signed=bool(options.key))
    return 0 if options.key or options.unsigned else 1


def examine(root: Path) -> Release:
    """Return what a checkout would release, or refuse it."""
    if not shutil.which("git"):
        raise Refused("found no git, expected it on the PATH: install it")
    if changed := _git(root, "status", "--porcelain").splitlines():
        raise Refused(f"found {len(changed)} changed files, such as {changed[0][3:]}, expected none: commit them")
    version = _version(root)
    if tag := _git(root, "tag", "--list", f"v{version}"):
        raise Refused(f"found the tag {tag}, expected a version that is not released yet: raise it in all four files")
    notes = notes_of(_text(root / "CHANGELOG.md"), version)
    commit, epoch = _git(root, "log", "-1", "--format=%H %ct").split()
    return Release(version, commit, int(epoch), notes)


def _version(root: Path) -> str:
    matches = {name: _VERSION.search(_text(root / name)) for name in _VERSIONS}
    found = {name: match[1] if match else "none" for name, match in matches.items()}
    if len(set(found.values())) > 1:
        shown = ", ".join(f"{version} in {name}" for name, version in found.items())
        raise Refused(f"found the versions {shown}, expected one: write the same into all")
    return found["pyproject.toml"]


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"found no readable {path.name} ({error}), expected text: restore it") from error


def notes_of(changelog: str, version: str) -> str:
    """Return a version's section of the changelog, by kind; an entry that stands twice appears once.

    Raises:
        Refused: The version has no section, no date or no entry.
    """
    sections = re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]
    section = next((each for each in sections if each.startswith(f"[{version}]")), None)
    if section is None:
        raise Refused(f"found no section of {version} in CHANGELOG.md, expected ## [{version}] - YYYY-MM-DD: write it")
    title, _, text = section.partition("\n")
    date = title.partition(" - ")[2].strip()
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", date):
        raise Refused(f"found {date or 'no date'!r} for {version} in CHANGELOG.md, expected YYYY-MM-DD: write the day")
    entries: dict[str, dict[str, None]] = {}
    for part in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        kind, _, body = part.partition("\n")
        found = (each.rstrip() for each in re.split(r"^(?=- )", body, flags=re.MULTILINE) if each.startswith("- "))
        entries.setdefault(kind.strip(), {}).update(dict.fromkeys(found))
    kinds = [kind for kind in (*KINDS, *sorted(entries.keys() - set(KINDS))) if entries.get(kind)]
    if not kinds:
        raise Refused(f"found no entry of {version} in CHANGELOG.md, expected what it changes: write it")
    parts = ["\n".join((f"## {kind}", "", *entries[kind])) for kind in kinds]
    return "\n\n".join((f"# jobmajor {version} ({date})", *parts)) + "\n"


def _keys(key: Path | None, signers: Path | None) -> None:
    """Refuse a key that can't sign, before the minutes that it takes to build."""
    if signers and not key:
        raise Refused("found --signers without --key, expected both: name the key that signs")
    for path in (key, signers):
        if path and not path.is_file():
            raise Refused(f"found no file {path}, expected a key or allowed signers: name one that is there")
    if key and not shutil.which("ssh-keygen"):
        raise Refused("found no ssh-keygen, expected OpenSSH 8.2 or newer, which signs: install it")
    try:
        if key:
            _ssh("-l", "-f", str(key))
    except Failed as error:
        raise Refused(f"found no SSH key in {key} ({error}), expected one: name another file") from error


def _build(root: Path, release: Release, target: str) -> None:
    timed = {**os.environ, "SOURCE_DATE_EPOCH": str(release.epoch)}
    for command in (["make", target], [sys.executable, "-m", "hatchling", "build", "-t", "sdist"]):
        if subprocess.run(command, cwd=root, env=timed, check=False).returncode:
            raise Failed(f"{' '.join(command[-2:])} failed: see above")


def check(root: Path, dist: Path, version: str) -> list[Path]:
    """Return the files that users install, sorted by name.

    Raises:
        Failed: One is missing, is unexpected or too large, or holds another name, licence or a path of this machine.
    """
    wheels = {f"jobmajor-{version}-py3-none-{system}.whl" for system in native.TARGETS}
    expected = wheels | {f"sagelocal-{version}-py3-none-any.whl"}
    expected |= {f"{name}-{version}.tar.gz" for name in ("jobmajor", "sagelocal")}
    there = {path.name for path in dist.iterdir() if path.name.endswith((".whl", ".tar.gz"))}
    if there != expected:
        raise Failed(f"found in {dist.name}: {sorted(there)}, expected {sorted(expected)}: remove it and build again")
    files = sorted(dist / name for name in expected)
    licence = (root / "LICENSE").read_bytes()
    for path in files:
        _check_one(path, version, licence, _places(root))
    if importlib.util.find_spec("twine"):
        command = [sys.executable, "-m", "twine", "check", "--strict", *map(str, files)]
        if subprocess.run(command, check=False).returncode:
            raise Failed("twine check failed: see above")
    return files


def _places(root: Path) -> list[bytes]:
    """Return the paths that only this machine has; a short home, such as /root, also stands in ordinary texts."""
    paths = {str(root), sys.prefix, *([str(Path.home())] if len(Path.home().parts) > 2 else [])}
    return [os.fsencode(path) for path in sorted(paths)]


def _check_one(path: Path, version: str, licence: bytes, places: list[bytes]) -> None:
    size_mb = path.stat().st_size / 1e6
    if size_mb > _MOST_MB:
        raise Failed(f"{path.name} has {size_mb:.0f} MB, expected at most {_MOST_MB}")
    told, licences = b"", []
    for name, content in _members(path):
        if found := next((place for place in places if place in content), None):
            raise Failed(f"{path.name}: {name} names {os.fsdecode(found)}, expected no path of this machine")
        if re.fullmatch(r"[^/]+/PKG-INFO|[^/]+\.dist-info/METADATA", name):
            told = content
        if re.fullmatch(r"[^/]+/LICENSE|[^/]+\.dist-info/licenses/LICENSE", name):
            licences.append(content)
    metadata = message_from_bytes(told)
    fields = tuple(metadata[field] for field in ("Name", "Version", "License-Expression"))
    expected = (path.name.partition("-")[0], version, _LICENCE)
    if fields != expected:
        raise Failed(f"{path.name} says {fields}, expected {expected}")
    if licences != [licence]:
        raise Failed(f"{path.name} holds {len(licences)} files LICENSE, expected one, equal to the repository's")


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            yield from ((name, archive.read(name)) for name in archive.namelist())
        return
    with tarfile.open(path) as packed:
        for member in packed:
            file = packed.extractfile(member)
            yield member.name, file.read() if file else b""


def write_sums(dist: Path, files: Sequence[Path]) -> None:
    """Write the digests in the form that `sha256sum --check` reads."""
    lines = (f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)
    (dist / _SUMS).write_text("".join(lines), "utf-8", newline="\n")


def sign(dist: Path, key: Path, signers: Path | None = None) -> None:
    """Sign the digests, and verify all again as a user would.

    Args:
        dist: The folder of the files and their digests.
        key: A private key, or a public one whose private key ssh-agent holds.
        signers: Whom a user trusts; None writes dist/allowed_signers from the key.
    """
    (dist / _SIGNATURE).unlink(missing_ok=True)  # ssh-keygen would keep it, and end with status 0
    _ssh("-Y", "sign", "-f", str(key), "-n", NAMESPACE, str(dist / _SUMS))
    if signers is None:
        public = key.read_text("utf-8") if key.suffix == ".pub" else _ssh("-y", "-f", str(key))
        signers = dist / "allowed_signers"
        kind, text = public.split()[:2]
        signers.write_text(f'{SIGNER} namespaces="{NAMESPACE}" {kind} {text}\n', "utf-8", newline="\n")
    try:
        verify(dist, signers)
    except Failed:
        (dist / _SIGNATURE).unlink(missing_ok=True)
        raise


def verify(dist: Path, signers: Path) -> None:
    """Compare every file with its digest, and the digests with their signature.

    Raises:
        Failed: A file is missing or changed, or no allowed signer signed these digests.
    """
    sums = (dist / _SUMS).read_bytes()
    words = ("-Y", "verify", "-f", str(signers), "-I", SIGNER, "-n", NAMESPACE, "-s", str(dist / _SIGNATURE))
    _ssh(*words, given=sums)
    for line in sums.decode("utf-8").splitlines():
        digest, name = line.split("  ", 1)
        path = dist / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise Failed(f"{name} is missing or not what {_SUMS} says: don't install it, fetch it again")


def _ssh(*words: str, given: bytes | None = None) -> str:
    command = ["ssh-keygen", *words]
    done = subprocess.run(command, input=given, check=False, capture_output=True)
    if done.returncode:
        said = (done.stderr or done.stdout).decode("utf-8", "replace")
        raise Failed(f"ssh-keygen {' '.join(words[:2])}: {' '.join(said.split())}")
    return done.stdout.decode("utf-8")


def _git(root: Path, *words: str) -> str:
    command = ["git", *words]
    done = subprocess.run(command, cwd=root, check=False, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        raise Refused(f"git {words[0]}: {' '.join(done.stderr.split())}")
    return done.stdout.rstrip("\n")


def _next(release: Release, *, signed: bool) -> None:
    tag = f"v{release.version}"
    signature = f" dist/{_SIGNATURE}" if signed else ""
    if not signed:
        sys.stderr.write("nothing was signed: name a key with --key FILE\n")
    sys.stdout.write(
        f"dist/ holds {tag} of {release.commit[:12]}; nothing was tagged or uploaded. To do so:\n"
        f"git tag --annotate {tag} --message 'jobmajor {release.version}' {release.commit} && git push origin {tag}\n"
        f"gh release create {tag} --verify-tag --notes-file dist/NOTES.md"
        f" dist/*.whl dist/*.tar.gz dist/{_SUMS}{signature}\n"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
