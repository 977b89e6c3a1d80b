"""The client's own titles with their codes in a JSON body: `"overrides": {"charge rn": "29-1141"}`.

They count for this request only. The page codes a file again with them, and the service stores nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobmajor import soc
from jobmajor.model.rules.overrides import NOT_A_JOB, Overrides
from jobmajor.serve.messages.parameters import kind
from jobmajor.serve.messages.refusal import Refusal
from jobmajor.tables.packed import LONGEST
from jobmajor.titles import normalise

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "overrides"


def of_body(body: Mapping[str, Any]) -> Overrides | None:
    """Return what a body says of its own titles; None if it says nothing.

    Raises:
        Refusal: 422 for a title without a letter or digit, or an unknown code.
    """
    given = body.get(NAME)
    if given is None:
        return None
    if not isinstance(given, dict):
        raise Refusal(422, f"{NAME!r} is a {kind(given)}: expected an object of titles with codes", field=NAME)
    found: dict[str, dict[str, float]] = {}
    for number, (title, code) in enumerate(given.items(), 1):
        where = f"title {number} of {NAME!r}"
        found[text(title, where, NAME)] = {} if checked(code, where, NAME) == NOT_A_JOB else {code: 1.0}
    return Overrides(found) if found else None


def text(title: str, where: str, field: str) -> str:
    """Return a title as it is looked up; `where` names it in a refusal.

    Raises:
        Refusal: 422 for one without a letter or digit, or that is too long.
    """
    found = normalise(title) if len(title) <= LONGEST else ""
    if not found:
        expected = f"expected one with a letter or digit and at most {LONGEST:,} characters"
        raise Refusal(422, f"{where} can't have a code: {expected}", field=field)
    return found


def checked(code: Any, where: str, field: str) -> str:
    """Return a code of any level, or `NOT_A_JOB`, if it is one.

    Raises:
        Refusal: 422 for anything else.
    """
    if code == NOT_A_JOB or (isinstance(code, str) and code in soc.table()):
        return str(code)
    expected = f"a code of {soc.current()} such as {soc.example().partition(' or ')[0]}, or {NOT_A_JOB!r}"
    raise Refusal(422, f"{where} has another code: expected {expected}", field=field)
