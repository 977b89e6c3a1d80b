"""The refusal of a request: a status, one sentence, and the field that the sentence is about."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Refusal(Exception):
    """A request that is refused; `field` is the part of it that the sentence is about, empty for the whole request.

    The sentence never contains a title that the client sent: a title may be private, or no text that can be encoded.
    """

    def __init__(
        self, status: int, sentence: str, *, field: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        self.status, self.sentence, self.field, self.headers = status, sentence, field, dict(headers or {})
        super().__init__(sentence)

    def to_bytes(self) -> bytes:
        """Return the response's JSON body."""
        return json.dumps({"detail": self.sentence, "field": self.field}).encode()


def shown(text: str) -> str:
    """Return a client's word in short ASCII, to quote it in a sentence. For names and media types, never for titles."""
    return ascii(text if len(text) <= 60 else text[:59] + "…")
