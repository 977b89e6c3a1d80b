"""The page's CSV is Python's where it is CSV: what either writes the other reads, in whatever pieces it comes."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobmajor import soc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from playwright.sync_api import Browser, Page

    from ..conftest import Running

CELLS = st.text(st.sampled_from('ab ,;\t"\n\ré\U0001f469='), max_size=6)
ROWS = st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=6)
RAW = st.text(st.sampled_from('ab,"\n\r'), max_size=30)
CUTS = st.lists(st.integers(0, 40), max_size=4)
READ = """async ([text, delimiter, cuts]) => {
  const { Parser } = await import("/web/csv.js");
  const parser = new Parser(delimiter);
  const places = [0, ...cuts.filter((place) => place < text.length).sort((a, b) => a - b), text.length];
  const pieces = places.slice(1).map((end, place) => text.slice(places[place], end));
  return [...pieces.flatMap((piece) => parser.push(piece)), ...parser.end()];
}"""
WRITE = """async ([rows, delimiter]) => {
  const { line } = await import("/web/csv.js");
  return rows.map((row) => line(row, delimiter)).join("");
}"""
PROPERTY = settings(max_examples=150, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def run(browser: Browser, site: Running) -> Iterator[Callable[[str, Any], Any]]:
    """Runs a script in a page of the service."""
    page: Page = browser.new_page()
    page.goto(site.url)
    yield page.evaluate
    page.close()


def by_python(text: str, delimiter: str = ",") -> list[list[str]]:
    """An empty line is no row to Python; here it is one of an empty cell below a first row of one cell."""
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    first = next((place for place, row in enumerate(rows) if row), len(rows))
    is_single = any(len(row) == 1 for row in rows[first : first + 1])
    return [row or [""] for row in rows[first:] if row or is_single]


def fields(records: Sequence[dict[str, Any]]) -> list[list[str]]:
    return [record["fields"] for record in records]


@PROPERTY
@given(rows=ROWS, delimiter=st.sampled_from(",;\t|"), cuts=CUTS)
def test_what_python_writes_is_read_cell_by_cell(
    run: Callable[[str, Any], Any], rows: list[list[str]], delimiter: str, cuts: list[int]
) -> None:
    if delimiter == "\t":  # a line end in a cell with a tab, or in a row that is too long, may be one of stray quotes
        width = max(map(len, rows), default=0)
        rows = [[*(cell.replace("\t", " ") for cell in row), *[""] * (width - len(row))] for row in rows]
    target = io.StringIO()
    csv.writer(target, delimiter=delimiter).writerows(rows)

    records = run(READ, [target.getvalue(), delimiter, cuts])

    assert fields(records) == rows
    assert [record["fault"] for record in records] == [""] * len(rows)


@PROPERTY
@given(rows=ROWS, delimiter=st.sampled_from(",;\t|"))
def test_what_is_written_python_reads_cell_by_cell(
    run: Callable[[str, Any], Any], rows: list[list[str]], delimiter: str
) -> None:
    text = run(WRITE, [rows, delimiter])

    assert by_python(text, delimiter) == rows


@PROPERTY
@given(text=RAW, cuts=CUTS)
def test_text_without_a_fault_is_read_as_python_reads_it_and_one_with_a_fault_loses_nothing(
    run: Callable[[str, Any], Any], text: str, cuts: list[int]
) -> None:
    records = run(READ, [text, ",", cuts])

    if any(record["fault"] for record in records):
        kept = "".join(cell for row in fields(records) for cell in row)
        assert [kept.count(letter) for letter in "ab"] == [text.count(letter) for letter in "ab"]
    else:
        assert fields(records) == by_python(text)


def test_each_record_knows_the_line_that_it_begins_in(run: Callable[[str, Any], Any]) -> None:
    records = run(READ, ['a\r\n"b\nb\n"\rc\n\n"d', ",", [2, 5]])

    assert [(record["line"], record["fields"][0]) for record in records] == [
        (1, "a"),
        (2, "b\nb\n"),
        (5, "c"),
        (6, ""),
        (7, '"d'),
    ]


def test_quote_that_is_never_closed_spoils_its_own_row_alone(run: Callable[[str, Any], Any]) -> None:
    records = run(READ, ['1,"open\n2,"x,y"\n3,z\n4,"Bob" Smith\n5,"end\n6,z', ",", [9, 10]])

    assert fields(records) == [
        ["1", '"open'],
        ["2", "x,y"],
        ["3", "z"],
        ["4", '"Bob" Smith'],
        ["5", '"end'],
        ["6", "z"],
    ]
    behind, never = "has text after a closing quote", "has a quote that is never closed"
    assert [record["fault"] for record in records] == [behind, "", "", behind, never, ""]


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a,b\n1,2\n", ","),
        ("a;b\n1,5;2\n", ";"),
        ("a\tb\n1, x\t2\n", "\t"),
        ("title\nnurse\n", ","),
        ('"a;b",c\n', ","),
    ],
)
def test_delimiter_is_the_one_that_parts_all_lines_alike(
    run: Callable[[str, Any], Any], text: str, delimiter: str
) -> None:
    script = "async (text) => (await import('/web/csv.js')).sniff(text)"

    assert run(script, text) == delimiter


@pytest.mark.parametrize(
    ("rows", "column", "has_header"),
    [
        ([["id", "Job Title"], ["1", "nurse"]], 1, True),
        ([["id", "department", "occupation_name"], ["1", "x", "nurse"]], 2, True),
        ([["a", "b"], ["17", "nurse"], ["18", "cook"]], 1, True),
        ([["nurse"], ["cook"]], 0, False),
        ([["title"], ["cook"]], 0, True),
    ],
)
def test_column_of_titles_is_told_by_its_name_or_by_its_cells(
    run: Callable[[str, Any], Any], rows: list[list[str]], column: int, has_header: bool
) -> None:
    found = run("async (rows) => (await import('/web/csv.js')).guess(rows)", rows)

    assert found == {"column": column, "hasHeader": has_header}


def test_classification_of_the_service_has_each_group_by_name(run: Callable[[str, Any], Any]) -> None:
    found = run("async () => (await fetch('classification')).json()", None)

    names = {each["code"]: each["name"] for each in found["codes"]}
    assert {names[each["group"]] for each in found["codes"]} == {soc.name(code) for code in soc.majors()}
    assert [each["name"] for each in found["levels"]][::3] == ["major group", "detailed occupation"]
    assert next(each["group"] for each in found["codes"] if each["code"] == "15-1252") == "15-0000"


@pytest.mark.parametrize("levels", [["label"], ["area", "topic"]])
def test_page_of_another_classification_says_nothing_of_job_titles(
    run: Callable[[str, Any], Any], levels: list[str]
) -> None:
    pairs = [{"level": level, "name": name} for level, name in zip(("major", "detailed"), levels, strict=False)]

    found = run(
        """async (given) => {
          (await import('/web/words.js')).use({
            name: `Support tickets ${given.length}`, texts: 'plain', levels: given });
          const chart = (await import('/web/chart.js')).chart;
          const groups = Array.from({ length: 300 }, (_, place) =>
            ({ code: `g${place}`, name: `g${place}`, rows: 1, uncertain: 0 }));
          const options = [...document.querySelectorAll('#level option')].map((each) => each.textContent);
          return { text: document.querySelector('main').innerText, options,
            chart: chart({ groups, rows: 300 }).innerText,
            rows: chart({ groups, rows: 300 }).querySelectorAll('tbody tr').length,
            isLevel: !document.querySelector('[data-levels]').hidden };
        }""",
        pairs,
    )

    assert not re.search("(?i)title|occupation|SOC|O[*]NET|nurse|job(?!major)", found["text"])
    assert "Codes of Support tickets" in found["text"]
    assert found["options"] == [name.capitalize() for name in levels]
    assert found["isLevel"] == (len(levels) > 1)
    assert found["rows"] == 41
    assert "260 others" in found["chart"]
