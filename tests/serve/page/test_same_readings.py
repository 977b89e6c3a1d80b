"""The page reads text files as the command line does: the cases of `tests/tables/text/readings.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from ..conftest import Running

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "tables/text/readings.json").read_text("ascii"))
READ = """async (data) => {
  const { read, kindOf } = await import("/web/reading.js");
  const blob = new Blob([Uint8Array.from(data, (sign) => sign.charCodeAt(0))]);
  await kindOf(blob);
  const table = await read(blob, () => {});
  return { ...table.about(), records: table.records.map(({ fields }) => fields) };
}"""


@pytest.mark.slow
def test_file_is_read_as_the_command_line_reads_it(browser: Browser, site: Running) -> None:
    page = browser.new_page()
    page.goto(site.url)

    for case in CASES:
        found = page.evaluate(READ, case["data"])
        rows = found["records"][1:] if found["hasHeader"] else found["records"]
        told = (rows, [fault["line"] for fault in found["faults"]], found["column"], found["hasHeader"])
        assert told == (case["rows"], case["faults"], case["column"], case["header"]), case["name"]
        assert (found["delimiter"], found["encoding"]) == (case["separator"], case["encoding"]), case["name"]
    page.close()
