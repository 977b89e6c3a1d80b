"""The part of the OpenAPI document that is about the queue: the routes of `queueing`."""

from __future__ import annotations

from typing import Any

from jobmajor.serve.messages.media import JSON
from jobmajor.serve.page.review_schemas import BODY_REFUSALS, CODE, TITLE, answer
from jobmajor.serve.page.schemas import ALWAYS, refusal

_REVIEWER = {
    "type": "string",
    "pattern": "^[A-Za-z]{1,64}$",
    "description": "Who reviews: needed without keys. Where keys are set, it is the key's name: leave it out.",
}
_SCREEN = {
    "type": "string",
    "pattern": "^[A-Za-z0-9]{1,64}$",
    "description": "Any text of yours that tells several screens of one reviewer apart: each gets other titles.",
}
_NOT_HERE = refusal("No queue here, or not for you", "this service has no queue: start it with --queue", "")
_RULES = "Only if the service was started with `--queue`; where keys are set, only with a key that is marked `review`."
_CODED = {"label": "29-1141", "code": "29-1141", "name": "Registered Nurses", "score": 0.41}
_WAITING: dict[str, Any] = {
    "title": "charge rn",
    "rows": 12.0,
    "reason": "unsure",
    "value": 4.1,
    "candidates": [_CODED],
    "spellings": ["RN, charge"],
    "said": [],
}
_WAITING_SCHEMA = {
    "anyOf": [{"type": "object", "required": list(_WAITING)}, {"type": "null"}],
    "description": "A title, the rows that have it, why it is asked (why the model abstains, or `moved`), the expected "
    "value of a label, the model's best codes, and other spellings that a decision is about as well. Where two people "
    "disagree, `said` has who said what. null if no title waits for this reviewer.",
}
_STATES = {
    "open": {"titles": 120, "rows": 1830.0},
    "second opinion": {"titles": 4, "rows": 51.0},
    "disputed": {"titles": 1, "rows": 9.0},
    "done": {"titles": 40, "rows": 903.0},
}
_AGREEMENT = {
    "code": {"titles": 10, "share": 0.9, "kappa": 0.88},
    "major": {"titles": 10, "share": 1.0, "kappa": 1.0},
}


def _change(name: str, summary: str, description: str, answered: tuple[dict[str, Any], dict[str, Any]]) -> Any:
    properties: dict[str, Any] = {"reviewer": _REVIEWER, "screen": _SCREEN}
    example: dict[str, Any] = {"reviewer": "ann", "screen": "1f2e"}
    if name != "take":
        properties["title"], example["title"] = TITLE, "charge rn"
    if name == "decide":
        properties["code"], example["code"] = CODE, "29-1141"
    needed = [each for each in example if each not in ("reviewer", "screen")]
    schema = {"type": "object", "required": needed, "additionalProperties": False, "properties": properties}
    return {
        "tags": ["queue"],
        "summary": summary,
        "description": f"{description} {_RULES}",
        "operationId": f"queue_{name}_post",
        "responses": {"200": answer(*answered), **BODY_REFUSALS, "403": _NOT_HERE},
        "requestBody": {"required": True, "content": {JSON: {"schema": schema, "example": example}}},
    }


_LENT = ({"waiting": _WAITING_SCHEMA}, {"waiting": _WAITING})
PATHS: dict[str, Any] = {
    "/queue": {
        "get": {
            "tags": ["queue"],
            "summary": "Progress of the queue",
            "description": "Return the titles and rows of the queue by state, and how far first and second opinions "
            f"agree. `reviewer` is the key's name, empty without keys. {_RULES}",
            "operationId": "queue_get",
            "responses": {
                "200": answer(
                    {"reviewer": {"type": "string"}, "states": {"type": "object"}, "agreement": {"type": "object"}},
                    {"reviewer": "", "states": _STATES, "agreement": _AGREEMENT},
                ),
                "403": _NOT_HERE,
                **ALWAYS,
            },
        }
    },
    "/queue/take": {
        "post": _change(
            "take",
            "Take a title",
            "Lend the title that is worth most to a reviewer for 15 minutes: nobody else gets it meanwhile. A title "
            "that this screen has already comes first.",
            _LENT,
        )
    },
    "/queue/decide": {
        "post": _change(
            "decide",
            "Decide on a title",
            "Give a title of the queue a code. The same decision again changes nothing, and `new` is false.",
            ({"new": {"type": "boolean"}}, {"new": True}),
        )
    },
    "/queue/skip": {
        "post": _change(
            "skip",
            "Skip a title",
            "Give a title back undecided. This reviewer does not get it again on this day.",
            ({"skipped": {"type": "boolean"}}, {"skipped": True}),
        )
    },
    "/queue/undo": {
        "post": _change(
            "undo",
            "Take a decision back",
            "Take the reviewer's latest decision on a title back, and lend the title again. `waiting` is null if there "
            "was no decision.",
            _LENT,
        )
    },
}
