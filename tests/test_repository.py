"""What a hosting site and an editor read of the repository: forms for issues, and a container to develop in."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
FORMS = sorted(path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
KINDS = {"checkboxes", "dropdown", "input", "markdown", "textarea"}


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.name)
def test_form_of_an_issue_has_what_the_site_requires(form: Path) -> None:
    body = yaml.safe_load(form.read_text("utf-8"))

    assert body["name"]
    assert body["description"]
    fields = [each for each in body["body"] if each["type"] != "markdown"]
    assert {each["type"] for each in body["body"]} <= KINDS
    assert len({each["id"] for each in fields}) == len(fields) > 1
    assert all(each["attributes"]["label"] for each in fields)


def test_links_beside_the_forms_lead_to_files_that_are_there() -> None:
    links = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml").read_text("utf-8"))["contact_links"]
    names = [each["url"].partition("/blob/main/")[2] for each in links if "/blob/main/" in each["url"]]

    assert names == ["docs/runbook.md"]
    assert all((ROOT / name).is_file() for name in names)


def test_container_to_develop_in_runs_a_target_of_the_makefile() -> None:
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text("utf-8"))

    program, target, *_ = shlex.split(container["onCreateCommand"])
    assert program == "make"
    assert f"\n{target}:" in (ROOT / "Makefile").read_text("utf-8")
    assert container["image"].partition(":")[2].startswith("3.1")
