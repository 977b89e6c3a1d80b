"""A check that breaks is a finding of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobmajor.doctor import finding
from jobmajor.doctor.finding import Finding
from jobmajor.errors import InputError, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize(
    ("error", "status", "found"),
    [
        (MissingExtra("jobmajor run", "train"), finding.UNKNOWN, "needs the extra 'train'"),
        (ModuleNotFoundError("no", name="surely_not_there"), finding.FAILED, "surely_not_there is not installed"),
        (ModuleNotFoundError("no", name="boto3.session"), finding.UNKNOWN, "boto3 is not installed"),
        (InputError("one line"), finding.FAILED, "one line"),
        (PermissionError(13, "Permission denied", "home"), finding.FAILED, "home: Permission denied"),
        (RuntimeError("a\nb"), finding.FAILED, "this check ended with RuntimeError: a"),
    ],
    ids=repr,
)
def test_broken_check_ends_with_a_finding_and_keeps_the_earlier_ones(error: Exception, status: str, found: str) -> None:
    def look() -> Iterator[Finding]:
        yield Finding("first", finding.OK, "fine")
        raise error

    first, last = finding.guarded("all", look)

    assert first == Finding("first", finding.OK, "fine")
    assert (last.what, last.status, last.found) == ("all", status, found)
    assert last.cure or isinstance(error, InputError)  # whose line says what to do
