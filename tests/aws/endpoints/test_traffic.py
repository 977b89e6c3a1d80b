"""Downloading captured traffic: what comes, what is left, and what is refused."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING

import pytest

from jobmajor.aws.api.errors import AwsInputError
from jobmajor.aws.endpoints import traffic
from jobmajor.monitor.traffic import capture
from jobmajor.monitor.traffic.capture import Period

if TYPE_CHECKING:
    from pathlib import Path

    from jobmajor.aws.api.account import Account
    from jobmajor.aws.names import Names

HOURS = ("2026/11/01/09", "2026/11/29/23", "2026/11/30/00")


def line(hour: str) -> bytes:
    """A line as SageMaker's data capture writes it."""
    sent = {"observedContentType": "application/json", "mode": "INPUT", "data": f'["{hour}"]', "encoding": "JSON"}
    about = {"eventId": hour, "inferenceTime": f"{hour[:10].replace('/', '-')}T{hour[-2:]}:30:00Z"}
    return json.dumps({"captureData": {"endpointInput": sent}, "eventMetadata": about, "eventVersion": "0"}).encode()


@pytest.fixture
def captured(account: Account, names: Names) -> Account:
    """An account with traffic of three hours on two days, and of staging."""
    account.change("s3", "CreateBucket", Bucket=names.bucket)
    for stage in ("production", "staging"):
        start = traffic.folder(names, stage).removeprefix(f"s3://{names.bucket}/")
        endpoint = start.rpartition("/")[2]
        for hour in HOURS[: 3 if stage == "production" else 1]:
            key = f"{start}/{endpoint}/champion/{hour}/00-1.jsonl"
            account.change("s3", "PutObject", Bucket=names.bucket, Key=key, Body=line(hour) + b"\n")
    for name in ("../../up.jsonl", "notes.txt", "folder/"):
        key = f"{names.key('capture', names.endpoint)}/{name}"
        account.change("s3", "PutObject", Bucket=names.bucket, Key=key, Body=b"x")
    return account


def test_traffic_of_a_period_comes_into_a_folder_that_monitor_reads(
    captured: Account, names: Names, tmp_path: Path
) -> None:
    days = Period(date(2026, 11, 30), date(2026, 11, 30))

    found = traffic.download(captured, names, "production", tmp_path / "captures", days)

    read = [each.event for each in capture.read(tmp_path / "captures", days)]
    assert (found.files, found.here, found.endpoint) == (2, 0, names.endpoint)
    assert read == [HOURS[2]]
    assert not (tmp_path.parent / "up.jsonl").exists()


def test_interrupted_download_fetches_what_is_missing_or_short(captured: Account, names: Names, tmp_path: Path) -> None:
    traffic.download(captured, names, "production", tmp_path)
    files = capture.files(tmp_path)
    files[0].unlink()
    files[1].write_bytes(b"{")

    again = traffic.download(captured, names, "production", tmp_path)

    assert (again.files, again.here) == (3, 1)
    assert [each.event for each in capture.read(tmp_path)] == list(HOURS)
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".staging")]


def test_staging_has_traffic_of_its_own(captured: Account, names: Names, tmp_path: Path) -> None:
    assert traffic.download(captured, names, "staging", tmp_path).files == 1


def test_period_without_traffic_is_refused_with_the_reason(captured: Account, names: Names, tmp_path: Path) -> None:
    with pytest.raises(AwsInputError, match="no captured traffic of the period: real-time endpoints capture"):
        traffic.download(captured, names, "production", tmp_path, Period(date(2027, 1, 1), None))


def test_folder_that_is_a_file_is_refused(captured: Account, names: Names, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(AwsInputError, match="can't be written"):
        traffic.download(captured, names, "production", tmp_path / "file")
