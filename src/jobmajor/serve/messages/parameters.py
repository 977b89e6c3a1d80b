"""The parameters of a request: level, top_k, exact and to, from the query, a header or a JSON body.

SageMaker's InvokeEndpoint passes no query on. So the same names are also read from its header for custom attributes
(`level=detailed,top_k=3`) and from a JSON body's `parameters`. The body overrides the query, and the query the header.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from jobmajor import soc
from jobmajor.errors import InputError
from jobmajor.serve.messages.refusal import Refusal, shown
from jobmajor.soc import chosen, classifications

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobmajor.soc import Level
    from jobmajor.soc.classifications import Classification

MAX_TOP_K = 100  # codes of one title at one level: all major and minor ones, and more than anyone reads below
NAMES = ("level", "top_k", "exact", "to")
ATTRIBUTES_HEADER = "x-amzn-sagemaker-custom-attributes"
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


@dataclass(frozen=True, slots=True)
class RequestParameters:
    """What a request asks for about each of its titles.

    Attributes:
        levels: Levels of the codes, coarse to fine.
        is_best: Whether each title is answered at one of them only, the deepest that is sure.
        top_k: Codes for each title and level, 1 to 100; more only where a listed title gives several the same share.
        exact: Whether a title that training lists gets the codes that it is listed under.
        to: The classification of the codes: soc-2018, soc-2010 or isco-08.
    """

    levels: tuple[Level, ...] = ("major",)
    top_k: int = 5
    exact: bool = True
    to: str = classifications.SOC_2018
    is_best: bool = False

    @property
    def target(self) -> Classification | None:
        """The classification, None for SOC 2018."""
        return classifications.parse(self.to)

    @property
    def level_names(self) -> tuple[str, ...]:
        """What the classification calls the levels; a single empty text where each title has its own."""
        if self.is_best:
            return ("",)
        return tuple(map(self.target.level_name, self.levels)) if self.target else self.levels

    @property
    def prefixes(self) -> tuple[str, ...]:
        """The prefix of each level in the names of columns."""
        return tuple(map(self.target.prefix, self.levels)) if self.target else self.levels

    def updated(self, given: Mapping[str, Any], where: str) -> RequestParameters:
        """Return these with the values that a client gave; `where` says for a refusal where it gave them.

        Raises:
            Refusal: 422 for an unknown name or a value out of range.
        """
        if not given:
            return self
        found: dict[str, Any] = {}
        to = _classification(given["to"], where) if "to" in given else self.to
        for name, value in given.items():
            if name == "level":
                found["levels"], found["is_best"] = _levels(value, where, to), value == soc.BEST_LEVEL
            elif name == "to":
                found["to"] = to
            elif name == "top_k":
                found["top_k"] = _count(value, where)
            elif name == "exact":
                found["exact"] = _boolean(value, where)
            else:
                raise Refusal(422, f"{where} has {shown(name)}: expected {', '.join(NAMES)}", field=where)
        return replace(self, **found)


def of_request(defaults: RequestParameters, headers: Mapping[str, str], query: Mapping[str, str]) -> RequestParameters:
    """Return the defaults with what a request's header and query say.

    Raises:
        Refusal: 422 as `RequestParameters.updated`.
    """
    found = defaults.updated(attributes(headers.get(ATTRIBUTES_HEADER, "")), "the header for custom attributes")
    return found.updated(query, "the query")


def attributes(header: str) -> dict[str, str]:
    """Return our parameters from the header. It belongs to the client, so any other name in it is ignored."""
    if not header:
        return {}
    pairs = (part.partition("=") for part in header.split(","))
    return {name.strip(): value.strip() for name, _, value in pairs if name.strip() in NAMES}


def _classification(value: object, where: str) -> str:
    if not chosen.now().is_soc:
        sentence = f"'to' in {where}: the codes here are those of {soc.current()}, and no crosswalk leads from them"
        raise Refusal(422, f"{sentence}: leave it out", field="to")
    if isinstance(value, str) and value in classifications.NAMES:
        return value
    expected = f"expected one of {', '.join(classifications.NAMES)}"
    raise Refusal(422, f"'to' in {where} is {_described(value)}: {expected}", field="to")


def _levels(value: object, where: str, to: str) -> tuple[Level, ...]:
    target = classifications.parse(to)
    if isinstance(value, str):
        with suppress(InputError):
            return target.parse_levels(value) if target else soc.parse_levels(value)
    also = soc.ALL_LEVELS, soc.BEST_LEVEL
    expected = ", ".join((*target.level_names, *also)) if target else soc.level_words(*also)
    raise Refusal(422, f"'level' in {where} is {_described(value)}: expected one of {expected}", field="level")


def _count(value: object, where: str) -> int:
    number = value
    if (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 4) or (
        isinstance(value, float) and value.is_integer()
    ):
        number = int(value)
    if type(number) is int and 1 <= number <= MAX_TOP_K:
        return number
    expected = f"expected a whole number from 1 to {MAX_TOP_K}"
    raise Refusal(422, f"'top_k' in {where} is {_described(value)}: {expected}", field="top_k")


def _boolean(value: object, where: str) -> bool:
    found = _BOOLEANS.get(value.lower()) if isinstance(value, str) else value
    if isinstance(found, bool):
        return found
    raise Refusal(422, f"'exact' in {where} is {_described(value)}: expected true or false", field="exact")


def _described(value: object) -> str:
    return shown(value) if isinstance(value, str) else f"a {kind(value)}"


def kind(value: object) -> str:
    """Return what JSON calls a value's type."""
    names = {bool: "boolean", dict: "object", float: "number", int: "number", list: "list", str: "text"}
    return "null" if value is None else names[type(value)]
