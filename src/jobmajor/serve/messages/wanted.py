"""What a client may choose about its answers: level, top_k, exact; in the query, a header, or a JSON body.

SageMaker's InvokeEndpoint passes no query on, so the same names count in its header for custom attributes
(`level=detailed,top_k=3`) and in a JSON body's `parameters`; of several, the body's word counts most.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from jobmajor import soc
from jobmajor.serve.messages.refusal import Refusal, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobmajor.soc import Level

ALL = "all"
MOST = 100  # codes of one title at one level: all majors and minors, and more than anyone reads below
NAMES = ("level", "top_k", "exact")
HEADER = "x-amzn-sagemaker-custom-attributes"
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked about each title of a request.

    Attributes:
        levels: Of the codes, coarse to fine.
        top_k: Codes for each title and level, 1 to 100; more only where a listed title gives several the same share.
        exact: Whether a title that training lists is answered by what it is listed under.
    """

    levels: tuple[Level, ...] = ("major",)
    top_k: int = 5
    exact: bool = True

    def changed(self, given: Mapping[str, Any], where: str) -> Wanted:
        """This, with what a client gave in `where` (a few words for the sentence of a refusal).

        Raises:
            Refusal: 422 for an unknown name or a value out of range.
        """
        found: dict[str, Any] = {}
        for name, value in given.items():
            if name == "level":
                found["levels"] = _levels(value, where)
            elif name == "top_k":
                found["top_k"] = _count(value, where)
            elif name == "exact":
                found["exact"] = _boolean(value, where)
            else:
                raise Refusal(422, f"{where} has {shown(name)}: expected {', '.join(NAMES)}", field=where)
        return replace(self, **found)


def attributes(header: str) -> dict[str, str]:
    """Those of our names that stand in the header; it belongs to the client, so all else in it is let be."""
    pairs = (part.partition("=") for part in header.split(","))
    return {name.strip(): value.strip() for name, _, value in pairs if name.strip() in NAMES}


def _levels(value: object, where: str) -> tuple[Level, ...]:
    if value == ALL:
        return soc.LEVELS
    for level in soc.LEVELS:
        if value == level:
            return (level,)
    expected = ", ".join((*soc.LEVELS, ALL))
    raise Refusal(422, f"'level' in {where} is {_said(value)}: expected one of {expected}", field="level")


def _count(value: object, where: str) -> int:
    number = value
    if (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 4) or (
        isinstance(value, float) and value.is_integer()
    ):
        number = int(value)
    if type(number) is int and 1 <= number <= MOST:
        return number
    raise Refusal(422, f"'top_k' in {where} is {_said(value)}: expected a whole number from 1 to {MOST}", field="top_k")


def _boolean(value: object, where: str) -> bool:
    found = _BOOLEANS.get(value.lower()) if isinstance(value, str) else value
    if isinstance(found, bool):
        return found
    raise Refusal(422, f"'exact' in {where} is {_said(value)}: expected true or false", field="exact")


def _said(value: object) -> str:
    return shown(value) if isinstance(value, str) else f"a {kind(value)}"


def kind(value: object) -> str:
    """What JSON calls a value's type."""
    names = {bool: "boolean", dict: "object", float: "number", int: "number", list: "list", str: "text"}
    return "null" if value is None else names[type(value)]
