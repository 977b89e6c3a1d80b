"""Recorded traffic as files: what a reader finds, bounds on size and age, and what a killed or full writer leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from jobmajor.errors import InputError
from jobmajor.monitor.traffic import capture, recorder
from jobmajor.monitor.traffic.capture import Period
from jobmajor.monitor.traffic.recorder import Bounds, Event, Recorder

if TYPE_CHECKING:
    from pathlib import Path

AT = datetime(2026, 11, 30, 9, 59, 58, 123_000, UTC)
JSON, CSV = "application/json", "text/csv"


def line(body: str = '["nurse"]', at: datetime = AT) -> bytes:
    return Event(at, JSON, body.encode(), JSON, b"{}").line()


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.jsonl"))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (JSON, '{"instances": ["nurse \u2028 é 😀", "a\\nb"]}'.encode()),
        ("application/JSONLINES", b'"nurse"\n"cook"\n'),
        ("text/csv; header=absent", b"nurse\r\n\r\ncook\r\n"),
        ("application/x-ndjson", b"\xef\xbb\xbf[]"),
        ("application/octet-stream", bytes(range(256))),
        (JSON, b"\xff"),
    ],
)
def test_reader_finds_what_the_recorder_wrote(tmp_path: Path, kind: str, body: bytes) -> None:
    writer = Recorder(tmp_path, Bounds())
    for number in range(3):
        writer.write(Event(AT, kind, body, CSV, b"code\n29-0000\n", is_hashed=number == 2).line(), AT)

    found = list(capture.read(tmp_path))

    assert [(each.kind, each.body, each.answer) for each in found] == 3 * [(kind, body, b"code\n29-0000\n")]
    assert [each.is_hashed for each in found] == [False, False, True]
    assert {each.at for each in found} == {AT.replace(microsecond=0)}
    assert len({each.event for each in found}) == 3


def test_answer_may_be_left_out(tmp_path: Path) -> None:
    Recorder(tmp_path, Bounds()).write(Event(AT, JSON, b"[]", JSON, None).line(), AT)

    assert next(capture.read(tmp_path)).answer == b""


def test_files_lie_by_the_hour_and_are_private(tmp_path: Path) -> None:
    writer = Recorder(tmp_path, Bounds(), number=3)
    for at in (AT, AT + timedelta(seconds=1), AT + timedelta(seconds=5)):
        writer.write(line(at=at), at)

    files = sorted(tmp_path.rglob("*.jsonl"))
    assert [path.parent.relative_to(tmp_path).as_posix() for path in files] == ["2026/11/30/09", "2026/11/30/10"]
    assert files[0].name.startswith("59-58-123-w3-")
    if os.name == "posix":
        assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_file_of_another_day_is_not_opened_for_a_period(tmp_path: Path) -> None:
    writer = Recorder(tmp_path, Bounds(days=3650))
    for days in range(4):
        writer.write(line(at=AT + timedelta(days=days)), AT + timedelta(days=days))
    oldest = next(tmp_path.glob("2026/11/30/09/*.jsonl"))
    oldest.write_bytes(b"no capture\n")

    found = list(capture.read(tmp_path, Period(date(2026, 12, 2), date(2026, 12, 2))))

    assert [each.at.day for each in found if each.at] == [2]


def test_folder_never_exceeds_its_cap_and_keeps_the_newest(tmp_path: Path) -> None:
    bounds = Bounds(total_bytes=20_000, writers=2)
    writers = [Recorder(tmp_path, bounds, number) for number in range(2)]
    most = 0
    for step in range(400):
        at = AT + timedelta(seconds=step)
        writers[step % 2].write(line(f'["{step}"]', at), at)
        most = max(most, size(tmp_path))

    kept = sorted(int(each.body[2:-2]) for each in capture.read(tmp_path))
    assert 8_000 < most <= 20_000
    assert kept == list(range(kept[0], 400))


def test_files_beyond_the_retention_are_removed_and_others_files_stay(tmp_path: Path) -> None:
    old = AT - timedelta(days=2)
    writer = Recorder(tmp_path, Bounds(days=1))
    writer.write(line(at=old), old)
    writer.close()
    theirs = [tmp_path / "2020" / "01" / "01" / "00" / "mine.jsonl", tmp_path / "titles.jsonl", tmp_path / "2026" / "x"]
    for path in theirs:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n")

    writer.prune(AT)

    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(theirs)
    assert not (tmp_path / "2026" / "11").exists()


def test_file_that_was_removed_is_replaced_by_another(tmp_path: Path) -> None:
    writer = Recorder(tmp_path, Bounds())
    writer.write(line(), AT)
    next(tmp_path.rglob("*.jsonl")).unlink()

    writer.write(line('["cook"]'), AT)

    assert [each.body for each in capture.read(tmp_path)] == [b'["cook"]']


def test_line_longer_than_a_file_does_not_fit(tmp_path: Path) -> None:
    writer = Recorder(tmp_path, Bounds(total_bytes=4000))

    assert [writer.fits(b"x" * length) for length in (1000, 1001)] == [True, False]


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on the size of files is Linux's")
def test_writer_that_finds_no_room_leaves_no_part_of_a_line_and_goes_on_later(tmp_path: Path) -> None:
    script = f"""
import resource, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from jobmajor.monitor.traffic.recorder import Bounds, Event, Recorder

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
at = datetime(2026, 11, 30, tzinfo=UTC)
writer = Recorder(Path({str(tmp_path)!r}), Bounds())
line = Event(at, "application/json", b'["nurse"]', "application/json", b"{{}}").line()
writer.write(line, at)
for limit in (len(line) + 20, 10):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        writer.write(line, at)
    except OSError as error:
        print(error.errno)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
writer.write(line, at)
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)

    assert len(ran.stdout.split()) == 2
    assert [each.body for each in capture.read(tmp_path)] == [b'["nurse"]', b'["nurse"]']


@pytest.mark.skipif(os.name != "posix", reason="this system has no SIGKILL")
def test_killed_writer_leaves_whole_lines_only(tmp_path: Path) -> None:
    script = f"""
from datetime import UTC, datetime
from pathlib import Path
from jobmajor.monitor.traffic.recorder import Bounds, Event, Recorder

at = datetime(2026, 11, 30, tzinfo=UTC)
writer = Recorder(Path({str(tmp_path)!r}), Bounds(total_bytes=2**30))
body = b'["%s"]' % (b"nurse " * 20_000)
print("began", flush=True)
while True:
    writer.write(Event(at, "application/json", body, "application/json", body).line(), at)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        while size(tmp_path) < 20_000_000:
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)

    found = list(capture.read(tmp_path))
    assert len(found) > 50
    assert {len(each.body) for each in found} == {120_004}


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_folder_that_is_none_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(InputError, match=r"--capture .*file.*: no folder to write to \(.*\): name another one"):
        recorder.prepare(tmp_path / name, "--capture")
