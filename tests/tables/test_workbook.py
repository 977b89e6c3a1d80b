"""Bombs are built here, read in a process of bounded memory, and must end in our own error."""

from __future__ import annotations

import json
import random
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import openpyxl
import pytest

from jobmajor.errors import DataError
from jobmajor.tables import workbook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Bomb = Callable[[Path], None]

SOURCES = Path(__file__).resolve().parents[2] / "src"
SHEET = "Alternate Titles"
NAMESPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
LONG_TEXT = ["<sst><si><t>", *["A" * 2**20] * 100, "</t></si></sst>"]
HEAD = f'<worksheet xmlns="{NAMESPACE}">'
ONE_CELL = '<row r="1"><c r="A1" t="inlineStr"><is><t>x</t></is></c></row>'
PARTS = {
    "_rels/.rels": f'<Relationships xmlns="{PACKAGE}"><Relationship Id="rId1" '
    f'Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{NAMESPACE}" xmlns:r="{OFFICE}"><sheets>'
    f'<sheet name="{SHEET}" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}">'
    f'<Relationship Id="rId1" Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="rId2" Type="{OFFICE}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
}


def _write(
    path: Path,
    sheet: Iterable[str],
    *,
    strings: Iterable[str] = ("<sst/>",),
    method: int = zipfile.ZIP_STORED,
) -> None:
    with zipfile.ZipFile(path, "w", method, compresslevel=1) as file:
        for name, text in PARTS.items():
            file.writestr(name, text)
        for name, pieces in (("xl/sharedStrings.xml", strings), ("xl/worksheets/sheet1.xml", sheet)):
            with file.open(name, "w") as part:
                for piece in pieces:
                    part.write(piece.encode())


def _sheet(rows: str, *, before: str = "") -> list[str]:
    return [HEAD, before, "<sheetData>", rows, "</sheetData></worksheet>"]


def _far_cell(path: Path) -> None:
    _write(path, _sheet(f'{ONE_CELL}<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'))


def _far_dimension(path: Path) -> None:
    _write(path, _sheet(ONE_CELL, before='<dimension ref="A1:XFD1048576"/>'))


def _wide_and_high(path: Path) -> None:
    _write(path, _sheet(f'{ONE_CELL}<row r="140000"><c r="BL140000"><v>1</v></c></row>'))


def _rows_without_number(path: Path) -> None:
    _write(path, _sheet("<row/>" * 10**6))


def _cells_without_address(path: Path) -> None:
    _write(path, _sheet(f"<row>{'<c/>' * 10**5}</row>"))


def _row_zero(path: Path) -> None:
    _write(path, _sheet('<row r="0"><c r="A0"><v>1</v></c></row>'))


def _prefixed_names(path: Path) -> None:
    rows = '<x:row r="1048576"><x:c r="XFD1048576"><x:v>1</x:v></x:c></x:row>'
    _write(
        path,
        [f'<x:worksheet xmlns:x="{NAMESPACE}"><x:sheetData>', rows, "</x:sheetData></x:worksheet>"],
    )


def _many_strings(path: Path) -> None:
    _write(path, _sheet(ONE_CELL), strings=["<sst>", "<si/>" * 10**6, "</sst>"])


def _claimed_strings(path: Path) -> None:
    _write(path, _sheet(ONE_CELL), strings=['<sst count="4000000000" uniqueCount="4000000000"/>'])


def _long_text(path: Path) -> None:
    _write(path, _sheet(ONE_CELL), strings=LONG_TEXT, method=zipfile.ZIP_DEFLATED)


def _named_by(cells: int) -> str:
    return "".join(f'<row r="{row}"><c t="s"><v>0</v></c></row>' for row in range(1, cells + 1))


def _text_of_many_cells(path: Path) -> None:
    _write(path, _sheet(_named_by(120_000)), strings=["<sst><si><t>", "A" * 200_000, "</t></si></sst>"])


def _nested(path: Path) -> None:
    _write(path, [HEAD, "<v>" * 10**6, "</v>" * 10**6, "</worksheet>"])


def _attributes(path: Path) -> None:
    _write(path, [HEAD, "<v ", " ".join(f'a{i}=""' for i in range(10**6)), "/></worksheet>"])


def _names(path: Path) -> None:
    _write(path, [HEAD, "".join(f"<a{i}/>" for i in range(10**6)), "</worksheet>"])


