"""A project for another classification: a folder with texts, labels and settings, which `jobmajor run` then uses.

The same pipeline, gate, registry, service and monitoring work on it; `soc.chosen` says what they know of its labels.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobmajor.arguments import shown
from jobmajor.data import own
from jobmajor.errors import DataError, InputError
from jobmajor.soc import LEVELS, chosen
from jobmajor.tables import formats
from jobmajor.tables.block import AS_IT_IS
from sagelocal.storage import publish

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from jobmajor.soc.chosen import Chosen
    from jobmajor.tables.block import Reading

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_FEW = 5  # texts; a label with fewer hardly gets one into each split
_PARTS = "code", "parent", "name"

_SETTINGS = """\
# The settings of the project {name}. All keys: the reference of jobmajor. A missing key has its default.

[names]
prefix = "{name}"
project = "{name}"
bucket = "{name}-local"

[data]
folder = "data"

[thresholds]
own = 0.5  # the weighted F1 that a model must exceed; set it to what yours reaches, less what chance may take
"""
_IGNORED = ".jobmajor/\n"


@dataclass(frozen=True, slots=True)
class Texts:
    """A table of texts with labels.

    Attributes:
        path: The file, in any format that `jobmajor classify --input` reads.
        text: The column of texts.
        label: The column of labels; a row has one.
        reading: How to read the file, where its own bytes don't decide.
    """

    path: Path
    text: str
    label: str
    reading: Reading = AS_IT_IS


@dataclass(frozen=True, slots=True)
class Project:
    """What was made: folder and classification, the rows used and left out, and how many labels have few texts."""

    folder: Path
    classification: Chosen
    rows: int
    left_out: Mapping[str, int]
    few: int

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        levels = {level: len(self.classification.codes(level)) for level in self.classification.levels}
        return {
            "folder": str(self.folder),
            "classification": self.classification.name,
            "levels": levels,
            "rows": self.rows,
            "left_out": dict(self.left_out),
            "labels_with_few_texts": self.few,
        }


def init(
    folder: Path, texts: Texts, *, classes: Path | None = None, name: str = "", job_titles: bool = False
) -> Project:
    """Make the folder of a project.

    Args:
        folder: It must not be there yet; its name becomes that of the project's pipeline, bucket and models.
        texts: The texts to learn from.
        classes: A table of the labels with the columns `code`, `parent` (empty at the top) and `name`, of which the
            last two may be missing; None takes the labels of the texts as a flat list.
        name: The classification's name for messages; by default the folder's.
        job_titles: Whether the texts are job titles, whose abbreviations are written out and which have to be English.

    Raises:
        InputError: The folder is there or has no usable name, or a file or column can't be used.
        DataError: The classification's name or no row can be used, a row of `classes` can't be read, or the labels are
            no classification.
    """
    _check_folder(folder)
    chosen.check_name(name or folder.name, "name")
    rows, left_out = _rows(texts)
    table = _table(classes) if classes else [(label, "", label) for label in sorted({label for _, label in rows})]
    found, codes = _classification(name or folder.name, table, is_plain=not job_titles, source=classes or texts.path)
    kept = [(text, codes[label]) for text, label in rows if label in codes]
    if len(kept) < len(rows):
        left_out["with a label that is no code without members"] = len(rows) - len(kept)
    if not kept:
        strange = next((label for _, label in rows), "")
        raise DataError(
            texts.path,
            f"no row that can be used (a label is {shown(strange)})",
            f"labels that {classes or 'the table'} lists without members",
            "name the right columns",
        )
    counts = Counter(label for _, label in kept)
    with publish.naming(folder), publish.new_folder(folder) as staging:
        (staging / "data").mkdir()
        own.write(staging / "data", kept, found)
        publish.write_file(staging / "jobmajor.toml", _SETTINGS.format(name=folder.name).encode())
        publish.write_file(staging / ".gitignore", _IGNORED.encode())
    few = sum(counts[code] < _FEW for code in found.codes(LEVELS[-1]))
    return Project(folder, found, len(kept), left_out, few)


def _check_folder(folder: Path) -> None:
    if not _NAME.fullmatch(folder.name):
        expected = "up to 32 small letters, digits and hyphens, such as support-tickets"
        raise InputError(f"the name {shown(folder.name)}: expected {expected}")
    above = next(each for each in folder.absolute().parents if each.exists())
    if not above.is_dir():
        raise InputError(f"{above} is no folder: expected one that the project can be made in")
    if os.path.lexists(folder):
        raise InputError(f"{folder} is there already: give a new name, or remove it")


def _rows(texts: Texts) -> tuple[list[tuple[str, str]], Counter[str]]:
    """Return the rows that have both a text and a label, and how many have not."""
    rows, left_out = list[tuple[str, str]](), Counter[str]()
    for block in formats.rows(texts.path, [texts.text, texts.label], texts.reading):
        left_out["that can't be read"] += block.bad
        for text, label in block.cells:
            if text.strip() and label.strip():
                rows.append((text, label.strip()))
            else:
                left_out["without a text" if label.strip() else "without a label"] += 1
    return rows, +left_out


def _table(path: Path) -> list[tuple[str, str, str]]:
    there = formats.names(path, _PARTS[0])
    wanted = [part for part in _PARTS if part in there]
    rows, bad = [], 0
    for block in formats.rows(path, wanted):
        bad += block.bad
        for cells in block.cells:
            row = dict(zip(wanted, (cell.strip() for cell in cells), strict=True))
            rows.append((row["code"], row.get("parent", ""), row.get("name", "") or row["code"]))
    if bad:
        raise DataError(
            path, f"{bad} of {bad + len(rows)} rows that can't be read", "a code in each row", "correct them"
        )
    return rows


def _classification(
    name: str, rows: list[tuple[str, str, str]], *, is_plain: bool, source: Path
) -> tuple[Chosen, dict[str, str]]:
    """Return the classification, and the code of each label.

    Where the codes don't sort by their groups, each becomes the path to it, such as "science/physics".
    """
    try:
        found = chosen.build(name, rows, is_plain=is_plain, source=source)
        codes = {code: code for code in found.codes(LEVELS[-1])}
    except chosen.PartedGroups:
        parent_of = {code: parent for code, parent, _ in rows}
        paths = {code: _path(code, parent_of) for code in parent_of}
        longer = [(paths[code], paths[parent] if parent else "", title) for code, parent, title in rows]
        found = chosen.build(name, longer, is_plain=is_plain, source=source)
        finest = set(found.codes(LEVELS[-1]))
        codes = {code: path for code, path in paths.items() if path in finest}
    return found, codes


def _path(code: str, parent_of: Mapping[str, str]) -> str:
    parts = [code]
    while parent := parent_of[parts[0]]:
        parts.insert(0, parent)
    return "/".join(parts)
