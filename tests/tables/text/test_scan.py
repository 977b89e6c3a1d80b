"""Rows of delimited text as the scanner finds them, beside what Python's `csv` reads in the same text."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobmajor.tables.block import MAX_LINE_BYTES
from jobmajor.tables.text import scan
from jobmajor.tables.text.split import fields

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Scan = Callable[..., int]

CELLS = st.text(st.sampled_from('aé=;,"\n\r\t '), max_size=6)
TABLES = st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=6))
WAYS = st.sampled_from(  # with another end than CR LF, Python 3.11's writer leaves some line ends without quotes
    [("\n", csv.QUOTE_ALL), ("\r\n", csv.QUOTE_ALL), ("\r", csv.QUOTE_ALL), ("\r\n", csv.QUOTE_MINIMAL)]
)
CUTS = st.lists(st.integers(0, 60), max_size=3).map(sorted)


class Row(NamedTuple):
    cells: list[str]
    title: str
    line: int
    fault: int
    raw: bytes


def scanned(
    data: bytes,
    width: int,
    column: int = 0,
    cuts: Sequence[int] = (),
    scan_with: Scan = scan.scan,
    *,
    separator: str = ",",
) -> list[Row]:
    """All rows, the text being read up to each cut before it is read whole."""
    text, rows = np.frombuffer(data, np.uint8), []
    state, asked = np.array([0, 1, 0]), scan.Asked(ord(separator), column, width)
    ends = [*(cut for cut in cuts if cut < len(data)), len(data)]
    for number, end in enumerate(ends):
        spans, titles, starts = np.empty((2, 6), np.int64), np.empty(len(text), np.uint8), np.empty(3, np.int64)
        found, is_last = scan.Found(spans, titles, starts, state), number == len(ends) - 1
        while count := scan_with(text, end, asked, found, is_last=is_last):
            for place in range(count):
                begin, stop, _, line, _, fault = spans[place].tolist()
                title = titles[starts[place] : starts[place + 1]].tobytes()
                cells = fields(data[begin:stop].decode(), ",") if fault <= scan.WIDTH else []
                rows.append(Row(cells, title.decode("utf-8", "replace"), line, fault, data[begin:stop]))
    return rows


@pytest.mark.slow
@settings(max_examples=500)
@given(
    st.lists(st.sampled_from(["a", ",", '"', "\n", "\r", "\r\n", '""', "é", "\0", ",,", '","', '",\n"']), max_size=30),
    CUTS,
    st.integers(1, 3),
    st.sampled_from(",\t"),
)
def test_python_finds_the_rows_that_compiled_code_finds(
    parts: list[str], cuts: list[int], width: int, separator: str
) -> None:
    data = "".join(parts).replace(",", separator).encode()

    found = [
        scanned(data, width, width - 1, cuts, scan_with, separator=separator)
        for scan_with in (scan.scan_in_python, scan.scan)
    ]

    assert found[0] == found[1]


@pytest.mark.parametrize(
    "data", [b"x" * 40 + b"\ny", b'"' + b"x" * 40 + b'"\ny', b"1,2\n" + b"x" * 9 + b"\r\ny", b"\x80,1\n"]
)
@pytest.mark.parametrize("cut", range(3, 45, 7))
def test_python_finds_the_same_long_and_broken_rows(data: bytes, cut: int) -> None:
    found = []
    for scan_with in (scan.scan, scan.scan_in_python):
        text, state = np.frombuffer(data, np.uint8), np.array([0, 1, 0])
        for end in (min(cut, len(data)), len(data)):
            rows, titles = np.zeros((9, 6), np.int64), np.zeros(len(data), np.uint8)
            into = scan.Found(rows, titles, np.zeros(10, np.int64), state)
            count = scan_with(text, end, scan.Asked(ord(","), 0, 2, longest=8), into, is_last=end == len(data))
            starts = into.starts[: count + 1].tolist()
            found.append((count, rows.tolist(), titles[: starts[-1]].tobytes(), starts, state.tolist()))

    assert found[:2] == found[2:]


@pytest.mark.slow
@given(TABLES, WAYS, CUTS)
def test_table_that_csv_writes_is_read_cell_by_cell(
    table: list[list[str]], way: tuple[str, Any], cuts: list[int]
) -> None:
    target = io.StringIO()
    csv.writer(target, lineterminator=way[0], quoting=way[1]).writerows(table)
    width = len(table[0]) if table else 1

    found = scanned(target.getvalue().encode(), width, width - 1, cuts)

    assert [row.cells for row in found] == table
    assert [row.title for row in found] == [cells[-1] for cells in table]
    assert {row.fault for row in found} <= {scan.FINE}


@pytest.mark.slow
@given(st.text(st.sampled_from('ab",\n\r'), max_size=24), CUTS)
def test_any_text_that_csv_reads_strictly_is_read_alike(text: str, cuts: list[int]) -> None:
    try:
        expected = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error:
        expected = None

    found = scanned(text.encode(), 2, 0, cuts)

    if expected is not None:
        assert [row.cells for row in found] == expected
        assert [row.fault == scan.FINE for row in found] == [len(row) == 2 for row in expected]
    else:
        assert any(row.fault > scan.WIDTH for row in found)


@given(st.text(st.sampled_from('ab",\n\r'), max_size=24), CUTS)
def test_where_a_text_is_cut_while_it_is_read_changes_nothing(text: str, cuts: list[int]) -> None:
    data = text.encode()

    assert scanned(data, 2, 0, cuts) == scanned(data, 2, 0)


@given(st.lists(st.binary(max_size=4).filter(lambda part: not set(part) & set(b'\0\n\r,"')), min_size=1, max_size=5))
def test_row_counts_as_text_where_python_decodes_it(parts: list[bytes]) -> None:
    found = scanned(b"\n".join(b"x" + part for part in parts), 1)

    for row, part in zip(found, parts, strict=True):
        try:
            part.decode()
            assert row.fault == scan.FINE
        except UnicodeDecodeError:
            assert row.fault == scan.NO_UTF8


def test_quote_that_is_never_closed_costs_one_line() -> None:
    found = scanned(b'1,"nurse\n2,cook\n3,"ice "cream\n4,welder\n', 2, 1)

    assert [(row.line, row.fault, row.title) for row in found] == [
        (1, scan.BEHIND_QUOTE, '"nurse'),
        (2, scan.FINE, "cook"),
        (3, scan.BEHIND_QUOTE, '"ice "cream'),
        (4, scan.FINE, "welder"),
    ]


def test_last_quote_that_is_never_closed_costs_its_line() -> None:
    found = scanned(b'1,"nurse\n2,cook\n', 2, 1)

    assert [(row.line, row.fault, row.title) for row in found] == [
        (1, scan.NOT_CLOSED, '"nurse'),
        (2, scan.FINE, "cook"),
    ]


@pytest.mark.parametrize("opening", [b"", b'"'])
def test_endless_line_is_one_bad_row_and_the_next_is_read(opening: bytes) -> None:
    data = b"1,nurse\n" + opening + b"x" * (2 * MAX_LINE_BYTES) + b"\n3,welder\n"

    for cuts in ([], [100], [8 + MAX_LINE_BYTES], [8 + MAX_LINE_BYTES + 1, 2 * MAX_LINE_BYTES]):
        found = scanned(data, 2, 1, cuts)
        assert [(row.line, row.fault) for row in found] == [
            (1, scan.FINE),
            (2, scan.TOO_LONG),
            (3, scan.FINE),
        ]


def test_row_of_the_longest_length_is_fine_and_one_byte_more_is_not() -> None:
    longest = b"1," + b"x" * (MAX_LINE_BYTES - 2)

    assert [row.fault for row in scanned(longest + b"\n2,b", 2, 1)] == [scan.FINE] * 2
    assert [row.fault for row in scanned(longest + b"x\n2,b", 2, 1)] == [scan.TOO_LONG, scan.FINE]


def test_nul_makes_a_bad_row() -> None:
    assert [row.fault for row in scanned(b"1,a\0b\n2,c\n", 2, 1)] == [scan.A_NUL, scan.FINE]


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_two_quotes_with_whole_rows_between_them_swallow_none_where_tabs_part_the_cells(end: str) -> None:
    data = end.join(['1\t"Lead" cook', '2\t"nurse', "3\twelder", '4\tfitter"', '5\t"two', 'lines"']).encode()

    found = scanned(data, 2, 1, separator="\t")

    assert [(row.line, row.fault) for row in found] == [
        (1, scan.BEHIND_QUOTE),
        (2, scan.STRAY),
        (3, scan.FINE),
        (4, scan.FINE),
        (5, scan.FINE),
    ]
    assert [row.title for row in found[1:4]] == ['"nurse', "welder", 'fitter"']
    assert found[4].title.split() == ["two", "lines"]


def test_quotes_are_characters_like_others_where_they_are_switched_off() -> None:
    text, rows, titles = np.frombuffer(b'"a\n"b","c"\n', np.uint8), np.empty((3, 6), np.int64), np.empty(9, np.uint8)
    for scan_with in (scan.scan, scan.scan_in_python):
        found = scan.Found(rows, titles, np.empty(4, np.int64), np.array([0, 1, 0]))

        count = scan_with(text, len(text), scan.Asked(ord(","), 0, 1, has_quotes=0), found, is_last=True)

        assert rows[:count, [scan.FIELDS, scan.FAULT]].tolist() == [[1, scan.FINE], [2, scan.WIDTH]]
        assert titles[: found.starts[count]].tobytes() == b'"a"b"'
