"""Against a real server on this machine that can be told to misbehave."""

from __future__ import annotations

import hashlib
import io
import re
import threading
import zipfile
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import openpyxl
import pytest
import urllib3

from jobmajor.data import download, onet, outbound, transfer
from jobmajor.data.source import FetchOptions, resolve
from jobmajor.data.transfer import Item, TransferOptions
from jobmajor.errors import Busy, DataError
from jobmajor.tables import archive
from sagelocal.storage import manifest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

TAG = '"v1"'
PAGES = {
    "page": ("text/html; charset=utf-8", b"<!DOCTYPE html><title>Sign in</title>"),
    "page of no kind": ("", b"\n<html><title>Sign in</title></html>"),
}


@dataclass
class Server:
    """`files` by path; each request takes the next of `faults`, and leaves its path and Range in `asked`."""

    files: dict[str, bytes] = field(default_factory=dict)
    faults: deque[str] = field(default_factory=deque)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    tag: str = TAG
    ended: threading.Event = field(default_factory=threading.Event)
    base: str = ""

    def options(
        self, *, tries: int = 3, read_s: float = 30.0, total_s: float = 900.0, max_bytes: int = 2**26
    ) -> TransferOptions:
        return TransferOptions(
            base=self.base, wait_s=0.0, tries=tries, read_s=read_s, total_s=total_s, max_bytes=max_bytes
        )


