"""What a client is told when its request can't be answered: a status, one sentence, and the field that it is about."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Refusal(Exception):
    """A request that is not answered; `field` is the part of it that the sentence is about, empty for the whole.

    The sentence never holds what the client sent as a title: it is logged, and may be no text that can be encoded.
    """

    def __init__(
        self, status: int, sentence: str, *, field: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        self.status, self.sentence, self.field, self.headers = status, sentence, field, dict(headers or {})
        super().__init__(sentence)

    def to_bytes(self) -> bytes:
        """The JSON body."""
        return json.dumps({"detail": self.sentence, "field": self.field}).encode()


def shown(text: str) -> str:
    """A client's word, short and printable, for a sentence about it; only for names and media types, never titles."""
    return ascii(text if len(text) <= 60 else text[:59] + "…")