def _entities(path: Path) -> None:
    laughs = '<!DOCTYPE w [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    _write(path, [laughs, *_sheet("<row><c><v>&b;</v></c></row>")])


def _entries(path: Path) -> None:
    _write(path, _sheet(ONE_CELL))
    with zipfile.ZipFile(path, "a") as file:
        for number in range(50_000):
            file.writestr(f"{number}", b"")


def _patch_declared_size(path: Path, name: str, size: int) -> None:
    """Make the archive's directory lie about one entry's unpacked size."""
    data = bytearray(path.read_bytes())
    header = data.rindex(b"PK\x01\x02", 0, data.rindex(name.encode()))
    data[header + 24 : header + 28] = struct.pack("<I", size)
    path.write_bytes(data)


def _declared_gigabyte(path: Path) -> None:
    _write(path, _sheet(ONE_CELL))
    _patch_declared_size(path, "xl/sharedStrings.xml", 10**9)


def _undeclared_gigabyte(path: Path) -> None:
    _long_text(path)
    _patch_declared_size(path, "xl/sharedStrings.xml", 1_000)


BOMBS: Mapping[str, tuple[Bomb, str]] = {
    "a cell at XFD1048576": (_far_cell, "a cell in row 1048576"),
    "a dimension to XFD1048576": (_far_dimension, "a cell in row 1048576, column 16384"),
    "rows x columns too many": (_wide_and_high, "140000 rows × 64 columns"),
    "a million rows without number": (_rows_without_number, "a cell in row 150001"),
    "cells without address": (_cells_without_address, "column 65"),
    "row zero": (_row_zero, "a cell in row 0"),
    "names with a prefix": (_prefixed_names, "a cell in row 1048576"),
    "a million strings": (_many_strings, "over 200000 shared strings"),
    "four thousand million strings claimed": (_claimed_strings, "4000000000 shared strings"),
    "a text of 100 MB": (_long_text, "over 200 times its size"),
    "a text that many cells name": (_text_of_many_cells, "bytes of text in the cells"),
    "a million nested elements": (_nested, "deep"),
    "an element of a million attributes": (_attributes, "an element of over 262144 bytes"),
    "a million names": (_names, "names of elements"),
    "a document type with entities": (_entities, "a document type declaration"),
    "50,000 entries": (_entries, "a zip archive of 50005 entries"),
    "a gigabyte declared": (_declared_gigabyte, "over 200 times its size"),
    "100 MB undeclared": (_undeclared_gigabyte, "a truncated or damaged zip archive"),
}
# Reads every workbook that it is given and prints, as JSON, how each ended and the peak of memory in KiB. The
# limit is on top of what the libraries reserve when they are loaded.
READER = """
import json, pathlib, resource, sys
from jobmajor.data import onet as tables; from jobmajor.tables import workbook
from jobmajor.errors import DataError
pages = int(pathlib.Path("/proc/self/statm").read_text().split()[0])
most = pages * resource.getpagesize() + 150 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (most, most))
ends = {}
for name in sys.argv[1:]:
    try:
        list(workbook.rows(pathlib.Path(name), "Alternate Titles"))
        ends[pathlib.Path(name).stem] = "read"
    except DataError as error:
        ends[pathlib.Path(name).stem] = str(error)
status = pathlib.Path("/proc/self/status").read_text()
peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
print(json.dumps({"ends": ends, "peak_kib": int(peak.split()[1])}))
"""
UNBOUNDED = """
import resource, sys
from python_calamine import CalamineWorkbook
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
CalamineWorkbook.from_path(sys.argv[1]).get_sheet_by_name("Alternate Titles").to_python()
"""


