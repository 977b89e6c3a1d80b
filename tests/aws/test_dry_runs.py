"""What every command would send, as it was reviewed last: a dry run changes only where somebody asked for it.

After a change that was asked for, `JOBMAJOR_SNAPSHOT=write` renews the file: review the difference before the commit.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from jobmajor.cli.aws import app
from jobmajor.data import source

from .policy.test_commands import ACCOUNT_ID, REFERENCE, REGION, RUNS

if TYPE_CHECKING:
    from collections.abc import Iterator

SNAPSHOT = Path(__file__).with_name("dry_runs.json")
LONG = 300
# What follows from jobmajor's sources, which `image` sends, and so differs with every change of any file.
OF_SOURCES = ("Body", "ContentLength", "ChecksumSHA256", "idempotencyToken")
TAG = re.compile(r"\b\d+\.\d+\.\d+-[0-9a-f]{16}\b")


def short(value: Any) -> Any:
    """Return an answer with each long text (a template, a definition) replaced by its digest."""
    if isinstance(value, dict):
        return {name: short(item) for name, item in value.items()}
    if isinstance(value, list):
        return [short(item) for item in value]
    if isinstance(value, str) and len(value) > LONG:
        return f"{len(value)} characters, sha256 {hashlib.sha256(value.encode()).hexdigest()[:12]}"
    return value


def shared(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an image's answer without what differs with every change of the sources."""
    found: dict[str, Any] = json.loads(TAG.sub("VERSION-DIGEST", json.dumps(answer)))
    for call in found["calls"]:
        call["parameters"] |= {name: "of the sources" for name in OF_SOURCES if name in call["parameters"]}
    costs = [cost for cost in found["estimate"]["costs"] if "GB stored" not in cost["what"]]
    return {**found, "estimate": {"costs": costs}}


def lines(words: list[str], answer: dict[str, Any]) -> Iterator[str]:
    """Yield a command's requests and costs, one a line, as a person reviews them."""
    yield f"$ jobmajor aws {' '.join(words)}"
    for kind in ("looks", "calls"):
        for call in answer[kind]:
            parameters = json.dumps(short(call["parameters"]), sort_keys=True, ensure_ascii=False)
            yield f"{kind[:-1]} {call['service']} {call['operation']} {parameters}"
    for cost in answer["estimate"]["costs"]:
        yield f"cost {json.dumps(cost, sort_keys=True, ensure_ascii=False)}"


def answer_of(command: str, printed: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(printed)
    return shared(answer) if command.startswith("image") else answer


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Return the lines of every command, over all of its variants."""
    runner, found = CliRunner(), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("work"))
        patch.setenv(source.OFFLINE_VARIABLE, "1")
        Path("settings.toml").write_text(f'[aws]\naccount = "{ACCOUNT_ID}"\nregion = "{REGION}"\n', "ascii")
        Path("reference.json").write_text(json.dumps(REFERENCE), "ascii")
        for command, ways in RUNS.items():
            for way in ways:
                words = [*command.split(), *way]
                done = runner.invoke(app, [*words, "--dry-run", "--json", "--settings", "settings.toml"])
                assert done.exit_code == 0, (words, done.output)
                found[" ".join(words)] = list(lines(words, answer_of(command, done.stdout)))
    return found


def test_dry_runs_are_those_that_were_reviewed(shown: dict[str, list[str]]) -> None:
    if os.environ.get("JOBMAJOR_SNAPSHOT") == "write":
        SNAPSHOT.write_text(json.dumps(shown, indent=1, ensure_ascii=False) + "\n", "utf-8")

    kept = json.loads(SNAPSHOT.read_text("utf-8"))

    assert shown == kept


def test_snapshot_has_no_name_of_a_person_or_machine() -> None:
    text = SNAPSHOT.read_text("utf-8")

    assert not re.search(r"/(home|root|work|tmp|Users)/", text)
