"""A project of `jobmajor init`, flat and with a hierarchy, from its table to a champion that answers in every way."""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
import unicodedata
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.serve.conftest import SERVE, program

if TYPE_CHECKING:
    from pathlib import Path

PLACES = {"Asia": ("river temple", "spice market"), "Europe": ("castle", "vineyard"), "Africa": ("dune", "baobab")}


def names_of_characters() -> list[tuple[str, str]]:
    """Names of Unicode's characters with their category, as Python's own table has them: a set with 25 labels."""
    found = [(unicodedata.name(chr(point), ""), unicodedata.category(chr(point))) for point in range(0x3000)]
    return [(name, category) for name, category in found if name][:4000]


def sights() -> list[tuple[str, str]]:
    """Made-up sights with the kind of each, a label below a continent."""
    words, draw = ("old", "new", "great", "hidden", "white", "grand", "royal", "quiet"), random.Random(5)  # noqa: S311 - texts
    kinds = [f"{place} {kind}" for place, both in PLACES.items() for kind in both]
    return [
        (" ".join([*draw.sample(words, 3), kind.partition(" ")[2], str(number % 40)]), kind)
        for number in range(150)
        for kind in kinds
    ]


def table(path: Path, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return str(path)


def say(folder: Path, *words: str, status: int = 0) -> str:
    """Run a command as a user does who stands in a folder; return what it prints."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("JOBMAJOR")}
    command = [sys.executable, "-m", "jobmajor", *words]
    done = subprocess.run(command, cwd=folder, env=bare, capture_output=True, text=True, check=False)
    assert done.returncode == status, (words, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


def project(folder: Path, kind: str, rows: list[tuple[str, str]]) -> Path:
    """The folder that `init` makes of a table, and of the hierarchy in another one."""
    source = table(folder / "texts.csv", ("text", "label"), [*rows])
    parents = [(place, "", place) for place in PLACES]
    below = [(f"{place} {each}", place, each) for place, both in PLACES.items() for each in both]
    classes = table(folder / "classes.csv", ("code", "parent", "name"), [*parents, *below])
    tree = ("--classes", classes) if kind == "tree" else ()
    made = json.loads(
        say(folder, "init", kind, "--input", source, "--text", "text", "--label", "label", *tree, "--json")
    )
    labels = {label for _, label in rows}
    assert made["rows"] == len(rows)
    assert made["levels"] == ({"major": 3, "detailed": 6} if tree else {"major": len(labels)})
    return folder / kind


def watch(home: Path, rows: list[tuple[str, str]]) -> None:
    """The same texts are no change; those of one label alone are one."""
    source, label = str(home.parent / "texts.csv"), rows[-1][1]
    say(home, "monitor", "baseline", source, "--column", "text", "--output", "ref.json")
    say(home, "monitor", "check", source, "--column", "text", "--against", "ref.json")
    alone = table(home / "alone.csv", ("text",), [(text,) for text, each in rows if each == label])
    say(home, "monitor", "check", alone, "--against", "ref.json", status=1)


def served(home: Path, texts: list[str]) -> list[str]:
    """The codes that a service gives which knows nothing of the project but its workspace."""
    asked = {"instances": texts, "parameters": {"level": "detailed"}}
    with program([*SERVE, "--home", str(home / ".jobmajor"), "--port", "0"]) as service:
        answered = httpx.post(f"{service.url}/invocations", json=asked, timeout=30).json()
    return [best["code"] for best, *_ in answered["predictions"]]


@pytest.mark.long
@pytest.mark.parametrize("kind", ["flat", "tree"])
def test_project_goes_the_whole_way(tmp_path: Path, kind: str) -> None:
    rows = names_of_characters() if kind == "flat" else sights()
    home = project(tmp_path, kind, rows)

    run = json.loads(say(home, "run", "--json"))
    assert (run["status"], run["outcome"], run["champion"]) == ("Succeeded", "promote", 1)
    assert run["classification_metrics"]["test_f1"] > 0.85

    # One by one, as a file and over HTTP: the same answers.
    some = rows[:: len(rows) // 60]
    table(home / "some.csv", ("text",), [(text,) for text, _ in some])
    say(home, "classify", "--input", "some.csv", "--output", "coded.csv", "--column", "text", "--level", "detailed")
    coded = [row["code"] for row in csv.DictReader((home / "coded.csv").read_text("utf-8").splitlines())]
    assert sum(code == label for code, (_, label) in zip(coded, some, strict=True)) > 0.9 * len(some)
    (one,) = json.loads(say(home, "classify", some[3][0], "--level", "detailed", "--json"))
    assert one["answers"][0]["code"] == coded[3]
    assert served(home, [text for text, _ in some]) == coded

    watch(home, rows)
    table(home / "people.csv", ("title", "code"), [*some])
    say(home, "evaluate", "--titles", "people.csv")
    say(home, "queue", "add", "some.csv", "--column", "text", "--level", "detailed")
