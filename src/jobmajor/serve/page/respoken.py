"""The OpenAPI document for another classification than SOC 2018: its levels, its codes as examples, and its name."""

from __future__ import annotations

import re
from typing import Any

from jobmajor import soc
from jobmajor.soc import chosen, classifications

_SOC_ENUM = [*soc.LEVELS, soc.ALL_LEVELS, soc.BEST_LEVEL]
_ONLY_SOC = "to", "ambiguous", "context"  # crosswalks and task statements
_CODE = re.compile(r"\b\d\d-\d{4}\b")
_INTRODUCTION = """Texts in, codes of {name} out.

Each text gets a list of codes, best first. `score` is a probability, 0 to 1. If `abstain` is true, a person should
review the answer: `reason` says why. `source` says where the answer comes from: `exact` is a code that the training
data lists for exactly this text, `model` is the model's prediction.

If the service requires keys, send `Authorization: Bearer KEY` or `X-API-Key: KEY`."""
_PHRASES = (
    ("Standard Occupational Classification (SOC) 2018", "{name}"),
    ("SOC 2018", "{name}"),
    ("SOC codes", "codes"),
    ("A level of SOC; for ISCO-08 the number of digits; empty", "A level; empty"),
    ("at all four, `best`", "at all, `best`"),
    ("An explanation has all four for both.", "An explanation has all for both."),
    ("its official title", "its name"),
    ("Its official title", "Its name"),
    ("how many of O*NET's sources list each, whether the SOC itself names the title so, and", "and"),
    (", or of `to`", ""),
    ("Similar titles from the package's starter data. They don't change any answer.", "Always empty."),
    ("Licensed Practical Nurse (LPN)", "A title"),
    ("licensed practical nurse", "a title"),
    ("Sr. NURSE (full time)", "A Title (of several words)"),
    ("senior nurse", "a title of several words"),
    ("charge rn", "a title"),
    ("RN, charge", "A title"),
    ("sw eng", "another title"),
)


def document(soc_document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with all that belongs to SOC 2018 replaced or left out."""
    found = {key: _part(value) for key, value in soc_document.items() if key != "components"}
    found["info"]["description"] = _INTRODUCTION.format(name=soc.current())
    return found | {"components": soc_document["components"]}


def _part(value: Any) -> Any:
    if isinstance(value, dict):
        return _object({key: each for key, each in value.items() if key not in _ONLY_SOC})
    if isinstance(value, list):
        if value == _SOC_ENUM:
            return [*chosen.now().levels, soc.ALL_LEVELS, soc.BEST_LEVEL]
        if value == list(classifications.NAMES):
            return []
        return [_part(each) for each in value if not (isinstance(each, dict) and each.get("name") in _ONLY_SOC)]
    return _text(value) if isinstance(value, str) else value


def _object(value: dict[str, Any]) -> dict[str, Any]:
    found = {key: _part(each) for key, each in value.items()}
    if _CODE.fullmatch(str(value.get("code", value.get("label", "")))) and "name" in value:
        found["name"] = soc.name(found["code"])
    if "codes" in value and isinstance(value["codes"], dict):  # of /version: how many there are at each level
        found["codes"] = {level: len(soc.codes(level)) for level in chosen.now().levels}
    if value.get("level") in soc.LEVELS and value["level"] not in chosen.now().levels:
        found["level"] = chosen.now().levels[-1]
    if isinstance(value.get("levels"), list) and value.get("name") == chosen.SOC_2018:
        found |= chosen.now().outline()
    return found


def _text(text: str) -> str:
    for phrase, other in _PHRASES:
        text = text.replace(phrase, other.format(name=soc.current()))
    return _CODE.sub(lambda found: _example(found[0]), text)


def _example(code: str) -> str:
    """Return a code of the classification at about the level of one of SOC 2018."""
    return soc.codes("major" if code.endswith("-0000") else "detailed")[0]
