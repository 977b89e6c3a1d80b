"""The OpenAPI document: the paths of the API, what each takes, and how each can answer.

The document is written by hand, as the routes' own code reads every request. The tests hold it to the routes, and
schemathesis holds the routes to it.
"""

from __future__ import annotations

from typing import Any

from jobmajor.serve.messages.media import CSV, JSON, WORKBOOK
from jobmajor.serve.page import queue_schemas, respoken, review_schemas, schemas
from jobmajor.serve.page.schemas import ALWAYS, REFUSALS, option, refusal
from jobmajor.soc import chosen

_DESCRIPTION = """Job titles in, Standard Occupational Classification (SOC) 2018 codes out.

Each title gets a list of codes, best first. `score` is a probability, 0 to 1. If `abstain` is true, a person should
review the answer: `reason` says why. `source` says where the answer comes from: `exact` is a code that the training
data lists for exactly this title, `model` is the model's prediction.

If the service requires keys, send `Authorization: Bearer KEY` or `X-API-Key: KEY`."""


def document(version: str) -> dict[str, Any]:
    """Return the document, for one version of the package and the classification in use."""
    found = _of_soc(version)
    return found if chosen.now().is_soc else respoken.document(found)


def _of_soc(version: str) -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {"title": "jobmajor", "description": _DESCRIPTION, "version": version},
        "paths": {
            "/invocations": {"post": _INVOCATIONS},
            "/execution-parameters": {"get": _EXECUTION_PARAMETERS},
            "/explain": {"post": _EXPLAIN},
            "/tables": {"post": _TABLES},
            "/normalise": {"post": review_schemas.NORMALISE},
            "/codes": {"get": review_schemas.CODES},
            "/classification": {"get": review_schemas.CLASSIFICATION},
            "/reviews": {"post": review_schemas.REVIEWS},
            **queue_schemas.PATHS,
            "/ping": {"get": _PING},
            "/version": {"get": _VERSION},
            "/lineage": {"get": _LINEAGE},
            "/metrics": {"get": _METRICS},
        },
        "components": review_schemas.components(),
    }


def _success(example: dict[str, Any]) -> dict[str, Any]:
    return {"description": "Successful Response", "content": {JSON: {"schema": {}, "example": example}}}


_INVOCATIONS = {
    "tags": ["titles"],
    "summary": "Invocations",
    "description": "Return the SOC codes of titles, best first, with scores and whether a person should review them.",
    "operationId": "invocations_invocations_post",
    "responses": {"200": schemas.ANSWER, **REFUSALS},
    "requestBody": schemas.TITLES_BODY,
    "parameters": schemas.ANSWER_OPTIONS,
}
_EXECUTION_PARAMETERS = {
    "tags": ["titles"],
    "summary": "Execution Parameters",
    "description": "Return what a SageMaker batch transform may send: a request's size, and how many at a time.",
    "operationId": "execution_parameters_execution_parameters_get",
    "responses": {
        "200": _success({"MaxConcurrentTransforms": 1, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 6}),
        **ALWAYS,
    },
}
_EXPLAIN = {
    "tags": ["titles"],
    "summary": "Explained",
    "description": "Return how much each word of a title adds to the score of its code; the parts add up to the score.",
    "operationId": "explained_explain_post",
    "responses": {
        "200": {
            "description": "The contribution of each word",
            "content": {JSON: {"schema": schemas.EXPLANATION_SCHEMA, "example": schemas.EXPLANATION}},
        },
        **{status: each for status, each in REFUSALS.items() if status != "406"},
    },
    "requestBody": schemas.EXPLAIN_BODY,
    "parameters": schemas.OPTIONS,
}
_TABLES = {
    "tags": ["tables"],
    "summary": "Table",
    "description": "Convert a sheet of an .xlsx workbook to CSV. The service stores nothing.",
    "operationId": "table_tables_post",
    "responses": {
        "200": {
            "description": "The sheet. The header X-Jobmajor-Sheets has its name and those of all sheets, as JSON",
            "content": {CSV: {"schema": {"type": "string"}, "example": "id,title\n007,licensed practical nurse\n"}},
        },
        **{status: each for status, each in REFUSALS.items() if status not in ("406", "415", "422")},
        "415": refusal("Unsupported format", f"Content-Type is 'text/csv': expected {WORKBOOK}", "Content-Type"),
        "422": refusal("Not a readable workbook", "the workbook: found plain text, expected an .xlsx …", "body"),
    },
    "requestBody": {
        "required": True,
        "content": {WORKBOOK: {"schema": {"type": "string", "format": "binary"}, "example": "(an .xlsx file)"}},
    },
    "parameters": [option("sheet", {"type": "string"}, "The sheet's name. The default is the first sheet.")],
}
_PING = {
    "tags": ["health"],
    "summary": "Ping",
    "description": "Return whether to send requests here: 503 as soon as the service begins to shut down.",
    "operationId": "ping_ping_get",
    "responses": {
        "200": _success({"status": "ok"}),
        "503": {"description": "Shutting down", "content": {JSON: {"example": {"status": "draining"}}}},
    },
}
_MAJOR = {"level": "major", "name": "major group"}
_VERSION = {
    "tags": ["health"],
    "summary": "Version",
    "description": "Return the package's version, the model that answers, and what of a review you may do here.",
    "operationId": "version_version_get",
    "responses": {
        "200": _success(
            {
                "version": "0.2.0",
                "model": schemas.DIGEST,
                "codes": {"major": 22, "minor": 95, "broad": 440, "detailed": 820},
                "classification": {"name": "SOC 2018", "texts": "job titles", "levels": [_MAJOR]},
                "lineage": {"source": {"release": "28.1"}},
                "context": True,
                "reviews": False,
                "queue": False,
            }
        ),
        **ALWAYS,
    },
}
_LINEAGE = {
    "tags": ["health"],
    "summary": "Lineage",
    "description": "Return where the model that answers comes from: files, rows, reviewed titles, settings, code, run, "
    "figures, the gate's decision, and who promoted it. `facts` says the same in lines. A model that is in no registry "
    "has no run, figures and decision.",
    "operationId": "lineage_lineage_get",
    "responses": {
        "200": _success(
            {
                "model": schemas.DIGEST,
                "lineage": {"version": 3, "data": {"release": "28.1"}, "rows": {"train": 67155}},
                "facts": [{"name": "champion", "value": "promoted 2026-11-30T06:22:32+00:00 by ann"}],
            }
        ),
        **ALWAYS,
    },
}
_METRICS = {
    "tags": ["health"],
    "summary": "Counts",
    "description": "Return metrics for Prometheus.",
    "operationId": "counts_metrics_get",
    "responses": {
        "200": {
            "description": "Successful Response",
            "content": {"text/plain": {"schema": {"type": "string"}, "example": "jobmajor_batches_total 3\n"}},
        },
        "401": schemas.UNKNOWN_KEY,
    },
}
