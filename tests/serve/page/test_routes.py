"""What the page is made of, over real HTTP: its files, `/explain` and `/tables`; the browser's side is in `page/`."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import openpyxl
import pytest

from jobmajor.serve.messages import media
from jobmajor.serve.messages.refusal import Refusal
from jobmajor.serve.page import assets, spreadsheet
from jobmajor.serve.service.admission import Limits
from jobmajor.serve.service.keys import add, read
from jobmajor.serve.service.service import ServiceOptions

from ..conftest import LIMIT_S, Running, running

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobmajor.serve.service.champion import Champion

WEB = Path(assets.__file__).parent / "web"
ROOT = Path(__file__).resolve().parents[3]
TITLE = "licensed practical nurse"
AS_JSON = {"content-type": "application/json"}
AS_WORKBOOK = {"content-type": media.WORKBOOK}
LINKS = "xl/_rels/workbook.xml.rels"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def post(site: Running, path: str, **how: Any) -> httpx.Response:
    return httpx.post(site.url + path, timeout=LIMIT_S, **how)


def workbook(rows: Sequence[Sequence[Any]], *others: str) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for name in others:
        book.create_sheet(name)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def test_every_file_of_the_page_is_served_and_no_other() -> None:
    assert set(assets.PATHS.values()) == {path.name for path in WEB.iterdir()}


@pytest.mark.parametrize("path", assets.PATHS)
def test_file_has_its_type_a_strict_policy_and_a_tag_that_saves_sending_it_again(service: Running, path: str) -> None:
    answer = service.get(path)

    assert answer.status_code == 200
    assert answer.content == (WEB / assets.PATHS[path]).read_bytes()
    kind = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "html": "text/html"}
    assert answer.headers["content-type"].startswith(kind[assets.PATHS[path].rpartition(".")[2]])
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"} <= {*policy}
    assert "unsafe" not in answer.headers["content-security-policy"]
    again = service.get(path, headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert service.get(path, headers={"if-none-match": '"another"'}).status_code == 200
    head = httpx.head(service.url + path, timeout=LIMIT_S)
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(answer.content)))


@pytest.mark.parametrize(
    "path", ["/web", "/web/", "/web/index.html", "/web/../routes.py", "/web/%2e%2e/routes.py", "/page.css"]
)
def test_nothing_else_is_served_beside_the_page(service: Running, path: str) -> None:
    assert service.get(path).status_code == 404


def test_page_names_no_address_but_those_it_links_to() -> None:
    for path in WEB.iterdir():
        text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        text = text.replace("http://schemas.openxmlformats.org", "")  # the names of namespaces, which nothing asks
        found = set(re.findall(r"https?://[\w.-]+", text))
        assert found <= {"https://www.onetonline.org", "https://www.bls.gov"}, path
        assert "@import" not in text
        assert not re.search(r"\bon\w+=\"|style=\"|innerHTML|insertAdjacentHTML|eval\(|document\.write", text), path


def test_files_of_the_page_are_short_enough_to_be_read() -> None:
    assert [path.name for path in WEB.iterdir() if path.read_text("utf-8").count("\n") > 300] == []


def test_explain_says_what_the_library_says(service: Running, champion: Champion) -> None:
    answer = post(service, "/explain", json={"title": TITLE, "parameters": {"level": "all"}})

    body = answer.json()
    assert answer.status_code == 200
    assert (body["model"], body["read"]) == (champion.served.digest, TITLE)
    assert [each["level"] for each in body["levels"]] == ["major", "minor", "broad", "detailed"]
    for each in body["levels"]:
        found = champion.served.classifier.explain(TITLE, each["level"])
        assert (each["label"], each["name"], each["source"]) == (found.label, found.name, found.source)
        assert (each["score"], each["base"]) == (round(found.score, 6), round(found.base, 6))
        assert each["answer"] == round(found.answer, 6)
        assert each["words"] == [{"word": word.text, "worth": round(word.worth, 6)} for word in found.words]
    assert body["similar"][0]["codes"] == ["29-2061"]
    listed = champion.served.classifier.explain(TITLE).listed
    assert [(each["code"], each["share"]) for each in body["listed"]] == [
        (each.code, round(each.share, 6)) for each in listed
    ]


def test_explain_takes_its_options_where_invocations_does(service: Running) -> None:
    query = post(service, "/explain", json={"title": "CEO"}, params={"level": "minor", "exact": "false"}).json()
    header = {"X-Amzn-SageMaker-Custom-Attributes": "level=minor"}

    assert [(each["level"], each["source"]) for each in query["levels"]] == [("minor", "model")]
    assert post(service, "/explain", json={"title": "CEO"}, headers=header).json()["levels"][0]["level"] == "minor"


@pytest.mark.parametrize(
    ("content", "status", "field"),
    [
        (b"", 422, "body"),
        (b"[]", 422, "body"),
        (b"{}", 422, "the body"),
        (b'{"title": 7}', 422, "the body.title"),
        (b'{"title": "\\ud800"}', 422, "the body.title"),
        (b'{"title": "a", "x": 1}', 422, "body"),
        (b'{"title": "a", "parameters": []}', 422, "parameters"),
        (b'{"title": "a", "parameters": {"level": "x"}}', 422, "level"),
        (b"\xff", 422, "body"),
        (b'{"title": null}', 200, None),
    ],
)
def test_explain_refuses_what_is_no_title_with_a_sentence_and_its_field(
    service: Running, content: bytes, status: int, field: str | None
) -> None:
    answer = post(service, "/explain", content=content, headers=AS_JSON)

    assert (answer.status_code, answer.json().get("field")) == (status, field)


def test_explain_is_json_alone(service: Running) -> None:
    assert post(service, "/explain", content=b"title\nnurse\n", headers={"content-type": "text/csv"}).status_code == 415
    assert service.get("/explain").status_code == 405


def test_longest_title_is_explained(service: Running) -> None:
    answer = post(service, "/explain", json={"title": "nurse " * 10_000})

    assert len(answer.json()["levels"][0]["words"]) == 64


def test_new_routes_pass_the_same_door_as_all(champion: Champion, tmp_path: Path) -> None:
    key = {"x-api-key": add(tmp_path / "keys", "anna")}
    limits = Limits(answers=10, body_bytes=1000)
    with running(champion, ServiceOptions(keys=read(tmp_path / "keys"), limits=limits)) as strict:
        assert post(strict, "/explain", json={"title": "a"}).status_code == 401
        assert post(strict, "/tables", content=b"", headers=AS_WORKBOOK).status_code == 401
        assert post(strict, "/explain", json={"title": "a"}, headers=key).status_code == 413  # 65 answers
        large = post(strict, "/tables", content=b"x" * 1001, headers={**AS_WORKBOOK, **key})
        assert (large.status_code, large.json()["field"]) == (413, "Content-Length")


def test_sheet_comes_back_as_csv_with_its_cells_as_a_spreadsheet_shows_them(service: Running) -> None:
    rows: list[list[Any]] = [["id", "title"], ["007", 'cook, "head"'], [None, None], [8, 1.5], [True, "ü"]]

    answer = post(service, "/tables", content=workbook(rows, "Ärzte"), headers=AS_WORKBOOK)

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert json.loads(answer.headers["x-jobmajor-sheets"]) == {"sheet": "Sheet", "sheets": ["Sheet", "Ärzte"]}
    assert answer.text == 'id,title\n007,"cook, ""head"""\n,\n8,1.5\nTRUE,ü\n'


