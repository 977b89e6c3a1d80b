"""The closed loop, by real parts: serve with capture, shifted traffic, alarm, review, retrain, a better champion.

And what must not happen: no alarm without a shift, and no worse model that takes over.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from tests.serve.conftest import running, until

from jobmajor.cli import main
from jobmajor.data import onet, source
from jobmajor.registry.loading import champion_folder, open_registry
from jobmajor.serve.service.capturing import CapturePlan
from jobmajor.serve.service.champion import Champion, ModelSource
from jobmajor.serve.service.service import ServiceOptions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.long]  # two runs of the pipeline

CODE = "53-7051"  # of titles that no training has seen
SHIFTED = [
    f"agv {word} {place}" for word in ("wrangler", "skipper", "minder", "tamer") for place in ("dock", "yard", "bay")
]
RETRAIN = ("retrain", "--release", "starter", "--new-labels", "5")
_AT_A_TIME = 10


@dataclass
class Loop:
    """A workspace with a champion, and what is done with it."""

    home: Path
    folder: Path
    capsys: pytest.CaptureFixture[str]

    def run(self, *words: str | Path, status: int = 0) -> str:
        """Run a command on the workspace, and return what it prints."""
        assert main.main([*map(str, words), "--home", str(self.home)]) == status, self.capsys.readouterr().err
        return self.capsys.readouterr().out

    def captured(self, name: str, titles: Sequence[str]) -> Path:
        """Return a folder of captured traffic: these titles, sent to a service that records all of it."""
        folder = self.folder / name
        champion = Champion(ModelSource(self.home))
        requests = [titles[first : first + _AT_A_TIME] for first in range(0, len(titles), _AT_A_TIME)]
        with running(champion, ServiceOptions(capture=CapturePlan(folder, share=1.0))) as site:
            for each in requests:
                site.post(json={"instances": list(each)}).raise_for_status()
            line = f"jobmajor_captured_total {len(requests)}\n"
            until(lambda: line in site.get("/metrics").text, "captured requests")
        return folder

    def answers(self, titles: Sequence[str]) -> list[str]:
        """Return what a service answers."""
        with running(Champion(ModelSource(self.home))) as site:
            found = site.post(json={"instances": list(titles)}).json()["predictions"]
        return [each[0]["code"] for each in found]


@pytest.fixture
def loop(workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Loop:
    return Loop(workspace, tmp_path, capsys)


def usual() -> list[str]:
    """Return 1,200 titles in an order of their own."""
    titles = onet.read(source.STARTER_FOLDER).titles["title"].unique().sort()
    return titles.sample(1200, seed=2140, shuffle=True).to_list()


def reviewed(loop: Loop, reviewer: str, most: int) -> int:
    """Let a reviewer fill in a sheet: only the titles of the shift get a code."""
    sheet = loop.folder / f"{reviewer}.csv"
    loop.run("queue", "export", sheet, "--reviewer", reviewer, "--most", str(most))
    rows = list(csv.DictReader(sheet.read_text("utf-8-sig").splitlines()))
    with sheet.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows({**row, "code": CODE if row["title"] in SHIFTED else ""} for row in rows)
    loop.run("queue", "import", sheet, "--reviewer", reviewer)
    return sum(row["title"] in SHIFTED for row in rows)


def alarmed(loop: Loop, titles: Sequence[str]) -> Path:
    """Accept traffic, check like traffic and shifted traffic, queue what moved; return the folder of the check."""
    reference, found = loop.folder / "reference.json", loop.folder / "monitor"
    loop.run("monitor", "baseline", loop.captured("accepted", titles[:600]), "--output", reference)
    check = ("monitor", "check", "--against", reference, "--output", found)
    loop.run(*check, loop.captured("quiet", titles[600:]))
    assert loop.run(*RETRAIN, "--drift", found / "violations.json").startswith("nothing to do")
    traffic = loop.captured("shifted", [*titles[600:900], *10 * SHIFTED])
    loop.run(*check, traffic, status=1)
    loop.run("queue", "add", "--check", found / "violations.json")
    loop.run("queue", "add", traffic)
    return found


def test_shift_is_seen_labelled_learned_and_promoted_and_nothing_happens_without_one(loop: Loop) -> None:
    found = alarmed(loop, usual())
    labelled = reviewed(loop, "ann", 8) + reviewed(loop, "bob", 100)
    before = loop.answers(SHIFTED)

    loop.run(*RETRAIN, "--drift", found / "violations.json")

    assert labelled >= len(SHIFTED)  # some are shown to both
    assert json.loads(loop.run("queue", "status", "--json"))["labels"] == len(SHIFTED)
    champion = open_registry(loop.home).champion()
    assert champion is not None
    assert (champion.number, champion.outcome) == (2, "promote")
    assert len(champion.lineage["retrain"]["reasons"]) == 2  # drift, and new labels
    used = champion.lineage["data"]["reviewed"]
    assert used["trained"] + used["tested"] == len(SHIFTED)
    after = loop.answers(SHIFTED)
    assert after.count("53-0000") > before.count("53-0000")
    told = changes(loop)
    assert told
    assert (
        told.items()
        <= {title: new for title, old, new in zip(SHIFTED, before, after, strict=True) if old != new}.items()
    )
    assert loop.run(*RETRAIN).startswith("nothing to do")


def changes(loop: Loop) -> dict[str, str]:
    """Return the titles of the shift whose code changes from version 1 to version 2, each with the new code."""
    table = loop.folder / "titles.csv"
    table.write_text("\n".join(["title", *SHIFTED, ""]), "utf-8")
    found = json.loads(loop.run("models", "diff", "1", "2", table, "--json"))["changed"]
    return {each["title"]: each["after"] for each in found if each["before"] != each["after"]}


def test_worse_candidate_is_refused_and_the_champion_stays(loop: Loop) -> None:
    worse = loop.folder / "worse.toml"
    worse.write_text("[linear]\nepochs = 1\nhidden = 1\nwidest = 1\npenalty = 0.0001\n", "utf-8")
    before = champion_folder(loop.home)

    loop.run("run", "--release", "starter", "--settings", worse, status=1)

    assert champion_folder(loop.home) == before
    assert [each.number for each in open_registry(loop.home).versions()] == [1]
