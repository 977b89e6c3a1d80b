"""The workspace's buckets as S3 on loopback for the jobs of a run, with credentials that open nothing else."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sagelocal.loopback import endpoint
from sagelocal.loopback.account import Account
from sagelocal.loopback.s3 import S3
from sagelocal.storage import transfer
from sagelocal.storage.store import FolderStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sagelocal.storage.store import Store

_ACCOUNT: Final = "000000000000"
_REGION: Final = "us-east-1"


@contextmanager
def served(store: Store, staging: Path) -> Iterator[Mapping[str, str]]:
    """Serve the buckets during the block, and give the variables that lead a job's SDK there.

    Args:
        store: The store of the run; one that isn't made of folders is not served, so there are no variables.
        staging: A folder for uploads that aren't complete, on the store's file system; removed at the end.
    """
    if not isinstance(store, FolderStore):
        yield {}
        return
    key, listener = endpoint.new_key(), endpoint.listen()
    account = Account(_ACCOUNT, _REGION, keeps=False)
    try:
        with endpoint.serve(listener, key, {"s3": S3(store, staging)}, account):
            yield endpoint.variables(listener.getsockname()[1], key, _REGION, in_path=False)
    finally:
        transfer.remove(staging)
