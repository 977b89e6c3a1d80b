"""Titles as somebody else would have typed them: in the plural, mistyped, abbreviated, the other way round.

Written for the benchmark alone, and by rules that look at nothing but the title: what a system does to its own
training titles must not decide how it is tested.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_HEAD_END = re.compile(r"(?i)\s+(?:of|for|to|in|with|and|or)\s+|[,(/]")
_WORD = re.compile(r"[A-Za-z]+")
_LONG_WORD = re.compile(r"[A-Za-z]{4,}")
_VOWELS = "aeiou"
# What people write on forms; a word of several abbreviations has the one that is met most.
_SHORT = {
    "accountant": "acct",
    "administrative": "admin",
    "administrator": "admin",
    "assistant": "asst",
    "associate": "assoc",
    "attendant": "attd",
    "coordinator": "coord",
    "department": "dept",
    "developer": "dev",
    "director": "dir",
    "engineer": "engr",
    "engineering": "eng",
    "equipment": "equip",
    "executive": "exec",
    "foreman": "frmn",
    "inspector": "insp",
    "laboratory": "lab",
    "machine": "mach",
    "maintenance": "maint",
    "management": "mgmt",
    "manager": "mgr",
    "manufacturing": "mfg",
    "mechanic": "mech",
    "mechanical": "mech",
    "medical": "med",
    "operator": "oper",
    "professional": "prof",
    "professor": "prof",
    "receptionist": "recept",
    "representative": "rep",
    "secretary": "secy",
    "senior": "sr",
    "service": "svc",
    "specialist": "spec",
    "superintendent": "supt",
    "supervisor": "supv",
    "technician": "tech",
    "technologist": "tech",
    "vice president": "vp",
}
_SHORT_WORDS = re.compile(rf"\b(?:{'|'.join(_SHORT)})\b", re.IGNORECASE)


def plural(title: str) -> str | None:
    """The title for several people: its head, the last word before any "of", "and", comma or parenthesis, in plural.

    >>> plural("Secretary of State"), plural("Policewoman"), plural("Sales")
    ('Secretaries of State', 'Policewomen', None)
    """
    end = found.start() if (found := _HEAD_END.search(title)) else len(title)
    head = title[:end].rstrip()
    rest = title[len(head) :]
    if not head or not head[-1].isalpha() or head[-1] in "sS":
        return None
    return _several(head) + rest


def _several(head: str) -> str:
    lower = head.lower()
    if lower.endswith(("man", "woman")) and not lower.endswith(("human", "german")):
        return head[:-2] + "en"
    if lower.endswith("y") and lower[-2:-1] not in _VOWELS:
        return head[:-1] + "ies"
    return head + ("es" if lower.endswith(("x", "z", "ch", "sh")) else "s")


def typo(title: str, seed: int = 0) -> str | None:
    """The title with one slip in a word of four letters or more: two unlike neighbours swapped or a letter dropped.

    Never the word's first letter, which people seldom miss. Where and which depends on title and seed alone.

    >>> typo("nurse") == typo("nurse"), typo("HR")
    (True, None)
    """
    places = [
        place
        for word in _LONG_WORD.finditer(title)
        for place in range(word.start() + 1, word.end() - 1)
        if title[place] != title[place + 1]
    ]
    if not places:
        return None
    draw = int.from_bytes(hashlib.sha256(f"{seed}:{title}".encode("utf-8", "surrogatepass")).digest()[:8])
    place, is_swap = places[(draw >> 1) % len(places)], draw & 1
    kept = title[place + 1] + title[place] if is_swap else title[place + 1]
    return title[:place] + kept + title[place + 2 :]


def abbreviation(title: str) -> str | None:
    """The title with its common words cut short.

    >>> abbreviation("Assistant Store Manager"), abbreviation("Nurse")
    ('asst Store mgr', None)
    """
    short, count = _SHORT_WORDS.subn(lambda word: _SHORT[word[0].lower()], title)
    return short if count else None


def inverted(title: str) -> str | None:
    """The title as an index would list it: the last word first.

    Only of two words or more that are nothing but words.

    >>> inverted("Registered Nurse"), inverted("Chief of Staff")
    ('Nurse, Registered', None)
    """
    words = title.split()
    if len(words) < 2 or _HEAD_END.search(title) or not all(_WORD.fullmatch(word) for word in words):
        return None
    return f"{words[-1]}, {' '.join(words[:-1])}"


REWRITES: Mapping[str, Callable[[str], str | None]] = {
    "plural": plural,
    "typo": typo,
    "abbreviation": abbreviation,
    "inverted": inverted,
}
