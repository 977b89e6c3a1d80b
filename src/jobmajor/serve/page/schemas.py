"""The schemas and examples of the OpenAPI document: bodies, query parameters, answers and refusals."""

from __future__ import annotations

from typing import Any

from jobmajor import soc
from jobmajor.model.coder import REASONS
from jobmajor.serve.messages.media import CSV, JSON, LINES
from jobmajor.serve.messages.parameters import ATTRIBUTES_HEADER, MAX_TOP_K
from jobmajor.serve.messages.rendering import SCHEMA
from jobmajor.soc import classifications

DIGEST = "9f2c" * 16
_ITEM = {
    "label": "29-0000",
    "code": "29-0000",
    "name": "Healthcare Practitioners and Technical Occupations",
    "score": 0.993,
    "confidence": 0.979,
    "level": "major",
    "abstain": False,
    "reason": "",
    "source": "model",
}
_ITEM_SCHEMA = {
    "type": "object",
    "required": list(_ITEM),
    "properties": {
        "label": {"type": "string", "description": "A code of SOC 2018, or of `to`; empty if the title gets none."},
        "code": {"type": "string", "description": "The same as `label`."},
        "name": {"type": "string", "description": "Its official title."},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "confidence": {
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "description": "How often the best answer is right on titles that people write, if it has this score.",
        },
        "level": {
            "type": "string",
            "description": "A level of SOC; for ISCO-08 the number of digits; empty if none is sure.",
        },
        "abstain": {"type": "boolean", "description": "Whether a person should review this level's answer."},
        "reason": {"type": "string", "enum": list(REASONS)},
        "source": {"type": "string", "enum": ["override", "exact", "official", "class", "model"]},
        "ambiguous": {
            "type": "boolean",
            "description": "Only with `to`: whether the title's best occupation of SOC 2018 has several codes there.",
        },
    },
}
_ITEMS_SCHEMA = {"type": "array", "items": _ITEM_SCHEMA}
_TITLE_SCHEMA = {
    "anyOf": [
        {"type": ["string", "null"], "description": "A title. null counts as an empty one."},
        {
            "type": "object",
            "required": ["title"],
            "properties": {
                "title": {"type": ["string", "null"]},
                "context": {
                    "type": ["string", "null"],
                    "description": "A second text, such as duties or a department. Needs a model that learned from "
                    "O*NET's task statements. In CSV, a column `context`.",
                },
            },
        },
    ]
}
_SCHEMA_SCHEMA = {
    "const": SCHEMA,
    "description": "The version of the fields, which changes when one is renamed or removed.",
}
_ANSWER_SCHEMA = {
    "type": "object",
    "required": ["predictions", "model", "schema"],
    "properties": {
        "predictions": {"type": "array", "items": _ITEMS_SCHEMA, "description": "One list for each title, in order."},
        "model": {"type": "string", "description": "The digest of the model. One model answers the whole request."},
        "schema": _SCHEMA_SCHEMA,
    },
}
_TO_SCHEMA = {"type": "string", "enum": list(classifications.NAMES)}
_PARAMETERS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "level": {"type": "string", "enum": [*soc.LEVELS, soc.ALL_LEVELS, soc.BEST_LEVEL]},
        "top_k": {"type": "integer", "minimum": 1, "maximum": MAX_TOP_K},
        "exact": {"type": "boolean"},
    },
}
_ANSWER_PARAMETERS_SCHEMA = {
    **_PARAMETERS_SCHEMA,
    "properties": {**_PARAMETERS_SCHEMA["properties"], "to": _TO_SCHEMA},
}
_TITLES_SCHEMA = {"type": "array", "items": _TITLE_SCHEMA}
_OVERRIDES_SCHEMA = {
    "type": "object",
    "propertyNames": {"pattern": "^[A-Za-z]{1,100}$"},
    "additionalProperties": {"$ref": "#/components/schemas/Code"},
    "description": "Your titles with their codes, which replace the model's answers in this request.",
}


