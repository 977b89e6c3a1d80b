"""Answers as they were recorded, for captures that hold hashes instead of titles.

Such titles can't be answered again. So the answers that clients got are counted, at the first level that each client
asked for, and nothing is said of texts.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from jobmajor import soc
from jobmajor.errors import DataError
from jobmajor.model.rules import abstain
from jobmajor.model.rules.abstain import NO_CODE
from jobmajor.monitor.profile import Marked
from jobmajor.tables.packed import Packed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from jobmajor.monitor.flags import Flags
    from jobmajor.monitor.traffic.capture import Record

_UNSURE: Final = (abstain.UNSURE, abstain.CONTRADICTED)


def marked(record: Record, titles: Sequence[str], flags: Flags, folder: Path) -> tuple[Marked, str]:
    """Return the flags of the answers to a request's titles, and the digest of the model that gave them.

    The hashes are left out. A request whose answer was not recorded has no rows.

    Raises:
        DataError: The answer is something else; `folder` is named.
    """
    try:
        body = json.loads(record.answer) if record.answer else {"predictions": [], "model": ""}
        given = zip(titles if record.answer else (), body["predictions"], strict=True)
        found = [(_mark(title, items, flags), items[0] if items else {}) for title, items in given]
        model = str(body["model"])
        confidence = np.array([float(item.get("confidence", 0)) for _, item in found], np.float64)
        codes = [_group(str(item.get("code", ""))) for _, item in found]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        expected = "answers as jobmajor serve --capture-hashed records them"
        raise DataError(
            folder, f"another answer of request {record.event[:40]}", expected, "name another folder"
        ) from error
    label_of = {label: index for index, label in enumerate(flags.classes)}
    marks = np.array([mark for mark, _ in found], np.uint64)
    labels = np.array([label_of.get(code, NO_CODE) for code in codes], np.int64)
    return Marked(Packed.of([""] * len(found)), marks, labels, confidence), model


def _group(code: str) -> str:
    """Return the major group of a code of any level; a code that somebody added is of the group of its first digits."""
    return soc.place(code, "major") if code in soc.table() or soc.is_new(code) else ""


def _mark(title: str, items: Sequence[Mapping[str, Any]], flags: Flags) -> int:
    """Return the flags of one title's best code, as `Flags.mark` would."""
    if not items:
        return 0
    reason, code = str(items[0]["reason"]), str(items[0]["code"])
    true = {"unsure"} if reason in _UNSURE else {reason if title else "empty"}
    if code and float(items[0]["confidence"]) < 0.5:
        true.add("confidence below 0.5")
    true |= {_group(code)} & set(flags.codes)
    return sum(1 << bit for bit, flag in enumerate(flags.all) if flag.kind != "text" and flag.name in true)
