"""What the OpenAPI says beyond the routes' names: bodies, options, examples, and how requests are refused."""

from __future__ import annotations

from typing import Any

from jobmajor import soc
from jobmajor.serve.messages.media import CSV, JSON, LINES
from jobmajor.serve.messages.wanted import ALL, HEADER, MOST
from jobmajor.serve.page.spreadsheet import TYPE as WORKBOOK

DESCRIPTION = """Job titles in, Standard Occupational Classification (SOC) 2018 codes out.

Each title gets a list of codes, best first. `score` is a share, 0 to 1. Where `abstain` is true a person should look:
`reason` says why. `source` says where the answer comes from: `exact` is what training lists for that very title,
`model` is what the model makes of its words.

Where keys are in use, send `Authorization: Bearer KEY` or `X-API-Key: KEY`."""

_DIGEST = "9f2c" * 16
_ITEM = {
    "label": "29-0000",
    "name": "Healthcare Practitioners and Technical Occupations",
    "score": 0.993,
    "level": "major",
    "abstain": False,
    "reason": "",
    "source": "model",
}
_ITEM_SCHEMA = {
    "type": "object",
    "required": list(_ITEM),
    "properties": {
        "label": {"type": "string", "description": "A code of SOC 2018."},
        "name": {"type": "string", "description": "Its official title."},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "level": {"type": "string", "enum": list(soc.LEVELS)},
        "abstain": {"type": "boolean", "description": "Whether a person should look at this level's answer."},
        "reason": {"type": "string", "enum": ["", "unsure", "not a title", "unknown language"]},
        "source": {"type": "string", "enum": ["exact", "model"]},
    },
}
_ITEMS_SCHEMA = {"type": "array", "items": _ITEM_SCHEMA}
_TITLE_SCHEMA = {
    "anyOf": [
        {"type": ["string", "null"], "description": "A title; null counts as an empty one."},
        {"type": "object", "required": ["title"], "properties": {"title": {"type": ["string", "null"]}}},
    ]
}
_ANSWER_SCHEMA = {
    "type": "object",
    "required": ["predictions", "model"],
    "properties": {
        "predictions": {"type": "array", "items": _ITEMS_SCHEMA, "description": "One list to each title, in order."},
        "model": {"type": "string", "description": "The model's digest: one model answers a whole request."},
    },
}
_PARAMETERS_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "level": {"type": "string", "enum": [*soc.LEVELS, ALL]},
        "top_k": {"type": "integer", "minimum": 1, "maximum": MOST},
        "exact": {"type": "boolean"},
    },
}
_BODY = {
    "required": True,
    "content": {
        JSON: {
            "schema": {
                "type": "object",
                "required": ["instances"],
                "additionalProperties": False,
                "properties": {
                    "instances": {"type": "array", "items": _TITLE_SCHEMA},
                    "parameters": _PARAMETERS_SCHEMA,
                },
            },
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
        "field": {"type": "string", "description": "What it is about; empty: the request as a whole."},
    },
}


def _refusal(text: str, detail: str, field: str) -> dict[str, Any]:
    content = {"schema": _REFUSAL_SCHEMA, "example": {"detail": detail, "field": field}}
    return {"description": text, "content": {JSON: content}}


_UNKNOWN_KEY = _refusal("No key, or an unknown one", "the request's key is unknown: ask for a new one", "Authorization")
_BUSY = _refusal("Busy; Retry-After says when", "the service is busy: try again in a second", "")
_TOO_MANY = _refusal("A key's share is used up", "this key has too many requests open: wait for their answers", "")
_ALWAYS = {"401": _UNKNOWN_KEY, "429": _TOO_MANY, "503": _BUSY}
_REFUSALS = {
    "400": _refusal("The body was cut off", "the body ended before its announced end: send it again", "body"),
    "406": _refusal("None of our formats", f"Accept is 'text/html': expected {JSON}, {LINES} or {CSV}", "Accept"),
    "408": _refusal("Too slow", "the body did not come within 60 s, or stopped for 10 s: send it again", "body"),
    "413": _refusal("Too large", "the body is larger than 6,291,456 bytes: split it", "Content-Length"),
    "415": _refusal(
        "Another format", f"Content-Type is 'text/plain': expected {JSON}, {LINES} or {CSV}", "Content-Type"
    ),
    "422": _refusal("Not as described", "instances[3] is a number: expected text", "instances[3]"),
    **_ALWAYS,
}


def _option(name: str, schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": text}


_OPTIONS = [
    _option("level", {"type": "string", "enum": [*soc.LEVELS, ALL]}, "Of the codes; `all` answers at all four."),
    _option("top_k", {"type": "integer", "minimum": 1, "maximum": MOST}, "How many codes to each title and level."),
    _option("exact", {"type": "boolean"}, "Whether a title that training lists is answered by what it lists."),
    {
        "name": HEADER,
        "in": "header",
        "required": False,
        "schema": {"type": "string"},
        "description": "The same through InvokeEndpoint, which passes no query on: `level=detailed,top_k=3`.",
    },
]
_ANSWER = {
    "description": "The answers, in the format that Accept asks for, else in the body's own",
    "content": {
        JSON: {"schema": _ANSWER_SCHEMA, "example": {"predictions": [[_ITEM]], "model": _DIGEST}},
        LINES: {
            "schema": {"type": "string"},
            "example": '{"predictions":[{"label":"29-0000","name":"…"}],"model":"…"}',
        },
        CSV: {"schema": {"type": "string"}, "example": "label,name,score,level,abstain,reason,source\n"},
    },
}


def refusable(kept: dict[str, Any]) -> dict[str, Any]:
    """A route's own words, with the refusals that any route but /ping can give."""
    return {**kept, "responses": {**_ALWAYS, **kept.get("responses", {})}}


INVOCATIONS: dict[str, Any] = {
    "responses": {"200": _ANSWER, **_REFUSALS},
    "openapi_extra": {"requestBody": _BODY, "parameters": _OPTIONS},
}
_EXPLAIN_BODY = {
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
_EXPLANATION = {
    "read": "licensed practical nurse",
    "levels": [
        {
            "level": "detailed",
            "label": "29-2061",
            "name": "Licensed Practical and Licensed Vocational Nurses",
            "score": 0.97,
            "source": "exact",
            "words": [{"word": "licensed", "worth": 0.58}, {"word": "practical", "worth": 0.09}],
        }
    ],
    "similar": [{"title": "Licensed Practical Nurse (LPN)", "codes": ["29-2061"], "alike": 0.8}],
    "model": _DIGEST,
}
_EXPLANATION_SCHEMA = {
    "type": "object",
    "required": list(_EXPLANATION),
    "properties": {
        "read": {"type": "string", "description": "The title as the model reads it."},
        "levels": {
            "type": "array",
            "description": "One to each level asked for: the code that /invocations puts first, its share by the model "
            "alone, and for each word how much of that share is lost without it (negative: won).",
            "items": {"type": "object"},
        },
        "similar": {
            "type": "array",
            "description": "Of the starter titles, which the package carries; they change no answer.",
            "items": {"type": "object"},
        },
        "model": {"type": "string", "description": "The model's digest."},
    },
}
EXPLAIN: dict[str, Any] = {
    "responses": {
        "200": {
            "description": "What the words are worth",
            "content": {JSON: {"schema": _EXPLANATION_SCHEMA, "example": _EXPLANATION}},
        },
        **{status: each for status, each in _REFUSALS.items() if status != "406"},
    },
    "openapi_extra": {"requestBody": _EXPLAIN_BODY, "parameters": _OPTIONS},
}
_TABLE = {
    "description": "The sheet; the header X-Jobmajor-Sheets names it and all others, as JSON",
    "content": {CSV: {"schema": {"type": "string"}, "example": "id,title\n007,licensed practical nurse\n"}},
}
TABLES: dict[str, Any] = {
    "responses": {
        "200": _TABLE,
        **{status: each for status, each in _REFUSALS.items() if status not in ("406", "415", "422")},
        "415": _refusal("Another format", f"Content-Type is another format: expected {WORKBOOK}", "Content-Type"),
        "422": _refusal("No workbook that can be read", "the workbook: found plain text, expected an .xlsx …", "body"),
    },
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {WORKBOOK: {"schema": {"type": "string", "format": "binary"}, "example": "(an .xlsx file)"}},
        },
        "parameters": [_option("sheet", {"type": "string"}, "Its name; the first one where it is left out.")],
    },
}
PING: dict[str, Any] = {
    "responses": {
        "200": {"content": {JSON: {"example": {"status": "ok"}}}},
        "503": {"description": "About to end", "content": {JSON: {"example": {"status": "draining"}}}},
    }
}
VERSION: dict[str, Any] = {
    "responses": {
        "200": {
            "content": {
                JSON: {
                    "example": {
                        "version": "0.1.0",
                        "model": _DIGEST,
                        "codes": {"major": 22, "minor": 95, "broad": 440, "detailed": 820},
                        "lineage": {"source": {"release": "28.1"}},
                    }
                }
            }
        }
    }
}
EXECUTION: dict[str, Any] = {
    "responses": {
        "200": {
            "content": {
                JSON: {"example": {"MaxConcurrentTransforms": 1, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 6}}
            }
        }
    }
}
METRICS: dict[str, Any] = {
    "responses": {
        "200": {"content": {"text/plain": {"schema": {"type": "string"}, "example": "jobmajor_batches_total 3\n"}}},
        "401": _UNKNOWN_KEY,
    }
}
