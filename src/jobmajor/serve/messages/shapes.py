"""The shapes of a JSON body that holds titles: our own, and those that clients of other model servers send.

- `{"instances": [...]}`: SageMaker and TensorFlow Serving, and the shape that the documentation shows.
- `{"inputs": "a title"}` or `{"inputs": [...]}`: Hugging Face.
- `{"dataframe_split": {"columns": [...], "data": [...]}}` and `{"dataframe_records": [...]}`: MLflow.
- a list of titles, or one object with a title.

`parameters` and `overrides` may stand in each object. Of a data frame, the column `title` counts, or its only column.

Source: https://mlflow.org/docs/latest/genai/serving (formats of the scoring server);
https://huggingface.co/docs/inference-providers/tasks/text-classification
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobmajor.serve.messages import overrides
from jobmajor.serve.messages.parameters import kind
from jobmajor.serve.messages.refusal import Refusal, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

TITLE, CONTEXT, INSTANCES, PARAMETERS = "title", "context", "instances", "parameters"
INPUTS, SPLIT, RECORDS = "inputs", "dataframe_split", "dataframe_records"
_LISTS = (INSTANCES, INPUTS, SPLIT, RECORDS)
_COLUMNS, _DATA, _INDEX = "columns", "data", "index"
_EXPECTED = 'expected {"instances": ["a title", ...]}'


def values(body: Any) -> list[tuple[str, Any]]:
    """Return the titles of a body that was read, each with the words that name it in a refusal.

    A title is a text, null, or an object with a title.

    Raises:
        Refusal: 422 if the body has none of the shapes.

    >>> values({"inputs": "nurse"})
    [('inputs', 'nurse')]
    >>> values({"dataframe_split": {"columns": ["job"], "data": [["nurse"]]}})
    [('dataframe_split.data[0]', {'title': 'nurse'})]
    """
    if isinstance(body, list):
        return _numbered("body", body)
    if not isinstance(body, dict):
        raise Refusal(422, f"the body is a {kind(body)}: {_EXPECTED}", field=INSTANCES)
    named = [name for name in (*_LISTS, TITLE) if name in body]
    if not named:
        raise Refusal(422, f"the body is an object without {INSTANCES!r}: {_EXPECTED}", field=INSTANCES)
    if len(named) > 1:
        found = f"the body has both {named[0]!r} and {named[1]!r}"
        raise Refusal(422, f"{found}: send the titles under one of the two", field="body")
    unknown = [name for name in body if name not in (*named[:1], PARAMETERS, overrides.NAME)]
    if named == [TITLE]:
        return [("the body", {name: body[name] for name in (TITLE, CONTEXT) if name in body})]
    if unknown:
        expected = f"expected {named[0]!r}, {PARAMETERS!r} and {overrides.NAME!r}"
        raise Refusal(422, f"the body has {shown(unknown[0])}: {expected}", field="body")
    return _listed(named[0], body[named[0]])


def _listed(name: str, given: Any) -> list[tuple[str, Any]]:
    if name == SPLIT:
        return _split(given)
    if name == INPUTS and (isinstance(given, str | dict)):
        return [(INPUTS, given)]
    found = _numbered(name, _list(name, given, "titles"))
    return _records(found) if name == RECORDS else found


def _numbered(name: str, given: Sequence[Any]) -> list[tuple[str, Any]]:
    return [(f"{name}[{index}]", value) for index, value in enumerate(given)]


def _list(name: str, given: Any, of: str) -> list[Any]:
    if not isinstance(given, list):
        raise Refusal(422, f"{name!r} is a {kind(given)}: expected a list of {of}", field=name)
    return given


def _split(given: Any) -> list[tuple[str, Any]]:
    if not isinstance(given, dict) or not {_COLUMNS, _DATA} <= set(given) <= {_COLUMNS, _DATA, _INDEX}:
        raise Refusal(422, f"{SPLIT!r} is no data frame: expected {_COLUMNS!r} and {_DATA!r}", field=SPLIT)
    names, where = _list(f"{SPLIT}.{_COLUMNS}", given[_COLUMNS], "names"), f"{SPLIT}.{_DATA}"
    rows = _numbered(where, _list(where, given[_DATA], "rows"))
    place, second = _place(names), names.index(CONTEXT) if CONTEXT in names else None
    for name, row in rows:
        if not isinstance(row, list) or len(row) != len(names):
            found = f"has {len(row)} cells" if isinstance(row, list) else f"is a {kind(row)}"
            raise Refusal(422, f"{name} {found}: expected a list of {len(names)}, as the columns", field=name)
    if second is None or second == place:
        return [(name, {TITLE: row[place]}) for name, row in rows]
    return [(name, {TITLE: row[place], CONTEXT: row[second]}) for name, row in rows]


def _place(names: list[Any]) -> int:
    if TITLE not in names and len(names) != 1:
        where = f"{SPLIT}.{_COLUMNS}"
        found = f"{where!r} has {len(names)} names, and none is {TITLE!r}"
        raise Refusal(422, f"{found}: name the column of titles so, or send it alone", field=where)
    return names.index(TITLE) if TITLE in names else 0


def _records(rows: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Return the records as objects with a title; of records with one and the same key, that is the title."""
    for name, row in rows:
        if not isinstance(row, dict):
            raise Refusal(422, f"{name} is a {kind(row)}: expected an object with a title", field=name)
    keys = {tuple(row) for _, row in rows}
    if len(keys) == 1 and len(only := keys.pop()) == 1:
        return [(name, {TITLE: row[only[0]]}) for name, row in rows]
    return rows
