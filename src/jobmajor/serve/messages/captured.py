"""The titles of a captured request: its body, read as the service reads it."""

from __future__ import annotations

from jobmajor.serve.messages import media, parsing
from jobmajor.serve.messages.refusal import Refusal


def titles(body: bytes, kind: str) -> list[str]:
    """Return the titles of a request's body of a content type.

    Raises:
        ValueError: The service would refuse the body.

    >>> titles(b'{"instances": ["nurse"]}', "application/json")
    ['nurse']
    """
    try:
        return parsing.instances(body, media.of_request({"content-type": kind})).titles
    except Refusal as error:
        raise ValueError(str(error)) from error
