"""Names, logs and files are the text of others, and any web page can send requests to loopback."""

from __future__ import annotations

import json
import os
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest

from sagelocal.errors import ArtifactError
from sagelocal.run import records
from sagelocal.run.records import StepRecord
from sagelocal.storage.manifest import FileRecord

from .conftest import Site, ended, logged, png, published

if TYPE_CHECKING:
    from pathlib import Path

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(2)><a href=javascript:alert(3)>{{7*7}}\u202e\ud800"


class Tags(HTMLParser):
    """All tags of a page with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def is_harmless(page: str) -> bool:
    """Whether the only script is ours, no tag has code, and no link leads elsewhere."""
    tags = Tags(page).found
    scripts = [attributes.get("src") for tag, attributes in tags if tag == "script"]
    code = [name for _, attributes in tags for name in attributes if name.startswith("on") or name == "style"]
    targets = [attributes.get(name) or "/" for _, attributes in tags for name in ("href", "src", "action")]
    return scripts == ["/web/page.js"] and code == [] and all(each[:1] in "/#" and each[:2] != "//" for each in targets)


def hostile(home: Path) -> dict[str, str]:
    """A workspace in which every text is hostile; the pages that show it."""
    step = StepRecord(
        "train",
        EVIL,
        "Failed",
        reason=EVIL,
        properties={EVIL: EVIL},
        metrics={EVIL: float("nan")},
        conditions=[{"text": EVIL, "passed": False}],
        notes=[EVIL],
    )
    name = EVIL.partition("/script")[0].partition("\u202e")[0].replace("/", "")
    for number in ("one", "two"):
        run = ended(home, number, pipeline_name=EVIL, parameters={EVIL: EVIL, "n": None}, failure=EVIL, steps=(step,))
        logged(run, "train", EVIL.encode("utf-8", "replace") + b"\xff\0\n")
        published(home, run, "train", {f"{name}.txt": EVIL.encode("utf-8", "replace"), "p.png": png()})
    file = urlencode({"step": "train", "uri": "s3://bkt/one/out", "name": f"{name}.txt"})
    return {
        "/": "alert(1)",
        "/runs/one": "alert(1)",
        "/runs/one/step?name=train": "alert(1)",
        "/runs/one/log?step=train&file=train%2Flog.txt": "alert(1)",
        f"/runs/one/file?{file}": "alert(1)",
        "/compare?run=one&run=two": "alert(1)",
    }


def test_texts_of_others_are_shown_and_never_run(site: Site, home: Path) -> None:
    for path, expected in hostile(home).items():
        page = site.get(path)

        assert is_harmless(page), path
        assert expected in page
        assert "{{7*7}}" in page or "file?" in path


@pytest.mark.parametrize("path", ["/{}", "/runs/{}", "/runs/one/step?name={}", "/runs/one/log?step=train&file={}"])
def test_texts_of_an_address_are_escaped(site: Site, home: Path, path: str) -> None:
    ended(home, "one")

    assert is_harmless(site.get(path.format(quote(EVIL, safe="", errors="replace")), 404))


def test_escapes_are_seen_to_be_needed() -> None:
    assert not is_harmless('<script src="/web/page.js"></script><img src=x onerror=alert(2)>')
    assert not is_harmless('<script src="/web/page.js"></script><a href="javascript:alert(1)">')


WAYS_OUT = ("../..", "../../secret.txt", "%2e%2e", "/etc/passwd", "train/../../../secret.txt", "a\0b", "train/link.txt")


@pytest.mark.parametrize("name", WAYS_OUT)
def test_no_address_leads_out_of_the_workspace(site: Site, home: Path, name: str) -> None:
    run = ended(home, "one")
    published(home, run, "train", {"a.txt": b"inside"})
    (home.parent / "secret.txt").write_text("secret of the machine")
    logged(run, "train", "log")
    (run.folder / "steps" / "train" / "link.txt").symlink_to(home.parent / "secret.txt")
    text = quote(name, safe="")

    for path in (
        f"/runs/{text}",
        f"/runs/one/step?name={text}",
        f"/runs/one/log?step={text}&file=train%2Flog.txt",
        f"/runs/one/log?step=train&file={text}",
        f"/runs/one/file?step=train&uri=s3%3A%2F%2Fbkt%2Fone%2Fout&name={text}",
        f"/runs/one/picture?step=train&uri={text}&name=a.txt",
        f"/web/{text}",
        f"/compare?run=one&run={text}",
    ):
        assert "secret of" not in site.get(path, 404)


def test_links_and_pipes_are_not_followed_and_not_waited_for(site: Site, home: Path) -> None:
    run = ended(home, "one")
    published(home, run, "train", {"link.txt": b"secret", "pipe.txt": b"secret", "folder.txt": b"secret"})
    folder = home / "s3" / "bkt" / "one" / "out"
    (home.parent / "secret.txt").write_text("secret")
    for path in folder.iterdir():
        path.unlink()
    (folder / "link.txt").symlink_to(home.parent / "secret.txt")
    os.mkfifo(folder / "pipe.txt")
    (folder / "folder.txt").mkdir()
    (run.folder / records.DEFINITION).unlink()
    os.mkfifo(run.folder / records.DEFINITION)
    logged(run, "train", "log")
    os.mkfifo(run.folder / "steps" / "train" / "log-2.txt")

    page = site.get("/runs/one/step?name=train")

    assert page.count("a link or no regular file") == 3
    assert "log-2.txt" not in page
    assert "Graph" not in site.get("/runs/one")
    for name in ("link", "pipe", "folder"):
        shown = site.get(f"/runs/one/file?step=train&uri=s3%3A%2F%2Fbkt%2Fone%2Fout&name={name}.txt")
        assert "is a link or no regular file" in shown


def test_record_of_outputs_cannot_name_files_of_the_machine(site: Site, home: Path) -> None:
    run = ended(home, "one")
    (home.parent / "secret.txt").write_text("secret")
    record = FileRecord("2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b", 6)  # of "secret"
    ways = {"s3://bkt/../..": "secret.txt", "s3://bkt": "../../../secret.txt", "/": "secret.txt", "": "../secret.txt"}
    records.keep_outputs(run.folder, "train", {uri: {name: record} for uri, name in ways.items()})

    assert "<pre" not in site.get("/runs/one/step?name=train").partition("Outputs")[2].partition("<details")[0]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"format": 1, "outputs": {"s3://b": {"a": 5}}}', b"[" * 100_000])
def test_damaged_record_of_outputs_is_one_line_on_the_page_of_its_step(site: Site, home: Path, body: bytes) -> None:
    run = ended(home, "one")
    published(home, run, "train", {"a.txt": b"inside"})
    (run.folder / "outputs" / "train.json").write_bytes(body)

    assert "is no record of outputs" in site.get("/runs/one/step?name=train")
    assert "titles" in site.get("/runs/one")


def test_runs_without_a_readable_record_are_named(site: Site, home: Path) -> None:
    whole = ended(home, "whole")
    text = (whole.folder / records.NAME).read_text()
    damaged = {"half": text[: len(text) // 2], "deep": "[" * 100_000, "empty": ""}
    for name, body in damaged.items():
        (home / "runs" / name).mkdir()
        (home / "runs" / name / records.NAME).write_text(body)
    (home / "runs" / "missing").mkdir()
    (home / "runs" / "pipe").mkdir()
    os.mkfifo(home / "runs" / "pipe" / records.NAME)
    (home / "runs" / "file").write_text("no folder")

    page = site.get("/")

    for name in (*damaged, "missing", "pipe"):
        assert f"{name}/run.json is no record of a run" in page
        assert "is no record of a run" in site.get(f"/runs/{name}", 500)
    assert "1 run," in page


CHANGES: list[dict[str, Any]] = [
    {"name": "../../../.."},
    {"name": "a/b"},
    {"name": ""},
    {"started": "yesterday"},
    {"seconds": float("inf")},
    {"metrics": {"f1": "high"}},
    {"notes": [5]},
    {"conditions": [{"text": "a"}]},
    {"seconds": 10**400},
    {"metrics": {"f1": 10**400}},
    {"started": "0001-01-01T00:00:00+14:00"},
]


@pytest.mark.parametrize("change", CHANGES)
def test_step_that_could_not_be_shown_or_would_lead_elsewhere_is_refused(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    run = ended(tmp_path, "one")
    body = json.loads((run.folder / records.NAME).read_bytes())
    body["steps"][0] |= change
    (run.folder / records.NAME).write_text(json.dumps(body))

    with pytest.raises(ArtifactError, match="is no record of a run"):
        records.read(run.folder)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example:80", "127.0.0.1@evil.example", "[::1].evil.example", "127.0.0.2", ""],
)
def test_request_for_another_host_is_refused_whatever_it_asks_for(site: Site, home: Path, host: str) -> None:
    ended(home, "one")

    for path in ("/", "/runs/one", "/web/page.js", "/nothing"):
        answer = site.ask("GET", path, headers={"Host": host})
        assert (answer.status_code, "titles" in answer.text) == (421, False)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:9", "LOCALHOST", "[::1]:8787"])
def test_request_for_this_machine_is_answered(site: Site, host: str) -> None:
    assert site.ask("GET", "/", headers={"Host": host}).status_code == 200


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_size) for path in (folder, *folder.rglob("*"))}


def test_nothing_writes(site: Site, home: Path) -> None:
    paths = [*hostile(home), "/web/page.css"]
    before = snapshot(home)

    for path in paths:
        assert site.ask("HEAD", path).status_code == 200
        site.get(path)
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
            assert site.ask(method, path).status_code == 405

    assert snapshot(home) == before


def test_every_answer_keeps_others_out(site: Site, home: Path) -> None:
    paths = [*hostile(home), "/web/page.css", "/web/page.js", "/web/icon.svg", "/nothing", "/runs/nothing", "/compare"]

    for answer in (*(site.ask("GET", path) for path in paths), site.ask("GET", "/", headers={"Host": "evil.example"})):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in answer.headers
        assert "server" not in answer.headers


def test_properties_that_are_nested_deeply_are_no_fault(site: Site, home: Path) -> None:
    deep: Any = 1
    for _ in range(400):
        deep = [deep]
    run = ended(home, "one")
    body = json.loads((run.folder / records.NAME).read_bytes())
    body["steps"][1]["properties"] = {"deep": deep}
    body["parameters"] = {"deep": deep}
    (run.folder / records.NAME).write_text(json.dumps(body))

    assert "Properties" in site.get("/runs/one/step?name=train")
    assert "deep" in site.get("/runs/one")


def test_run_is_found_by_the_name_of_its_folder_however_odd(site: Site, home: Path) -> None:
    name = "a copy?b=1#c&<i>%2f"
    ended(home, "one").folder.rename(home / "runs" / name)

    page = site.get("/")

    (link,) = [attributes["href"] for tag, attributes in Tags(page).found if tag == "a" and "/runs/" in str(attributes)]
    assert "a copy?b=1#c&amp;&lt;i&gt;%2f" in site.get(str(link))
    assert is_harmless(page)


def test_link_among_the_logs_is_not_read_for_the_last_line(site: Site, home: Path) -> None:
    run = ended(home, "one")
    (home.parent / "secret.txt").write_text("secret")
    path = logged(run, "train", "said by the job")
    (path.parent / "zz.txt").symlink_to(home.parent / "secret.txt")

    page = site.get("/runs/one")

    assert "said by the job" in page
    assert "secret" not in page