class _HTTPServer(ThreadingHTTPServer):
    """Carries the state that its handlers look at."""

    def __init__(self, state: Server) -> None:
        self.state = state
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _HTTPServer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass

    def do_GET(self) -> None:
        state = self.server.state
        fault = state.faults.popleft() if state.faults else ""
        state.asked.append((self.path, self.headers.get("Range")))
        if fault.isdigit():
            self._answer(int(fault))
        elif fault in PAGES:
            self._answer(200, PAGES[fault][1], {"Content-Type": PAGES[fault][0]})
        elif fault == "redirect":
            self._answer(302, headers={"Location": f"{state.base}/elsewhere"})
        elif self.path not in state.files:
            self._answer(404)
        else:
            self._file(state.files[self.path], fault)

    def _answer(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _start(self, fault: str) -> int:
        """The byte from which the client may have the file."""
        asked, tag = self.headers.get("Range"), self.server.state.tag
        if not asked or fault == "no ranges" or self.headers.get("If-Range", tag) != tag:
            return 0
        return int(asked.removeprefix("bytes=").removesuffix("-"))

    def _file(self, content: bytes, fault: str) -> None:
        start = self._start(fault)
        if start >= len(content):
            self._answer(416)
            return
        body = content[start:]
        self.send_response(206 if start else 200)
        self.send_header("ETag", self.server.state.tag)
        if fault != "no length":
            self.send_header("Content-Length", str(len(body)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if fault in ("drop", "stall", "no length") else body)
        if fault == "stall":
            self.wfile.flush()
            self.server.state.ended.wait(30)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    state = Server()
    http = _HTTPServer(state)
    state.base = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    state.ended.set()
    http.shutdown()
    http.server_close()
    thread.join()


def _workbook(sheet: str, *rows: list[str]) -> bytes:
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    page.title = sheet
    for row in rows:
        page.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def _zip(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return content.getvalue()


TITLES = _workbook(
    "Alternate Titles",
    ["O*NET-SOC Code", "Title", "Alternate Title", "Short Title", "Source(s)"],
    ["29-1141.00", "Registered Nurses", "Ward Nurse", "", "01"],
)
OCCUPATIONS = _workbook(
    "Occupation Data",
    ["O*NET-SOC Code", "Title", "Description"],
    ["29-1141.00", "Registered Nurses", "Care for people."],
)
TEXT = {
    "db_29_0_text/Alternate Titles.txt": (
        b"O*NET-SOC Code\tAlternate Title\tShort Title\tSource(s)\n29-1141.00\tWard Nurse\tn/a\t01\n"
    ),
    "db_29_0_text/Occupation Data.txt": (
        b"O*NET-SOC Code\tTitle\tDescription\n29-1141.00\tRegistered Nurses\tCare for people.\n"
    ),
    "db_29_0_text/Read Me.txt": b"O*NET 29.0 Database\n",
    "db_29_0_text/../../Abilities.txt": b"not asked for",
}
CONTENT = b"PK\x03\x04" + bytes(range(256)) * 2_000


def _serve_release(server: Server, stem: str = "db_29_0") -> None:
    server.files[f"/{stem}_excel/Alternate%20Titles.xlsx"] = TITLES
    server.files[f"/{stem}_excel/Occupation%20Data.xlsx"] = OCCUPATIONS
    server.files[f"/{stem}_text.zip"] = _zip(TEXT)


def _item(server: Server, content: bytes = CONTENT, *, pinned: bool = True) -> Item:
    server.files["/file"] = content
    return Item("file", f"{server.base}/file", hashlib.sha256(content).hexdigest() if pinned else None)


def test_release_is_fetched_published_with_its_lineage_and_readable(tmp_path: Path, server: Server) -> None:
    _serve_release(server)

    folder = download.pull("29.0", tmp_path, options=server.options())

    read, record = onet.read(folder), manifest.verify(folder)
    assert folder == tmp_path / "data" / "29.0"
    assert (read.release, read.titles.rows()) == ("29.0", [("29-1141.00", "Ward Nurse", None, "01")])
    assert record.source["release"] == "29.0"
    assert record.source["edition"] == "workbook"
    assert record.source["pinned"] is False
    assert record.source["addresses"][0] == f"{server.base}/db_29_0_excel/Alternate%20Titles.xlsx"
    assert record.files["Alternate Titles.xlsx"].sha256 == hashlib.sha256(TITLES).hexdigest()
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["29.0"]


def test_second_pull_asks_the_server_for_nothing(tmp_path: Path, server: Server) -> None:
    _serve_release(server)
    first = download.pull("29.0", tmp_path, options=server.options())
    asked = len(server.asked)

    second = download.pull("29.0", tmp_path, options=server.options())

    assert (second, len(server.asked)) == (first, asked)


def test_folder_that_was_changed_is_fetched_again(tmp_path: Path, server: Server) -> None:
    _serve_release(server)
    folder = download.pull("29.0", tmp_path, options=server.options())
    (folder / "Occupation Data.xlsx").write_bytes(b"changed")

    download.pull("29.0", tmp_path, options=server.options())

    assert (folder / "Occupation Data.xlsx").read_bytes() == OCCUPATIONS


def test_text_edition_takes_only_the_known_files_out_of_its_zip(tmp_path: Path, server: Server) -> None:
    _serve_release(server)

    folder = download.pull("29.0", tmp_path, edition="text", options=server.options())

    names = sorted(path.name for path in folder.iterdir())
    assert names == ["Alternate Titles.txt", "Occupation Data.txt", "Read Me.txt", "manifest.json"]
    assert (onet.read(folder).release, onet.read(folder).edition) == ("29.0", "text")
    assert not list(tmp_path.rglob("Abilities.txt"))


def test_text_edition_without_its_titles_is_refused(tmp_path: Path, server: Server) -> None:
    server.files["/db_29_0_text.zip"] = _zip({"Read Me.txt": b"O*NET 29.0 Database\n"})

    with pytest.raises(DataError, match=r"a zip without Alternate Titles\.txt"):
        download.pull("29.0", tmp_path, edition="text", options=server.options())

    assert not (tmp_path / "data" / "29.0-text").exists()


def test_pinned_release_with_other_content_is_refused_and_nothing_published(tmp_path: Path, server: Server) -> None:
    _serve_release(server, "db_28_1")

    with pytest.raises(DataError, match=r"found sha256 .*, expected bc4e716f0b53… \(pinned\)"):
        download.pull("28.1", tmp_path, options=server.options())

    assert not (tmp_path / "data" / "28.1").exists()
    assert not list(tmp_path.rglob("*.part"))


def test_body_that_breaks_off_is_resumed_where_it_stopped(tmp_path: Path, server: Server) -> None:
    item = _item(server)
    server.faults.extend(["drop", "drop"])

    transfer.fetch(item, tmp_path / "part", server.options())

    half = len(CONTENT) // 2
    starts = [asked and int(re.sub(r"\D", "", asked)) for _, asked in server.asked]
    assert starts == [None, half, half + (len(CONTENT) - half) // 2]
    assert (tmp_path / "part").read_bytes() == CONTENT


def test_later_run_goes_on_where_a_failed_one_stopped(tmp_path: Path, server: Server) -> None:
    item = _item(server, pinned=False)
    server.faults.append("drop")
    with pytest.raises(DataError, match="no whole file after 1 try"):
        transfer.fetch(item, tmp_path / "part", server.options(tries=1))

    transfer.fetch(item, tmp_path / "part", server.options())

    assert server.asked[-1] == ("/file", f"bytes={len(CONTENT) // 2}-")
    assert (tmp_path / "part").read_bytes() == CONTENT


def test_file_that_changed_on_the_server_is_not_joined_to_the_old_beginning(tmp_path: Path, server: Server) -> None:
    item = _item(server, pinned=False)
    server.faults.append("drop")
    with pytest.raises(DataError):
        transfer.fetch(item, tmp_path / "part", server.options(tries=1))
    server.files["/file"], server.tag = CONTENT[:4] + CONTENT[:3:-1], '"v2"'

    transfer.fetch(item, tmp_path / "part", server.options())

    assert (tmp_path / "part").read_bytes() == server.files["/file"]


def test_server_without_ranges_sends_the_whole_file_again(tmp_path: Path, server: Server) -> None:
    item = _item(server)
    server.faults.extend(["drop", "no ranges"])

    transfer.fetch(item, tmp_path / "part", server.options())

    assert (tmp_path / "part").read_bytes() == CONTENT


def test_resumed_file_with_a_foreign_beginning_is_fetched_afresh(tmp_path: Path, server: Server) -> None:
    item = _item(server)
    (tmp_path / "part").write_bytes(b"PK\x03\x04 of something else")

    transfer.fetch(item, tmp_path / "part", server.options())

    assert [asked is None for _, asked in server.asked] == [False, True]
    assert (tmp_path / "part").read_bytes() == CONTENT


def test_partial_file_longer_than_the_servers_is_dropped(tmp_path: Path, server: Server) -> None:
    item = _item(server)
    (tmp_path / "part").write_bytes(CONTENT + b"more")

    transfer.fetch(item, tmp_path / "part", server.options())

    assert (tmp_path / "part").read_bytes() == CONTENT


def test_whole_pinned_file_of_a_killed_run_is_not_fetched_again(tmp_path: Path, server: Server) -> None:
    item = _item(server)
    (tmp_path / "part").write_bytes(CONTENT)

    transfer.fetch(item, tmp_path / "part", server.options())

    assert server.asked == []


@pytest.mark.parametrize("status", ["500", "503", "429"])
def test_passing_fault_of_the_server_is_tried_again(tmp_path: Path, server: Server, status: str) -> None:
    item = _item(server)
    server.faults.append(status)

    transfer.fetch(item, tmp_path / "part", server.options())

    assert len(server.asked) == 2
    assert (tmp_path / "part").read_bytes() == CONTENT


def test_fault_that_does_not_pass_ends_after_the_tries_and_names_it(tmp_path: Path, server: Server) -> None:
    item = _item(server)
    server.faults.extend(["502"] * 9)

    with pytest.raises(DataError, match=r"no whole file after 3 tries \(status 502\)"):
        transfer.fetch(item, tmp_path / "part", server.options())

    assert len(server.asked) == 3


@pytest.mark.parametrize("status", ["404", "403", "410"])
def test_missing_file_is_refused_without_another_try(tmp_path: Path, server: Server, status: str) -> None:
    item = _item(server)
    server.faults.append(status)

    with pytest.raises(DataError, match=f"found status {status}, expected the file; .*--data"):
        transfer.fetch(item, tmp_path / "part", server.options())

    assert len(server.asked) == 1


@pytest.mark.parametrize("pinned", [True, False])
@pytest.mark.parametrize("page", ["page", "page of no kind"])
def test_sign_in_page_is_told_from_a_file(tmp_path: Path, server: Server, page: str, *, pinned: bool) -> None:
    item = _item(server, pinned=pinned)
    server.faults.append(page)

    with pytest.raises(DataError, match=r"an HTML page instead of the file.*sign in to your network"):
        transfer.fetch(item, tmp_path / "part", server.options())

    assert not (tmp_path / "part").exists()


def test_redirect_is_followed(tmp_path: Path, server: Server) -> None:
    item = _item(server)
    server.files["/elsewhere"] = CONTENT
    server.faults.append("redirect")

    transfer.fetch(item, tmp_path / "part", server.options())

    assert (tmp_path / "part").read_bytes() == CONTENT


def test_file_over_the_limit_is_refused_before_it_is_taken(tmp_path: Path, server: Server) -> None:
    item = _item(server)

    with pytest.raises(DataError, match="over 1000 bytes"):
        transfer.fetch(item, tmp_path / "part", server.options(max_bytes=1_000))

    assert not (tmp_path / "part").exists()


def test_file_that_hides_its_size_is_stopped_at_the_limit(tmp_path: Path, server: Server) -> None:
    item = _item(server, pinned=False)
    server.faults.append("no length")

    with pytest.raises(DataError, match="over 1000 bytes"):
        transfer.fetch(item, tmp_path / "part", server.options(max_bytes=1_000))

    assert not (tmp_path / "part").exists()


def test_half_a_workbook_that_looks_whole_is_not_published(tmp_path: Path, server: Server) -> None:
    """Without a length an end of the connection is an end of the file."""
    _serve_release(server)
    server.faults.append("no length")

    with pytest.raises(DataError, match="a truncated or damaged zip archive"):
        download.pull("29.0", tmp_path, options=server.options())
    folder = download.pull("29.0", tmp_path, options=server.options())

    assert onet.read(folder).titles.height == 1


def test_server_that_stalls_is_left_and_tried_again(tmp_path: Path, server: Server) -> None:
    item = _item(server)
    server.faults.append("stall")

    # Long enough for the second answer on a busy machine: it would be given up, too.
    transfer.fetch(item, tmp_path / "part", server.options(read_s=2.0))

    assert (tmp_path / "part").read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_file_that_takes_too_long_is_given_up_and_kept_for_later(tmp_path: Path, server: Server) -> None:
    item = _item(server)

    with pytest.raises(DataError, match="run it again to continue where it stopped"):
        transfer.fetch(item, tmp_path / "part", server.options(total_s=-1.0))


def test_progress_ends_at_the_size_that_the_server_names(tmp_path: Path, server: Server) -> None:
    item = _item(server)
    seen: list[tuple[str, int, int | None]] = []

    transfer.fetch(item, tmp_path / "part", server.options(), lambda *now: seen.append(now))

    assert seen[-1] == ("file", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


def test_two_pulls_of_one_release_do_not_mix(tmp_path: Path, server: Server) -> None:
    _serve_release(server)
    server.faults.append("stall")
    options = server.options(read_s=20.0, tries=2)
    ends: list[Path] = []
    first = threading.Thread(target=lambda: ends.append(download.pull("29.0", tmp_path, options=options)))
    first.start()
    while not server.asked:  # the first holds the lock from before its first request
        first.join(0.01)

    with pytest.raises(Busy):
        download.pull("29.0", tmp_path, options=options)

    server.ended.set()
    first.join()
    assert onet.read(ends[0]).titles.height == 1


def test_auto_downloads_28_1_by_one_try_and_says_why_it_could_not(tmp_path: Path, server: Server) -> None:
    server.faults.append("500")

    found = resolve("auto", tmp_path, fetch=FetchOptions(environment={}, options=server.options()))

    assert found.how == "starter"
    assert "no whole file after 1 try (status 500)" in (found.notice or "")
    assert [path for path, _ in server.asked] == ["/db_28_1_excel/Alternate%20Titles.xlsx"]


def test_release_asked_for_is_downloaded_and_then_in_the_workspace(tmp_path: Path, server: Server) -> None:
    _serve_release(server)
    fetch = FetchOptions(environment={}, options=server.options())

    first, second = (resolve("29.0", tmp_path, fetch=fetch) for _ in range(2))

    assert (first.how, second.how) == ("download", "cache")
    assert first.folder == second.folder


def test_zip_with_an_entry_beyond_its_limits_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "big.zip"
    path.write_bytes(_zip({"a.txt": bytes(3 * 2**20)}))
    limits = archive.Limits(file_bytes=2**20, entries=5, total_bytes=2**30)

    with pytest.raises(DataError, match="unfolds to over 200 times its size"):
        archive.check(path, limits, expected="a zip")


@pytest.mark.parametrize("proxy", ["socks5://user:secret@localhost:1", "http://user:secret@localhost:port", "http://"])
def test_proxy_that_cannot_be_used_is_refused_without_saying_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    with pytest.raises(DataError, match="the proxy for https: found an address that can't be used") as caught:
        download.pull("29.0", tmp_path)

    assert "secret" not in str(caught.value)


def test_proxy_may_be_named_without_its_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "localhost:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    pool = outbound.pool("https://example.org")

    assert isinstance(pool, urllib3.ProxyManager)
    assert str(pool.proxy) == "http://localhost:3128"


def test_workspace_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")

    with pytest.raises(DataError, match="expected a folder to write to"):
        download.pull("29.0", tmp_path / "home")
