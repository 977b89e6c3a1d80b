"""Text files as they come, read as `readings.json` says; the page's reader has to pass the same cases."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from jobmajor.errors import InputError
from jobmajor.tables import formats
from jobmajor.tables.block import Reading
from jobmajor.tables.compression import ByteSource
from jobmajor.tables.text import encoding

CASES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("readings.json").read_text("ascii"))
CODECS = {"windows-1252": "cp1252", "utf-16le": "utf-16-le", "utf-16be": "utf-16-be"}


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_file_is_read_as_the_page_reads_it(case: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(case["data"].encode("latin-1"))

    with closing(formats.reader(path, Reading(), formats.Format("csv"))) as opened:
        head = opened.head()
        rows, faults = [], []
        for block in opened.blocks(1000):
            rows += [list(row) for row in zip(*block.rows.columns(), strict=True)]
            faults += [bad.line for bad in block.listed]

    width = len(head.names)
    assert rows == [row + [""] * (width - len(row)) for row in case["rows"]]
    assert faults == case["faults"]
    assert (head.title, head.details.separator) == (case["column"], case["separator"])
    assert (head.details.raw is not None) == case["header"]
    with closing(ByteSource(path, "")) as source:
        assert encoding.recognise(source).codec == CODECS.get(case["encoding"], case["encoding"])


def test_named_encoding_overrules_and_an_unknown_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes("title\nповар\n".encode("cp1251"))

    with closing(formats.reader(path, Reading(encoding="cp1251"), formats.Format("csv"))) as opened:
        (block,) = opened.blocks(9)

    assert block.titles.title(0) == "повар"
    for name in ("no-such", "base64", "undefined"):
        with pytest.raises(InputError, match=f"--encoding '{name}' is no text encoding"):
            encoding.named(name)