def _object(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [name],
        "additionalProperties": False,
        "properties": {name: schema, "parameters": _ANSWER_PARAMETERS_SCHEMA, "overrides": _OVERRIDES_SCHEMA},
    }


_TITLE_OBJECT_SCHEMA: Any = _TITLE_SCHEMA["anyOf"][1]
_SPLIT_SCHEMA = {
    "type": "object",
    "required": ["columns", "data"],
    "additionalProperties": False,
    "description": "MLflow's. Other columns may stand beside `title` and `context`.",
    "properties": {
        "columns": {"type": "array", "items": {"const": "title"}, "minItems": 1, "maxItems": 1},
        "data": {
            "type": "array",
            "items": {"type": "array", "items": {"type": ["string", "null"]}, "minItems": 1, "maxItems": 1},
        },
        "index": {"type": "array"},
    },
}
_BODY_SCHEMA = {
    "anyOf": [
        _object("instances", _TITLES_SCHEMA),
        _object("inputs", {"anyOf": [{"type": "string"}, _TITLE_OBJECT_SCHEMA, _TITLES_SCHEMA]}),
        _object("dataframe_split", _SPLIT_SCHEMA),
        _object("dataframe_records", {"type": "array", "items": _TITLE_OBJECT_SCHEMA}),
        _TITLES_SCHEMA,
        {
            **_TITLE_OBJECT_SCHEMA,
            "properties": {**_TITLE_OBJECT_SCHEMA["properties"], "parameters": _ANSWER_PARAMETERS_SCHEMA},
        },
    ],
}
TITLES_BODY = {
    "required": True,
    "content": {
        JSON: {
            "schema": _BODY_SCHEMA,
            "example": {"instances": ["licensed practical nurse", "sw eng"], "parameters": {"top_k": 1}},
        },
        LINES: {
            "schema": {"type": "string"},
            "example": '{"title": "licensed practical nurse"}\n{"title": "sw eng"}\n',
        },
        CSV: {"schema": {"type": "string"}, "example": "title\nlicensed practical nurse\nsw eng\n"},
    },
}
_REFUSAL_SCHEMA = {
    "type": "object",
    "required": ["detail", "field"],
    "properties": {
        "detail": {"type": "string", "description": "One sentence: what was found, what was expected."},
        "field": {"type": "string", "description": "What it is about; empty for the request as a whole."},
    },
}


def refusal(text: str, detail: str, field: str) -> dict[str, Any]:
    """Return a response that refuses a request, with its example."""
    content = {"schema": _REFUSAL_SCHEMA, "example": {"detail": detail, "field": field}}
    return {"description": text, "content": {JSON: content}}


UNKNOWN_KEY = refusal("No key, or an unknown one", "the request's key is unknown: ask for a new one", "Authorization")
_BUSY = refusal("Busy. Retry-After says when to try again", "the service is busy: try again in a second", "")
_TOO_MANY = refusal(
    "The key has too many requests open", "this key has too many requests open: wait for their answers", ""
)
ALWAYS = {"401": UNKNOWN_KEY, "429": _TOO_MANY, "503": _BUSY}
REFUSALS = {
    "400": refusal("The body was cut off", "the body ended before its announced end: send it again", "body"),
    "406": refusal(
        "None of the supported formats", f"Accept is 'text/html': expected {JSON}, {LINES} or {CSV}", "Accept"
    ),
    "408": refusal("Too slow", "the body did not come within 60 s, or stopped for 10 s: send it again", "body"),
    "413": refusal("Too large", "the body is larger than 6,291,456 bytes: split it", "Content-Length"),
    "415": refusal(
        "Unsupported format", f"Content-Type is 'text/plain': expected {JSON}, {LINES} or {CSV}", "Content-Type"
    ),
    "422": refusal("Invalid body or parameter", "instances[3] is a number: expected text", "instances[3]"),
    **ALWAYS,
}