def test_other_sheet_is_asked_for_by_its_name(service: Running) -> None:
    content = workbook([["a"]], "Ärzte")

    other = post(service, "/tables", content=content, headers=AS_WORKBOOK, params={"sheet": "Ärzte"})
    missing = post(service, "/tables", content=content, headers=AS_WORKBOOK, params={"sheet": "x"})

    assert (other.status_code, other.text) == (200, "")
    assert missing.status_code == 422
    assert "expected a sheet 'x'" in missing.json()["detail"]
    assert post(service, "/tables", content=content, headers=AS_WORKBOOK, params={"y": "x"}).status_code == 422


@pytest.mark.parametrize(
    "content",
    [b"", b"id,title\n", b"PK\x03\x04", workbook([["a"]])[:-100], b"\xd0\xcf\x11\xe0"],
    ids=["nothing", "csv", "a beginning", "cut off", "an old one"],
)
def test_what_is_no_workbook_is_refused_in_a_sentence(service: Running, content: bytes) -> None:
    answer = post(service, "/tables", content=content, headers=AS_WORKBOOK)

    assert (answer.status_code, answer.json()["field"]) == (422, "body")
    assert re.fullmatch(
        r"the workbook: found .+, expected .+: correct it, or save the sheet as CSV", answer.json()["detail"]
    )


def test_tables_takes_workbooks_alone(service: Running) -> None:
    answer = post(service, "/tables", content=b"a,b", headers={"content-type": "text/csv"})

    assert (answer.status_code, answer.json()["field"]) == (415, "Content-Type")


def test_small_workbook_that_unfolds_to_gigabytes_ends_in_a_refusal_and_harms_nobody(service: Running) -> None:
    """One text of 200 KB that 120,000 cells name: 24 GB for its reader, in a file of 60 KB."""
    target = io.BytesIO()
    source = zipfile.ZipFile(io.BytesIO(workbook([["a"]])))
    cells = '<c t="s"><v>0</v></c>' * 6
    rows = "".join(f'<row r="{place}">{cells}</row>' for place in range(1, 20_001))
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    strings = '<Relationship Id="rId9" Type="{}/sharedStrings" Target="sharedStrings.xml"/></Relationships>'
    links = source.read(LINKS).decode().replace("</Relationships>", strings.format(OFFICE))
    replaced: dict[str, str | bytes] = {
        **{name: source.read(name) for name in source.namelist()},
        LINKS: links,
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>',
        "xl/sharedStrings.xml": f'<sst xmlns="{main}"><si><t>{"A" * 200_000}</t></si></sst>',
    }
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in replaced.items():
            made.writestr(name, content)

    answer = post(service, "/tables", content=target.getvalue(), headers=AS_WORKBOOK)

    assert len(target.getvalue()) < 100_000
    assert (answer.status_code, service.get("/ping").status_code) == (422, 200)
    assert "bytes of text in the cells" in answer.json()["detail"]


def test_workbook_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(Refusal, match=r"not read within 0\.001 s"):
        spreadsheet.to_csv(workbook([["a"]]), None, seconds=0.001)


def test_explanation_is_in_soc_2018_only(service: Running) -> None:
    refused = post(service, "/explain", json={"title": "nurse"}, params={"to": "isco-08"})

    assert (refused.status_code, refused.json()["field"]) == (422, "to")
