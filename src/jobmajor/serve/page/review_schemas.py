"""The part of the OpenAPI document that is about a review: own titles in a body, and the routes of `reviewing`."""

from __future__ import annotations

from typing import Any

from jobmajor import soc
from jobmajor.model.rules.overrides import NOT_A_JOB
from jobmajor.serve.messages.media import JSON
from jobmajor.serve.page.schemas import ALWAYS, REFUSALS, refusal

TITLE = {"type": "string", "pattern": "^[A-Za-z]{1,100}$", "description": "A title with a letter or a digit."}
BODY_REFUSALS = {status: each for status, each in REFUSALS.items() if status != "406"}
CODE = {"$ref": "#/components/schemas/Code"}


def components() -> dict[str, Any]:
    """Return the schemas that others refer to: the codes of the classification in use."""
    description = f"A code of {soc.current()} of any level, or {NOT_A_JOB!r}."
    return {"schemas": {"Code": {"type": "string", "enum": [*soc.table(), NOT_A_JOB], "description": description}}}


def answer(schema: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    """Return a response that succeeds, with the schema of its properties and its example."""
    schema = {"type": "object", "required": list(example), "properties": schema}
    return {"description": "Successful Response", "content": {JSON: {"schema": schema, "example": example}}}


def _body(properties: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "required": list(properties), "additionalProperties": False, "properties": properties}
    return {"required": True, "content": {JSON: {"schema": schema, "example": example}}}


NORMALISE = {
    "tags": ["review"],
    "summary": "Normalise",
    "description": "Return the titles as the model reads them. Titles with one text always get one answer, so a person "
    "needs to see only one of them.",
    "operationId": "normalise_normalise_post",
    "responses": {
        "200": answer({"texts": {"type": "array", "items": {"type": "string"}}}, {"texts": ["senior nurse"]}),
        **BODY_REFUSALS,
    },
    "requestBody": _body(
        {"titles": {"type": "array", "items": {"type": ["string", "null"]}}}, {"titles": ["Sr. NURSE (full time)"]}
    ),
}
CODES = {
    "tags": ["review"],
    "summary": "Codes",
    "description": "Search the classification: codes that begin with the search, or whose name has words that begin "
    "with its words.",
    "operationId": "codes_codes_get",
    "responses": {
        "200": answer(
            {"codes": {"type": "array", "items": {"type": "object", "required": ["code", "name", "level"]}}},
            {"codes": [{"code": "29-1141", "name": "Registered Nurses", "level": "detailed"}]},
        ),
        "422": refusal("No words to search for", "the query has something else: expected 'search' …", "the query"),
        **ALWAYS,
    },
    "parameters": [
        {
            "name": "search",
            "in": "query",
            "required": True,
            "schema": {"type": "string", "pattern": "^[A-Za-z0-9 -]*[A-Za-z0-9][A-Za-z0-9 -]*$", "maxLength": 200},
            "description": "Words of a name, which may be cut short, or the beginning of a code.",
        }
    ],
}
CLASSIFICATION = {
    "tags": ["review"],
    "summary": "Classification",
    "description": "Return the classification of the codes: its name, its levels from coarse to fine, and all its "
    "codes, each with its name, its level and the group of the coarsest level that holds it.",
    "operationId": "classification_classification_get",
    "responses": {
        "200": answer(
            {
                "name": {"type": "string"},
                "texts": {"type": "string", "enum": ["job titles", "plain"]},
                "levels": {"type": "array", "items": {"type": "object", "required": ["level", "name"]}},
                "codes": {"type": "array", "items": {"type": "object", "required": ["code", "name", "level", "group"]}},
            },
            {
                "name": "SOC 2018",
                "texts": "job titles",
                "levels": [{"level": "major", "name": "major group"}, {"level": "minor", "name": "minor group"}],
                "codes": [
                    {"code": "29-1141", "name": "Registered Nurses", "level": "detailed", "group": "29-0000"},
                ],
            },
        ),
        "422": refusal("A query", "the query has something: expected none", "the query"),
        **ALWAYS,
    },
}
REVIEWS = {
    "tags": ["review"],
    "summary": "Keep a choice",
    "description": "Give a title a code that replaces the model's answer from now on, for everyone. `code` is null "
    "where a choice is taken back. Only if the service was started with `--reviews FILE`; where keys are set, only "
    "with a key that is marked `review`.",
    "operationId": "reviews_reviews_post",
    "responses": {
        "200": answer({"code": {}, "before": {}}, {"code": "29-1141", "before": None}),
        **BODY_REFUSALS,
        "403": refusal("Not kept here, or not for you", "this service keeps no choices: …", ""),
    },
    "requestBody": _body(
        {"title": TITLE, "code": {"anyOf": [CODE, {"type": "null"}]}}, {"title": "charge rn", "code": "29-1141"}
    ),
}
