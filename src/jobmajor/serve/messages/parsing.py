"""Parse a request's body into its titles: JSON, JSON lines or CSV, in order and none left out.

Any fault is a 422 that names where it is. A body that can be read only in part is refused whole: answers to a part
of it would no longer line up with the rows that were sent.
"""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from jobmajor.serve.messages import overrides, shapes
from jobmajor.serve.messages.media import CSV, JSON, Media
from jobmajor.serve.messages.parameters import kind
from jobmajor.serve.messages.refusal import Refusal, shown
from jobmajor.serve.messages.shapes import CONTEXT, PARAMETERS, TITLE

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from jobmajor.model.rules.overrides import Overrides

TITLES, CODE = "titles", "code"
_SURROGATE = re.compile("[\ud800-\udfff]")


class Instances(NamedTuple):
    """The titles of a body in order, with an empty text for null, and the `parameters` of a JSON body.

    `contexts` has a second text for each title, empty where there is none; None if no title has one. `overrides` are
    titles with the client's codes, None without any.
    """

    titles: list[str]
    contexts: list[str] | None
    parameters: Mapping[str, Any]
    overrides: Overrides | None = None


def instances(body: bytes, media: Media) -> Instances:
    """Return what a body asks about.

    Raises:
        Refusal: 422 for a body that does not fit its Content-Type, or lacks a title.
    """
    text = _decoded(body)
    if media.kind == JSON:
        return _json(text)
    return _csv(text, media) if media.kind == CSV else _lines(text)


def titles(body: bytes) -> list[str]:
    """Return the titles of `{"titles": [...]}`.

    Raises:
        Refusal: 422 for another body.
    """
    found = _loaded(_decoded(body), "the body")
    if not isinstance(found, dict) or list(found) != [TITLES] or not isinstance(found[TITLES], list):
        raise Refusal(422, 'the body has another shape: expected {"titles": ["a title", ...]}', field="body")
    return [_text(value, f"{TITLES}[{index}]") for index, value in enumerate(found[TITLES])]


def choice(body: bytes) -> tuple[str, str | None]:
    """Return the title and the code of `{"title": …, "code": …}`; the code is None where a choice is taken back.

    Raises:
        Refusal: 422 for another body, a title that can't have a code, or an unknown code.
    """
    found = _loaded(_decoded(body), "the body")
    if not isinstance(found, dict) or {*found} != {TITLE, CODE}:
        raise Refusal(422, 'the body has another shape: expected {"title": "a title", "code": "29-1141"}', field="body")
    title, code = _text(found[TITLE], TITLE), found[CODE]
    overrides.text(title, "the title", TITLE)
    return title, None if code is None else overrides.checked(code, "the body", CODE)


def texts(body: bytes, needed: Collection[str], others: Collection[str] = ()) -> dict[str, str]:
    """Return the texts of an object that has the `needed` keys; of `others` those that it has and that are not null.

    Raises:
        Refusal: 422 for another body, or a value that is no text.
    """
    found = _loaded(_decoded(body), "the body")
    if not isinstance(found, dict) or not {*needed} <= {*found} <= {*needed, *others}:
        wanted = ", ".join([repr(name) for name in needed] + [f"perhaps {name!r}" for name in others])
        raise Refusal(422, f"the body has another shape: expected an object with {wanted}", field="body")
    return {name: _text(value, name) for name, value in found.items() if name in needed or value is not None}


def title(body: bytes) -> tuple[str, Mapping[str, Any]]:
    """Return the title of `{"title": …}`, and its `parameters`.

    Raises:
        Refusal: 422, as `titles`.
    """
    found = _loaded(_decoded(body), "the body")
    if not isinstance(found, dict):
        raise Refusal(422, f'the body is a {kind(found)}: expected {{"title": "a title"}}', field="body")
    unknown = [name for name in found if name not in (TITLE, PARAMETERS)]
    if unknown:
        raise Refusal(422, f"the body has {shown(unknown[0])}: expected {TITLE!r} and {PARAMETERS!r}", field="body")
    return _title(found, "the body"), _parameters(found)


def _decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refusal(422, f"the body is not UTF-8 at byte {error.start}: send UTF-8 text", field="body") from error


def _parameters(body: Mapping[str, Any]) -> Mapping[str, Any]:
    found = body.get(PARAMETERS, {})
    if not isinstance(found, dict):
        raise Refusal(422, f"{PARAMETERS!r} is a {kind(found)}: expected an object", field=PARAMETERS)
    return found


def _json(text: str) -> Instances:
    body = _loaded(text, "the body")
    values = shapes.values(body)
    if not isinstance(body, dict):
        return _read(values, {})
    return _read(values, _parameters(body))._replace(overrides=overrides.of_body(body))


