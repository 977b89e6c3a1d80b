"""S3 on loopback, and the two kinds of store for what both promise."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from sagelocal.storage import object_store
from sagelocal.storage.store import FolderStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sagelocal.storage.object_store import S3Store
    from sagelocal.storage.store import Backend


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """moto's server on a free port of loopback, with one bucket `bkt`."""
    pytest.importorskip("boto3", reason="S3 needs the extra `aws`")
    moto_server = pytest.importorskip("moto.server", reason="needs moto's server")
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials or settings of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def client(url: str, nobody: None) -> Any:
    """A client of a server with one empty bucket."""
    boto3 = pytest.importorskip("boto3", reason="S3 needs the extra `aws`")
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
    client.create_bucket(Bucket="bkt")
    for item in client.list_objects_v2(Bucket="bkt").get("Contents", ()):
        client.delete_object(Bucket="bkt", Key=item["Key"])
    return client


@pytest.fixture
def s3(client: Any, url: str) -> S3Store:
    pytest.importorskip("boto3", reason="S3 needs the extra `aws`")
    return object_store.connect(url, "us-east-1")


@pytest.fixture(params=["folders", "S3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """Each of the two, for what both promise."""
    if request.param == "folders":
        return FolderStore(tmp_path / "s3")
    found: S3Store = request.getfixturevalue("s3")
    return found
