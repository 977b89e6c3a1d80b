"""Write the image's bill of materials: every package of a lock, in CycloneDX 1.6.

The Dockerfile runs this when it builds the image, so that a scanner can tell which packages, in which versions, are in
it: `python3 image_sbom.py requirements-image.lock pyproject.toml TARGET`. The same lock gives the same bytes.

Source: https://cyclonedx.org/docs/1.6/json/
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tomllib
import uuid
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def document(lock: str, project: dict[str, Any], platform: dict[str, str] | None = None) -> dict[str, Any]:
    """Return the bill of materials.

    Args:
        lock: The text of a lock with hashes, as pip reads it.
        project: The table `project` of pyproject.toml.
        platform: What the markers of the lock are compared with; None means this Python and this system.
    """
    packages = [_component(text, platform) for text in re.split(r"\n(?=\S)", lock.strip())]
    components = sorted((each for each in packages if each), key=lambda each: str(each["bom-ref"]))
    name, version = project["name"], project["version"]
    product = {
        "type": "application",
        "bom-ref": f"pkg:pypi/{name}@{version}",
        "name": name,
        "version": version,
        "licenses": [{"license": {"id": project["license"]}}],
        "purl": f"pkg:pypi/{name}@{version}",
        "components": _parts(project.get("dependencies", []), components),
    }
    digest = hashlib.sha256(json.dumps([product, components], sort_keys=True).encode()).hexdigest()
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest)}",
        "version": 1,
        "metadata": {"component": product},
        "components": components,
        "dependencies": [{"ref": product["bom-ref"], "dependsOn": [each["bom-ref"] for each in components]}],
    }


def _parts(dependencies: list[str], locked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the packages that are built from the product's own sources: required in one version, and in no lock."""
    wanted = [Requirement(line) for line in dependencies]
    pins = [(each.name, pin) for each in wanted for pin in each.specifier]
    pinned = {canonicalize_name(name): pin.version for name, pin in pins if pin.operator == "=="}
    purls = {name: f"pkg:pypi/{name}@{version}" for name, version in pinned.items()}
    return [
        {"type": "library", "bom-ref": purl, "name": name, "version": pinned[name], "purl": purl}
        for name, purl in sorted(purls.items())
        if name not in {each["name"] for each in locked}
    ]


def _component(text: str, platform: dict[str, str] | None) -> dict[str, Any] | None:
    """Return the component of one package of the lock; None if its marker leaves it out here."""
    line = " ".join(text.replace("\\\n", " ").split())
    wanted = Requirement(line.partition(" --hash=")[0])
    if wanted.marker and not wanted.marker.evaluate(dict(platform) if platform else None):
        return None
    (pin,) = wanted.specifier
    name = canonicalize_name(wanted.name)
    purl = f"pkg:pypi/{name}@{pin.version}"
    files = [{"name": "jobmajor:locked-file-sha256", "value": value} for value in sorted(_HASH.findall(line))]
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": pin.version,
        "purl": purl,
        "properties": files,
    }


def main(lock: str, project: str, target: str) -> None:
    """Read the lock and the project's file, and write the bill of materials; missing folders are made."""
    found = document(Path(lock).read_text("utf-8"), tomllib.loads(Path(project).read_text("utf-8"))["project"])
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    Path(target).write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