def _read(values: Sequence[tuple[str, Any]], parameters: Mapping[str, Any]) -> Instances:
    """Return what values say, each with the words that name it in a refusal."""
    found = [_title(value, where) for where, value in values]
    contexts = None
    if any(isinstance(value, dict) and value.get(CONTEXT) not in (None, "") for _, value in values):
        contexts = [_context(value, where) for where, value in values]
    return Instances(found, contexts, parameters)


def _lines(text: str) -> Instances:
    rows = text.split("\n")  # not splitlines: JSON may contain U+2028 unescaped
    if rows[-1].strip() == "":
        rows.pop()
    return _read([(f"line {number}", _loaded(row, f"line {number}")) for number, row in enumerate(rows, 1)], {})


def _loaded(text: str, where: str) -> Any:
    field = where.removeprefix("the ")
    try:
        return json.loads(text, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        sentence = f"{where} is no JSON ({error.msg.lower()} at character {error.pos})"
        raise Refusal(422, f"{sentence}: send valid JSON", field=field) from error
    except (ValueError, RecursionError) as error:  # NaN, a number that is too long, or nesting too deep
        raise Refusal(422, f"{where} holds a number or a nesting that can't be read", field=field) from error


def _no_number(name: str) -> float:
    raise ValueError(name)


def _title(value: Any, where: str) -> str:
    """Return a title as it was sent; `where` names it in a refusal."""
    if isinstance(value, dict):
        if TITLE not in value:
            raise Refusal(422, f"{where} has no {TITLE!r}: expected a text or an object with that key", field=where)
        value, where = value[TITLE], f"{where}.{TITLE}"
    return _text(value, where)


def _context(value: Any, where: str) -> str:
    return _text(value.get(CONTEXT), f"{where}.{CONTEXT}") if isinstance(value, dict) else ""


def _text(value: Any, where: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Refusal(422, f"{where} is a {kind(value)}: expected text", field=where)
    if not value.isascii() and _SURROGATE.search(value):
        raise Refusal(422, f"{where} holds half of a surrogate pair: expected Unicode text", field=where)
    return value


def _csv(text: str, media: Media) -> Instances:
    if "\0" in text:
        raise Refusal(422, f"the body holds a NUL at character {text.index(chr(0))}: expected CSV text", field="body")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        head = next(reader, []) if media.has_header else [TITLE]
        column, second = _column(head), head.index(CONTEXT) if CONTEXT in head else None
        rows = [_cells(row, head, reader.line_num) for row in reader] if media.has_header else _bare(reader, media)
    except csv.Error as error:
        where = f"line {reader.line_num}"
        raise Refusal(
            422, f"{where} is no CSV ({error}): quote fields that hold quotes or lines", field=where
        ) from error
    contexts = [] if second is None else [row[second] if row else "" for row in rows]
    return Instances([row[column] if row else "" for row in rows], contexts if any(contexts) else None, {})


def _bare(reader: Any, media: Media) -> list[list[str]]:
    """Return the titles of a body without a header. Each line must have as many fields as the first one.

    Which of several fields is the title can't be guessed: `Cook, Line` without quotes is two fields as well.
    """
    found: list[list[str]] = []
    count = 0
    for row in reader:
        if row:
            count = count or len(row)
            _check_bare(row, count, media.column, f"line {reader.line_num}")
        found.append([row[(media.column or 1) - 1]] if row else [])
    return found


def _check_bare(row: list[str], count: int, column: int | None, where: str) -> None:
    if column is None and len(row) > 1:
        sentence = f"{where} has {len(row)} fields, and no header says which one is the title"
        do = "quote a title that holds a comma, or send Content-Type: text/csv; header=absent; column=1"
        raise Refusal(422, f"{sentence}: {do}", field=where)
    if len(row) != count:
        raise Refusal(422, f"{where} has {len(row)} fields: expected {count}, as the first line", field=where)
    if column is not None and column > count:
        sentence = f"{where} has {count} fields: expected {column} or more, as Content-Type's 'column' says"
        raise Refusal(422, sentence, field=where)


def _column(head: list[str]) -> int:
    if TITLE in head:
        return head.index(TITLE)
    do = "name the column 'title', or send Content-Type: text/csv; header=absent"
    raise Refusal(422, f"none of the CSV's {len(head)} columns is 'title': {do}", field=TITLE)


def _cells(row: list[str], head: list[str], line: int) -> list[str]:
    """Return a row if it has as many cells as the header. An empty line counts if there is no other column."""
    if not row and len(head) <= 1:
        return row
    if len(row) != len(head):
        where = f"line {line}"
        raise Refusal(422, f"{where} has {len(row)} fields: expected {len(head)}, as the header", field=where)
    return row