def _run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": str(SOURCES), "POLARS_MAX_THREADS": "2"}
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], int]:
    """How each bomb ended in one process of bounded memory, and that process's peak in KiB."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("needs /proc to bound and measure a process's memory")
    folder = tmp_path_factory.mktemp("bombs")
    paths = {name: folder / f"{name}.xlsx" for name in BOMBS}
    for name, (make, _) in BOMBS.items():
        make(paths[name])
    _write(folder / "harmless.xlsx", _sheet(ONE_CELL))

    done = _run(READER, *map(str, paths.values()), str(folder / "harmless.xlsx"))

    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout)
    return report["ends"], report["peak_kib"]


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_bomb_ends_in_our_error_that_says_what_was_found(name: str, ends: tuple[dict[str, str], int]) -> None:
    said = ends[0][name]

    assert BOMBS[name][1] in said
    assert "\n" not in said


@pytest.mark.slow
def test_no_bomb_takes_more_than_200_megabytes(ends: tuple[dict[str, str], int]) -> None:
    assert ends[1] < 200 * 1024


@pytest.mark.slow
def test_harmless_workbook_of_the_same_making_is_read(ends: tuple[dict[str, str], int]) -> None:
    assert ends[0]["harmless"] == "read"


def test_a_long_text_beside_many_short_ones_is_no_bomb(tmp_path: Path) -> None:
    path, long = tmp_path / "job ads.xlsx", "A" * 30_000
    assert len(long) * 10_000 > workbook.MAX_TEXT_BYTES
    _write(path, _sheet(_named_by(10_000)), strings=[f"<sst><si><t>nurse</t></si><si><t>{long}</t></si></sst>"])

    assert [cells for _, cells in workbook.rows(path, None)] == [["nurse"]] * 10_000


def test_far_cell_is_a_bomb_for_a_reader_without_bounds(tmp_path: Path) -> None:
    _far_cell(tmp_path / "far.xlsx")

    done = _run(UNBOUNDED, str(tmp_path / "far.xlsx"))

    assert done.returncode != 0


def test_panic_of_the_fast_parser_becomes_our_error(tmp_path: Path) -> None:
    panic = type("PanicException", (BaseException,), {})  # its own class can't be imported

    with (
        pytest.raises(DataError, match="its parser failed on"),
        workbook.parser_faults(tmp_path / "far.xlsx"),
    ):
        raise panic("capacity overflow")


def test_interrupt_during_parsing_stays_an_interrupt(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), workbook.parser_faults(tmp_path / "any.xlsx"):
        raise KeyboardInterrupt


def test_links_to_other_workbooks_are_refused(tmp_path: Path) -> None:
    _write(tmp_path / "linked.xlsx", _sheet(ONE_CELL))
    with zipfile.ZipFile(tmp_path / "linked.xlsx", "a") as file:
        file.writestr("xl/externalLinks/externalLink1.xml", "<externalLink/>")

    with pytest.raises(DataError, match="links to other workbooks"):
        list(workbook.rows(tmp_path / "linked.xlsx", SHEET))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name_are_refused(tmp_path: Path) -> None:
    _write(tmp_path / "twice.xlsx", _sheet(ONE_CELL))
    with zipfile.ZipFile(tmp_path / "twice.xlsx", "a") as file:
        file.writestr("xl/workbook.xml", PARTS["xl/workbook.xml"])

    with pytest.raises(DataError, match="two entries of one name"):
        list(workbook.rows(tmp_path / "twice.xlsx", SHEET))


def test_entry_packed_by_another_method_is_refused(tmp_path: Path) -> None:
    _write(tmp_path / "packed.xlsx", _sheet(ONE_CELL))
    with zipfile.ZipFile(tmp_path / "packed.xlsx", "a", zipfile.ZIP_LZMA) as file:
        file.writestr("xl/more.xml", "<more/>")

    with pytest.raises(DataError, match="packed by method 14"):
        list(workbook.rows(tmp_path / "packed.xlsx", SHEET))


def test_row_numbers_are_those_that_the_spreadsheet_shows(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = SHEET
    sheet["B3"], sheet["B6"] = "head", "below two blank rows"
    book.save(tmp_path / "gaps.xlsx")

    rows = list(workbook.rows(tmp_path / "gaps.xlsx", SHEET))

    assert rows == [(3, ["head"]), (6, ["below two blank rows"])]


def test_changed_bytes_end_in_a_table_or_in_our_error(tmp_path: Path) -> None:
    path, rng = tmp_path / "changed.xlsx", random.Random(0)  # noqa: S311 - no secret hangs on it
    _write(path, _sheet(ONE_CELL * 20))
    whole = path.read_bytes()
    refused = 0

    for _ in range(500):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(data[: rng.choice((len(data), len(data), rng.randrange(len(data))))])
        try:
            list(workbook.rows(path, SHEET))
        except DataError:
            refused += 1

    assert refused > 250  # the check bites: most changes are no longer a workbook
