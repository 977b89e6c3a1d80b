"""What several people's decisions on one title come to: its label, whether they agree, and how well on the whole."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

OPEN, SECOND, DISPUTED, DONE = "open", "second opinion", "disputed", "done"
SHARE: Final = 0.1  # of the titles that are shown to a second person


class Decision(NamedTuple):
    """What a person said of a title, or took back.

    Attributes:
        number: Its place in the order of all decisions.
        code: The code, or `NOT_A_JOB`; None where an earlier decision is taken back.
        reviewer: Who decided.
        is_second: Whether the person was asked for a second opinion, and saw no first one.
        undoes: The number of the decision that is taken back.
    """

    number: int
    code: str | None
    reviewer: str
    is_second: bool = False
    undoes: int | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What the decisions on a title come to.

    Attributes:
        state: `OPEN`, `SECOND` (decided, and waiting for a second person), `DISPUTED` or `DONE`.
        code: The label; None where there is none, as long as two people disagree.
        reviewer: Who gave the latest opinion that is not a second one; empty without any.
        pairs: The first and the second opinion, for each second one.
    """

    state: str
    code: str | None
    reviewer: str
    pairs: tuple[tuple[str, str], ...] = ()


def settle(decisions: Sequence[Decision], *, wants_second: bool) -> Settled:
    """Return what decisions on a title, in their order, come to.

    A second opinion that differs from the label makes the title disputed, until somebody decides who knows of both.

    >>> first, other = Decision(1, "29-1141", "ann"), Decision(2, "29-1171", "bob", is_second=True)
    >>> settle([first, other], wants_second=True).state
    'disputed'
    >>> settle([first, other, Decision(3, "29-1171", "cy")], wants_second=True).code
    '29-1171'
    """
    undone = {each.undoes for each in decisions if each.undoes is not None}
    code, reviewer, is_disputed = None, "", False
    pairs: list[tuple[str, str]] = []
    for each in decisions:
        if each.code is None or each.number in undone:
            continue
        if each.is_second and code is not None:
            pairs.append((code, each.code))
            is_disputed = each.code != code
        else:
            code, reviewer, is_disputed = each.code, each.reviewer, False
    if code is None:
        return Settled(OPEN, None, "")
    if is_disputed:
        return Settled(DISPUTED, None, reviewer, tuple(pairs))
    return Settled(SECOND if wants_second and not pairs else DONE, code, reviewer, tuple(pairs))


def wants_second(family: str, share: float = SHARE) -> bool:
    """Return whether a title's family is in the sample that two people see: always the same answer for a family."""
    digest = hashlib.sha256(f"second opinion:{family}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8]) < share * 2**64


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far first and second opinions agree.

    Attributes:
        titles: How many titles have both.
        share: The share of them with equal codes; None without any.
        kappa: Cohen's kappa, 1 for full agreement and 0 for that of chance; None where chance alone agrees always.
    """

    titles: int
    share: float | None
    kappa: float | None


def agreement(pairs: Sequence[tuple[str, str]]) -> Agreement:
    """Return how far pairs of codes agree.

    Source: Cohen, J. (1960), A coefficient of agreement for nominal scales, Educ. Psychol. Meas. 20(1), 37-46.

    >>> agreement([("a", "a"), ("b", "b"), ("a", "b"), ("b", "a")])
    Agreement(titles=4, share=0.5, kappa=0.0)
    """
    if not pairs:
        return Agreement(0, None, None)
    total = len(pairs)
    share = sum(first == second for first, second in pairs) / total
    firsts, seconds = Counter(first for first, _ in pairs), Counter(second for _, second in pairs)
    chance = sum(count * seconds[code] for code, count in firsts.items()) / total**2
    return Agreement(total, share, None if chance == 1 else (share - chance) / (1 - chance))