def option(name: str, schema: dict[str, Any], text: str) -> dict[str, Any]:
    """Return an optional query parameter."""
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": text}


OPTIONS = [
    option(
        "level",
        {"type": "string", "enum": [*soc.LEVELS, soc.ALL_LEVELS, soc.BEST_LEVEL]},
        "Level of the codes; `all` answers at all four, `best` at the deepest one that is sure, with an empty label "
        "where none is. An explanation has all four for both.",
    ),
    option(
        "top_k", {"type": "integer", "minimum": 1, "maximum": MAX_TOP_K}, "How many codes for each title and level."
    ),
    option("exact", {"type": "boolean"}, "Whether a title that the training data lists gets the codes listed for it."),
    {
        "name": ATTRIBUTES_HEADER,
        "in": "header",
        "required": False,
        "schema": {"type": "string"},
        "description": "The same parameters for InvokeEndpoint, which passes no query on: `level=detailed,top_k=3`.",
    },
]
ANSWER_OPTIONS = [
    *OPTIONS,
    option(
        "to",
        _TO_SCHEMA,
        "The classification of the codes, by the official crosswalks. For ISCO-08, the levels are its codes of 1, 2, 3 "
        "and 4 digits; `level` may be the number.",
    ),
]
ANSWER = {
    "description": "The answers, in the format that Accept asks for; by default in the body's format",
    "content": {
        JSON: {"schema": _ANSWER_SCHEMA, "example": {"predictions": [[_ITEM]], "model": DIGEST, "schema": SCHEMA}},
        LINES: {
            "schema": {"type": "string"},
            "example": '{"predictions":[{"label":"29-0000","code":"29-0000","name":"…"}],"model":"…","schema":1}',
        },
        CSV: {"schema": {"type": "string"}, "example": "code,name,score,confidence,level,abstain,reason,source\n"},
    },
}
EXPLAIN_BODY = {
    "required": True,
    "content": {
        JSON: {
            "schema": {
                "type": "object",
                "required": ["title"],
                "additionalProperties": False,
                "properties": {"title": {"type": ["string", "null"]}, "parameters": _PARAMETERS_SCHEMA},
            },
            "example": {"title": "licensed practical nurse", "parameters": {"level": "detailed"}},
        }
    },
}
EXPLANATION = {
    "read": "licensed practical nurse",
    "levels": [
        {
            "level": "detailed",
            "label": "29-2061",
            "code": "29-2061",
            "name": "Licensed Practical and Licensed Vocational Nurses",
            "score": 0.95,
            "base": 0.01,
            "answer": 0.97,
            "source": "exact",
            "words": [{"word": "licensed", "worth": 0.58}, {"word": "practical", "worth": 0.36}],
        }
    ],
    "listed": [{"code": "29-2061", "sources": 4, "official": False, "model": 0.95, "share": 0.97}],
    "similar": [{"title": "Licensed Practical Nurse (LPN)", "codes": ["29-2061"], "alike": 0.8}],
    "model": DIGEST,
    "schema": SCHEMA,
}
EXPLANATION_SCHEMA = {
    "type": "object",
    "required": list(EXPLANATION),
    "properties": {
        "read": {"type": "string", "description": "The title as the model reads it."},
        "levels": {
            "type": "array",
            "description": "One item for each level asked for: the code that /invocations puts first, and the model's "
            "`score` for it, which is `base` (without words) and the worths of all words. `answer` is its score there.",
            "items": {"type": "object"},
        },
        "listed": {
            "type": "array",
            "description": "The detailed codes that training lists for the title: how many of O*NET's sources list "
            "each, whether the SOC itself names the title so, and its share by the model alone and in the answer.",
            "items": {"type": "object"},
        },
        "similar": {
            "type": "array",
            "description": "Similar titles from the package's starter data. They don't change any answer.",
            "items": {"type": "object"},
        },
        "model": {"type": "string", "description": "The model's digest."},
    },
}
